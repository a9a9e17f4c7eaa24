//! [`Problem`]: what a failed request gets, as RFC 9457 `application/problem+json`.
//!
//! One table decides status, code and title for every situation; `docs/serve.md` lists it. The engine's
//! own words (`sqlstate`, `constraint`, `detail`) are shown only where the caller says so, because they
//! may quote data.

use aquifer_driver::{Error, ErrorKind};
use serde::Serialize;

use crate::route::Method;

/// A situation that ends a request without its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Situation {
    /// A parameter is missing, unknown, given twice or of the wrong type.
    BadParameters,
    /// The body is not what its content type says.
    MalformedBody,
    /// The request itself cannot be read: a query string that is not UTF-8 or has a `%` that encodes
    /// nothing, or no single `Host`.
    MalformedRequest,
    /// The body is larger than the listener takes.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// A content type other than JSON.
    UnsupportedMediaType,
    /// The caller refuses JSON.
    NotAcceptable,
    /// No query has this path.
    UnknownPath,
    /// A path that has queries, but not for this method.
    MethodNotAllowed,
    /// The host name is none of the listener's.
    Misdirected,
    /// A page of another origin asks for something that may write.
    CrossOrigin,
    /// A `:one` query gave no row.
    NoRow,
    /// A unique key, primary key or exclusion constraint.
    UniqueViolation,
    /// A foreign key.
    ForeignKeyViolation,
    /// A CHECK constraint.
    CheckViolation,
    /// A NULL where none may be.
    NotNullViolation,
    /// A value that the engine's type cannot hold.
    Data,
    /// A write where only reading is possible.
    ReadOnly,
    /// The engine forbids it.
    Permission,
    /// Another transaction is in the way: serialization, deadlock, a lock that was not granted.
    Conflict,
    /// Every connection was busy for too long.
    PoolTimeout,
    /// Too many requests wait for a connection already.
    PoolFull,
    /// The database cannot be reached.
    Unavailable,
    /// The engine is out of space, memory or connections.
    Resources,
    /// The service is stopping.
    Stopping,
    /// The request's deadline passed.
    Deadline,
    /// Anything else.
    Internal,
}

/// One row of the table.
struct Entry {
    status: u16,
    code: &'static str,
    slug: &'static str,
    title: &'static str,
    retryable: bool,
    /// The error's type for `Proxy-Status` (RFC 9209), for failures behind the service.
    proxy: Option<&'static str>,
}

impl Situation {
    /// Every situation, for documentation and tests.
    pub const ALL: [Self; 27] = [
        Self::BadParameters,
        Self::MalformedBody,
        Self::MalformedRequest,
        Self::BodyTooLarge,
        Self::BodyTimeout,
        Self::UnsupportedMediaType,
        Self::NotAcceptable,
        Self::UnknownPath,
        Self::MethodNotAllowed,
        Self::Misdirected,
        Self::CrossOrigin,
        Self::NoRow,
        Self::UniqueViolation,
        Self::ForeignKeyViolation,
        Self::CheckViolation,
        Self::NotNullViolation,
        Self::Data,
        Self::ReadOnly,
        Self::Permission,
        Self::Conflict,
        Self::PoolTimeout,
        Self::PoolFull,
        Self::Unavailable,
        Self::Resources,
        Self::Stopping,
        Self::Deadline,
        Self::Internal,
    ];

