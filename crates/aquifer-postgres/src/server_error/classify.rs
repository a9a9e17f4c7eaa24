//! From the server's report to the contract's error: which kind, what may be repeated, where it points.

use aquifer_driver::{Error, ErrorKind, Retry};

use super::shown::{self, Shown};
use super::{ServerError, Severity};

impl ServerError {
    /// The error of a statement, or of a session that the server ends.
    ///
    /// `sql` is the text that was **sent** (the position counts in it, and what it says itself may be shown).
    /// With `None` it is not known, and whatever the server quotes is hidden unless it names an object.
    ///
    /// A `FATAL` report is [`ErrorKind::ConnectionLost`] with the server's text. A statement that the server
    /// stopped is [`ErrorKind::Timeout`] if the server says in English that it was its `statement_timeout`
    /// or `transaction_timeout`, else [`ErrorKind::Cancelled`]; a connection that did not ask for the
    /// cancellation knows more and may change the kind.
    #[cold]
    pub(crate) fn into_error(self, sql: Option<&str>) -> Error {
        let (kind, retry) = self.classify();
        let error =
            self.describe(kind, Shown::Of(sql.unwrap_or_default())).with_nothing_sent(false);
        match retry {
            Some(retry) => error.with_retry(retry),
            None => error,
        }
        .with_source(self)
    }

    /// The error of a session that did not come about. Nothing the user wrote was sent.
    ///
    /// Those that time may heal (starting up, too many connections) are [`Retry::Safe`].
    #[cold]
    pub(crate) fn into_connect_error(self) -> Error {
        let (kind, retry) = self.classify_connect();
        self.describe(kind, Shown::Whole)
            .with_nothing_sent(true)
            .with_retry(retry)
            .with_source(self)
    }

    fn code(&self) -> String {
        self.sqlstate().map(|state| state.to_string()).unwrap_or_default()
    }

    fn classify(&self) -> (ErrorKind, Option<Retry>) {
        use ErrorKind as Kind;

        let code = self.code();
        if self.is_fatal() {
            // The session is over, whatever the reason; the text keeps it.
            return (Kind::ConnectionLost, None);
        }
        let kind = match &*code {
            "23505" => Kind::UniqueViolation,
            "23503" | "23001" => Kind::ForeignKeyViolation,
            "23502" => Kind::NotNullViolation,
            "23514" | "44000" => Kind::CheckViolation,
            "23P01" => Kind::ExclusionViolation,
            "40P01" => Kind::Deadlock,
            // 72000: a snapshot too old, of servers before 17.
            "40001" | "72000" => Kind::Serialization,
            "40000" | "40002" => return (Kind::Database, Some(Retry::Transaction)),
            "40003" | "08007" => return (Kind::Database, Some(Retry::Unknown)),
            "55P03" => Kind::LockTimeout,
            "25006" => Kind::ReadOnly,
            "25P02" => Kind::TxFailed,
            "25P04" => Kind::Timeout,
            "57014" if self.is_statement_timeout() => Kind::Timeout,
            "57014" => Kind::Cancelled,
            "42601" | "42000" => Kind::Syntax,
            "42P01" | "42703" | "42883" | "42704" | "42P02" | "3D000" | "3F000" | "34000"
            | "26000" => Kind::UndefinedObject,
            "42501" => Kind::Permission,
            "08P01" if self.message().starts_with("bind message supplies") => {
                Kind::ArgumentMismatch
            }
            "0A000" => Kind::Unsupported,
            "XX001" | "XX002" => Kind::Corrupt,
            "54001" => Kind::Resources,
            _ => match code.get(..2).unwrap_or_default() {
                "22" => Kind::Data,
                // Of a session that goes on: SET SESSION AUTHORIZATION and the like.
                "28" => Kind::Permission,
                "53" => Kind::Resources,
                // Class 08 included: the server's own connections (dblink, foreign servers), not ours.
                _ => Kind::Database,
            },
        };
        // What the server cancelled for time has been undone, but would take as long again.
        let retry = matches!(kind, Kind::Timeout).then_some(Retry::Never);
        (kind, retry)
    }

