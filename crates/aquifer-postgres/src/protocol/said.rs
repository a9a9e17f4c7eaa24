//! What servers say, for tests that have none: each function makes one whole message.

/// A message with this tag and body.
pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(body);
    out
}

pub(crate) fn ready(state: u8) -> Vec<u8> {
    message(b'Z', &[state])
}

pub(crate) fn complete(tag: &str) -> Vec<u8> {
    message(b'C', format!("{tag}\0").as_bytes())
}

pub(crate) fn error(code: &str) -> Vec<u8> {
    message(b'E', format!("SERROR\0VERROR\0C{code}\0Mno\0\0").as_bytes())
}

pub(crate) fn parameters(oids: &[u32]) -> Vec<u8> {
    let mut body = (oids.len() as u16).to_be_bytes().to_vec();
    oids.iter().for_each(|oid| body.extend_from_slice(&oid.to_be_bytes()));
    message(b't', &body)
}

/// Columns of these names and types.
pub(crate) fn fields(columns: &[(&str, u32)]) -> Vec<u8> {
    let mut body = (columns.len() as u16).to_be_bytes().to_vec();
    for (name, oid) in columns {
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&[0; 7]);
        body.extend_from_slice(&oid.to_be_bytes());
        body.extend_from_slice(&[0, 4, 0xff, 0xff, 0xff, 0xff, 0, 0]);
    }
    message(b'T', &body)
}

pub(crate) fn row(cells: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = (cells.len() as u16).to_be_bytes().to_vec();
    for cell in cells {
        match cell {
            Some(cell) => {
                body.extend_from_slice(&(cell.len() as u32).to_be_bytes());
                body.extend_from_slice(cell);
            }
            None => body.extend_from_slice(&[0xff; 4]),
        }
    }
    message(b'D', &body)
}

/// The answers to a first use of `SELECT id`, an int4, with this one parameter type.
pub(crate) fn first_use(cells: &[&[u8]]) -> Vec<u8> {
    let mut out =
        [message(b'1', b""), parameters(&[23]), fields(&[("id", 23)]), message(b'2', b"")].concat();
    cells.iter().for_each(|cell| out.extend(row(&[Some(cell)])));
    out.extend(complete(&format!("SELECT {}", cells.len())));
    out.extend(ready(b'I'));
    out
}

/// The tags of messages.
pub(crate) fn tags(mut bytes: &[u8]) -> String {
    let mut tags = String::new();
    while let [tag, a, b, c, d, ..] = bytes {
        tags.push(char::from(*tag));
        bytes = &bytes[1 + u32::from_be_bytes([*a, *b, *c, *d]) as usize..];
    }
    tags
}