    const fn entry(self) -> Entry {
        const fn e(
            status: u16,
            code: &'static str,
            slug: &'static str,
            title: &'static str,
            retryable: bool,
            proxy: Option<&'static str>,
        ) -> Entry {
            Entry { status, code, slug, title, retryable, proxy }
        }
        const LIMIT: Option<&str> = Some("connection_limit_reached");
        match self {
            Self::BadParameters => {
                e(400, "AQ1001", "bad-parameters", "Bad or missing parameters", false, None)
            }
            Self::MalformedBody => {
                e(400, "AQ1002", "malformed-body", "The body is malformed", false, None)
            }
            Self::MalformedRequest => {
                e(400, "AQ1003", "malformed-request", "The request is malformed", false, None)
            }
            Self::UnknownPath => {
                e(404, "AQ1004", "unknown-path", "No query has this path", false, None)
            }
            Self::MethodNotAllowed => {
                e(405, "AQ1005", "method-not-allowed", "Method not allowed", false, None)
            }
            Self::NotAcceptable => {
                e(406, "AQ1006", "not-acceptable", "Only JSON is available", false, None)
            }
            Self::BodyTimeout => {
                e(408, "AQ1007", "body-timeout", "The body did not arrive in time", true, None)
            }
            Self::BodyTooLarge => {
                e(413, "AQ1008", "body-too-large", "The body is too large", false, None)
            }
            Self::UnsupportedMediaType => {
                e(415, "AQ1009", "unsupported-media-type", "The body must be JSON", false, None)
            }
            Self::Misdirected => {
                e(421, "AQ1010", "misdirected", "Not a name of this service", false, None)
            }
            Self::CrossOrigin => {
                e(403, "AQ1011", "cross-origin", "Pages of other sites may not write", false, None)
            }
            Self::NoRow => e(404, "AQ1101", "no-row", "There is no such row", false, None),
            Self::Data => e(422, "AQ2201", "data", "A value the database cannot take", false, None),
            Self::UniqueViolation => {
                e(409, "AQ2301", "unique-violation", "Unique constraint violated", false, None)
            }
            Self::ForeignKeyViolation => {
                e(409, "AQ2302", "foreign-key-violation", "Foreign key violated", false, None)
            }
            Self::CheckViolation => {
                e(422, "AQ2303", "check-violation", "Check constraint violated", false, None)
            }
            Self::NotNullViolation => {
                e(422, "AQ2304", "not-null-violation", "A value is required", false, None)
            }
            Self::ReadOnly => {
                e(409, "AQ2501", "read-only", "The database takes no writes here", false, None)
            }
            Self::Permission => {
                e(403, "AQ2502", "permission", "The database forbids this", false, None)
            }
            Self::Conflict => {
                e(503, "AQ4001", "conflict", "Another transaction is in the way", true, None)
            }
            Self::PoolTimeout => {
                e(503, "AQ5001", "pool-timeout", "All connections are busy", true, LIMIT)
            }
            Self::PoolFull => {
                e(503, "AQ5002", "pool-full", "Too many requests are waiting", true, LIMIT)
            }
            Self::Unavailable => e(
                503,
                "AQ5003",
                "unavailable",
                "The database cannot be reached",
                true,
                Some("destination_unavailable"),
            ),
            Self::Resources => e(
                503,
                "AQ5004",
                "resources",
                "The database is out of resources",
                true,
                Some("destination_unavailable"),
            ),
            Self::Stopping => e(503, "AQ5005", "stopping", "The service is stopping", true, None),
            Self::Deadline => e(
                504,
                "AQ5006",
                "deadline",
                "The request took too long",
                true,
                Some("http_response_timeout"),
            ),
            Self::Internal => {
                e(500, "AQ9001", "internal", "Internal error", false, Some("proxy_internal_error"))
            }
        }
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.entry().status
    }

    /// The stable code: `AQ1001`.
    pub fn code(self) -> &'static str {
        self.entry().code
    }

    /// The title, the same for every occurrence.
    pub fn title(self) -> &'static str {
        self.entry().title
    }

    /// Whether the same request may succeed later. Whether it may be *repeated* depends on its method too:
    /// see [`Problem::is_retryable`].
    pub fn is_retryable(self) -> bool {
        self.entry().retryable
    }

    /// The situation's URI, as `type` has it.
    pub fn uri(self) -> String {
        format!("urn:aquifer:problem:{}", self.entry().slug)
    }

    /// Seconds for `Retry-After`, on statuses that carry it.
    pub(crate) fn retry_after_s(self) -> Option<u32> {
        (self.status() == 503).then_some(1)
    }

    /// The value of `Proxy-Status`, for failures behind the service.
    pub(crate) fn proxy_status(self) -> Option<String> {
        self.entry().proxy.map(|error| format!("aquifer; error={error}"))
    }

    /// What an error of the database means for a request.
    pub fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::NoRows => Self::NoRow,
            ErrorKind::UniqueViolation | ErrorKind::ExclusionViolation => Self::UniqueViolation,
            ErrorKind::ForeignKeyViolation => Self::ForeignKeyViolation,
            ErrorKind::CheckViolation => Self::CheckViolation,
            ErrorKind::NotNullViolation => Self::NotNullViolation,
            ErrorKind::Data | ErrorKind::Argument => Self::Data,
            ErrorKind::ReadOnly => Self::ReadOnly,
            ErrorKind::Permission => Self::Permission,
            ErrorKind::Serialization | ErrorKind::Deadlock | ErrorKind::LockTimeout => {
                Self::Conflict
            }
            ErrorKind::PoolTimeout => Self::PoolTimeout,
            ErrorKind::PoolFull => Self::PoolFull,
            // The credentials are the service's own: the caller can do nothing about them.
            ErrorKind::Connect
            | ErrorKind::ConnectionLost
            | ErrorKind::Authentication
            | ErrorKind::Io => Self::Unavailable,
            ErrorKind::Closed => Self::Stopping,
            ErrorKind::Resources => Self::Resources,
            ErrorKind::Timeout => Self::Deadline,
            _ => Self::Internal,
        }
    }
}