    fn classify_connect(&self) -> (ErrorKind, Retry) {
        let code = self.code();
        match &*code {
            // Too many connections, for the server, the database or the role.
            "53300" => (ErrorKind::Resources, Retry::Safe),
            // Authentication was not done in time.
            "57014" => (ErrorKind::Connect, Retry::Safe),
            _ => match code.get(..2).unwrap_or_default() {
                "28" => (ErrorKind::Authentication, Retry::Never),
                // No such database.
                "3D" => (ErrorKind::UndefinedObject, Retry::Never),
                // No right to connect, a parameter that is not known or has a wrong value, a protocol
                // that the server does not speak: all of them last.
                "42" | "22" | "55" | "0A" => (ErrorKind::Connect, Retry::Never),
                // Starting up, shutting down (57P0x), out of memory, a broken server process, and what
                // has no code because the server could not even start a process.
                _ => (ErrorKind::Connect, Retry::Safe),
            },
        }
    }

    /// 57014 is one code for several reasons. Localized servers say it in words that are not known here.
    fn is_statement_timeout(&self) -> bool {
        self.message().contains("statement timeout")
            || self.message().contains("transaction timeout")
    }

    /// The message, with the row of a COPY that it is about.
    fn placed(&self, message: String) -> String {
        match self.copy_place() {
            Some(place) => format!("{message} ({place})"),
            None => message,
        }
    }

    /// `COPY readings, line 7, column level_m`: what the context says of a COPY, up to the data that it
    /// quotes.
    fn copy_place(&self) -> Option<&str> {
        const BYTES_MAX: usize = 256;
        let line = self.context()?.lines().find(|line| line.starts_with("COPY "))?;
        let place = line.split(": ").next().unwrap_or(line);
        (place.len() <= BYTES_MAX && place.contains(", ")).then_some(place)
    }

    /// Everything but kind and retry advice.
    fn describe(&self, kind: ErrorKind, shown: Shown<'_>) -> Error {
        let fields = &self.0;
        let raised = shown != Shown::Whole && shown::is_raised(fields);
        let mut details: Vec<&str> = Vec::new();
        let mut error = if raised {
            details.push(self.message());
            details.extend(self.detail());
            details.extend(self.hint());
            let message = "a function or trigger of the database raised an error";
            Error::new(kind, self.placed(message.into())).with_hint("`detail()` has its text")
        } else {
            let message = shown::message(fields, shown);
            let whole = message == self.message();
            if !whole {
                details.push(self.message());
            }
            details.extend(self.detail());
            let error = Error::new(kind, self.placed(message.into_owned()));
            match self.hint() {
                Some(hint) => error.with_hint(hint.to_owned()),
                None if !whole => error.with_hint("`detail()` has the whole message"),
                None => error,
            }
        };
        if matches!(fields.severity, Severity::Fatal | Severity::Panic)
            && error.message().is_empty()
        {
            error = Error::new(kind, "the server ended the session");
        }
        if !details.is_empty() {
            error = error.with_detail(details.join("\n"));
        }
        if let Some(state) = self.sqlstate() {
            error = error.with_sqlstate(state.as_str());
        }
        if let Some(name) = self.constraint() {
            error = error.with_constraint(name);
        }
        if let Some(name) = self.table() {
            error = error.with_table(name);
        }
        if let Some(name) = self.column() {
            error = error.with_column(name);
        }
        if let (Shown::Of(sql), Some(position)) = (shown, self.position())
            && let Some(byte) = byte_of(sql, position)
        {
            error = error.with_position(byte);
        }
        error
    }
}

