//! Statements to ask about: written by hand, found in this repository, and put together.

/// Written by hand, each with what is expected of it in a comment before it.
pub(crate) fn written() -> Vec<(&'static str, &'static str)> {
    let blocks =
        include_str!("written.sql").split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    blocks
        .map(|block| {
            let (expected, sql) = block.split_once('\n').expect(block);
            (expected.strip_prefix("-- ").expect(block), sql)
        })
        .collect()
}

/// From the tests, the documents and the benchmarks of this repository, as they were once.
pub(crate) fn found() -> Vec<&'static str> {
    include_str!("found.sql")
        .split("\n\n")
        .map(str::trim)
        .filter(|block| !block.is_empty())
        .collect()
}

/// Each expression in each place where one can stand.
pub(crate) fn put_together() -> Vec<String> {
    let expressions = include_str!("expressions.txt").lines();
    let places: Vec<&str> = include_str!("places.txt").lines().collect();
    expressions
        .flat_map(|expression| places.iter().map(move |place| place.replace("{}", expression)))
        .collect()
}
