//! What the server asks for: the body of an `R` message.

use aquifer_driver::Result;

use super::broken;

/// libpq takes no longer authentication request, so no server sends one.
pub(crate) const BODY_BYTES_MAX: usize = 2_000;
const MECHANISMS_MAX: usize = 32;

/// A request, by the codes of the protocol's chapter "Message Formats".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// 0: the server is content.
    Ok,
    /// 2: Kerberos V5, which no living server asks for.
    KerberosV5,
    /// 3
    CleartextPassword,
    /// 5
    Md5Password { salt: [u8; 4] },
    /// 7
    Gss,
    /// 8: a token of GSSAPI or SSPI.
    GssContinue,
    /// 9
    Sspi,
    /// 10: the names of mechanisms, in the server's order.
    Sasl(Vec<&'a str>),
    /// 11
    SaslContinue(&'a [u8]),
    /// 12
    SaslFinal(&'a [u8]),
    /// Any other code.
    Unknown(u32),
}

impl<'a> Request<'a> {
    /// Reads the body, all of it.
    ///
    /// # Errors
    ///
    /// [`Protocol`](aquifer_driver::ErrorKind::Protocol) for a body that is too short, too long or has a
    /// rest.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self> {
        let wrong = || broken("the server's authentication request is malformed");
        if body.len() > BODY_BYTES_MAX {
            return Err(broken(format!(
                "the server's authentication request has {} bytes; no more than {BODY_BYTES_MAX} are taken",
                body.len()
            )));
        }
        let (code, rest) = body.split_first_chunk::<4>().ok_or_else(wrong)?;
        let alone = |request| if rest.is_empty() { Ok(request) } else { Err(wrong()) };
        match u32::from_be_bytes(*code) {
            0 => alone(Self::Ok),
            2 => alone(Self::KerberosV5),
            3 => alone(Self::CleartextPassword),
            5 => Ok(Self::Md5Password { salt: rest.try_into().map_err(|_| wrong())? }),
            7 => alone(Self::Gss),
            8 => Ok(Self::GssContinue),
            9 => alone(Self::Sspi),
            10 => mechanisms(rest).map(Self::Sasl).ok_or_else(wrong),
            11 => Ok(Self::SaslContinue(rest)),
            12 => Ok(Self::SaslFinal(rest)),
            code => Ok(Self::Unknown(code)),
        }
    }
}

/// Texts, each ended by a NUL, and a NUL after the last.
fn mechanisms(mut rest: &[u8]) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    loop {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (name, after) = (&rest[..end], &rest[end + 1..]);
        if name.is_empty() {
            return (after.is_empty() && !names.is_empty()).then_some(names);
        }
        if names.len() == MECHANISMS_MAX {
            return None;
        }
        names.push(std::str::from_utf8(name).ok()?);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquifer_driver::ErrorKind;
    use proptest::prelude::*;

    #[test]
    fn every_request_is_read() {
        assert_eq!(Request::parse(&[0, 0, 0, 0]).unwrap(), Request::Ok);
        assert_eq!(Request::parse(&[0, 0, 0, 2]).unwrap(), Request::KerberosV5);
        assert_eq!(Request::parse(&[0, 0, 0, 3]).unwrap(), Request::CleartextPassword);
        assert_eq!(
            Request::parse(&[0, 0, 0, 5, 1, 2, 3, 4]).unwrap(),
            Request::Md5Password { salt: [1, 2, 3, 4] }
        );
        assert_eq!(Request::parse(&[0, 0, 0, 7]).unwrap(), Request::Gss);
        assert_eq!(Request::parse(&[0, 0, 0, 8, 1]).unwrap(), Request::GssContinue);
        assert_eq!(Request::parse(&[0, 0, 0, 9]).unwrap(), Request::Sspi);
        assert_eq!(
            Request::parse(b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0").unwrap(),
            Request::Sasl(vec!["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])
        );
        assert_eq!(
            Request::parse(b"\0\0\0\x0br=x").unwrap(),
            Request::SaslContinue(b"r=x".as_slice())
        );
        assert_eq!(
            Request::parse(b"\0\0\0\x0cv=x").unwrap(),
            Request::SaslFinal(b"v=x".as_slice())
        );
        assert_eq!(Request::parse(&[1, 0, 0, 0, 9]).unwrap(), Request::Unknown(1 << 24));
    }

    #[test]
    fn a_body_that_is_too_short_too_long_or_has_a_rest_is_refused() {
        let many = [b"\0\0\0\x0a".to_vec(), b"A\0".repeat(MECHANISMS_MAX + 1), vec![0]].concat();
        let long = [b"\0\0\0\x0b".to_vec(), vec![b'x'; BODY_BYTES_MAX]].concat();
        for bad in [
            &b""[..],
            b"\0\0\0",
            b"\0\0\0\0x",
            b"\0\0\0\x03x",
            b"\0\0\0\x05abc",
            b"\0\0\0\x05abcde",
            b"\0\0\0\x0a",
            b"\0\0\0\x0a\0",
            b"\0\0\0\x0aSCRAM",
            b"\0\0\0\x0aSCRAM\0",
            b"\0\0\0\x0aSCRAM\0\0x",
            b"\0\0\0\x0a\xff\0\0",
            &many,
            &long,
        ] {
            let error = Request::parse(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{bad:?}");
            assert!(error.nothing_sent());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Request::parse(&bytes);
        }
    }
}