/// The byte (from 0) of the character (from 1). The place after the last one is a place, too: the end of
/// the input can be the error.
pub(super) fn byte_of(sql: &str, position: u32) -> Option<u32> {
    let index = usize::try_from(position).ok()?.checked_sub(1)?;
    let mut starts = sql.char_indices().map(|(byte, _)| byte).chain([sql.len()]);
    starts.nth(index)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::super::body;
    use super::*;
    use crate::sqlstate::SqlState;
    use proptest::prelude::*;
    use std::error::Error as _;

    fn report(severity: &str, code: &str, message: &str) -> ServerError {
        ServerError::parse(&body(&[(b'V', severity), (b'C', code), (b'M', message)])).unwrap()
    }

    fn kind(code: &str, message: &str) -> ErrorKind {
        report("ERROR", code, message).into_error(Some("SELECT 1")).kind()
    }

    #[test]
    fn codes_have_their_kind() {
        for (code, expected) in [
            ("23505", ErrorKind::UniqueViolation),
            ("23503", ErrorKind::ForeignKeyViolation),
            ("23001", ErrorKind::ForeignKeyViolation),
            ("23502", ErrorKind::NotNullViolation),
            ("23514", ErrorKind::CheckViolation),
            ("44000", ErrorKind::CheckViolation),
            ("23P01", ErrorKind::ExclusionViolation),
            ("40P01", ErrorKind::Deadlock),
            ("40001", ErrorKind::Serialization),
            ("55P03", ErrorKind::LockTimeout),
            ("25006", ErrorKind::ReadOnly),
            ("25P02", ErrorKind::TxFailed),
            ("42601", ErrorKind::Syntax),
            ("42P01", ErrorKind::UndefinedObject),
            ("42703", ErrorKind::UndefinedObject),
            ("42883", ErrorKind::UndefinedObject),
            ("42501", ErrorKind::Permission),
            ("22P02", ErrorKind::Data),
            ("22012", ErrorKind::Data),
            ("53100", ErrorKind::Resources),
            ("0A000", ErrorKind::Unsupported),
            ("XX001", ErrorKind::Corrupt),
            // The server's own connections are not ours.
            ("08006", ErrorKind::Database),
            ("42P07", ErrorKind::Database),
            ("AB123", ErrorKind::Database),
        ] {
            assert_eq!(kind(code, "x"), expected, "{code}");
        }
        assert_eq!(
            kind("08P01", "bind message supplies 1 parameters"),
            ErrorKind::ArgumentMismatch
        );
        let nameless = ServerError::parse(&body(&[(b'M', "x")])).unwrap();
        assert_eq!(nameless.into_error(None).kind(), ErrorKind::Database);
    }

    #[test]
    fn no_error_of_a_session_that_goes_on_says_the_connection_is_lost() {
        for line in include_str!("../sqlstate/codes.txt").lines() {
            let Some(state) = line.get(..5).and_then(SqlState::new) else { continue };
            let error = report("ERROR", state.as_str(), "x").into_error(Some("SELECT 1"));
            assert!(!error.is_connection_lost(), "{state}");
            assert_eq!(error.sqlstate(), Some(state.as_str()));
            let fatal = report("FATAL", state.as_str(), "x").into_error(Some("SELECT 1"));
            assert!(fatal.is_connection_lost(), "{state}");
            assert_eq!((fatal.retry(), fatal.nothing_sent()), (Retry::Unknown, false), "{state}");
            let connect = report("FATAL", state.as_str(), "x").into_connect_error();
            assert!(connect.nothing_sent() && !connect.is_connection_lost(), "{state}");
        }
    }

    #[test]
    fn a_stopped_statement_is_told_from_one_that_took_too_long() {
        let timeout = "canceling statement due to statement timeout";
        let user = "canceling statement due to user request";
        assert_eq!(kind("57014", timeout), ErrorKind::Timeout);
        assert_eq!(kind("57014", user), ErrorKind::Cancelled);
        let error = report("ERROR", "57014", timeout).into_error(Some("SELECT 1"));
        assert_eq!(error.retry(), Retry::Never);
    }

    #[test]
    fn transactions_that_the_server_gave_up_may_run_again() {
        for code in ["40001", "40P01", "55P03", "40000", "72000"] {
            let error = report("ERROR", code, "x").into_error(Some("COMMIT"));
            assert_eq!(error.retry(), Retry::Transaction, "{code}");
        }
        let unknown = report("ERROR", "40003", "x").into_error(Some("COMMIT"));
        assert_eq!(unknown.retry(), Retry::Unknown);
        assert_eq!(report("ERROR", "42601", "x").into_error(None).retry(), Retry::Never);
    }

    #[test]
    fn a_refused_session_says_whether_time_heals_it() {
        for (code, kind, retry) in [
            ("28P01", ErrorKind::Authentication, Retry::Never),
            ("28000", ErrorKind::Authentication, Retry::Never),
            ("3D000", ErrorKind::UndefinedObject, Retry::Never),
            ("42501", ErrorKind::Connect, Retry::Never),
            ("53300", ErrorKind::Resources, Retry::Safe),
            ("57P03", ErrorKind::Connect, Retry::Safe),
            ("57P01", ErrorKind::Connect, Retry::Safe),
        ] {
            let error = report("FATAL", code, "no").into_connect_error();
            assert_eq!((error.kind(), error.retry()), (kind, retry), "{code}");
            assert_eq!(error.message(), "no");
        }
        let plain = ServerError::parse_plain_text(b"could not fork\n\0").into_connect_error();
        assert_eq!((plain.message(), plain.retry()), ("could not fork", Retry::Safe));
    }

    #[test]
    fn a_fatal_report_keeps_its_text() {
        let error = report("FATAL", "57P01", "terminating connection due to administrator command")
            .into_error(Some("SELECT 1"));
        assert_eq!(
            error.to_string(),
            "terminating connection due to administrator command (SQLSTATE 57P01)"
        );
        let mute = report("FATAL", "57P01", "").into_error(None);
        assert_eq!(mute.message(), "the server ended the session");
    }

    #[test]
    fn the_report_is_the_source_and_says_nothing_twice() {
        let sql = "INSERT INTO t VALUES ($1)";
        let error = ServerError::parse(&body(&[
            (b'V', "ERROR"),
            (b'C', "23505"),
            (b'M', "duplicate key value violates unique constraint \"t_pkey\""),
            (b'D', "Key (id)=(s3cret) already exists."),
            (b't', "t"),
            (b'n', "t_pkey"),
        ]))
        .unwrap()
        .into_error(Some(sql));
        assert_eq!((error.table(), error.constraint()), (Some("t"), Some("t_pkey")));
        assert_eq!(error.detail(), Some("Key (id)=(s3cret) already exists."));
        let server = error.source().unwrap().downcast_ref::<ServerError>().unwrap();
        assert!(server.message().starts_with("duplicate key"));
        let chain = format!("{error}: {server}; {error:?}");
        assert_eq!(chain.matches("duplicate key").count(), 2, "{chain}");
        assert!(!chain.contains("s3cret"), "{chain}");
    }

    #[test]
    fn a_bound_parameter_is_in_detail_only() {
        let message = "invalid input syntax for type integer: \"s3cret\"";
        let error = report("ERROR", "22P02", message).into_error(Some("SELECT $1::int"));
        assert_eq!(
            error.to_string(),
            "invalid input syntax for type integer: \"…\" (SQLSTATE 22P02); \
             `detail()` has the whole message"
        );
        assert_eq!(error.detail(), Some(message));
        assert!(!format!("{error:?}").contains("s3cret"));
    }

    #[test]
    fn of_a_statement_that_is_not_known_nothing_quoted_is_shown() {
        let error = report("ERROR", "42P01", "relation \"s3cret\" does not exist").into_error(None);
        assert_eq!(error.message(), "relation \"…\" does not exist");
        assert_eq!(report("ERROR", "P0001", "s3cret").into_error(None).detail(), Some("s3cret"));
    }

    #[test]
    fn what_a_function_raises_is_in_detail_only() {
        let error = ServerError::parse(&body(&[
            (b'C', "23505"),
            (b'M', "s3cret is taken"),
            (b'D', "by s3cret"),
            (b'H', "try s3cret2"),
            (b'R', "exec_stmt_raise"),
            (b'F', "pl_exec.c"),
        ]))
        .unwrap()
        .into_error(Some("CALL f($1)"));
        assert_eq!(error.kind(), ErrorKind::UniqueViolation);
        assert!(!format!("{error} {error:?} {}", error.source().unwrap()).contains("s3cret"));
        assert_eq!(error.detail(), Some("s3cret is taken\nby s3cret\ntry s3cret2"));
    }

    #[test]
    fn the_position_is_in_bytes_of_the_text() {
        let sql = "SELECT 'é', x";
        let at = |position: &str| {
            let fields = [(b'C', "42703"), (b'M', "no x"), (b'P', position)];
            ServerError::parse(&body(&fields)).unwrap().into_error(Some(sql)).position()
        };
        assert_eq!(at("1"), Some(0));
        assert_eq!(at("13"), Some(13), "x follows a character of two bytes");
        assert_eq!(at("14"), Some(14), "the end of the text");
        assert_eq!(at("15"), None);
        assert_eq!(at("0"), None);
    }

    proptest! {
        #[test]
        fn a_position_is_always_on_a_character(sql in "\\PC{0,20}", position in 0..30_u32) {
            if let Some(byte) = byte_of(&sql, position) {
                prop_assert_eq!(sql[..byte as usize].chars().count() as u32, position - 1);
            } else {
                prop_assert!(position == 0 || position as usize > sql.chars().count() + 1);
            }
        }
    }
}
