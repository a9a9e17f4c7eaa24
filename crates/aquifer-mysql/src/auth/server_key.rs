//! The server's public RSA key: read from a file, and checked before a password is encrypted by it.
//!
//! The key may come from a server that nobody has checked, and the arithmetic behind the plugins takes its form for
//! granted: a modulus of zero or of a few bytes would make it panic.

use std::path::Path;

use aquifer_driver::{Error, ErrorKind, Result};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

/// Bytes of a modulus: 1024 to 16384 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 128..=2048;

/// `rsaEncryption` of PKCS #1, with its NULL.
const ALGORITHM: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

/// Reads a key in PEM form.
///
/// # Errors
///
/// `Configuration`, naming the file.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let unusable = |why: &dyn std::fmt::Display| {
        let path = path.display();
        Error::new(
            ErrorKind::Configuration,
            format!("the file {path} of `serverPubKey` cannot be used: {why}"),
        )
    };
    let pem = std::fs::read(path).map_err(|error| unusable(&error))?;
    if !is_key(&pem) {
        return Err(unusable(&"it has no public RSA key in PEM form (`BEGIN PUBLIC KEY`)"));
    }
    Ok(Zeroizing::new(pem))
}

/// Whether this is a public RSA key that passwords can be encrypted by.
pub(super) fn is_key(pem: &[u8]) -> bool {
    // Whoever reads the key afterwards does not look for its beginning.
    let pem = pem.trim_ascii();
    if !pem.starts_with(b"-----BEGIN PUBLIC KEY-----")
        || !pem.ends_with(b"-----END PUBLIC KEY-----")
    {
        return false;
    }
    SubjectPublicKeyInfoDer::from_pem_slice(pem).is_ok_and(|der| is_rsa(&der).is_some())
}

/// SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING { SEQUENCE { modulus, exponent } } }
fn is_rsa(der: &[u8]) -> Option<()> {
    let (info, rest) = element(der, 0x30)?;
    let (algorithm, bits) = element(info, 0x30)?;
    let (key, after) = element(bits, 0x03)?;
    let (numbers, behind) = element(key.strip_prefix(&[0])?, 0x30)?;
    let (modulus, exponent) = element(numbers, 0x02)?;
    let (exponent, end) = element(exponent, 0x02)?;
    let modulus = modulus.strip_prefix(&[0])?;
    let whole = [rest, after, behind, end].iter().all(|part| part.is_empty());
    // RFC 8017: both are odd, and the exponent is at least 3.
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    let sound = MODULUS.contains(&modulus.len())
        && modulus.first().is_some_and(|first| first & 0x80 != 0)
        && odd(modulus)
        && odd(exponent)
        && exponent.len() <= 8
        && exponent != [1];
    (whole && algorithm == ALGORITHM && sound).then_some(())
}

/// The content of the element with this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (len, rest) = match der.strip_prefix(&[tag])? {
        [len @ 0..=0x7f, rest @ ..] => (usize::from(*len), rest),
        [0x81, len, rest @ ..] => (usize::from(*len), rest),
        [0x82, high, low, rest @ ..] => (usize::from(*high) << 8 | usize::from(*low), rest),
        _ => return None,
    };
    rest.split_at_checked(len)
}

#[cfg(test)]
pub(super) const KEY: &[u8] = include_bytes!("fixtures/public_key.pem");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sound_key_is_one() {
        assert!(is_key(KEY));
        let text = std::str::from_utf8(KEY).unwrap();
        for cut in 0..text.trim_end().len() {
            assert!(!is_key(&KEY[..cut]), "{cut}");
        }
        for (from, to) in [("PUBLIC", "PRIVATE"), ("-----BEGIN", "x-----BEGIN")] {
            assert!(!is_key(text.replace(from, to).as_bytes()), "{from}");
        }
        let der = SubjectPublicKeyInfoDer::from_pem_slice(KEY).unwrap();
        assert!(is_rsa(&der).is_some());
        for at in 0..33 {
            let mut changed = der.to_vec();
            changed[at] ^= 0x80;
            assert!(is_rsa(&changed).is_none(), "byte {at}");
        }
        let mut even = der.to_vec();
        *even.last_mut().unwrap() = 0;
        assert!(is_rsa(&even).is_none());
    }
}
