//! What the client asks for: the payloads of commands, each in packets of its own that begin with number 0.

use mysql_common::constants::Command;

use super::frame;

/// Appends a command with a text; returns the number of the packet that answers.
pub(crate) fn text(out: &mut Vec<u8>, command: Command, text: &str) -> u8 {
    let start = frame::begin(out);
    out.push(command as u8);
    out.extend_from_slice(text.as_bytes());
    frame::finish(out, start, 0)
}

/// Appends a command that is only its number.
pub(crate) fn bare(out: &mut Vec<u8>, command: Command) -> u8 {
    text(out, command, "")
}

/// Appends the order to forget a statement. It is not answered.
pub(crate) fn close(out: &mut Vec<u8>, statement: u32) {
    let start = frame::begin(out);
    out.push(Command::COM_STMT_CLOSE as u8);
    out.extend_from_slice(&statement.to_le_bytes());
    frame::finish(out, start, 0);
}

/// In the place of a statement's number: the one that was prepared last (MariaDB).
pub(crate) const LAST_PREPARED: u32 = u32::MAX;

/// Bytes of an Execute before its arguments.
pub(crate) const EXECUTE_HEAD: usize = 10;

/// Begins an Execute: what comes before the arguments. They are appended, then [`frame::finish`] closes the packet.
/// `cursor`: the server keeps the rows until they are fetched.
#[inline]
pub(crate) fn begin_execute(out: &mut Vec<u8>, statement: u32, cursor: bool) -> usize {
    let start = out.len();
    let [a, b, c, d] = statement.to_le_bytes();
    // The packet's head; then `CURSOR_TYPE_READ_ONLY` is 1; once.
    out.extend_from_slice(&[
        0,
        0,
        0,
        0,
        Command::COM_STMT_EXECUTE as u8,
        a,
        b,
        c,
        d,
        cursor.into(),
        1,
        0,
        0,
        0,
    ]);
    start
}

/// Appends a value of an argument, in pieces that the server takes; they are not answered.
pub(crate) fn long_data(out: &mut Vec<u8>, statement: u32, index: u16, value: &[u8], max: usize) {
    /// Number, statement, argument.
    const HEAD: usize = 7;
    /// Most bytes of a piece.
    const PIECE: usize = 1 << 20;
    for piece in value.chunks(max.saturating_sub(HEAD).clamp(1, PIECE)) {
        let start = frame::begin(out);
        out.push(Command::COM_STMT_SEND_LONG_DATA as u8);
        out.extend_from_slice(&statement.to_le_bytes());
        out.extend_from_slice(&index.to_le_bytes());
        out.extend_from_slice(piece);
        frame::finish(out, start, 0);
    }
}

/// Begins a bulk: what comes before the types and the rows. They are appended, then [`frame::finish`] closes the packet.
pub(crate) fn begin_bulk(out: &mut Vec<u8>, statement: u32) -> usize {
    /// `SEND_TYPES_TO_SERVER`.
    const TYPES_FOLLOW: u16 = 128;
    let start = frame::begin(out);
    out.push(Command::COM_STMT_BULK_EXECUTE as u8);
    out.extend_from_slice(&statement.to_le_bytes());
    out.extend_from_slice(&TYPES_FOLLOW.to_le_bytes());
    start
}

/// Appends the order to send so many more rows of a cursor; returns the number of the packet that answers.
pub(crate) fn fetch(out: &mut Vec<u8>, statement: u32, rows: u32) -> u8 {
    let start = frame::begin(out);
    out.push(Command::COM_STMT_FETCH as u8);
    out.extend_from_slice(&statement.to_le_bytes());
    out.extend_from_slice(&rows.to_le_bytes());
    frame::finish(out, start, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_one_packet_with_number_0() {
        let mut out = Vec::new();
        assert_eq!(text(&mut out, Command::COM_QUERY, "DO 1"), 1);
        assert_eq!(out, b"\x05\0\0\0\x03DO 1");
        out.clear();
        close(&mut out, 258);
        assert_eq!(out, b"\x05\0\0\0\x19\x02\x01\0\0");
        out.clear();
        long_data(&mut out, 258, 1, b"abc", 9);
        assert_eq!(out, b"\x09\0\0\0\x18\x02\x01\0\0\x01\0ab\x08\0\0\0\x18\x02\x01\0\0\x01\0c");
        out.clear();
        let start = begin_execute(&mut out, 258, false);
        assert_eq!(out[start + frame::HEADER..], [0x17, 2, 1, 0, 0, 0, 1, 0, 0, 0]);
    }
}
