//! The text forms of values that are neither text nor numbers, and the check of decimal numbers. Pure
//! functions that allocate nothing.

use crate::ValueRef;
use crate::civil::{self, Iso};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The text of a date, time, timestamp, interval or UUID, for engines that store text in their place.
/// `None` for the other kinds, and for a time that is not within one day.
pub fn iso(value: &ValueRef<'_>) -> Option<Iso> {
    match value {
        ValueRef::Date(v) => Some(civil::date(*v)),
        ValueRef::Time(v) => civil::time(*v),
        ValueRef::Timestamp(v) => Some(civil::timestamp(*v)),
        ValueRef::TimestampTz(v) => Some(civil::timestamp_tz(*v)),
        ValueRef::Interval(v) => Some(civil::interval(*v)),
        ValueRef::Uuid(v) => Some(uuid(v)),
        _ => None,
    }
}

/// A UUID's text, hyphenated and in lower case: `67e55044-10b1-426f-9247-bb680e5fe0c8`.
pub fn uuid(bytes: &[u8; 16]) -> Iso {
    let mut out = Iso::new();
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
    out
}

/// Reads a UUID: hyphenated, or the 32 digits alone, in either case. `None` for any other text, braces and
/// `urn:uuid:` included.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    let hyphens = match bytes.len() {
        32 => false,
        36 => true,
        _ => return None,
    };
    let mut rest = bytes;
    let mut out = [0; 16];
    for (at, byte) in out.iter_mut().enumerate() {
        if hyphens && matches!(at, 4 | 6 | 8 | 10) {
            rest = rest.strip_prefix(b"-")?;
        }
        let [high, low, tail @ ..] = rest else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
        rest = tail;
    }
    rest.is_empty().then_some(out)
}

fn digit(hex: u8) -> Option<u8> {
    match hex {
        b'0'..=b'9' => Some(hex - b'0'),
        b'a'..=b'f' => Some(hex - b'a' + 10),
        b'A'..=b'F' => Some(hex - b'A' + 10),
        _ => None,
    }
}

/// True for a decimal number in plain notation: perhaps a sign, digits, perhaps a point with digits on at
/// least one side of it. No exponent, no blank, no `NaN`.
pub fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    whole.len() + fraction.len() > 0
        && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_two_forms_of_a_uuid_are_read() {
        let want = Some([
            0x67, 0xe5, 0x50, 0x44, 0x10, 0xb1, 0x42, 0x6f, 0x92, 0x47, 0xbb, 0x68, 0x0e, 0x5f,
            0xe0, 0xc8,
        ]);
        assert_eq!(parse_uuid("67e55044-10b1-426f-9247-bb680e5fe0c8"), want);
        assert_eq!(parse_uuid("67E5504410B1426F9247BB680E5FE0C8"), want);
        for text in [
            "",
            "{67e55044-10b1-426f-9247-bb680e5fe0c8}",
            "urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8",
            "67e55044-10b1-426f-9247-bb680e5fe0c",
            "67e55044-10b1-426f-9247-bb680e5fe0cg",
            "67e550441-0b1-426f-9247-bb680e5fe0c8",
            "67e55044-10b1-426f-9247bb-680e5fe0c8",
        ] {
            assert_eq!(parse_uuid(text), None, "{text}");
        }
    }

    #[test]
    fn plain_decimals_are_told_from_other_numbers() {
        for text in ["0", "-12.50", "+1", ".5", "5.", "00012", "123456789012345678901234567890.1"] {
            assert!(is_decimal(text), "{text}");
        }
        for text in
            ["", "-", ".", "-.", "1e5", "1_000", " 1", "1,5", "NaN", "Infinity", "1.2.3", "٣"]
        {
            assert!(!is_decimal(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn uuids_come_back_and_agree_with_the_uuid_crate(bytes: [u8; 16]) {
            let text = uuid(&bytes);
            prop_assert_eq!(text.as_str(), ::uuid::Uuid::from_bytes(bytes).to_string());
            prop_assert_eq!(parse_uuid(&text), Some(bytes));
            prop_assert_eq!(parse_uuid(&text.replace('-', "")), Some(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,40}|[0-9a-fA-F-]{30,38}") {
            if let Some(bytes) = parse_uuid(&text) {
                prop_assert_eq!(::uuid::Uuid::parse_str(&text).unwrap().into_bytes(), bytes);
            }
            if is_decimal(&text) {
                prop_assert!(text.parse::<f64>().is_ok());
            }
        }
    }
}
