//! The fields of ErrorResponse and NoticeResponse, and the error they make.
//!
//! Pure: bytes in, values out. The fields are those of the protocol's chapter "Error and Notice Message
//! Fields". What a server writes may quote data, so neither [`ServerError`]'s `Display` nor its `Debug`
//! shows the texts; its accessors and [`ServerError::render`] do.

use std::fmt;

use aquifer_driver::{Error, ErrorKind, Result};

use crate::sqlstate::SqlState;

mod classify;
mod render;
mod shown;

/// Longest text kept of one field, in bytes; the rest is cut off.
const FIELD_BYTES_MAX: usize = 64 * 1024;
/// Longest text taken from a server that does not speak the protocol.
const PLAIN_BYTES_MAX: usize = 1024;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// The statement failed; the session goes on.
    Error,
    /// The session is over.
    Fatal,
    /// All sessions are over: the server restarts.
    Panic,
    /// Something deserves attention.
    Warning,
    /// Something may be of interest.
    Notice,
    /// For developers.
    Debug,
    /// Something that was asked for.
    Info,
    /// Something for the server's log.
    Log,
}

impl Severity {
    fn of(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"ERROR" => Self::Error,
            b"FATAL" => Self::Fatal,
            b"PANIC" => Self::Panic,
            b"WARNING" => Self::Warning,
            b"NOTICE" => Self::Notice,
            b"DEBUG" => Self::Debug,
            b"INFO" => Self::Info,
            b"LOG" => Self::Log,
            _ => return None,
        })
    }

    /// The server's word for it: `FATAL`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Panic => "PANIC",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Log => "LOG",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Declares the text fields once: for the struct, the parser and the accessors of both public types.
