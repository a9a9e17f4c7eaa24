//! The one error type, and the questions it answers.
//!
//! An error says what happened, where, and what to do next. It never holds a password, a token or a
//! bound parameter: constructors take descriptions, not values, and drivers must keep to that.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// What went wrong, in terms that are the same for every engine.
///
/// New kinds may be added: match with a wildcard arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A URL, DSN or option that cannot be used.
    Configuration,
    /// No driver is registered for the scheme.
    UnknownDriver,
    /// The number or names of the arguments do not fit the statement.
    ArgumentMismatch,
    /// An argument that the engine cannot take (overflow, a NUL byte in text, an empty list).
    Argument,
    /// A cell that does not convert to the requested Rust type.
    Conversion,
    /// A column was asked for that the result does not have, or a column that nothing takes.
    Column,
    /// A query that must give a row gave none.
    NoRows,
    /// A statement changed another number of rows than was expected.
    RowCount,
    /// No connection could be had in time; the message names the cause.
    PoolTimeout,
    /// The queue for connections is full.
    PoolFull,
    /// Every connection is kept by a transaction that itself waits for one, the caller's included.
    PoolDeadlock,
    /// The `Db` is closed.
    Closed,
    /// A connection could not be opened.
    Connect,
    /// The server refused the credentials.
    Authentication,
    /// The connection broke.
    ConnectionLost,
    /// The peer broke the protocol, or the driver met something it cannot read.
    Protocol,
    /// The deadline passed.
    Timeout,
    /// The statement was cancelled.
    Cancelled,
    /// The transaction has already ended.
    TxDone,
    /// A transaction is already open.
    TxOpen,
    /// SQL text that begins or ends a transaction where that is not the text's to do.
    TxControl,
    /// The connection has already been given back.
    ConnDone,
    /// The transaction has failed: only a rollback is possible.
    TxFailed,
    /// The connection broke between COMMIT and its answer: nobody knows whether it took effect.
    CommitUnknown,
    /// The commit took effect on the server that answered, but its wait for a standby was broken off: a
    /// failover may lose it. Running the work again would do it twice.
    CommitNotReplicated,
    /// The text is not valid SQL for this engine.
    Syntax,
    /// A table, column, function or other object does not exist.
    UndefinedObject,
    /// A unique or primary key would be violated.
    UniqueViolation,
    /// A foreign key would be violated.
    ForeignKeyViolation,
    /// A NULL in a column that takes none.
    NotNullViolation,
    /// A CHECK constraint would be violated.
    CheckViolation,
    /// An exclusion constraint would be violated.
    ExclusionViolation,
    /// A value that the engine's type cannot hold (out of range, bad date, division by zero).
    Data,
    /// The engine chose this transaction as a deadlock's victim.
    Deadlock,
    /// The transaction could not be serialized with the others.
    Serialization,
    /// A lock was not granted in time (SQLite: the database is busy).
    LockTimeout,
    /// A write on a read-only connection, transaction or server.
    ReadOnly,
    /// The engine forbids the operation to this user.
    Permission,
    /// The engine is out of space, memory or connections.
    Resources,
    /// The database file or its content is damaged.
    Corrupt,
    /// The engine or the driver does not have this feature.
    Unsupported,
    /// There is no asynchronous runtime where one is needed.
    Runtime,
    /// Reading or writing a file or socket failed.
    Io,
    /// Any other error that the engine reported.
    Database,
}

