//! Query files: comment heads and the SQL under them.

use aquifer::sql::Lexis;

pub(super) const WORDS: &[&str] = &[
    "-- name: stations.get :one\n",
    "-- name: ",
    ":many",
    ":exec",
    "-- http: GET /stations/{id}\n",
    "-- http: ",
    "POST ",
    "/{id}",
    "-- param id: int64 min=1\n",
    "-- param ",
    "enum(a, b)",
    "text?",
    " = ",
    "-- limit: 50 max 500\n",
    "-- limit 50 max 500\n",
    "-- param x int64\n",
    "-- http GET /a\n",
    "-- doc: ",
    "SELECT :id",
    ";\n",
    "'",
    "/*",
    "\n",
    "é",
];

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match aquifer_service::parse("fuzz.sql", text, &Lexis::sqlite()) {
        Ok(queries) => {
            for query in &queries {
                assert!(!query.name.is_empty(), "{text:?}");
                head_is_read(text, query);
            }
        }
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty(), "refused without a reason: {text:?}");
            for diagnostic in &diagnostics {
                let lines = text.split('\n').count();
                assert!(
                    (1..=lines.max(1)).contains(&diagnostic.line),
                    "{diagnostic:?} in {text:?}"
                );
                assert!(diagnostic.column >= 1, "{diagnostic:?} in {text:?}");
                assert!(!diagnostic.message.is_empty(), "{text:?}");
            }
        }
    }
}

/// A key at the start of a line of an accepted head has its colon: without one it would be a comment.
fn head_is_read(text: &str, query: &aquifer_service::Query) {
    if text.contains("/*") {
        // A line inside of a block comment is no line of the head.
        return;
    }
    let (first, last) = (query.location.name.0, query.location.sql.0);
    for line in text.split('\n').take(last - 1).skip(first - 1) {
        let blank = |c: char| matches!(c, ' ' | '\t' | '\u{feff}');
        let Some(comment) = line.trim_start_matches(blank).strip_prefix("--") else {
            continue;
        };
        for key in ["name", "http", "doc", "param", "limit"] {
            if let Some(rest) = comment.trim_start().strip_prefix(key)
                && !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || "-_".contains(c))
            {
                assert!(rest.contains(':'), "`{key}` passes for a comment: {text:?}");
            }
        }
    }
}
