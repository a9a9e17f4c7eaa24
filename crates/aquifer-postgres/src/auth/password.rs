//! A password, or a token that serves as one.

use std::fmt;

use zeroize::Zeroizing;

/// Bytes that are wiped when dropped and never shown. Cloning copies them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(Zeroizing<Vec<u8>>);

impl Password {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// libpq takes an empty password for none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As SCRAM hashes it: through SASLprep (RFC 4013), or as it is where SASLprep refuses it or it is not
    /// UTF-8. PostgreSQL does the same when it stores a password, so the two always agree.
    pub(super) fn prepared(&self) -> Zeroizing<Vec<u8>> {
        let prepared = std::str::from_utf8(&self.0).ok().and_then(|text| {
            let prepared = stringprep::saslprep(text).ok()?;
            (!prepared.is_empty()).then(|| prepared.into_owned().into_bytes())
        });
        prepared.map_or_else(|| self.0.clone(), Zeroizing::new)
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text.into_bytes()))
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Vec<u8>> for Password {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Password::from("hunter2")), "Password(…)");
    }

    /// The examples of RFC 4013, section 3, with what PostgreSQL does where SASLprep refuses.
    #[test]
    fn passwords_are_prepared_as_postgresql_does() {
        for (raw, prepared) in [
            ("I\u{ad}X", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            ("a\u{a0}b", "a b"),
            // Prohibited: a control character, a mix of directions, nothing left at all.
            ("\u{7}", "\u{7}"),
            ("\u{627}\u{31}", "\u{627}\u{31}"),
            ("\u{ad}", "\u{ad}"),
        ] {
            assert_eq!(*Password::from(raw).prepared(), raw_bytes(prepared), "{raw:?}");
        }
        assert_eq!(*Password::from(vec![0xff, 0xfe]).prepared(), vec![0xff, 0xfe]);
    }

    fn raw_bytes(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }
}