impl ErrorKind {
    /// The kind's stable name, as used in metrics and JSON: `unique_violation`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::UnknownDriver => "unknown_driver",
            Self::ArgumentMismatch => "argument_mismatch",
            Self::Argument => "argument",
            Self::Conversion => "conversion",
            Self::Column => "column",
            Self::NoRows => "no_rows",
            Self::RowCount => "row_count",
            Self::PoolTimeout => "pool_timeout",
            Self::PoolFull => "pool_full",
            Self::PoolDeadlock => "pool_deadlock",
            Self::Closed => "closed",
            Self::Connect => "connect",
            Self::Authentication => "authentication",
            Self::ConnectionLost => "connection_lost",
            Self::Protocol => "protocol",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::TxDone => "tx_done",
            Self::TxOpen => "tx_open",
            Self::TxControl => "tx_control",
            Self::ConnDone => "conn_done",
            Self::TxFailed => "tx_failed",
            Self::CommitUnknown => "commit_unknown",
            Self::CommitNotReplicated => "commit_not_replicated",
            Self::Syntax => "syntax",
            Self::UndefinedObject => "undefined_object",
            Self::UniqueViolation => "unique_violation",
            Self::ForeignKeyViolation => "foreign_key_violation",
            Self::NotNullViolation => "not_null_violation",
            Self::CheckViolation => "check_violation",
            Self::ExclusionViolation => "exclusion_violation",
            Self::Data => "data",
            Self::Deadlock => "deadlock",
            Self::Serialization => "serialization",
            Self::LockTimeout => "lock_timeout",
            Self::ReadOnly => "read_only",
            Self::Permission => "permission",
            Self::Resources => "resources",
            Self::Corrupt => "corrupt",
            Self::Unsupported => "unsupported",
            Self::Runtime => "runtime",
            Self::Io => "io",
            Self::Database => "database",
        }
    }
}

/// Whether, and what, may be repeated after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Nothing reached the engine, or nothing that changes anything: the same call may be made again.
    Safe,
    /// The engine undid the transaction: the whole transaction may be run again.
    Transaction,
    /// The same call would fail again, or would do its work twice.
    Never,
    /// The engine may or may not have done the work: look before repeating.
    Unknown,
}

type Cause = Box<dyn StdError + Send + Sync + 'static>;

/// The error of every Aquifer call: one pointer wide, typed by [`kind`](Error::kind).
///
/// `Display` prints this error alone; the cause, if any, is [`source`](StdError::source). No secret and
/// no bound parameter is ever part of it.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    code: Option<Cow<'static, str>>,
    sqlstate: Option<[u8; 5]>,
    constraint: Option<Box<str>>,
    table: Option<Box<str>>,
    column: Option<Box<str>>,
    detail: Option<Box<str>>,
    position: Option<u32>,
    statement: Option<u32>,
    label: Option<Box<str>>,
    nothing_sent: bool,
    retry: Option<Retry>,
    source: Option<Cause>,
}