/// Where in the request a bad parameter was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Place {
    /// In the path.
    Path,
    /// In the query string.
    Query,
    /// In the JSON body.
    Body,
}

/// One bad parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadParameter {
    /// The parameter's name as the request has it.
    pub name: String,
    /// Where it is, or should be.
    #[serde(rename = "in")]
    pub place: Place,
    /// What is wrong with it.
    pub reason: String,
}

/// The body of a failed request.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What happened.
    pub situation: Situation,
    /// What happened this time.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<Box<str>>,
    /// The named query, where one was found.
    pub query: Option<Box<str>>,
    /// All bad parameters.
    pub errors: Vec<BadParameter>,
    /// The `Allow` header that goes with it.
    pub allow: Option<Box<str>>,
    /// The engine's state, constraint and words.
    engine: Option<Box<Engine>>,
    /// The database may have done what was asked.
    perhaps_done: bool,
    /// Doing it twice may not be the same as doing it once.
    once_only: bool,
}

#[derive(Debug, Clone)]
struct Engine {
    sqlstate: Option<String>,
    engine_code: Option<String>,
    constraint: Option<String>,
    message: String,
    detail: Option<String>,
}

impl Problem {
    /// A problem with nothing but its situation.
    pub fn new(situation: Situation) -> Self {
        Self {
            situation,
            detail: None,
            hint: None,
            query: None,
            errors: Vec::new(),
            allow: None,
            engine: None,
            perhaps_done: false,
            once_only: false,
        }
    }

    /// Says what happened this time. Shown to every caller: nothing of the engine's goes in here.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the query.
    #[must_use]
    pub fn with_query(mut self, name: &str) -> Self {
        self.query = Some(name.into());
        self
    }

    /// Says by which method the query was asked for.
    #[must_use]
    pub(crate) fn with_method(mut self, method: Method) -> Self {
        self.once_only = !method.is_idempotent();
        self
    }

    /// Whether the same request may be sent again: it may succeed, and nothing is done twice by it.
    pub fn is_retryable(&self) -> bool {
        self.situation.is_retryable() && !(self.perhaps_done && self.once_only)
    }

    /// What a database error means for a request.
    pub fn of(error: &Error) -> Self {
        let mut problem = Self::new(Situation::of(error));
        // Conflicts are rolled back, and what waits for a connection has not begun.
        problem.perhaps_done = !error.nothing_sent()
            && matches!(problem.situation, Situation::Deadline | Situation::Unavailable);
        problem.engine = Some(Box::new(Engine {
            sqlstate: error.sqlstate().map(str::to_owned),
            engine_code: error.code().map(str::to_owned),
            constraint: error.constraint().map(str::to_owned),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
        }));
        problem
    }

    /// The engine's message and code, without the detail that may quote data.
    pub(crate) fn engine_message(&self) -> Option<String> {
        let engine = self.engine.as_deref()?;
        Some(match &engine.engine_code {
            Some(code) => format!("{} ({code})", engine.message),
            None => engine.message.clone(),
        })
    }

    /// The JSON text. `request_id` becomes `instance`; the engine's words are in it only if
    /// `show_engine`.
    pub fn to_json(&self, request_id: &str, show_engine: bool) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: String,
            title: &'static str,
            status: u16,
            #[serde(skip_serializing_if = "Option::is_none")]
            detail: Option<&'a str>,
            instance: String,
            code: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            query: Option<&'a str>,
            retryable: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            hint: Option<&'a str>,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            errors: &'a [BadParameter],
            #[serde(skip_serializing_if = "Option::is_none")]
            sqlstate: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            engine_code: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            constraint: Option<&'a str>,
        }
        let engine = self.engine.as_deref().filter(|_| show_engine);
        let engine_detail = engine.map(|engine| match &engine.detail {
            Some(detail) => format!("{}: {detail}", engine.message),
            None => engine.message.clone(),
        });
        let body = Body {
            r#type: self.situation.uri(),
            title: self.situation.title(),
            status: self.situation.status(),
            detail: self.detail.as_deref().or(engine_detail.as_deref()),
            instance: format!("urn:request:{request_id}"),
            code: self.situation.code(),
            query: self.query.as_deref(),
            retryable: self.is_retryable(),
            hint: self.hint.as_deref(),
            errors: &self.errors,
            sqlstate: engine.and_then(|engine| engine.sqlstate.as_deref()),
            engine_code: engine.and_then(|engine| engine.engine_code.as_deref()),
            constraint: engine.and_then(|engine| engine.constraint.as_deref()),
        };
        // Strings, numbers and lists of them always serialize.
        serde_json::to_vec(&body).unwrap_or_else(|_| b"{}".to_vec())
    }
}

