//! What the server says, message by message. Rows are not here: they are read where they lie.

use aquifer_driver::{Error, ErrorKind, Result};

use super::Reader;

/// A column of a RowDescription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: Box<str>,
    /// The table's number, 0 if the column is none of a table's.
    pub(crate) table: u32,
    /// The type's number.
    pub(crate) oid: u32,
    /// The type's modifier, -1 if it has none.
    pub(crate) modifier: i32,
    /// The wire code of the format, 0 in a statement's description.
    pub(crate) format: u16,
}

/// RowDescription.
pub(crate) fn row_description(body: &[u8]) -> Result<Vec<Field>> {
    let mut reader = Reader::new("RowDescription", body);
    let count = usize::from(reader.u16()?);
    // Nineteen bytes at least: a count that the message cannot hold reserves nothing.
    let mut fields = Vec::with_capacity(count.min(body.len() / 19));
    for _ in 0..count {
        let name = reader.text()?.into();
        let table = reader.u32()?;
        reader.i16()?;
        let oid = reader.u32()?;
        reader.i16()?;
        let modifier = reader.i32()?;
        let format = reader.u16()?;
        fields.push(Field { name, table, oid, modifier, format });
    }
    reader.end()?;
    Ok(fields)
}

/// The text of a DataRow with one cell; `None` if it has others, or none that is text.
pub(crate) fn only_cell(body: &[u8]) -> Option<&str> {
    let mut reader = Reader::new("DataRow", body);
    let (1, Ok(len)) = (reader.u16().ok()?, usize::try_from(reader.i32().ok()?)) else {
        return None;
    };
    let cell = reader.take(len).ok()?;
    reader.end().ok()?;
    std::str::from_utf8(cell).ok()
}

/// ParameterDescription: the types of the parameters.
pub(crate) fn parameter_description(body: &[u8]) -> Result<Box<[u32]>> {
    let mut reader = Reader::new("ParameterDescription", body);
    let count = usize::from(reader.u16()?);
    let mut types = Vec::with_capacity(count.min(body.len() / 4));
    for _ in 0..count {
        types.push(reader.u32()?);
    }
    reader.end()?;
    Ok(types.into())
}

/// Where the session stands, from ReadyForQuery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    /// No transaction block.
    Idle,
    /// In a transaction block.
    Transaction,
    /// In a failed transaction block.
    Failed,
}

/// ReadyForQuery.
pub(crate) fn ready_for_query(body: &[u8]) -> Result<Ready> {
    match body {
        [b'I'] => Ok(Ready::Idle),
        [b'T'] => Ok(Ready::Transaction),
        [b'E'] => Ok(Ready::Failed),
        _ => Err(Error::new(
            ErrorKind::Protocol,
            "the server's ReadyForQuery names a state that the protocol does not have",
        )),
    }
}

/// CommandComplete: the tag's words and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    /// The command: `INSERT`, `CREATE TABLE`.
    pub(crate) command: &'a str,
    /// How many rows it was about; 0 for commands that count none.
    pub(crate) rows: u64,
    /// True if the tag has a number.
    pub(crate) counts: bool,
}

/// CommandComplete. Tags are `SELECT 5`, `INSERT 0 5`, `CREATE TABLE`.
#[inline]
pub(crate) fn command_complete(body: &[u8]) -> Result<Tag<'_>> {
    match frequent_tag(body) {
        Some(tag) => Ok(tag),
        None => any_tag(body),
    }
}

/// The tags of what is run most are told without looking for their words.
#[inline]
fn frequent_tag(body: &[u8]) -> Option<Tag<'static>> {
    /// Whatever has so many digits fits.
    const DIGITS_MAX: usize = 19;
    let (command, number) = match body {
        b"BEGIN\0" => return Some(Tag { command: "BEGIN", rows: 0, counts: false }),
        b"COMMIT\0" => return Some(Tag { command: "COMMIT", rows: 0, counts: false }),
        [b'S', b'E', b'L', b'E', b'C', b'T', b' ', number @ .., 0] => ("SELECT", number),
        [b'U', b'P', b'D', b'A', b'T', b'E', b' ', number @ .., 0] => ("UPDATE", number),
        [b'D', b'E', b'L', b'E', b'T', b'E', b' ', number @ .., 0] => ("DELETE", number),
        [b'I', b'N', b'S', b'E', b'R', b'T', b' ', b'0', b' ', number @ .., 0] => {
            ("INSERT", number)
        }
        _ => return None,
    };
    if number.is_empty() || number.len() > DIGITS_MAX || !number.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let rows = number.iter().fold(0, |sum, digit| 10 * sum + u64::from(digit - b'0'));
    Some(Tag { command, rows, counts: true })
}

fn any_tag(body: &[u8]) -> Result<Tag<'_>> {
    let tag = Reader::new("CommandComplete", body).c_bytes()?;
    let tag = std::str::from_utf8(tag).map_err(|_| malformed())?;
    let (command, last) = tag.rsplit_once(' ').unwrap_or((tag, ""));
    if !last.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(Tag { command: tag, rows: 0, counts: false });
    }
    let rows = last.parse().map_err(|_| malformed())?;
    // `INSERT 0 5`: the first number is a row's number of old.
    let command = command.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ');
    Ok(Tag { command, rows, counts: true })
}

