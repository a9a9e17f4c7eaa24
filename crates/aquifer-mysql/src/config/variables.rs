//! System variables as parameters: what is no parameter of the driver's is set at the log-in.
//!
//! Go's driver writes such values into a statement as they are. Here they are numbers, words or quoted text, whatever
//! they contain: a connection string cannot become a statement.

/// Words that stand unquoted.
const WORDS: [&str; 6] = ["ON", "OFF", "TRUE", "FALSE", "DEFAULT", "NULL"];

/// Whether a parameter that is not in the table may be a variable's name: canonical names are lower-case.
pub(super) fn is_name(name: &str) -> bool {
    let letters =
        |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_';
    name.len() <= 64
        && name.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && name.bytes().all(letters)
}

/// Why a variable is not set to this value, if it is not.
pub(super) fn refuse(name: &str, value: &str) -> Option<&'static str> {
    let on = |value: &str| ["1", "on", "true"].iter().any(|word| word.eq_ignore_ascii_case(value));
    match name {
        "autocommit" if !on(plain(value).as_deref().unwrap_or(value)) => {
            Some("without it every statement would leave a transaction open")
        }
        "ssl" => Some("`tls` says whether and how the connection is encrypted"),
        "names" => Some("set `charset` and `collation`"),
        name if name.starts_with("character_set_") || name.starts_with("collation_") => {
            Some("set `charset` and `collation`")
        }
        name if name.starts_with("session_track_") => Some("what is tracked is the driver's own"),
        _ => literal(value).is_none().then_some("its value has a backslash or a NUL in it"),
    }
}

/// The value as it stands in a statement; `None` if none is safe in every mode of the server.
pub(crate) fn literal(value: &str) -> Option<String> {
    // Whether a backslash escapes is the server's setting.
    if value.contains(['\\', '\0']) {
        return None;
    }
    if let Some(inner) = plain(value) {
        return Some(quoted(&inner));
    }
    let digits = value.strip_prefix('-').unwrap_or(value);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(value));
    if word || (number(whole) && number(fraction)) {
        return Some(value.to_owned());
    }
    Some(quoted(value))
}

/// What users of Go's driver have put into quotes.
fn plain(value: &str) -> Option<String> {
    let inner = value.strip_prefix('\'')?.strip_suffix('\'')?;
    Some(inner.replace("''", "'"))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_number_a_word_or_quoted_text() {
        for (value, is) in [
            ("1", "1"),
            ("-1.5", "-1.5"),
            ("on", "on"),
            ("DEFAULT", "DEFAULT"),
            ("", "''"),
            ("-", "'-'"),
            ("ANSI,TRADITIONAL", "'ANSI,TRADITIONAL'"),
            ("'REPEATABLE-READ'", "'REPEATABLE-READ'"),
            ("1, b = 2", "'1, b = 2'"),
            ("'; DROP TABLE t; '", "'; DROP TABLE t; '"),
            ("a'b", "'a''b'"),
            ("'a''b'", "'a''b'"),
            ("'a'b'", "'a''b'"),
            ("'", "''''"),
        ] {
            assert_eq!(literal(value).unwrap(), is, "{value}");
        }
        assert_eq!(literal("a\\"), None);
    }

    #[test]
    fn what_the_driver_depends_on_is_not_set() {
        for (name, value) in [
            ("autocommit", "0"),
            ("character_set_client", "gbk"),
            ("collation_connection", "gbk_bin"),
            ("names", "gbk"),
            ("session_track_state_change", "OFF"),
            ("sql_mode", "\\"),
        ] {
            assert!(refuse(name, value).is_some(), "{name}");
        }
        assert_eq!(refuse("autocommit", "true"), None);
        assert_eq!(refuse("autocommit", "'1'"), None);
        assert_eq!(refuse("sql_mode", "ANSI"), None);
        assert!(!is_name("sqlMode") && !is_name("a b") && !is_name("") && !is_name("@@x"));
        assert!(is_name("innodb_lock_wait_timeout"));
    }
}