macro_rules! text_fields {
    ($($code:literal $name:ident $doc:literal,)*) => {
        #[derive(Clone, PartialEq, Eq)]
        struct Fields {
            severity: Severity,
            sqlstate: Option<SqlState>,
            position: Option<u32>,
            internal_position: Option<u32>,
            line: Option<u32>,
            $($name: Option<Box<str>>,)*
        }

        impl Fields {
            fn new(severity: Severity) -> Self {
                Self {
                    severity,
                    sqlstate: None,
                    position: None,
                    internal_position: None,
                    line: None,
                    $($name: None,)*
                }
            }

            /// The place of a text field; `None` for codes that are not texts or not known.
            fn text(&mut self, code: u8) -> Option<&mut Option<Box<str>>> {
                match code {
                    $($code => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }

        text_fields!(@accessors ServerError { $($name $doc,)* });
        text_fields!(@accessors Notice { $($name $doc,)* });
    };
    (@accessors $type:ident { $($name:ident $doc:literal,)* }) => {
        impl $type {
            /// How bad it is.
            pub fn severity(&self) -> Severity {
                self.0.severity
            }

            /// What kind of error or warning it is, if the server said so in a valid form.
            pub fn sqlstate(&self) -> Option<SqlState> {
                self.0.sqlstate
            }

            /// The message, whole. It may quote data; do not log it where data must not be logged.
            pub fn message(&self) -> &str {
                self.0.primary.as_deref().unwrap_or_default()
            }

            /// Where in the statement that was sent, in **characters from 1**.
            pub fn position(&self) -> Option<u32> {
                self.0.position
            }

            /// Where in [`internal_query`](Self::internal_query), in characters from 1.
            pub fn internal_position(&self) -> Option<u32> {
                self.0.internal_position
            }

            /// The line of the server's source that reported it.
            pub fn line(&self) -> Option<u32> {
                self.0.line
            }

            text_fields!(@each $($name $doc,)*);
        }
    };
    (@each primary $doc:literal, $($rest:tt)*) => {
        text_fields!(@each $($rest)*);
    };
    (@each $name:ident $doc:literal, $($rest:tt)*) => {
        #[doc = $doc]
        pub fn $name(&self) -> Option<&str> {
            self.0.$name.as_deref()
        }

        text_fields!(@each $($rest)*);
    };
    (@each) => {};
}

text_fields! {
    b'M' primary "",
    b'S' severity_text "The severity in the server's language (`lc_messages`).",
    b'D' detail "The second message, with the particulars. It may quote data.",
    b'H' hint "What to do about it. It may quote data if a function of the database wrote it.",
    b'q' internal_query "The statement inside a function or the server that failed. It may quote data.",
    b'W' context "The calls that led there, innermost first. It may quote data.",
    b's' schema "The schema of the object.",
    b't' table "The table.",
    b'c' column "The column.",
    b'd' data_type "The data type.",
    b'n' constraint "The constraint, or the index that acts as one.",
    b'F' file "The file of the server's source that reported it.",
    b'R' routine "The function of the server's source that reported it.",
}

/// What the server said when it refused or ended something.
///
/// It is the [`source`](std::error::Error::source) of the driver's error, whose `Display` has the message:
///
/// ```no_run
/// # fn show(error: aquifer_driver::Error, sql: &str) {
/// use std::error::Error;
///
/// if let Some(server) = error.source().and_then(|cause| cause.downcast_ref::<aquifer_postgres::ServerError>()) {
///     eprintln!("{}", server.render(sql));
/// }
/// # }
/// ```
///
/// `Display` says what the error above it does not: severity, condition, object, place in the server.
/// Neither it nor `Debug` shows a text that may quote data.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerError(Box<Fields>);

/// What the server said beside its answer: a notice, a warning, the text of `RAISE NOTICE`.
#[derive(Clone, PartialEq, Eq)]
pub struct Notice(Box<Fields>);

impl ServerError {
    /// From the body of an `E` message.
    ///
    /// Text that is not UTF-8 is read with replacement characters, a text beyond 64 KiB is cut off, the first
    /// of several equal fields counts, and fields that are not known are passed over, as the protocol asks.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] if the fields do not end where the body does.
    pub(crate) fn parse(body: &[u8]) -> Result<Self> {
        parse(body, Severity::Error).map(|fields| Self(Box::new(fields)))
    }

    /// The same without its place in a text, for a text that is not the user's.
    pub(crate) fn without_place(mut self) -> Self {
        self.0.position = None;
        self
    }

    /// From a server that could not even start a process for the session, and so wrote `E` and plain
    /// text instead of a message (PostgreSQL: `report_fork_failure_to_client`). `bytes` is what came
    /// after the `E`. Such text shows in the reader as a message of impossible length.
    pub(crate) fn parse_plain_text(bytes: &[u8]) -> Self {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let text = lossy(&bytes[..end.min(PLAIN_BYTES_MAX)]);
        let mut fields = Fields::new(Severity::Fatal);
        fields.primary = Some(text.trim().into());
        Self(Box::new(fields))
    }

    /// True if the session is over.
    pub fn is_fatal(&self) -> bool {
        matches!(self.0.severity, Severity::Fatal | Severity::Panic)
    }
}

impl Notice {
    /// From the body of an `N` message; see [`ServerError::parse`].
    pub(crate) fn parse(body: &[u8]) -> Result<Self> {
        parse(body, Severity::Notice).map(|fields| Self(Box::new(fields)))
    }

    /// A warning of this driver's own, for those who hear the servers'.
    pub(crate) fn warning(message: &str) -> Self {
        let mut fields = Fields::new(Severity::Warning);
        fields.sqlstate = SqlState::from_bytes(b"01000");
        fields.primary = Some(message.into());
        Self(Box::new(fields))
    }
}

fn parse(body: &[u8], severity: Severity) -> Result<Fields> {
    let mut fields = Fields::new(severity);
    let mut severity_sent = None;
    let mut rest = body;
    loop {
        let (code, after) = rest.split_first().ok_or_else(malformed)?;
        if *code == 0 {
            if !after.is_empty() {
                return Err(malformed());
            }
            break;
        }
        let end = after.iter().position(|byte| *byte == 0).ok_or_else(malformed)?;
        let (text, after) = (&after[..end], &after[end + 1..]);
        rest = after;
        match code {
            b'V' => severity_sent = severity_sent.or_else(|| Severity::of(text)),
            b'C' => fields.sqlstate = fields.sqlstate.or_else(|| SqlState::from_bytes(text)),
            b'P' => fields.position = fields.position.or_else(|| number(text)),
            b'p' => fields.internal_position = fields.internal_position.or_else(|| number(text)),
            b'L' => fields.line = fields.line.or_else(|| number(text)),
            code => {
                if let Some(field) = fields.text(*code)
                    && field.is_none()
                {
                    *field = Some(kept(text));
                }
            }
        }
    }
    // Servers before 9.6, and some that only look like PostgreSQL, send the localized word alone.
    let local = || Severity::of(fields.severity_text.as_deref()?.as_bytes());
    fields.severity = severity_sent.or_else(local).unwrap_or(severity);
    Ok(fields)
}

#[cold]
fn malformed() -> Error {
    Error::new(
        ErrorKind::Protocol,
        "the server's error report is cut off or does not end where its message does",
    )
}

/// A position or line: a decimal number above zero.
fn number(text: &[u8]) -> Option<u32> {
    let digits = text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok())?.filter(|number| *number > 0)
}

fn kept(text: &[u8]) -> Box<str> {
    if text.len() <= FIELD_BYTES_MAX {
        return lossy(text).into_boxed_str();
    }
    let mut cut = lossy(&text[..FIELD_BYTES_MAX]);
    // The cut may have split a character.
    if cut.ends_with(char::REPLACEMENT_CHARACTER) {
        cut.pop();
    }
    cut.push('…');
    cut.into_boxed_str()
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server reported {}", self.severity())?;
        if let Some(state) = self.sqlstate() {
            match state.name() {
                Some(name) => write!(f, " {name}")?,
                None => write!(f, " {state}")?,
            }
        }
        if let Some(table) = self.table() {
            f.write_str(", table ")?;
            if let Some(schema) = self.schema() {
                write!(f, "{schema}.")?;
            }
            f.write_str(table)?;
        }
        for (what, name) in [
            ("column", self.column()),
            ("type", self.data_type()),
            ("constraint", self.constraint()),
        ] {
            if let Some(name) = name {
                write!(f, ", {what} {name}")?;
            }
        }
        if let (Some(routine), Some(file), Some(line)) = (self.routine(), self.file(), self.line())
        {
            write!(f, ", from {routine} ({file}:{line})")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "ServerError", &self.0)
    }
}

impl fmt::Display for Notice {
    /// Severity and message, which is what the notice was sent for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity(), self.message())
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "Notice", &self.0)
    }
}

