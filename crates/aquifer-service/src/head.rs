//! The comment head of a query: `-- name: stations.get :one` and the lines after it.
//!
//! Pure: comment lines in, a [`Head`] or what is wrong with it out. All mistakes of a head are
//! collected, so that one run shows them all.

use aquifer_driver::Value;
use aquifer_driver::suggest;

use crate::diagnostic::Diagnostic;
use crate::parameter::{Parameter, ParameterType};
use crate::route::{Method, Path, Route, is_name};
use crate::slip::{self, Slip};
use crate::storage::Storage;

/// The keys that a head may have.
pub(crate) const KEYS: [&str; 5] = ["name", "http", "doc", "param", "limit"];
/// Keys that later versions will know; using one must not look as if it worked.
pub(crate) const LATER: [&str; 9] =
    ["cache", "auth", "mcp", "invalidates", "grpc", "tx", "idempotency-key", "source", "timeout"];
/// The largest bound that a floating-point number holds exactly with all smaller whole numbers.
const BOUND_MAX: f64 = 9_007_199_254_740_992.0;
/// Parameters that one query may have.
const PARAMETERS_MAX: usize = 256;

/// What a query's result becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `:one`: an object, or 404.
    One,
    /// `:many`: an array.
    Many,
    /// `:exec`: how many rows were changed.
    Exec,
}

impl Kind {
    /// As heads write it: `:one`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => ":one",
            Self::Many => ":many",
            Self::Exec => ":exec",
        }
    }
}

/// How many rows a `:many` query gives: the `limit` parameter's default and maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Rows when the request says nothing.
    pub default: u32,
    /// The most a request may ask for.
    pub max: u32,
}

/// What a head says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) name: String,
    /// Where the name stands in the file, in bytes.
    pub(crate) name_at: usize,
    pub(crate) kind: Kind,
    pub(crate) route: Route,
    pub(crate) route_at: usize,
    pub(crate) doc: String,
    /// Each with where its name stands.
    pub(crate) parameters: Vec<(Parameter, usize)>,
    pub(crate) limit: Option<Limit>,
}

/// One `--` comment of a file: the text after the dashes, and where it starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) text: &'a str,
    pub(crate) at: usize,
}

/// What a comment line is, as far as heads are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind<'a> {
    /// `key: rest` or `param name: rest`.
    Key(&'a str),
    /// Anything else.
    Plain,
}

impl<'a> Line<'a> {
    /// The line of a comment token's text, if it is a `--` comment and not a `---` one.
    pub(crate) fn of(comment: &'a str, at: usize) -> Option<Self> {
        let text = comment.strip_prefix("--")?;
        (!text.starts_with('-')).then_some(Self { text: text.trim_end(), at: at + 2 })
    }

    pub(crate) fn kind(self) -> LineKind<'a> {
        let text = self.text.trim_start();
        let word_end = text
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
            .unwrap_or(text.len());
        let (word, rest) = text.split_at(word_end);
        if word.is_empty() {
            LineKind::Plain
        } else if rest.starts_with(':') || word == "param" && rest.contains(':') {
            LineKind::Key(word)
        } else {
            LineKind::Plain
        }
    }

    /// What the line was meant as, if it is a line of a head without its colon.
    pub(crate) fn slip(self) -> Option<Slip> {
        if self.kind() == LineKind::Plain { slip::find(self.text) } else { None }
    }

    /// Where its first character stands that is no blank.
    pub(crate) fn text_at(self) -> usize {
        self.at + self.text.len() - self.text.trim_start().len()
    }

    /// True if this is a line that only a head has, rightly spelt.
    pub(crate) fn is_known_key(self) -> bool {
        matches!(self.kind(), LineKind::Key(key) if KEYS.contains(&key))
    }
}

