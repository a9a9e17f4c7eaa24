//! A PostgreSQL server's errors and notices.
//!
//! An input is the statement, a NUL, and the body of an `E` message.

use aquifer_postgres::{ServerError, fuzzing};
use std::error::Error as _;

pub(super) const WORDS: &[&str] = &[
    "SERROR\u{0}",
    "VFATAL\u{0}",
    "VERROR\u{0}",
    "C22P02\u{0}",
    "C42P01\u{0}",
    "C23505\u{0}",
    "CP0001\u{0}",
    "C57014\u{0}",
    "Minvalid input syntax for type integer: \"",
    "hunter2-s3cret",
    "\"",
    "«",
    "»",
    "P1\u{0}",
    "p8\u{0}",
    "qSELECT 1\u{0}",
    "Rexec_stmt_raise\u{0}",
    "SELECT ",
    "\n",
    "\t",
    "水",
    "\u{0}",
];

/// A bound parameter that the corpus's servers quote.
const SECRET: &str = "hunter2-s3cret";

pub(super) fn run(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == 0) else {
        return;
    };
    let sql = String::from_utf8_lossy(&bytes[..end]);
    let body = &bytes[end + 1..];
    let report = fuzzing::server_error(body);
    // The same form, so the same verdict.
    assert_eq!(report.is_ok(), fuzzing::notice(body).is_ok());
    let Ok(report) = report else {
        return;
    };
    let rendered = report.render(&sql);
    assert!(rendered.starts_with(report.severity().as_str()) && rendered.ends_with('\n'));

    let error = fuzzing::into_error(report.clone(), Some(&sql));
    assert_eq!(error.is_connection_lost(), report.is_fatal(), "{error:?}");
    if let Some(position) = error.position() {
        assert!(sql.is_char_boundary(position as usize), "{position} in {sql:?}");
    }
    let source = error.source().and_then(|source| source.downcast_ref::<ServerError>());
    assert_eq!(source, Some(&report));
    check_secret(&sql, &report, &format!("{error} {error:?} {report}"));
}

/// Data that the server quotes between quotes, or raises in a function, is not shown.
fn check_secret(sql: &str, report: &ServerError, shown: &str) {
    let names = [
        report.schema(),
        report.table(),
        report.column(),
        report.data_type(),
        report.constraint(),
        report.file(),
        report.routine(),
        report.hint(),
    ];
    // Names and what stands in the statement may be shown, and messages of other classes that hold a
    // secret without quotes are none of PostgreSQL's.
    let open = names.iter().flatten().any(|name| name.contains(SECRET))
        || sql.to_ascii_lowercase().contains(SECRET);
    let message = report.message();
    let quoted = message
        .find('"')
        .zip(message.rfind('"'))
        .is_some_and(|(first, last)| message[first..last].contains(SECRET));
    let outside = message.matches(SECRET).count() > 1;
    let data = report.sqlstate().is_some_and(|state| state.class() == "22");
    if data && quoted && !outside && !open && !sql.contains('"') {
        assert!(!shown.contains(SECRET), "{message:?} is shown as {shown:?}");
    }
}