#[cold]
fn malformed() -> Error {
    Error::new(ErrorKind::Protocol, "the server's CommandComplete has a malformed tag")
}

/// ParameterStatus: name and value.
pub(crate) fn parameter_status(body: &[u8]) -> Result<(String, String)> {
    let mut reader = Reader::new("ParameterStatus", body);
    let name = reader.text()?.into_owned();
    let value = reader.text()?.into_owned();
    reader.end()?;
    Ok((name, value))
}

/// BackendKeyData: the process and the key that a CancelRequest must show. The key has four bytes in
/// protocol 3.0 and up to 256 in 3.2.
pub(crate) fn backend_key_data(body: &[u8]) -> Result<(u32, Box<[u8]>)> {
    let mut reader = Reader::new("BackendKeyData", body);
    let process = reader.u32()?;
    let key = reader.rest();
    if !(4..=256).contains(&key.len()) {
        return Err(Error::new(
            ErrorKind::Protocol,
            format!("the server's cancel key has {} bytes; 4 to 256 are allowed", key.len()),
        ));
    }
    Ok((process, key.into()))
}

/// NotificationResponse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notified {
    pub(crate) process: u32,
    pub(crate) channel: String,
    pub(crate) payload: String,
}

/// NotificationResponse.
pub(crate) fn notification(body: &[u8]) -> Result<Notified> {
    let mut reader = Reader::new("NotificationResponse", body);
    let process = reader.u32()?;
    let channel = reader.text()?.into_owned();
    let payload = reader.text()?.into_owned();
    reader.end()?;
    Ok(Notified { process, channel, payload })
}

/// CopyInResponse, CopyOutResponse: the overall format and each column's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopyFormat {
    pub(crate) binary: bool,
    pub(crate) columns: usize,
}

/// CopyInResponse or CopyOutResponse.
pub(crate) fn copy_response(body: &[u8]) -> Result<CopyFormat> {
    let mut reader = Reader::new("CopyResponse", body);
    let binary = reader.u8()? == 1;
    let columns = usize::from(reader.u16()?);
    reader.take(columns * 2)?;
    reader.end()?;
    Ok(CopyFormat { binary, columns })
}

/// NegotiateProtocolVersion: the newest minor version that the server has, and the options that it does
/// not know.
pub(crate) fn negotiate_protocol_version(body: &[u8]) -> Result<(u32, Vec<String>)> {
    let mut reader = Reader::new("NegotiateProtocolVersion", body);
    let version = reader.u32()?;
    let count = reader.u32()? as usize;
    let mut options = Vec::with_capacity(count.min(body.len()));
    for _ in 0..count {
        options.push(reader.text()?.into_owned());
    }
    reader.end()?;
    Ok((version, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_give_their_command_and_number() {
        let tag = |body: &'static [u8]| {
            let tag = command_complete(body).unwrap();
            (tag.command, tag.rows)
        };
        assert_eq!(tag(b"INSERT 0 5\0"), ("INSERT", 5));
        assert_eq!(tag(b"SELECT 1000000\0"), ("SELECT", 1_000_000));
        assert_eq!(tag(b"CREATE TABLE\0"), ("CREATE TABLE", 0));
        assert_eq!(tag(b"COMMIT\0"), ("COMMIT", 0));
        assert_eq!(tag(b"COPY 7\0"), ("COPY", 7));
        for body in [
            &b"BEGIN\0"[..],
            b"COMMIT\0",
            b"SELECT 0\0",
            b"UPDATE 7\0",
            b"DELETE 12\0",
            b"INSERT 0 3\0",
            b"SELECT 9999999999999999999\0",
            b"UPDATE 00000000000000000001\0",
            b"UPDATE 1\0 2\0",
            b"SELECT \0",
        ] {
            assert_eq!(command_complete(body).unwrap(), any_tag(body).unwrap(), "{body:?}");
        }
        assert!(command_complete(b"UPDATE 99999999999999999999\0").is_err());
        assert!(command_complete(b"UPDATE 1").is_err());
    }

    #[test]
    fn a_description_is_read_and_a_false_count_is_an_error() {
        let mut body =
            b"\0\x01id\0\0\0\x40\x01\0\x01\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x01".to_vec();
        let field = &row_description(&body).unwrap()[0];
        assert_eq!((&*field.name, field.table, field.oid), ("id", 0x4001, 23));
        assert_eq!((field.modifier, field.format), (-1, 1));
        body[1] = 2;
        assert_eq!(row_description(&body).unwrap_err().kind(), ErrorKind::Protocol);
        assert!(parameter_description(b"\xff\xff\0\0\0\x17").is_err());
    }

    #[test]
    fn cancel_keys_have_four_to_256_bytes() {
        assert_eq!(backend_key_data(&[0, 0, 0, 9, 1, 2, 3, 4]).unwrap(), (9, [1, 2, 3, 4].into()));
        assert_eq!(backend_key_data(&[7; 4 + 256]).unwrap().1.len(), 256);
        assert!(backend_key_data(&[7; 4 + 257]).is_err());
        assert!(backend_key_data(&[7; 4 + 3]).is_err());
    }
}
