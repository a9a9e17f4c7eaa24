//! SQLSTATE codes, by name and class.
//!
//! The list is PostgreSQL's own (`sqlstate/codes.txt`); the constants are generated from it.

use std::fmt;

mod codes;

/// The five characters that say what kind of error or warning a server reports.
///
/// Codes of the server's extensions and of `RAISE ... USING ERRCODE` need not be in PostgreSQL's list:
/// they have no [`name`](Self::name), and perhaps no [`class_name`](Self::class_name).
///
/// ```
/// use aquifer_postgres::SqlState;
///
/// let state = SqlState::new("23505").unwrap();
/// assert_eq!(state, SqlState::UNIQUE_VIOLATION);
/// assert_eq!(state.name(), Some("unique_violation"));
/// assert_eq!(state.class(), "23");
/// assert_eq!(state.class_name(), Some("Integrity Constraint Violation"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// The code of this text; `None` unless it is five ASCII digits and capital letters.
    pub fn new(code: &str) -> Option<Self> {
        Self::from_bytes(code.as_bytes())
    }

    pub(crate) fn from_bytes(code: &[u8]) -> Option<Self> {
        let code: [u8; 5] = code.try_into().ok()?;
        let fits = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
        code.iter().all(fits).then_some(Self(code))
    }

    /// The five characters: `23505`.
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }

    /// The condition's name, as PL/pgSQL knows it: `unique_violation`.
    pub fn name(self) -> Option<&'static str> {
        let at = codes::NAMES.binary_search_by(|(code, _)| code.cmp(&self.0)).ok()?;
        Some(codes::NAMES[at].1)
    }

    /// The class, which is the first two characters: `23`.
    pub fn class(&self) -> &str {
        ascii(&self.0[..2])
    }

    /// The class's title: `Integrity Constraint Violation`.
    pub fn class_name(self) -> Option<&'static str> {
        let class = &self.0[..2];
        let at = codes::CLASSES.binary_search_by(|(code, _)| code[..].cmp(class)).ok()?;
        Some(codes::CLASSES[at].1)
    }
}

fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlState({self})")
    }
}

impl PartialEq<str> for SqlState {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for SqlState {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = include_str!("sqlstate/codes.txt");

    #[test]
    fn the_generated_tables_are_what_the_list_says() {
        let mut names = Vec::new();
        let mut classes = Vec::new();
        for line in LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(class) = line.strip_prefix("Class ") {
                let (code, title) = class.split_once(' ').unwrap();
                classes.push((<[u8; 2]>::try_from(code.as_bytes()).unwrap(), title));
            } else {
                let words: Vec<&str> = line.split(' ').collect();
                names.push((<[u8; 5]>::try_from(words[0].as_bytes()).unwrap(), words[2]));
            }
        }
        assert_eq!(codes::NAMES, names, "type: cargo xtask generate");
        assert_eq!(codes::CLASSES, classes, "type: cargo xtask generate");
        assert!(names.len() > 250);
    }

    #[test]
    fn the_tables_are_sorted_and_every_code_has_a_class() {
        assert!(codes::NAMES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(codes::CLASSES.is_sorted_by(|a, b| a.0 < b.0));
        for (code, name) in codes::NAMES {
            let state = SqlState::from_bytes(code).unwrap();
            assert_eq!(state.name(), Some(*name));
            assert!(state.class_name().is_some(), "{state}");
        }
    }

    #[test]
    fn a_code_outside_the_list_has_its_class_only() {
        let state = SqlState::new("23X99").unwrap();
        assert_eq!((state.name(), state.class()), (None, "23"));
        assert_eq!(state.class_name(), Some("Integrity Constraint Violation"));
        assert_eq!(SqlState::new("AB123").unwrap().class_name(), None);
    }

    #[test]
    fn what_is_not_five_digits_and_capitals_is_no_code() {
        for text in ["", "2350", "235055", "2350a", "2350é", "23 05"] {
            assert_eq!(SqlState::new(text), None, "{text:?}");
        }
    }

    #[test]
    fn conditions_of_one_name_in_several_classes_have_a_constant_each() {
        assert_eq!(SqlState::STRING_DATA_RIGHT_TRUNCATION, "22001");
        assert_eq!(SqlState::WARNING_STRING_DATA_RIGHT_TRUNCATION, "01004");
        assert_eq!(SqlState::TRANSACTION_TIMEOUT, "25P04");
        assert_eq!(format!("{:?} {0}", SqlState::DEADLOCK_DETECTED), "SqlState(40P01) 40P01");
    }
}
