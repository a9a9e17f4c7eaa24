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
