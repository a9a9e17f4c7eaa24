//! "Did you mean": the nearest of the names that exist.

/// The candidate closest to `name`, if one is close enough to be what was meant.
///
/// ```
/// assert_eq!(aquifer_driver::suggest::nearest("max_opn", ["max_open", "min_idle"]), Some("max_open"));
/// assert_eq!(aquifer_driver::suggest::nearest("colour", ["max_open", "min_idle"]), None);
/// assert_eq!(aquifer_driver::suggest::nearest("x", ["a", "b"]), None);
/// ```
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > 64 {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            (strsim::damerau_levenshtein(&lower, &candidate.to_ascii_lowercase()), candidate)
        })
        .filter(|(distance, candidate)| match candidate.len().min(name.len()) {
            // Any letter is one letter from any other: that is no likeness.
            0 | 1 => *distance == 0,
            length => *distance <= length.div_ceil(3),
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
