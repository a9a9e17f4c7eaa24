//! A server's messages as bytes, for scripts: well-formed ones, and with [`message`] any other.

/// A message: its tag, its length, and this body.
///
/// # Panics
///
/// If the body has more than 2^32 bytes.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a message is shorter than 4 GiB");
    let mut bytes = vec![tag];
    bytes.extend(length.to_be_bytes());
    bytes.extend(body);
    bytes
}

/// An authentication message of this code, with what follows the code: 0 is success, 3 asks for a password
/// in clear text, 5 for MD5 with a salt of 4 bytes, 10 lists SASL mechanisms, 11 goes on, 12 ends.
pub fn authentication(code: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes(), rest].concat())
}

/// `ParameterStatus`.
pub fn parameter_status(name: &str, value: &str) -> Vec<u8> {
    message(b'S', &[name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat())
}

/// `BackendKeyData`; the key has 4 bytes in protocol 3.0, up to 256 in 3.2.
pub fn backend_key_data(process: u32, key: &[u8]) -> Vec<u8> {
    message(b'K', &[&process.to_be_bytes(), key].concat())
}

/// `NegotiateProtocolVersion`: the newest minor version, and the options that are not known.
///
/// # Panics
///
/// With more than 2^32 options.
pub fn negotiate_protocol_version(version: u32, unknown: &[&str]) -> Vec<u8> {
    let count = u32::try_from(unknown.len()).expect("few options");
    let mut body = [version.to_be_bytes(), count.to_be_bytes()].concat();
    for option in unknown {
        body.extend(option.as_bytes());
        body.push(0);
    }
    message(b'v', &body)
}

/// `ReadyForQuery`: `I` idle, `T` in a transaction, `E` in a failed one.
pub fn ready_for_query(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

/// Everything from a successful authentication to readiness, as a server of version 15 says it.
pub fn greeting() -> Vec<u8> {
    [
        authentication(0, &[]),
        parameter_status("server_version", "15.0"),
        parameter_status("server_encoding", "UTF8"),
        parameter_status("client_encoding", "UTF8"),
        parameter_status("DateStyle", "ISO, MDY"),
        parameter_status("IntervalStyle", "postgres"),
        parameter_status("TimeZone", "UTC"),
        parameter_status("integer_datetimes", "on"),
        parameter_status("standard_conforming_strings", "on"),
        parameter_status("default_transaction_read_only", "off"),
        parameter_status("in_hot_standby", "off"),
        backend_key_data(4711, &[1, 2, 3, 4]),
        ready_for_query(b'I'),
    ]
    .concat()
}

/// `ParseComplete`.
pub fn parse_complete() -> Vec<u8> {
    message(b'1', &[])
}

/// `BindComplete`.
pub fn bind_complete() -> Vec<u8> {
    message(b'2', &[])
}

/// `CloseComplete`.
pub fn close_complete() -> Vec<u8> {
    message(b'3', &[])
}

/// `NoData`.
pub fn no_data() -> Vec<u8> {
    message(b'n', &[])
}

/// `ParameterDescription`: the types' oids.
pub fn parameter_description(types: &[u32]) -> Vec<u8> {
    let mut body = count(types.len());
    types.iter().for_each(|oid| body.extend(oid.to_be_bytes()));
    message(b't', &body)
}

/// `RowDescription` of columns with a name, the oid of a type and its length in bytes (-1 if it varies); the
/// format is binary for all or for none.
pub fn row_description(columns: &[(&str, u32, i16)], binary: bool) -> Vec<u8> {
    let mut body = count(columns.len());
    for (name, oid, length) in columns {
        body.extend(name.as_bytes());
        body.extend([0; 7]); // the end of the name, no table, no column
        body.extend(oid.to_be_bytes());
        body.extend(length.to_be_bytes());
        body.extend((-1_i32).to_be_bytes()); // no modifier
        body.extend(u16::from(binary).to_be_bytes());
    }
    message(b'T', &body)
}

/// `DataRow`.
///
/// # Panics
///
/// If a value has more than 2^32 bytes.
pub fn data_row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = count(values.len());
    for value in values {
        match value {
            None => body.extend((-1_i32).to_be_bytes()),
            Some(bytes) => {
                let length = u32::try_from(bytes.len()).expect("a value is shorter than 4 GiB");
                body.extend(length.to_be_bytes());
                body.extend(*bytes);
            }
        }
    }
    message(b'D', &body)
}

/// `CommandComplete` with its tag: `SELECT 1`.
pub fn command_complete(tag: &str) -> Vec<u8> {
    message(b'C', &[tag.as_bytes(), b"\0"].concat())
}

/// `ErrorResponse` with these fields: `(b'S', "ERROR"), (b'C', "42601"), (b'M', "…")`.
pub fn error_response(fields: &[(u8, &str)]) -> Vec<u8> {
    message(b'E', &fields_body(fields))
}

/// `NoticeResponse`, fields as for [`error_response`].
pub fn notice_response(fields: &[(u8, &str)]) -> Vec<u8> {
    message(b'N', &fields_body(fields))
}

/// `NotificationResponse`.
pub fn notification_response(process: u32, channel: &str, payload: &str) -> Vec<u8> {
    let text = [channel.as_bytes(), b"\0", payload.as_bytes(), b"\0"].concat();
    message(b'A', &[&process.to_be_bytes(), text.as_slice()].concat())
}

fn fields_body(fields: &[(u8, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (code, text) in fields {
        body.push(*code);
        body.extend(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    body
}

fn count(number: usize) -> Vec<u8> {
    u16::try_from(number).expect("at most 65535 of them").to_be_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_protocol() {
        assert_eq!(ready_for_query(b'T'), b"Z\0\0\0\x05T");
        assert_eq!(parameter_status("a", "b"), b"S\0\0\0\x08a\0b\0");
        assert_eq!(data_row(&[Some(b"x"), None]), b"D\0\0\0\x0f\0\x02\0\0\0\x01x\xff\xff\xff\xff");
        assert_eq!(error_response(&[(b'C', "42601")]), b"E\0\0\0\x0cC42601\0\0");
        let columns = row_description(&[("n", 23, 4)], true);
        assert_eq!(columns.len(), 1 + 4 + 2 + 2 + 18);
        assert_eq!(&columns[columns.len() - 12..], b"\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x01");
    }
}
