//! NUMERIC: digits to the base 10 000 on the wire, decimal text in the contract.
//!
//! The wire form (numeric_send in the server's numeric.c), big-endian: how many digits (i16), the weight of
//! the first one (i16, the power of 10 000), the sign (u16), how many decimal places are shown (u16), the
//! digits (i16 each).

const POSITIVE: u16 = 0;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITE: u16 = 0xd000;
const MINUS_INFINITE: u16 = 0xf000;
/// Decimal places, at most.
const SCALE_MAX: usize = 16_383;
/// Decimal digits before the point, at most.
const WHOLE_MAX: usize = 131_072;

/// Appends the decimal text that the server itself would send; `None` if the cell is damaged.
pub(super) fn decode(cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (head, digits) = cell.split_first_chunk::<8>()?;
    let [c0, c1, w0, w1, s0, s1, d0, d1] = *head;
    let count = usize::from(u16::from_be_bytes([c0, c1]));
    let weight = i32::from(i16::from_be_bytes([w0, w1]));
    let scale = usize::from(u16::from_be_bytes([d0, d1]));
    if digits.len() != 2 * count || scale > SCALE_MAX {
        return None;
    }
    match u16::from_be_bytes([s0, s1]) {
        POSITIVE => {}
        NEGATIVE => out.push(b'-'),
        NAN => return text(out, b"NaN"),
        INFINITE => return text(out, b"Infinity"),
        MINUS_INFINITE => return text(out, b"-Infinity"),
        _ => return None,
    }
    let mut groups = digits.as_chunks::<2>().0.iter().map(|group| u16::from_be_bytes(*group));
    // The group of the current power of 10 000; 0 where none was sent.
    let mut next = || match groups.next() {
        Some(group) if group >= 10_000 => None,
        group => Some(group.unwrap_or(0)),
    };
    let start = out.len();
    for _ in 0..=weight {
        let group = next()?;
        if out.len() > start {
            out.extend_from_slice(&four(group));
        } else if group > 0 {
            let zeros = [1000, 100, 10].iter().take_while(|limit| group < **limit).count();
            out.extend_from_slice(&four(group)[zeros..]);
        }
    }
    if out.len() == start {
        out.push(b'0');
    }
    if scale > 0 {
        out.push(b'.');
        let end = out.len() + scale;
        // Groups before the first one that was sent.
        let before = usize::try_from(-1 - weight).unwrap_or(0);
        out.resize(end.min(out.len() + 4 * before), b'0');
        while out.len() < end {
            out.extend_from_slice(&four(next()?));
        }
        out.truncate(end);
    }
    Some(())
}

fn text(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    out.extend_from_slice(text);
    Some(())
}

fn four(digit: u16) -> [u8; 4] {
    [digit / 1000, digit / 100 % 10, digit / 10 % 10, digit % 10].map(|d| b'0' + d as u8)
}

