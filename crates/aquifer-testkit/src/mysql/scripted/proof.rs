//! Whether what a client sent proves that it has the password: each plugin's arithmetic, as a server does it. Pure.

use ring::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use ring::pbkdf2;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::rsa;

/// The algorithm, the iterations (1024, doubled so often), and the salt of `parsec`.
pub(super) const PARSEC_SALT: &[u8; 20] = b"P\x00salt of eighteen!!";

fn sha1(parts: &[&[u8]]) -> Vec<u8> {
    digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, &parts.concat()).as_ref().to_vec()
}

fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    digest::digest(&SHA256, &parts.concat()).as_ref().to_vec()
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

/// `mysql_native_password`: the digest of the password, hidden by the digest of nonce and digest of the digest.
pub(super) fn native(password: &str, nonce: &[u8], answer: &[u8]) -> bool {
    if password.is_empty() || answer.is_empty() {
        return password.is_empty() && answer.is_empty();
    }
    // Servers store only this.
    let stored = sha1(&[&sha1(&[password.as_bytes()])]);
    let digest = xor(answer, &sha1(&[nonce, &stored]));
    answer.len() == 20 && sha1(&[&digest]) == stored
}

/// What `caching_sha2_password` remembers.
pub(super) fn remembered(password: &str) -> Vec<u8> {
    sha256(&[&sha256(&[password.as_bytes()])])
}

/// The fast way of `caching_sha2_password`, by what is remembered.
pub(super) fn caching_sha2(remembered: &[u8], nonce: &[u8], answer: &[u8]) -> bool {
    let digest = xor(answer, &sha256(&[remembered, nonce]));
    answer.len() == 32 && sha256(&[&digest]) == remembered
}

/// The password itself, with its NUL.
pub(super) fn clear(password: &str, answer: &[u8]) -> bool {
    answer.strip_suffix(&[0]) == Some(password.as_bytes())
}

/// The password with its NUL and hidden by the nonce, encrypted by the server's key.
pub(super) fn encrypted(password: &str, nonce: &[u8], answer: &[u8]) -> bool {
    let Some(hidden) = rsa::decrypt(answer) else { return false };
    let nonce: Vec<u8> = nonce.iter().copied().cycle().take(hidden.len()).collect();
    clear(password, &xor(&hidden, &nonce))
}

/// `client_ed25519`: a signature of the nonce, by the key that the account has.
pub(super) fn ed25519(key: &[u8], nonce: &[u8], answer: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(nonce, answer).is_ok()
}

/// `parsec`: the client's own nonce and a signature of both, by a key that is derived from the password.
pub(super) fn parsec(password: &str, nonce: &[u8], answer: &[u8]) -> bool {
    let Some((own, signature)) = answer.split_at_checked(32) else { return false };
    let mut seed = [0; 32];
    let [_, factor, salt @ ..] = PARSEC_SALT;
    let Some(rounds) = std::num::NonZeroU32::new(1024 << factor) else { return false };
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, rounds, salt, password.as_bytes(), &mut seed);
    let Ok(pair) = Ed25519KeyPair::from_seed_unchecked(&seed) else { return false };
    ed25519(pair.public_key().as_ref(), &[nonce, own].concat(), signature)
}
