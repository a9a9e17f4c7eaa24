//! MD5 passwords: `md5` and the digest, in hex, of the stored digest and the server's salt.

use md5::{Digest, Md5};
use zeroize::Zeroizing;

/// "md5" + hex(md5(hex(md5(password + user)) + salt))
pub(super) fn response(user: &str, password: &[u8], salt: [u8; 4]) -> String {
    let stored = Md5::new().chain_update(password).chain_update(user.as_bytes()).finalize();
    // It is as good as the password: whoever has it can log in.
    let stored = Zeroizing::new(hex(&stored));
    let salted = Md5::new().chain_update(stored.as_bytes()).chain_update(salt).finalize();
    format!("md5{}", hex(&salted))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out with `printf | md5sum`: user `postgres`, password `secret`, salt 01 02 03 04.
    #[test]
    fn the_response_is_what_the_server_works_out() {
        assert_eq!(
            response("postgres", b"secret", [1, 2, 3, 4]),
            "md5bb41a296aab6baccb36ff243a562abff"
        );
    }
}
