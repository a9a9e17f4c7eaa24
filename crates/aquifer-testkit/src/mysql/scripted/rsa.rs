//! Taking apart what was encrypted by the server's key: RSAES-OAEP with SHA-1 of RFC 8017, section 7.1.2. For tests
//! only: it takes as long as the numbers make it.

use num_bigint::BigUint;
use ring::digest;

/// The server's public key, in PEM form.
pub const PUBLIC_KEY: &str = include_str!("fixtures/public_key.pem");

/// Its modulus and its private exponent, a line each.
const PRIVATE_KEY: &str = include_str!("fixtures/private_key.hex");

/// Bytes of the modulus.
const SIZE: usize = 256;
/// Bytes of a digest.
const DIGEST: usize = 20;

/// The message; `None` if it was not encrypted by this key.
pub(super) fn decrypt(encrypted: &[u8]) -> Option<Vec<u8>> {
    let mut numbers = PRIVATE_KEY.lines().map(|line| BigUint::parse_bytes(line.as_bytes(), 16));
    let (modulus, exponent) = (numbers.next()??, numbers.next()??);
    if encrypted.len() != SIZE {
        return None;
    }
    let opened = BigUint::from_bytes_be(encrypted).modpow(&exponent, &modulus).to_bytes_be();
    let mut block = vec![0; SIZE.checked_sub(opened.len())?];
    block.extend_from_slice(&opened);
    let (first, masked) = block.split_first()?;
    let (masked_seed, masked_data) = masked.split_at(DIGEST);
    let seed = xor(masked_seed, &mask(masked_data, DIGEST));
    let data = xor(masked_data, &mask(&seed, masked_data.len()));
    let (label, padded) = data.split_at(DIGEST);
    let nothing = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, b"");
    let zeros = padded.iter().take_while(|byte| **byte == 0).count();
    let (one, message) = padded.get(zeros..)?.split_first()?;
    (*first == 0 && label == nothing.as_ref() && *one == 1).then(|| message.to_vec())
}

/// MGF1 of the same document, with SHA-1.
fn mask(seed: &[u8], len: usize) -> Vec<u8> {
    let mut mask = Vec::with_capacity(len + DIGEST);
    for counter in 0_u32.. {
        if mask.len() >= len {
            break;
        }
        let input = [seed, &counter.to_be_bytes()].concat();
        let part = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &input);
        mask.extend_from_slice(part.as_ref());
    }
    mask.truncate(len);
    mask
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_key_s_own_is_taken_apart() {
        assert_eq!(decrypt(&[7; SIZE]), None);
        assert_eq!(decrypt(&[0; SIZE]), None);
        assert_eq!(decrypt(b"secret\0"), None);
    }

    #[test]
    fn what_openssl_has_encrypted_is_read() {
        assert_eq!(decrypt(include_bytes!("fixtures/encrypted.bin")).unwrap(), b"hunter2\0");
    }
}
