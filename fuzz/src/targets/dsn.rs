//! Data source names: what users paste, from the command line and from configuration.

use aquifer_driver::{Dsn, ErrorKind};

pub(super) const WORDS: &[&str] = &[
    "sqlite:",
    "sqlite://",
    "postgres://",
    ":memory:",
    "app:hunter2@",
    "@",
    ":",
    "?",
    "&",
    "=",
    "%",
    "%41",
    "%ff",
    "%00",
    "/",
    "#",
    "[::1]",
    "mode=",
    "pool_max_open=",
    "é",
];

/// The password of the corpus: long enough not to come about by chance.
const PASSWORD: &str = "hunter2";

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Dsn::parse(text) {
        Ok(dsn) => check_parts(text, dsn),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Configuration, "{text:?}");
            let shown = error.to_string();
            assert!(!shown.is_empty() && !shown.contains(char::is_control), "{shown:?}");
        }
    }
}

fn check_parts(text: &str, mut dsn: Dsn) {
    assert!(dsn.is_url());
    assert!(text.to_ascii_lowercase().starts_with(dsn.scheme()), "{text:?}");
    assert!(text[dsn.scheme().len() + 1..].starts_with(dsn.body()), "{text:?}");

    // What is hidden: the password of `//user:password@host`, and every option's value.
    let shown = format!("{dsn} {dsn:?}");
    if let Some((user, host)) = dsn.body().strip_prefix("//").and_then(|body| body.rsplit_once('@'))
        && let Some((name, _)) = user.split_once(':')
        && ![dsn.scheme(), name, host].iter().any(|open| open.contains(PASSWORD))
        && !dsn.params().iter().any(|(key, _)| key.contains(PASSWORD))
    {
        assert!(!shown.contains(PASSWORD), "{text:?} shown as {shown:?}");
    }

    let keys = |dsn: &Dsn| dsn.params().iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    let before = keys(&dsn);
    let taken = dsn.take_params("pool_");
    let after = keys(&dsn);
    assert_eq!(before.len(), taken.len() + after.len(), "{text:?}");
    assert!(after.iter().all(|key| !key.starts_with("pool_")), "{text:?}");
    let mut distinct = before.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), before.len(), "an option came twice: {text:?}");
}