impl From<Situation> for Problem {
    fn from(situation: Situation) -> Self {
        Self::new(situation)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn json(problem: &Problem, show_engine: bool) -> serde_json::Value {
        serde_json::from_slice(&problem.to_json("r1", show_engine)).unwrap()
    }

    #[test]
    fn every_situation_has_its_own_code_and_uri() {
        let codes: BTreeSet<_> = Situation::ALL.iter().map(|s| s.code()).collect();
        let uris: BTreeSet<_> = Situation::ALL.iter().map(|s| s.uri()).collect();
        assert_eq!((codes.len(), uris.len()), (27, 27));
    }

    #[test]
    fn the_documentation_lists_every_situation() {
        let docs = include_str!("../../../docs/serve.md");
        for situation in Situation::ALL {
            let row = format!("| `{}` | {} |", situation.code(), situation.status());
            assert!(docs.contains(&row), "docs/serve.md lacks the row {row}");
        }
    }

    #[test]
    fn database_errors_become_the_statuses_of_the_table() {
        for (kind, status) in [
            (ErrorKind::NoRows, 404),
            (ErrorKind::UniqueViolation, 409),
            (ErrorKind::ForeignKeyViolation, 409),
            (ErrorKind::CheckViolation, 422),
            (ErrorKind::NotNullViolation, 422),
            (ErrorKind::Data, 422),
            (ErrorKind::ReadOnly, 409),
            (ErrorKind::Permission, 403),
            (ErrorKind::LockTimeout, 503),
            (ErrorKind::Serialization, 503),
            (ErrorKind::PoolTimeout, 503),
            (ErrorKind::PoolFull, 503),
            (ErrorKind::Connect, 503),
            (ErrorKind::Authentication, 503),
            (ErrorKind::Timeout, 504),
            (ErrorKind::Syntax, 500),
            (ErrorKind::Conversion, 500),
        ] {
            assert_eq!(Situation::of(&Error::new(kind, "x")).status(), status, "{kind:?}");
        }
    }

    #[test]
    fn the_engines_words_are_shown_only_where_allowed() {
        let error = Error::new(ErrorKind::UniqueViolation, "a station with this code exists")
            .with_constraint("stations.code")
            .with_code("SQLITE_CONSTRAINT_UNIQUE")
            .with_detail("code N-12");
        let problem = Problem::of(&error).with_query("stations.create");
        let shown = json(&problem, true);
        assert_eq!(shown["constraint"], "stations.code");
        assert_eq!(shown["detail"], "a station with this code exists: code N-12");
        assert_eq!(shown["engine_code"], "SQLITE_CONSTRAINT_UNIQUE");
        let hidden = problem.to_json("r1", false);
        let hidden = String::from_utf8(hidden).unwrap();
        assert!(!hidden.contains("stations.code") && !hidden.contains("N-12"), "{hidden}");
        assert!(hidden.contains(r#""code":"AQ2301""#), "{hidden}");
        assert!(hidden.contains(r#""instance":"urn:request:r1""#), "{hidden}");
        assert!(hidden.contains(r#""query":"stations.create""#), "{hidden}");
    }

    #[test]
    fn what_may_have_been_done_is_not_done_again() {
        for (kind, nothing_sent, method, retryable) in [
            (ErrorKind::Timeout, false, Method::Get, true),
            (ErrorKind::Timeout, false, Method::Query, true),
            (ErrorKind::Timeout, false, Method::Put, true),
            (ErrorKind::Timeout, false, Method::Post, false),
            (ErrorKind::Timeout, false, Method::Patch, false),
            (ErrorKind::Timeout, true, Method::Post, true),
            (ErrorKind::ConnectionLost, false, Method::Post, false),
            (ErrorKind::Serialization, false, Method::Post, true),
            (ErrorKind::PoolTimeout, false, Method::Post, true),
        ] {
            let error = Error::new(kind, "x").with_nothing_sent(nothing_sent);
            let problem = Problem::of(&error).with_method(method);
            assert_eq!(json(&problem, false)["retryable"], retryable, "{kind:?} {method}");
        }
    }

    #[test]
    fn bad_parameters_are_all_listed() {
        let mut problem = Problem::new(Situation::BadParameters);
        for name in ["a", "b"] {
            problem.errors.push(BadParameter {
                name: name.into(),
                place: Place::Path,
                reason: "missing".into(),
            });
        }
        let json = json(&problem, false);
        assert_eq!(json["errors"][1]["name"], "b");
        assert_eq!(json["errors"][0]["in"], "path");
        assert_eq!(json["status"], 400);
    }
}
