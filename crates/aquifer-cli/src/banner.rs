//! What `aquifer serve` says when it is ready: a page for people, or one line of JSON for programs.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use aquifer_service::{Catalog, Kind, Method, Query};
use serde_json::json;

/// Names of required parameters that a line of the page has room for.
const NEEDED_SHOWN: usize = 4;

/// What there is to say.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) is_demo: bool,
    /// Where the data is, for people, and for programs: an absolute path if it is a file's.
    pub(crate) data: &'a str,
    pub(crate) data_path: Option<&'a str>,
    /// The engine and its version: `SQLite 3.50.4`.
    pub(crate) engine: &'a str,
    /// Where the queries are, likewise.
    pub(crate) queries: &'a str,
    pub(crate) queries_path: Option<&'a str>,
    pub(crate) catalog: &'a Catalog,
    pub(crate) checked_in: Duration,
    pub(crate) api: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) ready_in: Duration,
}

/// How text is made to stand out, if at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) colour: bool,
}

impl Style {
    fn bold(self, text: impl std::fmt::Display) -> String {
        if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_string() }
    }

    fn dim(self, text: impl std::fmt::Display) -> String {
        if self.colour { format!("\x1b[2m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// Whether a demo outlives the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    Kept,
    InMemory,
}

/// The first line, before any work is done.
pub(crate) fn title(demo: Option<Keeping>, style: Style) -> String {
    let what = match demo {
        Some(Keeping::Kept) => " · no database given, so here is a demo you can keep",
        Some(Keeping::InMemory) => " · a demo in memory, which leaves nothing behind",
        None => "",
    };
    format!("  {}{what}\n", style.bold(format_args!("aquifer {}", env!("CARGO_PKG_VERSION"))))
}

/// The page for people.
pub(crate) fn page(facts: &Facts<'_>, style: Style) -> String {
    let mut out = String::new();
    let api = format!("http://{}", facts.api);
    let admin = facts.admin.map(|admin| format!("http://{admin}"));
    let mut shown = vec![facts.data, facts.queries, &api];
    shown.extend(admin.as_deref());
    let value_width = width(shown.iter().map(|value| (*value).to_owned()));
    let mut line = |key: &str, value: &str, remark: &str| {
        // Writing into a `String` does not fail.
        let key = style.bold(format_args!("{key:<12}"));
        let _ = writeln!(out, "  {key}{value:<value_width$}   {}", style.dim(remark));
    };
    let size = if facts.is_demo {
        let (stations, readings) = (aquifer_service::STATIONS, aquifer_service::READINGS);
        format!(" · {} stations · {} readings", grouped(stations), grouped(readings))
    } else {
        String::new()
    };
    line("data", facts.data, &format!("{}{size}", facts.engine));
    let queries = facts.catalog.queries();
    let plural = if queries.len() == 1 { "query" } else { "queries" };
    let checked = format!(
        "{} {plural} checked against the database in {:.1} ms",
        queries.len(),
        facts.checked_in.as_secs_f64() * 1_000.0
    );
    line("queries", facts.queries, &checked);
    line("API", &api, "HTTP/1.1 · HTTP/2 on one port");
    if let Some(admin) = &admin {
        line("admin", admin, "/livez · /readyz · /startupz · /metrics");
    }
    out.push('\n');
    // What reads comes first, path by path.
    let mut queries: Vec<&Query> = queries.iter().collect();
    queries.sort_by_key(|query| (!query.route.method.is_safe(), query.route.path.to_string()));
    let path_width = width(queries.iter().map(|query| query.route.path.to_string()));
    let name_width = width(queries.iter().map(|query| query.name.clone()));
    for query in &queries {
        let _ = writeln!(
            out,
            "    {:<6} {:<path_width$}  {:<name_width$}  {}",
            query.route.method.as_str(),
            query.route.path.to_string(),
            query.name,
            style.dim(remark(query))
        );
    }
    out.push('\n');
    let mut tip = |key: &str, value: &str| {
        let _ = writeln!(out, "  {}{value}", style.bold(format_args!("{key:<8}")));
    };
    if facts.is_demo {
        if queries.iter().any(|query| query.name == "stations.get") {
            tip("try", &format!("curl {}/stations/7", facts.api));
        }
        tip("yours", "aquifer serve ./my.db --queries DIR");
    }
    tip("stop", "Ctrl-C  (requests finish first)");
    let _ = write!(out, "\n  ready in {} ms\n", facts.ready_in.as_millis());
    out
}

fn width(texts: impl Iterator<Item = String>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}

/// What is worth knowing about a query, in a few words: what it gives, and what it cannot do without.
fn remark(query: &Query) -> String {
    let in_path: Vec<&str> = query.route.path.parameters().collect();
    let needed = query.parameters.iter().filter(|parameter| {
        let required = !parameter.optional && parameter.default.is_none();
        required && !in_path.contains(&parameter.name.as_str())
    });
    let mut needed: Vec<&str> = needed.map(|parameter| parameter.name.as_str()).collect();
    if needed.len() > NEEDED_SHOWN {
        needed.truncate(NEEDED_SHOWN);
        needed.push("…");
    }
    match needed.as_slice() {
        [] => result(query),
        needed => format!("{}; needs {}", result(query), needed.join(", ")),
    }
}

/// What a query gives.
fn result(query: &Query) -> String {
    match (query.route.method, query.limit, query.kind) {
        (Method::Query, Some(limit), _) => format!("RFC 10008, or POST; up to {} rows", limit.max),
        (Method::Query, None, _) => "RFC 10008, or POST".to_owned(),
        (_, Some(limit), _) => format!("up to {} rows", limit.max),
        (Method::Get, None, Kind::One) => "one row".to_owned(),
        (Method::Get, None, _) => "all rows".to_owned(),
        (_, None, Kind::Many) => "rows".to_owned(),
        (_, None, Kind::One) => "one row".to_owned(),
        (_, None, _) => "a count".to_owned(),
    }
}

/// `200 000`.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// The same facts as one line of JSON.
pub(crate) fn json_line(facts: &Facts<'_>) -> String {
    let queries: Vec<_> = facts
        .catalog
        .queries()
        .iter()
        .map(|query| {
            json!({
                "name": query.name,
                "method": query.route.method.as_str(),
                "path": query.route.path.to_string(),
            })
        })
        .collect();
    json!({
        "event": "ready",
        "version": env!("CARGO_PKG_VERSION"),
        "demo": facts.is_demo,
        "data": facts.data_path,
        "engine": facts.engine,
        "api": format!("http://{}", facts.api),
        "admin": facts.admin.map(|admin| format!("http://{admin}")),
        "queries_dir": facts.queries_path,
        "queries": queries,
        "checked_ms": facts.checked_in.as_millis() as u64,
        "ready_ms": facts.ready_in.as_millis() as u64,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_a_query_cannot_do_without() {
        let remark = |parameters: &str, sql: &str| {
            let text = format!(
                "-- name: a.b :many\n-- http: GET /a/{{id}}\n-- param id: int64\n{parameters}{sql};"
            );
            let queries = aquifer_service::parse("q.sql", &text, &aquifer::sql::Lexis::sqlite());
            super::remark(&queries.unwrap()[0])
        };
        assert_eq!(remark("", "SELECT :id"), "all rows");
        let some = "-- param day: date\n-- param low: int64?\n-- param high: int64 = 3\n";
        assert_eq!(remark(some, "SELECT :id, :day, :low, :high"), "all rows; needs day");
        let names = ["a", "b", "c", "d", "e"];
        let many: String = names.iter().map(|name| format!("-- param {name}: text\n")).collect();
        let uses = names.map(|name| format!(":{name}")).join(", ");
        let long = remark(&many, &format!("SELECT :id, {uses}"));
        assert_eq!(long, "all rows; needs a, b, c, d, …");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1_000), "1 000");
        assert_eq!(grouped(200_000), "200 000");
    }
}
