//! Frames: one byte of tag, four of length, the body.

use aquifer_driver::{Error, ErrorKind, Result};

/// Bytes before a body.
pub(crate) const HEADER: usize = 5;

/// Most bytes of a message that carries data. PostgreSQL itself makes none longer than 1 GiB
/// (`MaxAllocSize`), and a cell has at most that.
pub(crate) const LARGE_MAX: usize = 1 << 30;

/// Most bytes of a message that only speaks of the connection. libpq takes 30 000 for these; error
/// texts and descriptions of wide results may be longer, but not without end.
pub(crate) const SMALL_MAX: usize = 30_000;

/// Most bytes of an error, a notice or a description: 1 600 columns with long names fit many times.
pub(crate) const TEXT_MAX: usize = 4 << 20;

/// A whole message in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) tag: u8,
    /// Where the body begins.
    pub(crate) body: usize,
    /// Where the body ends and the next frame begins.
    pub(crate) end: usize,
}

/// What a buffer holds at some place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole frame.
    Whole(Frame),
    /// The beginning of one that takes so many bytes in all; 0 while even that is unknown.
    Part(usize),
}

/// Looks for a frame at `at`.
///
/// # Errors
///
/// If the tag is none of the protocol's, or the length is one that no such message has: client and
/// server have then lost each other, and nothing that follows can be trusted.
#[inline]
pub(crate) fn find(bytes: &[u8], at: usize) -> Result<Found> {
    let Some(header) = bytes.get(at..).and_then(<[u8]>::first_chunk::<HEADER>) else {
        return Ok(Found::Part(0));
    };
    let [tag, a, b, c, d] = *header;
    let len = u32::from_be_bytes([a, b, c, d]) as usize;
    // Rows first: they are nearly all that is ever read.
    let known = tag == b'D' || len <= 4 + body_max(tag)?;
    if !known || !(4..=LARGE_MAX).contains(&len) {
        return Err(lost(tag, len));
    }
    let end = at + 1 + len;
    Ok(if end <= bytes.len() {
        Found::Whole(Frame { tag, body: at + HEADER, end })
    } else {
        Found::Part(1 + len)
    })
}

/// Most bytes that the body of a message with this tag can have.
fn body_max(tag: u8) -> Result<usize> {
    Ok(match tag {
        b'D' | b'd' | b'V' => LARGE_MAX,
        b'E' | b'N' | b'T' | b't' => TEXT_MAX,
        b'1' | b'2' | b'3' | b'I' | b'n' | b's' | b'c' => 0,
        b'Z' => 1,
        b'A' | b'C' | b'G' | b'H' | b'W' | b'K' | b'R' | b'S' | b'v' => SMALL_MAX,
        _ => return Err(lost(tag, 0)),
    })
}

#[cold]
fn lost(tag: u8, len: usize) -> Error {
    let shown = char::from(tag);
    let tag = if shown.is_ascii_graphic() { shown.to_string() } else { format!("0x{tag:02x}") };
    Error::new(
        ErrorKind::Protocol,
        format!(
            "the server sent a message that the protocol does not have (tag {tag}, length {len})"
        ),
    )
    .with_hint("check that the address is a PostgreSQL server's; the connection is closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_whole_or_its_size_is_told() {
        let bytes = b"Z\0\0\0\x05I1\0\0\0\x04";
        let ready = Frame { tag: b'Z', body: 5, end: 6 };
        assert_eq!(find(bytes, 0).unwrap(), Found::Whole(ready));
        assert_eq!(find(bytes, 6).unwrap(), Found::Whole(Frame { tag: b'1', body: 11, end: 11 }));
        assert_eq!(find(bytes, 11).unwrap(), Found::Part(0));
        assert_eq!(find(bytes, 500).unwrap(), Found::Part(0));
        assert_eq!(find(&bytes[..5], 0).unwrap(), Found::Part(6));
    }

    #[test]
    fn a_length_that_no_such_message_has_is_refused_before_anything_is_read() {
        for bytes in [
            b"Z\0\0\0\x06".as_slice(),
            b"Z\0\0\0\x03",
            b"D\0\0\0\x03",
            b"D\x7f\xff\xff\xff",
            b"D\xff\xff\xff\xff",
            b"1\0\0\0\x05",
            b"E\x40\0\0\0",
            b"S\0\x10\0\0",
            b"?\0\0\0\x04",
            b"H\0TTP/",
        ] {
            let error = find(bytes, 0).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{bytes:?}");
        }
    }
}