/// The result of every Aquifer call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` that reads `message`; the `with_*` methods add what else is known.
    ///
    /// The message must not contain a secret or a bound parameter.
    #[cold]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            hint: None,
            code: None,
            sqlstate: None,
            constraint: None,
            table: None,
            column: None,
            detail: None,
            position: None,
            statement: None,
            label: None,
            nothing_sent: matches!(
                kind,
                ErrorKind::Configuration
                    | ErrorKind::UnknownDriver
                    | ErrorKind::ArgumentMismatch
                    | ErrorKind::Argument
                    | ErrorKind::PoolTimeout
                    | ErrorKind::PoolFull
                    | ErrorKind::PoolDeadlock
                    | ErrorKind::Closed
                    | ErrorKind::Connect
                    | ErrorKind::Authentication
                    | ErrorKind::TxDone
                    | ErrorKind::TxOpen
                    | ErrorKind::ConnDone
                    | ErrorKind::Runtime
            ),
            retry: None,
            source: None,
        }))
    }

    /// Says what the reader should do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The engine's own code: `SQLITE_CONSTRAINT_UNIQUE`, `1062`.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// The five characters of the SQL standard's state. Anything else is ignored.
    #[must_use]
    pub fn with_sqlstate(mut self, state: &str) -> Self {
        if let Ok(state) = <[u8; 5]>::try_from(state.as_bytes())
            && state.iter().all(u8::is_ascii_alphanumeric)
        {
            self.0.sqlstate = Some(state);
        }
        self
    }

    /// The violated constraint's name.
    #[must_use]
    pub fn with_constraint(mut self, name: impl Into<String>) -> Self {
        self.0.constraint = Some(name.into().into_boxed_str());
        self
    }

    /// The table that the error is about.
    #[must_use]
    pub fn with_table(mut self, name: impl Into<String>) -> Self {
        self.0.table = Some(name.into().into_boxed_str());
        self
    }

    /// The column that the error is about.
    #[must_use]
    pub fn with_column(mut self, name: impl Into<String>) -> Self {
        self.0.column = Some(name.into().into_boxed_str());
        self
    }

    /// The engine's detail line. Engines may quote data here, so it is shown by
    /// [`detail`](Self::detail) only, never by `Display`.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into().into_boxed_str());
        self
    }

    /// Where in the statement's text, in bytes from 0, the engine points.
    #[must_use]
    pub fn with_position(mut self, byte: u32) -> Self {
        self.0.position = Some(byte);
        self
    }

    /// Which statement of a batch failed, or of those that were queued, counted from 1.
    #[must_use]
    pub fn with_statement(mut self, number: u32) -> Self {
        self.0.statement = Some(number);
        self
    }

    /// The label of the call that failed; the first one given stays.
    #[must_use]
    pub fn with_label(mut self, label: &str) -> Self {
        if self.0.label.is_none() {
            self.0.label = Some(label.into());
        }
        self
    }

    /// Says whether the engine can have seen any of the request.
    #[must_use]
    pub fn with_nothing_sent(mut self, nothing_sent: bool) -> Self {
        self.0.nothing_sent = nothing_sent;
        self
    }

    /// Overrules what [`retry`](Self::retry) derives from the kind.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = Some(retry);
        self
    }

    /// The error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Cause>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error seen as another kind, for layers that know more than the driver did.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What went wrong, in terms that are the same for every engine.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without hint and label.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do next, where something can be said.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The engine's own code: `SQLITE_CONSTRAINT_UNIQUE`, `1062`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The SQL standard's five-character state, where the engine has one.
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.sqlstate.as_ref().and_then(|state| std::str::from_utf8(state).ok())
    }

    /// The violated constraint's name. Engines that name the columns instead (SQLite: `stations.code`)
    /// give those.
    pub fn constraint(&self) -> Option<&str> {
        self.0.constraint.as_deref()
    }

    /// The table that the error is about, where it is known.
    pub fn table(&self) -> Option<&str> {
        self.0.table.as_deref()
    }

    /// The column that the error is about, where it is known.
    pub fn column(&self) -> Option<&str> {
        self.0.column.as_deref()
    }

    /// The engine's detail line. It may quote data; do not log it where data must not be logged.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Where in the statement's text, in bytes from 0, the engine points.
    pub fn position(&self) -> Option<u32> {
        self.0.position
    }

    /// Which statement of a batch failed, or of those that were queued, counted from 1, where the error is the
    /// batch's, or that of the call that sent them.
    pub fn statement(&self) -> Option<u32> {
        self.0.statement
    }

    /// The label of the call that failed.
    pub fn label(&self) -> Option<&str> {
        self.0.label.as_deref()
    }

    /// True if the engine cannot have run any of the request. (It may have looked at the statement's
    /// text, to count its placeholders.)
    pub fn nothing_sent(&self) -> bool {
        self.0.nothing_sent
    }

    /// Whether, and what, may be repeated.
    pub fn retry(&self) -> Retry {
        if let Some(retry) = self.0.retry {
            return retry;
        }
        match self.0.kind {
            ErrorKind::Deadlock | ErrorKind::Serialization | ErrorKind::LockTimeout => {
                Retry::Transaction
            }
            ErrorKind::CommitUnknown => Retry::Unknown,
            ErrorKind::PoolTimeout
            | ErrorKind::PoolFull
            | ErrorKind::Connect
            | ErrorKind::ConnectionLost
            | ErrorKind::Io
            | ErrorKind::Timeout
            | ErrorKind::Cancelled => {
                if self.0.nothing_sent {
                    Retry::Safe
                } else if matches!(self.0.kind, ErrorKind::Cancelled) {
                    Retry::Never
                } else {
                    Retry::Unknown
                }
            }
            _ => Retry::Never,
        }
    }

    /// True if the connection that gave this error must not be used again.
    pub fn is_connection_lost(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::ConnectionLost | ErrorKind::Protocol | ErrorKind::CommitUnknown
        )
    }

    /// True if the deadline passed, whether in the queue or in the engine.
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Timeout | ErrorKind::PoolTimeout)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(label) = &inner.label {
            write!(f, "{label}: ")?;
        }
        if let Some(number) = inner.statement {
            write!(f, "statement {number}: ")?;
        }
        f.write_str(&inner.message)?;
        match (&inner.code, self.sqlstate()) {
            (Some(code), _) => write!(f, " ({code})")?,
            (None, Some(state)) => write!(f, " (SQLSTATE {state})")?,
            (None, None) => {}
        }
        if let Some(hint) = &inner.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut out = f.debug_struct("Error");
        out.field("kind", &inner.kind).field("message", &inner.message);
        let fields: [(&str, Option<&str>); 7] = [
            ("hint", self.hint()),
            ("code", self.code()),
            ("sqlstate", self.sqlstate()),
            ("constraint", self.constraint()),
            ("table", self.table()),
            ("column", self.column()),
            ("label", self.label()),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                out.field(name, &value);
            }
        }
        if let Some(position) = inner.position {
            out.field("position", &position);
        }
        if let Some(number) = inner.statement {
            out.field("statement", &number);
        }
        out.field("nothing_sent", &inner.nothing_sent).field("retry", &self.retry());
        if let Some(source) = &inner.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_label_message_code_and_hint_but_not_detail() {
        let error = Error::new(ErrorKind::UniqueViolation, "a station with this code exists")
            .with_label("stations.create")
            .with_code("SQLITE_CONSTRAINT_UNIQUE")
            .with_detail("Key (code)=(secret) already exists.")
            .with_hint("choose another code");
        assert_eq!(
            error.to_string(),
            "stations.create: a station with this code exists (SQLITE_CONSTRAINT_UNIQUE); choose another code"
        );
        assert!(!format!("{error:?}").contains("secret"));
    }

    #[test]
    fn the_error_of_a_batch_names_its_statement() {
        let error = Error::new(ErrorKind::UniqueViolation, "a duplicate").with_label("import");
        assert_eq!(error.statement(), None);
        let error = error.with_statement(3);
        assert_eq!(error.statement(), Some(3));
        assert_eq!(error.to_string(), "import: statement 3: a duplicate");
    }

    #[test]
    fn a_lost_connection_may_be_retried_only_if_nothing_was_sent() {
        let lost = || Error::new(ErrorKind::ConnectionLost, "the server closed the connection");
        assert_eq!(lost().retry(), Retry::Unknown);
        assert_eq!(lost().with_nothing_sent(true).retry(), Retry::Safe);
        assert_eq!(Error::new(ErrorKind::Deadlock, "").retry(), Retry::Transaction);
        assert_eq!(Error::new(ErrorKind::CommitUnknown, "").retry(), Retry::Unknown);
        let unreplicated = Error::new(ErrorKind::CommitNotReplicated, "");
        assert_eq!(unreplicated.retry(), Retry::Never);
        assert!(!unreplicated.is_connection_lost() && !unreplicated.nothing_sent());
        assert_eq!(Error::new(ErrorKind::Syntax, "").retry(), Retry::Never);
    }

    #[test]
    fn an_sqlstate_that_is_not_five_characters_is_ignored() {
        assert_eq!(Error::new(ErrorKind::Database, "").with_sqlstate("2350").sqlstate(), None);
        assert_eq!(
            Error::new(ErrorKind::Database, "").with_sqlstate("23505").sqlstate(),
            Some("23505")
        );
    }

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }
}
