//! The costly part of SCRAM, done once: password, salt and iteration count to keys.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hashlink::LruCache;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Password;

/// What is kept of a salted password: all that SCRAM needs of it (RFC 5802, section 3).
pub(super) struct Keys {
    client: [u8; 32],
    server: [u8; 32],
}

impl Keys {
    /// PBKDF2 with `iterations` rounds; this is what takes time.
    pub(super) fn derive(password: &Password, salt: &[u8], iterations: u32) -> Self {
        let mut salted = Zeroizing::new([0; 32]);
        pbkdf2::pbkdf2_hmac::<Sha256>(&password.prepared(), salt, iterations, &mut *salted);
        Self {
            client: hmac(&*salted, b"Client Key").finalize().into_bytes().into(),
            server: hmac(&*salted, b"Server Key").finalize().into_bytes().into(),
        }
    }

    /// ClientKey XOR HMAC(H(ClientKey), AuthMessage)
    pub(super) fn client_proof(&self, auth_message: &[u8]) -> [u8; 32] {
        let stored: [u8; 32] = Sha256::digest(self.client).into();
        let mut proof: [u8; 32] = hmac(&stored, auth_message).finalize().into_bytes().into();
        proof.iter_mut().zip(&self.client).for_each(|(proof, key)| *proof ^= key);
        proof
    }

    /// Compares in constant time.
    pub(super) fn is_server_signature(&self, auth_message: &[u8], signature: &[u8]) -> bool {
        hmac(&self.server, auth_message).verify_slice(signature).is_ok()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.client.zeroize();
        self.server.zeroize();
    }
}

impl ZeroizeOnDrop for Keys {}

fn hmac(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac
}

/// Password, salt and iteration count, as one digest: the cache itself holds no password.
type Key = [u8; 32];

/// The keys of the last few log-ins, so that a second connection does no PBKDF2.
///
/// It belongs to whoever opens the connections of one server, and is shared by them. It holds a bounded
/// number of entries, gives up the one that was not used for longest, and wipes what it gives up. A
/// changed password or salt is another entry. Of several log-ins at once, one derives and the others wait
/// for it, which takes them no longer than doing it themselves.
pub(crate) struct SaltedPasswords {
    entries: Mutex<LruCache<Key, Arc<OnceLock<Keys>>, foldhash::fast::RandomState>>,
    derivations: AtomicU64,
}

impl SaltedPasswords {
    /// Enough for a server's roles with a password before and after its change.
    pub(crate) const ENTRIES: usize = 16;

    /// Keeps up to `entries_max`; with 0, none.
    pub(crate) fn new(entries_max: usize) -> Self {
        let hasher = foldhash::fast::RandomState::default();
        Self {
            entries: Mutex::new(LruCache::with_hasher(entries_max, hasher)),
            derivations: AtomicU64::new(0),
        }
    }

    /// How often keys had to be derived.
    pub(crate) fn derivations(&self) -> u64 {
        self.derivations.load(Ordering::Relaxed)
    }

    pub(super) fn keys(&self, password: &Password, salt: &[u8], iterations: u32) -> SharedKeys {
        let key = digest(password, salt, iterations);
        let entry = {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            match entries.get(&key) {
                Some(entry) => Arc::clone(entry),
                None => {
                    let entry = Arc::default();
                    entries.insert(key, Arc::clone(&entry));
                    entry
                }
            }
        };
        entry.get_or_init(|| {
            self.derivations.fetch_add(1, Ordering::Relaxed);
            Keys::derive(password, salt, iterations)
        });
        SharedKeys(entry)
    }
}

impl fmt::Debug for SaltedPasswords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaltedPasswords")
            .field("derivations", &self.derivations())
            .finish_non_exhaustive()
    }
}

/// Keys that the cache has, too. Always derived.
pub(super) struct SharedKeys(Arc<OnceLock<Keys>>);

impl std::ops::Deref for SharedKeys {
    type Target = Keys;

    fn deref(&self) -> &Keys {
        self.0.get().expect("SaltedPasswords::keys derives before it shares")
    }
}

fn digest(password: &Password, salt: &[u8], iterations: u32) -> Key {
    // Lengths first, so that no two inputs run together to the same bytes.
    Sha256::new()
        .chain_update((password.as_bytes().len() as u64).to_be_bytes())
        .chain_update(password.as_bytes())
        .chain_update((salt.len() as u64).to_be_bytes())
        .chain_update(salt)
        .chain_update(iterations.to_be_bytes())
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        text.into()
    }

    #[test]
    fn the_same_password_salt_and_count_are_derived_once() {
        let salted = SaltedPasswords::new(SaltedPasswords::ENTRIES);
        let first = salted.keys(&password("pencil"), b"salt", 2);
        let second = salted.keys(&password("pencil"), b"salt", 2);
        assert_eq!(salted.derivations(), 1);
        assert_eq!(first.client_proof(b"m"), second.client_proof(b"m"));
    }

    #[test]
    fn another_password_salt_or_count_is_derived_anew() {
        let salted = SaltedPasswords::new(SaltedPasswords::ENTRIES);
        let all = [
            ("a", "b", 1),
            ("a", "b", 2),
            ("a", "c", 1),
            ("b", "b", 1),
            ("", "ab", 1),
            ("ab", "", 1),
        ];
        let mut proofs: Vec<[u8; 32]> = all
            .iter()
            .map(|(text, salt, count)| {
                salted.keys(&password(text), salt.as_bytes(), *count).client_proof(b"m")
            })
            .collect();
        assert_eq!(salted.derivations(), all.len() as u64);
        proofs.sort_unstable();
        proofs.dedup();
        assert_eq!(proofs.len(), all.len());
    }

    #[test]
    fn the_entry_not_used_for_longest_is_given_up() {
        let salted = SaltedPasswords::new(2);
        let derive = |salt: &str| drop(salted.keys(&password("p"), salt.as_bytes(), 1));
        derive("a");
        derive("b");
        derive("a");
        derive("c");
        assert_eq!(salted.derivations(), 3);
        derive("a");
        assert_eq!(salted.derivations(), 3, "a was used after b");
        derive("b");
        assert_eq!(salted.derivations(), 4);
        assert_eq!(salted.entries.lock().unwrap().len(), 2);
    }

    #[test]
    fn without_room_every_log_in_derives() {
        let salted = SaltedPasswords::new(0);
        drop(salted.keys(&password("p"), b"a", 1));
        drop(salted.keys(&password("p"), b"a", 1));
        assert_eq!(salted.derivations(), 2);
        assert_eq!(salted.entries.lock().unwrap().len(), 0);
    }

    #[test]
    fn of_many_log_ins_at_once_one_derives() {
        let salted = SaltedPasswords::new(1);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| salted.keys(&password("p"), b"salt", 100).client_proof(b"m"));
            }
        });
        assert_eq!(salted.derivations(), 1);
    }

    #[test]
    fn nothing_shown_holds_a_password_or_a_key() {
        let salted = SaltedPasswords::new(1);
        drop(salted.keys(&password("hunter2"), b"salt", 1));
        assert_eq!(format!("{salted:?}"), "SaltedPasswords { derivations: 1, .. }");
    }
}
