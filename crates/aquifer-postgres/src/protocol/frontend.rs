//! What we say: each function appends one whole message.

use std::ops::Range;

use aquifer_driver::{Error, ErrorKind, Result};

use crate::types::Format;

/// Writes a message with this tag around what `body` appends.
#[inline]
fn message(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    framed(out, body);
}

#[inline]
fn framed(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    end(out, start);
}

/// Fills in the length of the message whose length word stands at `start`.
#[inline]
fn end(out: &mut [u8], start: usize) {
    let len = (out.len() - start) as u32;
    if let Some(word) = out.get_mut(start..start + 4) {
        word.copy_from_slice(&len.to_be_bytes());
    }
}

#[inline]
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

/// SQL goes over as a zero-terminated text and in one message.
///
/// # Errors
///
/// If it holds a zero byte, or passes 1 GiB.
pub(crate) fn check_sql(sql: &str) -> Result<()> {
    if sql.len() >= super::frame::LARGE_MAX {
        return Err(Error::new(ErrorKind::ArgumentMismatch, "the statement's text passes 1 GiB")
            .with_hint("pass data as arguments, or use COPY"));
    }
    if let Some(at) = memchr::memchr(0, sql.as_bytes()) {
        return Err(Error::new(
            ErrorKind::ArgumentMismatch,
            format!("the statement's text has a NUL character at byte {at}"),
        )
        .with_nothing_sent(true));
    }
    Ok(())
}

/// StartupMessage.
pub(crate) fn startup<'a>(
    out: &mut Vec<u8>,
    version: u32,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    framed(out, |out| {
        out.extend_from_slice(&version.to_be_bytes());
        for (name, value) in parameters {
            put_text(out, name);
            put_text(out, value);
        }
        out.push(0);
    });
}

/// CancelRequest, on a connection of its own.
pub(crate) fn cancel_request(out: &mut Vec<u8>, process: u32, key: &[u8]) {
    framed(out, |out| {
        out.extend_from_slice(&80_877_102_u32.to_be_bytes());
        out.extend_from_slice(&process.to_be_bytes());
        out.extend_from_slice(key);
    });
}

/// Query: the simple protocol.
pub(crate) fn query(out: &mut Vec<u8>, sql: &str) {
    message(out, b'Q', |out| put_text(out, sql));
}

/// Parse, with the types of the parameters as far as they are known (0 is unknown).
pub(crate) fn parse(out: &mut Vec<u8>, name: &str, sql: &str, types: &[u32]) {
    message(out, b'P', |out| {
        put_text(out, name);
        put_text(out, sql);
        out.extend_from_slice(&(types.len() as u16).to_be_bytes());
        for oid in types {
            out.extend_from_slice(&oid.to_be_bytes());
        }
    });
}

/// What Describe and Close are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    /// A prepared statement.
    Statement,
    /// A portal.
    Portal,
}

impl Object {
    fn letter(self) -> u8 {
        match self {
            Self::Statement => b'S',
            Self::Portal => b'P',
        }
    }
}

/// Describe.
pub(crate) fn describe(out: &mut Vec<u8>, object: Object, name: &str) {
    message(out, b'D', |out| {
        out.push(object.letter());
        put_text(out, name);
    });
}

/// Close.
pub(crate) fn close(out: &mut Vec<u8>, object: Object, name: &str) {
    message(out, b'C', |out| {
        out.push(object.letter());
        put_text(out, name);
    });
}

/// Bind, up to the values: `values` appends them and fills in their formats through [`Formats`].
///
/// Gives the place of the arguments, from their number of formats to their last value, so that they can
/// be sent [again](bind_again).
///
/// # Errors
///
/// What `values` gives; `out` is then as it was.
#[inline]
pub(crate) fn bind(
    out: &mut Vec<u8>,
    portal: &str,
    statement: &str,
    count: usize,
    results: &[Format],
    values: impl FnOnce(&mut Vec<u8>, Formats) -> Result<()>,
) -> Result<Range<usize>> {
    let begin = out.len();
    out.push(b'B');
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    put_text(out, portal);
    put_text(out, statement);
    let arguments = out.len();
    out.extend_from_slice(&(count as u16).to_be_bytes());
    let formats = Formats { at: out.len() };
    out.resize(out.len() + 2 * count, 0);
    out.extend_from_slice(&(count as u16).to_be_bytes());
    if let Err(error) = values(out, formats) {
        out.truncate(begin);
        return Err(error);
    }
    let arguments = arguments..out.len();
    put_results(out, results);
    if out.len() - start > super::frame::LARGE_MAX {
        out.truncate(begin);
        return Err(too_large());
    }
    end(out, start);
    Ok(arguments)
}

/// Says how long the Bind is that `out` begins with.
///
/// # Errors
///
/// If no message can be that long.
#[inline]
pub(super) fn set_bind_len(out: &mut [u8], len: usize) -> Result<()> {
    match out.get_mut(1..5) {
        Some(word) if len <= super::frame::LARGE_MAX => {
            word.copy_from_slice(&(len as u32).to_be_bytes());
            Ok(())
        }
        _ => Err(too_large()),
    }
}

