//! Which character sets a session may have: those of UTF-8, because all text of this driver is UTF-8.
//!
//! In others (`big5`, `gbk`, `sjis` and their kin) the second byte of a letter may be a quote or a backslash, and
//! text that is sent in one and read in another becomes something else.

/// What MySQL and MariaDB call UTF-8.
const UTF_8: [&str; 3] = ["utf8mb4", "utf8mb3", "utf8"];

/// A list of character sets, the best first.
pub(super) fn parse_list(text: &str) -> Option<Vec<String>> {
    text.split(',').map(|name| is_safe(name).then(|| name.to_ascii_lowercase())).collect()
}

fn is_safe(name: &str) -> bool {
    UTF_8.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The collation of this name.
pub(super) fn collation(text: &str) -> Option<String> {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let name = text.to_ascii_lowercase();
    let (charset, rest) = name.split_once('_')?;
    // MariaDB's newer ones name no character set: they are of all that have Unicode.
    let safe = is_safe(charset) || charset == "uca1400";
    (safe && !rest.is_empty() && name.chars().all(letters)).then_some(name)
}

/// Whether the collation is one of the character set's, by its name.
pub(super) fn belong(charset: &str, collation: &str) -> bool {
    // `utf8` and `utf8mb3` are one; which of the two a collation's name begins with is the server's version.
    let of = |name: &str| if name == "utf8" { "utf8mb3" } else { name }.to_owned();
    match collation.split_once('_') {
        Some(("uca1400", _)) => true,
        Some((name, _)) => of(name) == of(charset),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_utf_8_are_taken() {
        assert_eq!(parse_list("UTF8MB4,utf8").unwrap(), ["utf8mb4", "utf8"]);
        for name in
            ["gbk", "big5", "sjis", "cp932", "gb2312", "gb18030", "latin1", "", "utf8mb4,gbk"]
        {
            assert_eq!(parse_list(name), None, "{name}");
        }
        assert!(collation("utf8mb4_0900_ai_ci").is_some() && collation("uca1400_ai_ci").is_some());
        for name in ["gbk_chinese_ci", "utf8mb4", "utf8mb4_", "utf8mb4_bin'", "latin1_swedish_ci"] {
            assert_eq!(collation(name), None, "{name}");
        }
    }
}