/// Appends the wire form of a decimal in plain notation, or of `NaN`; false, with nothing appended, for
/// anything else, and beyond the type's limits.
pub(super) fn encode(text: &str, out: &mut Vec<u8>) -> bool {
    if text == "NaN" {
        out.extend_from_slice(&[0, 0, 0, 0, 0xc0, 0, 0, 0]);
        return true;
    }
    let (negative, unsigned) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let point = unsigned.iter().position(|b| *b == b'.').unwrap_or(unsigned.len());
    let (whole, fraction) = unsigned.split_at(point);
    let fraction = fraction.strip_prefix(b".").unwrap_or(fraction);
    let zeros = whole.iter().take_while(|b| **b == b'0').count();
    let all_digits = whole.iter().chain(fraction).all(u8::is_ascii_digit);
    if !all_digits || whole.len() + fraction.len() == 0 {
        return false;
    }
    let whole = &whole[zeros..];
    if whole.len() > WHOLE_MAX || fraction.len() > SCALE_MAX {
        return false;
    }

    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    let mut weight = whole.len().div_ceil(4) as i32 - 1;
    let (odd, fours) = whole.split_at(whole.len() % 4);
    let groups = std::iter::once(odd).filter(|odd| !odd.is_empty()).chain(fours.chunks(4));
    // Groups of the fraction are filled up behind.
    let groups = groups
        .map(|group| (group, 1))
        .chain(fraction.chunks(4).map(|group| (group, [1000, 100, 10, 1][group.len() - 1])));
    for (group, scale) in groups {
        let digit = group.iter().fold(0, |value, b| value * 10 + u16::from(b - b'0')) * scale;
        if digit == 0 && out.len() == start + 8 {
            weight -= 1;
        } else {
            out.extend_from_slice(&digit.to_be_bytes());
        }
    }
    while out.len() > start + 8 && out.ends_with(&[0, 0]) {
        out.truncate(out.len() - 2);
    }
    let count = (out.len() - start - 8) / 2;
    let (weight, sign) = match count {
        0 => (0, POSITIVE),
        _ if negative => (weight, NEGATIVE),
        _ => (weight, POSITIVE),
    };
    let words = [count as u16, weight as i16 as u16, sign, fraction.len() as u16];
    for (at, word) in words.into_iter().enumerate() {
        out[start + 2 * at..start + 2 * at + 2].copy_from_slice(&word.to_be_bytes());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wire(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(encode(text, &mut out), "{text}");
        out
    }

    fn back(cell: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        decode(cell, &mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_wire_form_is_the_servers() {
        // As numeric_send of PostgreSQL 15 gives them.
        for (text, hex) in [
            ("0", "0000000000000000"),
            ("1", "00010000000000000001"),
            ("-12.50", "0002000040000002000c1388"),
            ("10000", "00010001000000000001"),
            ("0.0001", "0001ffff000000040001"),
            ("0.00001", "0001fffe0000000503e8"),
            ("123456789.987654321", "0006000200000009000109291a852694153803e8"),
            ("100000000000000000000", "00010005000000000001"),
            ("0.00", "0000000000000002"),
            ("NaN", "00000000c0000000"),
        ] {
            let got: String = wire(text).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(got, hex, "{text}");
            assert_eq!(back(&wire(text)).as_deref(), Some(text));
        }
    }

    #[test]
    fn texts_that_are_no_plain_decimals_are_left_to_the_server() {
        for text in ["", ".", "-", "1e5", " 1", "1_0", "Infinity", "nan", "1.2.3", "--1"] {
            let mut out = vec![7];
            assert!(!encode(text, &mut out), "{text}");
            assert_eq!(out, [7]);
        }
        assert!(!encode(&"1".repeat(WHOLE_MAX + 1), &mut Vec::new()));
        assert!(!encode(&format!("0.{}", "1".repeat(SCALE_MAX + 1)), &mut Vec::new()));
    }

    #[test]
    fn numbers_at_the_limits_of_the_type_come_back() {
        for text in [
            "9".repeat(WHOLE_MAX),
            format!("1{}", "0".repeat(WHOLE_MAX - 1)),
            format!("-0.{}", "9".repeat(SCALE_MAX)),
            format!("0.{}1", "0".repeat(SCALE_MAX - 1)),
        ] {
            assert_eq!(back(&wire(&text)), Some(text));
        }
    }

    #[test]
    fn a_sign_and_zeros_in_front_do_not_matter() {
        for (text, want) in
            [("+5", "5"), ("-0.00", "0.00"), ("00012.5", "12.5"), (".5", "0.5"), ("5.", "5")]
        {
            assert_eq!(back(&wire(text)).as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn infinities_are_read() {
        assert_eq!(back(&[0, 0, 0, 0, 0xd0, 0, 0, 0x20]).as_deref(), Some("Infinity"));
        assert_eq!(back(&[0, 0, 0, 0, 0xf0, 0, 0, 0x20]).as_deref(), Some("-Infinity"));
    }

    #[test]
    fn a_damaged_cell_is_refused() {
        for cell in [
            &[][..],
            &[0, 1, 0, 0, 0, 0, 0, 0],
            &[0, 1, 0, 0, 0x10, 0, 0, 0, 0, 1],
            &[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10],
            &[0, 0, 0, 0, 0, 0, 0xff, 0xff],
            &[0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1],
        ] {
            assert_eq!(back(cell), None, "{cell:?}");
        }
    }

    proptest! {
        #[test]
        fn decimals_come_back(text in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?") {
            let zero = !text.bytes().any(|b| (b'1'..=b'9').contains(&b));
            let want = if zero { text.trim_start_matches('-') } else { &text };
            prop_assert_eq!(back(&wire(&text)), Some(want.to_owned()));
        }

        #[test]
        fn any_bytes_are_read_or_refused(cell: Vec<u8>) {
            if let Some(text) = back(&cell) {
                prop_assert!(text.ends_with("Infinity") || encode(&text, &mut Vec::new()));
            }
        }
    }
}
