//! The client's side of OAUTHBEARER (RFC 7628): one message with a token that the user has.
//!
//! Getting a token (device flows, browsers, refresh) is the business of programs that know their identity
//! provider; a hook that runs before each connect can bring a fresh one.

use aquifer_driver::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use super::Password;

/// What the client says when the server refuses the token and has told why (RFC 7628, section 3.2.3).
pub(super) const AFTER_REFUSAL: &[u8] = b"\x01";

/// The client's first and only message.
pub(super) fn message(token: &Password) -> Result<Zeroizing<Vec<u8>>> {
    // b64token of RFC 6750, section 2.1.
    let end = token.as_bytes().iter().rposition(|byte| *byte != b'=').map_or(0, |at| at + 1);
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    if end == 0 || !token.as_bytes()[..end].iter().all(fits) {
        return Err(Error::new(
            ErrorKind::Configuration,
            "the OAuth token holds characters that a bearer token cannot have",
        ));
    }
    // Sized at once: growing would leave copies behind.
    let mut out = Zeroizing::new(Vec::with_capacity(token.as_bytes().len() + 24));
    out.extend_from_slice(b"n,,\x01auth=Bearer ");
    out.extend_from_slice(token.as_bytes());
    out.extend_from_slice(b"\x01\x01");
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7628, section 4.1, without its optional host and port.
    #[test]
    fn the_message_is_that_of_the_rfc() {
        let token = Password::from("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
        assert_eq!(
            *message(&token).unwrap(),
            b"n,,\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
        );
    }

    #[test]
    fn what_is_no_token_is_refused_and_not_shown() {
        for wrong in ["", "=", "hunter2 x", "hunter2\u{1}", "hunter2é", "hunter2=x"] {
            let error = message(&Password::from(wrong)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{wrong:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