#[cold]
fn too_large() -> Error {
    Error::new(
        ErrorKind::Argument,
        "the arguments of one statement pass 1 GiB, more than a message can carry",
    )
    .with_hint("split the work, or use COPY")
}

#[inline]
fn put_results(out: &mut Vec<u8>, results: &[Format]) {
    out.extend_from_slice(&(results.len() as u16).to_be_bytes());
    for format in results {
        out.extend_from_slice(&(*format as u16).to_be_bytes());
    }
}

/// Bind of arguments that were bound before, with results as text.
pub(crate) fn bind_again(out: &mut Vec<u8>, statement: &str, arguments: &[u8]) {
    message(out, b'B', |out| {
        out.push(0);
        put_text(out, statement);
        out.extend_from_slice(arguments);
        put_results(out, &[]);
    });
}

/// Where the format codes of a Bind stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Formats {
    at: usize,
}

impl Formats {
    /// Those of the arguments that begin at `arguments`, with the number of their formats.
    #[inline]
    pub(super) fn of(arguments: usize) -> Self {
        Self { at: arguments + 2 }
    }

    /// Says how the value at `index` was written; text is the default.
    #[inline]
    pub(crate) fn set(self, out: &mut [u8], index: usize, format: Format) {
        let at = self.at + 2 * index;
        if let Some(word) = out.get_mut(at..at + 2) {
            word.copy_from_slice(&(format as u16).to_be_bytes());
        }
    }
}

/// Execute; 0 rows is all of them.
pub(crate) fn execute(out: &mut Vec<u8>, portal: &str, rows_max: u32) {
    message(out, b'E', |out| {
        put_text(out, portal);
        out.extend_from_slice(&rows_max.to_be_bytes());
    });
}

/// Sync, whole.
pub(super) const SYNC: &[u8] = b"S\0\0\0\x04";

/// Sync.
#[inline]
pub(crate) fn sync(out: &mut Vec<u8>) {
    out.extend_from_slice(SYNC);
}

/// Flush: the server sends what it has, and the segment goes on.
pub(crate) fn flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"H\0\0\0\x04");
}

/// Terminate.
pub(crate) fn terminate(out: &mut Vec<u8>) {
    out.extend_from_slice(b"X\0\0\0\x04");
}

/// Begins a CopyData message: the data follows.
pub(crate) fn begin_copy_data(out: &mut Vec<u8>) {
    out.extend_from_slice(b"d\0\0\0\0");
}

/// Ends the CopyData message that is all of `out`.
pub(crate) fn end_copy_data(out: &mut [u8]) {
    end(out, 1);
}

/// CopyDone, whole.
pub(crate) const COPY_DONE: &[u8] = b"c\0\0\0\x04";

/// CopyDone.
pub(crate) fn copy_done(out: &mut Vec<u8>) {
    out.extend_from_slice(COPY_DONE);
}

/// CopyFail, with the reason that the server's error will quote.
pub(crate) fn copy_fail(out: &mut Vec<u8>, reason: &str) {
    message(out, b'f', |out| put_text(out, reason));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_framed_by_their_length() {
        let mut out = Vec::new();
        parse(&mut out, "s1", "SELECT $1", &[23]);
        assert_eq!(out, b"P\0\0\0\x17s1\0SELECT $1\0\0\x01\0\0\0\x17");
        out.clear();
        startup(&mut out, crate::protocol::VERSION_3_0, [("user", "app")]);
        assert_eq!(out, b"\0\0\0\x12\0\x03\0\0user\0app\0\0");
        out.clear();
        cancel_request(&mut out, 7, &[1, 2, 3, 4]);
        assert_eq!(out, b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07\x01\x02\x03\x04");
    }

    #[test]
    fn a_bind_states_formats_and_takes_everything_back_if_a_value_fails() {
        let mut out = b"before".to_vec();
        bind(&mut out, "", "s", 2, &[Format::Binary], |out, formats| {
            formats.set(out, 1, Format::Binary);
            out.extend_from_slice(b"\0\0\0\x01x\xff\xff\xff\xff");
            Ok(())
        })
        .unwrap();
        assert_eq!(
            out,
            b"beforeB\0\0\0\x1c\0s\0\0\x02\0\0\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\x01\0\x01"
        );
        let error = bind(&mut out, "", "s", 1, &[], |out, _| {
            out.extend_from_slice(b"half");
            Err(Error::new(ErrorKind::Argument, "no"))
        });
        assert!(error.is_err());
        assert_eq!(out.len(), 6 + 1 + 0x1c);
    }

    #[test]
    fn a_nul_in_the_text_is_refused_with_its_place() {
        let error = check_sql("SELECT '\0'").unwrap_err();
        assert!(error.message().contains("byte 8"), "{error}");
    }
}