/// A rest of a line that is read from the left; knows where it is in the file.
#[derive(Debug, Clone, Copy)]
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn skip_blanks(&mut self) {
        self.advance(self.text.len() - self.text.trim_start().len());
    }

    fn advance(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.text.split_at(bytes);
        self.text = rest;
        self.at += bytes;
        taken
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let end = self.text.find(|c| !accept(c)).unwrap_or(self.text.len());
        self.advance(end)
    }

    /// The next word, up to a blank.
    fn word(&mut self) -> &'a str {
        self.skip_blanks();
        self.take_while(|c| !c.is_whitespace())
    }

    fn take(&mut self, prefix: &str) -> bool {
        let found = self.text.starts_with(prefix);
        if found {
            self.advance(prefix.len());
        }
        found
    }

    fn is_done(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// Reads the lines of one head, from its `name` line on; puts what is wrong into `errors`.
pub(crate) fn read(
    file: &str,
    text: &str,
    lines: &[Line<'_>],
    errors: &mut Vec<Diagnostic>,
) -> Option<Head> {
    let before = errors.len();
    let mut reader = Reader { file, text, errors, parts: Parts::default() };
    for line in lines {
        if let LineKind::Key(key) = line.kind() {
            reader.line(key, *line);
        } else if let Some(slip) = line.slip() {
            reader.error(line.text_at(), slip.message, slip.hint);
        }
    }
    let parts = reader.finish(lines);
    if errors.len() > before { None } else { parts }
}

#[derive(Debug, Default)]
struct Parts {
    name: Option<(String, usize, Kind)>,
    route: Option<(Route, usize)>,
    doc: String,
    parameters: Vec<(Parameter, usize)>,
    limit: Option<Limit>,
    limit_at: usize,
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    errors: &'a mut Vec<Diagnostic>,
    parts: Parts,
}

impl Reader<'_> {
    fn error(&mut self, at: usize, message: impl Into<String>, hint: impl Into<String>) {
        self.errors.push(Diagnostic::at(self.file, self.text, at, message).with_hint(hint));
    }

    fn line(&mut self, key: &str, line: Line<'_>) {
        let mut cursor = Cursor { text: line.text, at: line.at };
        cursor.skip_blanks();
        let at = cursor.at;
        cursor.advance(key.len());
        // `-- param x: text -- why` may carry a remark; a `doc` keeps its dashes.
        if key != "doc"
            && let Some(end) = cursor.text.find(" --")
        {
            cursor.text = &cursor.text[..end];
        }
        match key {
            "param" => self.param(at, cursor),
            "name" | "http" | "doc" | "limit" => {
                cursor.take(":");
                cursor.skip_blanks();
                match key {
                    "name" => self.name(cursor),
                    "http" => self.http(cursor),
                    "doc" => {
                        if !self.parts.doc.is_empty() {
                            self.parts.doc.push(' ');
                        }
                        self.parts.doc.push_str(cursor.text.trim());
                    }
                    _ => self.limit(cursor),
                }
            }
            _ if LATER.contains(&key) => self.error(
                at,
                format!("`{key}:` is not supported in this version"),
                "remove the line",
            ),
            _ => {
                let hint = match suggest::nearest(key, KEYS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => {
                        format!("known are {}; start a plain comment with `---`", KEYS.join(", "))
                    }
                };
                self.error(at, format!("unknown head key `{key}`"), hint);
            }
        }
    }

    fn name(&mut self, mut cursor: Cursor<'_>) {
        const FORM: &str = "write `-- name: stations.get :one`";
        if self.parts.name.is_some() {
            return self.error(
                cursor.at,
                "a second `name` in one head",
                "end the query before it with `;`",
            );
        }
        let at = cursor.at;
        let name = cursor.word();
        if name.is_empty() || name.starts_with(':') {
            return self.error(at, "the query has no name", FORM);
        }
        if name.len() > 100 || !name.split('.').all(is_name) {
            return self.error(
                at,
                format!("`{name}` is not a query's name"),
                "names are up to 100 letters, digits and `_`, with `.` between parts",
            );
        }
        cursor.skip_blanks();
        let kind_at = cursor.at;
        let kind = match cursor.word() {
            ":one" => Kind::One,
            ":many" => Kind::Many,
            ":exec" => Kind::Exec,
            "" => {
                return self.error(
                    at,
                    format!("`{name}` does not say what it gives"),
                    "add `:one` (a row), `:many` (rows) or `:exec` (a count)",
                );
            }
            other => {
                let hint = match suggest::nearest(other, [":one", ":many", ":exec"]) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "known are :one, :many and :exec".to_owned(),
                };
                return self.error(kind_at, format!("unknown kind `{other}`"), hint);
            }
        };
        self.rest(cursor, FORM);
        self.parts.name = Some((name.to_owned(), at, kind));
    }

    /// Complains about text after what was expected.
    fn rest(&mut self, mut cursor: Cursor<'_>, form: &str) {
        if !cursor.is_done() {
            cursor.skip_blanks();
            let rest = cursor.text.trim_end();
            self.error(cursor.at, format!("`{rest}` is not expected here"), form.to_owned());
        }
    }

    fn http(&mut self, mut cursor: Cursor<'_>) {
        const FORM: &str = "write `-- http: GET /stations/{id}`";
        if self.parts.route.is_some() {
            return self.error(cursor.at, "a second `http` in one head", "a query has one route");
        }
        let at = cursor.at;
        let name = cursor.word();
        let Some(method) = Method::named(name) else {
            let known = Method::ALL.map(Method::as_str);
            let hint = match suggest::nearest(name, known) {
                _ if name == "HEAD" || name == "OPTIONS" => {
                    format!("{name} works on every route by itself")
                }
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            return self.error(at, format!("unknown method `{name}`"), hint);
        };
        cursor.skip_blanks();
        let path_at = cursor.at;
        match Path::parse(cursor.word()) {
            Ok(path) => self.parts.route = Some((Route { method, path }, at)),
            Err((offset, message)) => return self.error(path_at + offset, message, FORM),
        }
        self.rest(cursor, FORM);
    }

    fn limit(&mut self, mut cursor: Cursor<'_>) {
        const FORM: &str = "write `-- limit: 50 max 500` or `-- limit: 50`, with 1 ≤ limit ≤ max";
        if self.parts.limit.is_some() {
            return self.error(cursor.at, "a second `limit` in one head", "keep one");
        }
        let at = cursor.at;
        let default: Option<u32> = cursor.word().parse().ok();
        let max: Option<u32> = match cursor.word() {
            "" => default,
            "max" => cursor.word().parse().ok(),
            _ => None,
        };
        match (default, max) {
            (Some(default), Some(max)) if default >= 1 && default <= max => {
                self.parts.limit = Some(Limit { default, max });
                self.parts.limit_at = at;
            }
            _ => return self.error(at, "a malformed `limit`", FORM),
        }
        self.rest(cursor, FORM);
    }

    fn param(&mut self, at: usize, mut cursor: Cursor<'_>) {
        const FORM: &str =
            "write `-- param id: int64 min=1`, `text?` for optional, `= value` for a default";
        cursor.skip_blanks();
        let name_at = cursor.at;
        let name = cursor.take_while(|c| c != ':' && !c.is_whitespace());
        cursor.skip_blanks();
        if !cursor.take(":") || name.is_empty() {
            return self.error(at, "a malformed `param`", FORM);
        }
        if !is_name(name) {
            return self.error(
                name_at,
                format!("`{name}` is not a parameter's name"),
                "names are letters, digits and `_`, and do not start with a digit",
            );
        }
        if self.parts.parameters.iter().any(|(seen, _)| seen.name == name) {
            return self.error(name_at, format!("`{name}` is declared twice"), "keep one");
        }
        if self.parts.parameters.len() == PARAMETERS_MAX {
            return self.error(
                name_at,
                format!("more than {PARAMETERS_MAX} parameters"),
                "pass many values as one `json` parameter",
            );
        }
        cursor.skip_blanks();
        let Some(ty) = self.ty(&mut cursor) else { return };
        let mut parameter = Parameter::new(name, ty);
        parameter.optional = cursor.take("?");
        if !cursor.is_done() && !cursor.text.starts_with([' ', '\t', '=']) {
            return self.rest(cursor, FORM);
        }
        if self.attributes(&mut parameter, cursor, FORM) {
            self.parts.parameters.push((parameter, name_at));
        }
    }

    fn ty(&mut self, cursor: &mut Cursor<'_>) -> Option<ParameterType> {
        let at = cursor.at;
        let name = cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        if name == "enum" {
            const FORM: &str = "write `enum(new, paid)`";
            cursor.skip_blanks();
            if !cursor.take("(") {
                self.error(cursor.at, "`enum` without its words", FORM);
                return None;
            }
            let list_at = cursor.at;
            let list = cursor.take_while(|c| c != ')');
            if !cursor.take(")") {
                self.error(list_at, "the list of words is not closed", FORM);
                return None;
            }
            let words: Vec<String> = list.split(',').map(|word| word.trim().to_owned()).collect();
            if let Some(bad) = words.iter().find(|word| {
                word.is_empty() || word.contains(|c: char| c.is_whitespace() || c.is_control())
            }) {
                self.error(list_at, format!("`{bad}` is not a word of an enum"), FORM);
                return None;
            }
            if let Some((_, twice)) =
                words.iter().enumerate().find(|(index, word)| words[..*index].contains(word))
            {
                self.error(list_at, format!("`{twice}` stands twice in the enum"), "keep one");
                return None;
            }
            return Some(ParameterType::Enum(words));
        }
        let ty = ParameterType::named(name);
        if ty.is_none() {
            let known = ParameterType::meant(name);
            let hint = match known {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", ParameterType::NAMES.join(", ")),
            };
            self.error(at, format!("unknown type `{name}`"), hint);
        }
        ty
    }

    /// `min=1 max=9 as unix = 5`, in any order but the default last, because a text default may hold blanks.
    fn attributes(
        &mut self,
        parameter: &mut Parameter,
        mut cursor: Cursor<'_>,
        form: &str,
    ) -> bool {
        let mut default = None;
        loop {
            cursor.skip_blanks();
            if cursor.is_done() {
                break;
            }
            let at = cursor.at;
            if cursor.take("=") {
                cursor.skip_blanks();
                default = Some((cursor.text.trim_end(), cursor.at));
                break;
            }
            let key = cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
            if key == "as" && !cursor.text.starts_with('=') {
                if !self.storage(parameter, at, &mut cursor) {
                    return false;
                }
                continue;
            }
            if key.is_empty() || !cursor.take("=") {
                self.error(at, "a malformed `param`", form.to_owned());
                return false;
            }
            let value_at = cursor.at;
            let value = cursor.take_while(|c| !c.is_whitespace());
            let bound = value.parse::<f64>().ok().filter(|bound| bound.abs() <= BOUND_MAX);
            let slot = match key {
                "min" => &mut parameter.min,
                "max" => &mut parameter.max,
                _ => {
                    let hint = match suggest::nearest(key, ["min", "max"]) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "known are `min`, `max` and `as`".to_owned(),
                    };
                    self.error(at, format!("unknown bound `{key}`"), hint);
                    return false;
                }
            };
            if slot.is_some() {
                self.error(at, format!("`{key}` stands twice"), "keep one");
                return false;
            }
            *slot = bound;
            if bound.is_none() {
                self.error(
                    value_at,
                    format!("`{value}` is not a bound"),
                    "bounds are numbers up to 2^53 in size",
                );
                return false;
            }
            if !matches!(
                parameter.ty,
                ParameterType::Int64
                    | ParameterType::Float64
                    | ParameterType::Decimal
                    | ParameterType::Text
                    | ParameterType::Bytes
            ) {
                self.error(
                    at,
                    format!("`{key}` means nothing for {}", parameter.ty),
                    "numbers have bounds, and so have the lengths of text and bytes",
                );
                return false;
            }
        }
        if let (Some(min), Some(max)) = (parameter.min, parameter.max)
            && min > max
        {
            self.error(
                cursor.at,
                format!("`{}`: min is greater than max", parameter.name),
                "swap them",
            );
            return false;
        }
        if let Some((text, at)) = default {
            if parameter.optional {
                self.error(
                    at,
                    format!("`{}` is optional and has a default", parameter.name),
                    "`?` means NULL when absent; keep `?` or the default",
                );
                return false;
            }
            match parameter.from_text(text) {
                Ok(value) => parameter.default = Some(value),
                Err(reason) => {
                    let late = [" min=", " max=", " as "].iter().any(|bound| text.contains(bound));
                    let hint = if late {
                        "the default comes last: `int64 min=1 = 5`".to_owned()
                    } else {
                        reason
                    };
                    self.error(
                        at,
                        format!("the default of `{}` does not fit its type", parameter.name),
                        hint,
                    );
                    return false;
                }
            }
        }
        true
    }

    /// `as unix`, behind its `as`.
    fn storage(&mut self, parameter: &mut Parameter, at: usize, cursor: &mut Cursor<'_>) -> bool {
        cursor.skip_blanks();
        let name_at = cursor.at;
        let name = cursor.word();
        let names = Storage::names(&parameter.ty);
        if names.is_empty() {
            self.error(
                at,
                format!("`as` means nothing for {}", parameter.ty),
                "timestamp, timestamptz and uuid have forms to be stored in",
            );
            return false;
        }
        let storage = Storage::named(name).filter(|_| names.contains(&name));
        if storage.is_none() {
            self.error(
                name_at,
                format!("`{name}` is no form that a {} is stored in", parameter.ty),
                format!("known are {}", names.join(", ")),
            );
            return false;
        }
        if parameter.storage.is_some() {
            self.error(at, "`as` stands twice", "keep one");
            return false;
        }
        parameter.storage = storage;
        true
    }

    fn finish(mut self, lines: &[Line<'_>]) -> Option<Head> {
        let parts = std::mem::take(&mut self.parts);
        let start = lines.first().map_or(0, |line| line.at);
        let (name, name_at, kind) = parts.name?;
        let Some((route, route_at)) = parts.route else {
            if self.errors.is_empty() {
                self.error(
                    start,
                    format!("`{name}` has no `http` line, so nothing could call it"),
                    "add `-- http: GET /path`",
                );
            }
            return None;
        };
        if parts.limit.is_some() && kind != Kind::Many {
            self.error(
                parts.limit_at,
                format!("`limit` means nothing for {}", kind.as_str()),
                "only :many queries have one",
            );
        }
        if let Some((_, at)) = parts
            .parameters
            .iter()
            .find(|(parameter, _)| parts.limit.is_some() && parameter.name == "limit")
        {
            self.error(
                *at,
                "`limit` is declared by the `limit` line already",
                "remove this `param`; `:limit` may be used in the SQL",
            );
        }
        for name in route.path.parameters() {
            match parts.parameters.iter().find(|(parameter, _)| parameter.name == name) {
                None => self.error(
                    route_at,
                    format!("the path has `{{{name}}}`, but no `param` declares it"),
                    format!("add `-- param {name}: int64`"),
                ),
                Some((parameter, at)) if parameter.absent().is_some() => self.error(
                    *at,
                    format!("`{name}` is part of the path, so it is never absent"),
                    "remove the `?` or the default",
                ),
                Some(_) => {}
            }
        }
        let mut parameters = parts.parameters;
        if let Some(limit) = parts.limit {
            let mut parameter = Parameter::new("limit", ParameterType::Int64);
            parameter.min = Some(1.0);
            parameter.max = Some(f64::from(limit.max));
            parameter.default = Some(Value::Int(limit.default.into()));
            parameters.push((parameter, parts.limit_at));
        }
        Some(Head {
            name,
            name_at,
            kind,
            route,
            route_at,
            doc: parts.doc,
            parameters,
            limit: parts.limit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Head, Vec<String>> {
        let mut at = 0;
        let mut lines = Vec::new();
        for line in text.split_inclusive('\n') {
            lines.extend(Line::of(line.trim_end_matches('\n'), at));
            at += line.len();
        }
        let mut errors = Vec::new();
        let head = read("q.sql", text, &lines, &mut errors);
        match head {
            Some(head) if errors.is_empty() => Ok(head),
            _ => Err(errors.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn a_full_head_is_read() {
        let head = read_text(
            "-- name: orders.search :many\n\
             -- http: QUERY /orders/{customer}/search\n\
             -- doc:  Orders of a customer -- newest first.\n\
             -- doc:  Second line.\n\
             --- cache: a plain comment\n\
             -- another plain one\n\
             -- param customer: uuid\n\
             -- param state: enum(new, paid) = paid   -- the usual\n\
             -- param after: timestamptz? as unix\n\
             -- param n: int64 min=1 max=9 = 5\n\
             -- param t: text = two words\n\
             -- limit: 50 max 500\n",
        )
        .unwrap();
        assert_eq!(head.name, "orders.search");
        assert_eq!(head.kind, Kind::Many);
        assert_eq!(head.route.to_string(), "QUERY /orders/{customer}/search");
        assert_eq!(head.doc, "Orders of a customer -- newest first. Second line.");
        assert_eq!(head.limit, Some(Limit { default: 50, max: 500 }));
        let names: Vec<_> = head.parameters.iter().map(|(p, _)| p.name.as_str()).collect();
        assert_eq!(names, ["customer", "state", "after", "n", "t", "limit"]);
        assert_eq!(head.parameters[0].0.storage, None);
        assert_eq!(head.parameters[2].0.storage, Some(Storage::Unix));
        let absent: Vec<_> = head.parameters.iter().map(|(p, _)| p.absent()).collect();
        assert_eq!(absent[0], None);
        assert_eq!(absent[1], Some(Value::Text("paid".into())));
        assert_eq!(absent[2], Some(Value::Null));
        assert_eq!(absent[3], Some(Value::Int(5)));
        assert_eq!(absent[4], Some(Value::Text("two words".into())));
        assert_eq!(absent[5], Some(Value::Int(50)));
    }

    #[test]
    fn mistakes_name_line_column_and_what_to_do() {
        let rest = "\n-- http: GET /x\n";
        for (head, place, says, hint) in [
            ("-- name: a", "1:10", "does not say", ":one"),
            ("-- name: a :oen", "1:12", "unknown kind `:oen`", "`:one`"),
            ("-- name: a-b :one", "1:10", "not a query's name", "letters"),
            ("-- name: a :one x", "1:17", "`x` is not expected", "write"),
            ("-- name: :one", "1:10", "no name", "write"),
            ("-- name: a :one\n-- htp: x", "2:4", "unknown head key `htp`", "`http`"),
            ("-- name: a :one\n-- wibble: x", "2:4", "unknown head key", "`---`"),
            ("-- name: a :many\n-- limit 50 max 500", "2:4", "without its colon", "`-- limit: 50"),
            ("-- name: a :many\n--  limt 50", "2:5", "looks like `limit:`", "`-- limit: 50`"),
            (
                "-- name: a :one\n-- param x int64",
                "2:4",
                "without its colon",
                "`-- param x: int64`",
            ),
            ("-- name: a :one\n-- auth scope x", "2:4", "without its colon", "not supported"),
            ("-- name: a :one\n-- cache: 30s", "2:4", "not supported in this version", "remove"),
            ("-- name: a :one\n-- name: b :one", "2:10", "second `name`", "`;`"),
            ("-- name: a :one\n-- param id int64: x", "2:4", "malformed `param`", "write"),
            ("-- name: a :one\n-- param 1d: int64", "2:10", "not a parameter's name", "digit"),
            ("-- name: a :one\n-- param id: integer", "2:14", "unknown type `integer`", "`int64`"),
            ("-- name: a :one\n-- param id: zzz", "2:14", "unknown type `zzz`", "known are int64"),
            ("-- name: a :one\n-- param id: int64 mn=1", "2:20", "unknown bound `mn`", "`min`"),
            ("-- name: a :one\n-- param id: int64 min=x", "2:24", "not a bound", "numbers"),
            ("-- name: a :one\n-- param id: int64 min=2 max=1", "2:31", "min is greater", "swap"),
            (
                "-- name: a :one\n-- param id: bool min=1",
                "2:19",
                "means nothing for bool",
                "length",
            ),
            ("-- name: a :one\n-- param id: int64 = 5 min=1", "2:22", "default of `id`", "last"),
            ("-- name: a :one\n-- param id: int64 as text", "2:20", "means nothing", "uuid"),
            ("-- name: a :one\n-- param id: uuid as unix", "2:22", "`unix` is no form", "text"),
            ("-- name: a :one\n-- param t: timestamp as", "2:25", "is no form", "text, iso, unix"),
            ("-- name: a :one\n-- param t: timestamp as iso as iso", "2:30", "twice", "keep"),
            ("-- name: a :one\n-- param id: int64 = x", "2:22", "default of `id`", "an integer"),
            (
                "-- name: a :one\n-- param id: int64? = 1",
                "2:23",
                "optional and has a default",
                "keep",
            ),
            ("-- name: a :one\n-- param id: int64!", "2:19", "`!` is not expected", "write"),
            ("-- name: a :one\n-- param e: enum", "2:17", "without its words", "enum(new"),
            ("-- name: a :one\n-- param e: enum(a", "2:18", "not closed", "enum(new"),
            ("-- name: a :one\n-- param e: enum(a, a)", "2:18", "twice", "keep"),
            ("-- name: a :one\n-- limit: 5", "2:11", "means nothing for :one", ":many"),
            ("-- name: a :many\n-- limit: 5 max 4", "2:11", "malformed `limit`", "write"),
            ("-- name: a :many\n-- limit: 0", "2:11", "malformed `limit`", "write"),
            (
                "-- name: a :many\n-- limit: 5\n-- param limit: int64",
                "3:10",
                "declared by the `limit` line",
                "remove",
            ),
        ] {
            let errors = read_text(&format!("{head}{rest}")).unwrap_err();
            let first = &errors[0];
            assert!(first.starts_with(&format!("q.sql:{place}: ")), "{head}: {first}");
            assert!(first.contains(says), "{head}: {first}");
            let (_, given) = first.split_once('\n').unwrap();
            assert!(given.contains(hint), "{head}: {first}");
        }
    }

    #[test]
    fn routes_are_checked() {
        for (http, place, says) in [
            ("-- http: get /x", "2:10", "unknown method `get`"),
            ("-- http: HEAD /x", "2:10", "unknown method `HEAD`"),
            ("-- http: GET x", "2:14", "starts with `/`"),
            ("-- http: GET /a/{b c}", "2:17", "whole segment"),
            ("-- http: GET /a extra", "2:17", "not expected"),
            ("-- http: GET /a/{id}", "2:10", "no `param` declares it"),
            ("", "1:3", "no `http` line"),
        ] {
            let errors = read_text(&format!("-- name: a :one\n{http}\n")).unwrap_err();
            assert!(errors[0].starts_with(&format!("q.sql:{place}: ")), "{http}: {errors:?}");
            assert!(errors[0].contains(says), "{http}: {errors:?}");
        }
        let errors =
            read_text("-- name: a :one\n-- http: GET /{id}\n-- param id: int64?\n").unwrap_err();
        assert!(errors[0].contains("never absent"), "{errors:?}");
    }

    #[test]
    fn all_mistakes_of_a_head_are_shown_at_once() {
        let errors = read_text("-- name: a :one\n-- http: GT /x\n-- param i: in64\n-- cahce: 1\n")
            .unwrap_err();
        assert_eq!(errors.len(), 3, "{errors:?}");
    }
}