/// Names and numbers only.
fn debug(f: &mut fmt::Formatter<'_>, name: &str, fields: &Fields) -> fmt::Result {
    let mut out = f.debug_struct(name);
    out.field("severity", &fields.severity).field("sqlstate", &fields.sqlstate);
    for (name, value) in [
        ("schema", &fields.schema),
        ("table", &fields.table),
        ("column", &fields.column),
        ("data_type", &fields.data_type),
        ("constraint", &fields.constraint),
        ("file", &fields.file),
        ("routine", &fields.routine),
    ] {
        if let Some(value) = value {
            out.field(name, value);
        }
    }
    for (name, value) in [
        ("position", fields.position),
        ("internal_position", fields.internal_position),
        ("line", fields.line),
    ] {
        if let Some(value) = value {
            out.field(name, &value);
        }
    }
    out.finish_non_exhaustive()
}

/// The body of a message with these fields.
#[cfg(test)]
pub(crate) fn body(fields: &[(u8, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (code, text) in fields {
        out.push(*code);
        out.extend_from_slice(text.as_bytes());
        out.push(0);
    }
    out.push(0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unique() -> ServerError {
        ServerError::parse(&body(&[
            (b'S', "FEHLER"),
            (b'V', "ERROR"),
            (b'C', "23505"),
            (b'M', "duplicate key value violates unique constraint \"t_pkey\""),
            (b'D', "Key (id)=(hunter2) already exists."),
            (b'H', "choose another"),
            (b'P', "15"),
            (b'p', "3"),
            (b'q', "SELECT hunter2"),
            (b'W', "PL/pgSQL function f() line 3"),
            (b's', "public"),
            (b't', "t"),
            (b'c', "id"),
            (b'd', "int4"),
            (b'n', "t_pkey"),
            (b'F', "nbtinsert.c"),
            (b'L', "673"),
            (b'R', "_bt_check_unique"),
            (b'Z', "of the future"),
        ]))
        .unwrap()
    }

    #[test]
    fn every_field_has_an_accessor() {
        let error = unique();
        assert_eq!(error.severity(), Severity::Error);
        assert_eq!(error.severity_text(), Some("FEHLER"));
        assert_eq!(error.sqlstate(), Some(SqlState::UNIQUE_VIOLATION));
        assert_eq!(error.message(), "duplicate key value violates unique constraint \"t_pkey\"");
        assert_eq!(error.detail(), Some("Key (id)=(hunter2) already exists."));
        assert_eq!(error.hint(), Some("choose another"));
        assert_eq!((error.position(), error.internal_position()), (Some(15), Some(3)));
        assert_eq!(error.internal_query(), Some("SELECT hunter2"));
        assert_eq!(error.context(), Some("PL/pgSQL function f() line 3"));
        assert_eq!((error.schema(), error.table()), (Some("public"), Some("t")));
        assert_eq!((error.column(), error.data_type()), (Some("id"), Some("int4")));
        assert_eq!(error.constraint(), Some("t_pkey"));
        assert_eq!((error.file(), error.line()), (Some("nbtinsert.c"), Some(673)));
        assert_eq!(error.routine(), Some("_bt_check_unique"));
        assert!(!error.is_fatal());
    }

    #[test]
    fn display_and_debug_show_names_but_no_text() {
        let error = unique();
        assert_eq!(
            error.to_string(),
            "the server reported ERROR unique_violation, table public.t, column id, type int4, \
             constraint t_pkey, from _bt_check_unique (nbtinsert.c:673)"
        );
        for shown in [format!("{error:?}"), format!("{error:#?}")] {
            assert!(shown.contains("23505") && shown.contains("t_pkey"), "{shown}");
            assert!(!shown.contains("hunter2") && !shown.contains("duplicate"), "{shown}");
        }
    }

    #[test]
    fn the_severity_of_an_old_server_is_read_from_its_own_word() {
        let fatal = ServerError::parse(&body(&[(b'S', "FATAL"), (b'M', "x")])).unwrap();
        assert!(fatal.is_fatal());
        let local = ServerError::parse(&body(&[(b'S', "FEHLER"), (b'M', "x")])).unwrap();
        assert_eq!(local.severity(), Severity::Error);
        let notice = Notice::parse(&body(&[(b'M', "made")])).unwrap();
        assert_eq!(notice.to_string(), "NOTICE: made");
        let warning = Notice::parse(&body(&[(b'V', "WARNING"), (b'C', "01000")])).unwrap();
        assert_eq!((warning.severity(), warning.message()), (Severity::Warning, ""));
    }

    #[test]
    fn the_first_of_equal_fields_counts_and_wrong_numbers_are_no_numbers() {
        let twice = ServerError::parse(&body(&[(b'M', "a"), (b'M', "b"), (b'C', "x")])).unwrap();
        assert_eq!((twice.message(), twice.sqlstate()), ("a", None));
        for wrong in ["", "0", "-1", "+1", "1x", "4294967296"] {
            let error = ServerError::parse(&body(&[(b'P', wrong), (b'L', wrong)])).unwrap();
            assert_eq!((error.position(), error.line()), (None, None), "{wrong:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_and_a_foreign_one_is_replaced() {
        let long = "é".repeat(FIELD_BYTES_MAX);
        let error = ServerError::parse(&body(&[(b'M', &format!("x{long}"))])).unwrap();
        assert!(error.message().len() <= FIELD_BYTES_MAX + '…'.len_utf8());
        assert!(error.message().ends_with("é…"));
        let error = ServerError::parse(b"M\xe9t\xe9\0\0").unwrap();
        assert_eq!(error.message(), "\u{fffd}t\u{fffd}");
    }

    #[test]
    fn a_body_that_is_cut_off_or_goes_on_is_refused() {
        for bad in [&b""[..], b"M", b"Mx", b"Mx\0", b"Mx\0\0y", b"\0\0"] {
            let error = ServerError::parse(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{bad:?}");
        }
        assert_eq!(ServerError::parse(b"\0").unwrap().message(), "");
    }

    #[test]
    fn plain_text_of_a_server_that_cannot_start_a_process_is_kept() {
        let text =
            b"could not fork new process for connection: Resource temporarily unavailable\n\0";
        let error = ServerError::parse_plain_text(text);
        assert!(error.message().starts_with("could not fork") && error.is_fatal());
        assert!(error.message().ends_with("unavailable"));
        let endless = ServerError::parse_plain_text(&[b'x'; 10_000]);
        assert_eq!(endless.message().len(), PLAIN_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_report_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(error) = ServerError::parse(&bytes) {
                prop_assert_eq!(bytes.last(), Some(&0));
                let _ = (error.to_string(), format!("{error:?}"), error.render("SELECT 1"));
            }
        }

        #[test]
        fn texts_come_back_as_they_were_sent(message in "[^\0]{0,40}", detail in "[^\0]{0,40}") {
            let error = ServerError::parse(&body(&[(b'D', &detail), (b'M', &message)])).unwrap();
            prop_assert_eq!(error.message(), message);
            prop_assert_eq!(error.detail(), Some(&*detail));
        }
    }
}
