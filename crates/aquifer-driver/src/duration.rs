//! Durations as texts, in options of every kind. (The pool, which depends on no crate of ours, reads its own
//! options by the same rules.)

use std::time::Duration;

const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// `250ms`, `1.5s`, `1h30m`. A number without a unit is refused: nobody can tell seconds from milliseconds.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit_len = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_len);
        let unit = match unit {
            "µs" => "us",
            other => other,
        };
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scale(number, *size)?)?;
        rest = next;
    }
    Some(Duration::from_nanos(total))
}

/// A decimal number times a whole one, exactly, or `None` if it does not come out even.
fn scale(number: &str, size: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut value = whole.parse::<u64>().ok()?.checked_mul(size)?;
    if number.contains('.') {
        let ten = 10u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(size);
        if part % u128::from(ten) != 0 {
            return None;
        }
        value = value.checked_add(u64::try_from(part / u128::from(ten)).ok()?)?;
    }
    Some(value)
}

/// The shortest spelling with one unit: `90s`, `30m`, `250ms`.
pub fn show(span: Duration) -> String {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 {
        return "0s".to_owned();
    }
    let (unit, size) =
        UNITS.iter().find(|(_, size)| nanos % size == 0).copied().unwrap_or(("ns", 1));
    format!("{}{unit}", nanos / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_and_shown_in_the_same_form() {
        for (text, ms) in [("250ms", 250), ("90s", 90_000), ("30m", 1_800_000), ("2h", 7_200_000)] {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
            assert_eq!(show(Duration::from_millis(ms)), text);
        }
        assert_eq!(parse("1.5s"), parse("1s500ms"));
        assert_eq!(parse("0s"), Some(Duration::ZERO));
    }

    #[test]
    fn what_has_no_unit_or_no_end_is_refused() {
        for text in ["", "10", "s", "-1s", "1 s", "1.2.3s", "1x", "99999999999999999999s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
