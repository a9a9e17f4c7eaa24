//! PostgreSQL's COPY: the messages of a session, the data that comes out, and the data that goes in.

use aquifer_driver::Value;
use aquifer_postgres::{CopyFormat, fuzzing};

pub(super) const STREAM_WORDS: &[&str] = &[
    "G\u{0}\u{0}\u{0}\u{7}\u{0}\u{0}\u{0}",
    "G\u{0}\u{0}\u{0}\u{9}\u{1}\u{0}\u{1}\u{0}\u{1}",
    "H\u{0}\u{0}\u{0}\u{7}\u{0}\u{0}\u{0}",
    "H\u{0}\u{0}\u{0}\u{9}\u{1}\u{0}\u{1}\u{0}\u{1}",
    "W\u{0}\u{0}\u{0}\u{7}\u{0}\u{0}\u{0}",
    "d\u{0}\u{0}\u{0}\u{6}7\n",
    "d\u{0}\u{0}\u{0}\u{4}",
    "c\u{0}\u{0}\u{0}\u{4}",
    "C\u{0}\u{0}\u{0}\u{b}COPY 1\u{0}",
    "Z\u{0}\u{0}\u{0}\u{5}I",
    "Z\u{0}\u{0}\u{0}\u{5}T",
    "Z\u{0}\u{0}\u{0}\u{5}E",
    "E\u{0}\u{0}\u{0}\u{15}SERROR\u{0}C57014\u{0}Mx\u{0}\u{0}",
    "E\u{0}\u{0}\u{0}\u{15}SFATAL\u{0}C57P01\u{0}Mx\u{0}\u{0}",
    "N\u{0}\u{0}\u{0}\u{5}\u{0}",
    "S\u{0}\u{0}\u{0}\u{8}a\u{0}b\u{0}",
    "A\u{0}\u{0}\u{0}\u{c}\u{0}\u{0}\u{0}\u{1}c\u{0}p\u{0}",
    "D\u{0}\u{0}\u{0}\u{b}\u{0}\u{1}\u{0}\u{0}\u{0}\u{1}7",
    "I\u{0}\u{0}\u{0}\u{4}",
];

/// An input is a byte that chooses what the session was asked for and what it does then, and what the
/// server says.
pub(super) fn stream(bytes: &[u8]) {
    let Some((command, said)) = bytes.split_first() else { return };
    let (whole, usable) = fuzzing::replay_copy(*command, said, said.len());
    for piece in [1, 7] {
        let (cut, still_usable) = fuzzing::replay_copy(*command, said, piece);
        assert_eq!(usable, still_usable, "in pieces of {piece}");
        if usable {
            assert_eq!(whole, cut, "in pieces of {piece}");
        }
    }
}

pub(super) const OUT_WORDS: &[&str] = &[
    "PGCOPY\n",
    "\u{0}\u{0}\u{0}\u{0}",
    "\u{0}\u{2}\u{0}\u{0}\u{0}\u{4}",
    "\u{0}\u{1}",
    "\u{0}\u{3}",
    "\u{0}\u{4}",
    "\u{0}\u{1}\u{7f}",
    "\t",
    "\n",
    "\\N",
    "\\.",
    "\\\\x00ff",
    "\\t\\n\\\\",
    "{1,NULL}",
    "-12.50",
    "2026-11-20 08:15:00+00",
    "67e55044-10b1-426f-9247-bb680e5fe0c8",
];

const COLUMNS: [&[u32]; 5] = [&[23, 25], &[25], &[1700, 17, 25], &[3802, 1184, 2950, 1007], &[]];

/// An input is a byte for the format (odd: binary), one for the columns, and the data.
pub(super) fn out(bytes: &[u8]) {
    let [format, columns, data @ ..] = bytes else { return };
    let types = COLUMNS[usize::from(*columns) % COLUMNS.len()];
    let read = |piece| {
        let read = fuzzing::copied_out(types, format % 2 == 1, data, piece);
        read.map_err(|error| format!("{:?} {error}", error.kind()))
    };
    let whole = read(data.len());
    for piece in [1, 7] {
        assert_eq!(whole, read(piece), "in pieces of {piece}");
    }
}

pub(super) const IN_WORDS: &[&str] = &[
    "\u{1}\u{2}\\N",
    "\u{1}\u{2}\\.",
    "\u{1}\u{0}",
    "\u{1}\u{3}\"\",",
    "\u{1}\u{4}\t\r\n\u{8}",
    "\u{0}",
    "\u{1}",
    "水",
];

/// An input is rows of an INT8, a TEXT, a BYTEA and a FLOAT8: for each value a byte that is even for NULL,
/// and else eight bytes, or a length and so many.
pub(super) fn into(bytes: &[u8]) {
    const TYPES: [u32; 4] = [20, 25, 17, 701];
    let rows = rows(bytes);
    let copied = |format| fuzzing::copied_in(&TYPES, format, &rows).expect("they fit");
    let shown: Vec<String> = rows.iter().map(|row| show(row)).collect();
    for (format, binary) in [(CopyFormat::Text, false), (CopyFormat::Binary, true)] {
        let read = fuzzing::copied_out(&TYPES, binary, &copied(format), 1 << 16);
        assert_eq!(read.expect("what was written"), shown, "{format:?}");
    }
    let read = csv(&copied(CopyFormat::Csv));
    assert_eq!(read.len(), rows.len());
    for (read, row) in read.iter().zip(&rows) {
        assert!(read.len() == row.len() && read.iter().zip(row).all(means), "{read:?} {row:?}");
    }
}

fn rows(mut bytes: &[u8]) -> Vec<Vec<Value>> {
    fn value(column: usize, bytes: &mut &[u8]) -> Option<Value> {
        let (kind, rest) = bytes.split_first()?;
        *bytes = rest;
        if kind % 2 == 0 {
            return Some(Value::Null);
        }
        if column == 0 || column == 3 {
            let (eight, rest) = bytes.split_first_chunk::<8>()?;
            *bytes = rest;
            let bits = i64::from_be_bytes(*eight);
            return Some(match column {
                0 => Value::Int(bits),
                _ => Value::Float(f64::from_bits(bits.cast_unsigned())),
            });
        }
        let (len, rest) = bytes.split_first()?;
        let (value, rest) = rest.split_at_checked(usize::from(*len))?;
        *bytes = rest;
        Some(match column {
            1 => Value::Text(String::from_utf8_lossy(value).as_ref().into()),
            _ => Value::Bytes(value.into()),
        })
    }
    let mut rows = Vec::new();
    while let Some(row) = (0..4).map(|column| value(column, &mut bytes)).collect() {
        rows.push(row);
    }
    rows
}

fn show(row: &[Value]) -> String {
    row.iter().map(|value| format!("{:?}", Some(value))).collect::<Vec<_>>().join(" | ")
}

/// Reads CSV as the manual's chapter on COPY describes it: a quoted value is itself, an empty one that is not
/// quoted is NULL.
fn csv(mut data: &[u8]) -> Vec<Vec<Option<Vec<u8>>>> {
    let (mut rows, mut row) = (Vec::new(), Vec::new());
    while let Some((first, after)) = data.split_first() {
        if *first == b'"' {
            data = after;
            let mut value = Vec::new();
            loop {
                let end = data.iter().position(|byte| *byte == b'"').expect("quotes end");
                value.extend_from_slice(&data[..end]);
                data = &data[end + 1..];
                if data.first() != Some(&b'"') {
                    break;
                }
                value.push(b'"');
                data = &data[1..];
            }
            row.push(Some(value));
        } else {
            row.push(None);
        }
        let (end, after) = data.split_first().expect("a value is followed by something");
        data = after;
        match end {
            b',' => {}
            b'\n' => rows.push(std::mem::take(&mut row)),
            other => panic!("{other} after a value"),
        }
        // The last value of a line may be NULL, which is nothing at all.
        if *end == b',' && data.first() == Some(&b'\n') {
            row.push(None);
            rows.push(std::mem::take(&mut row));
            data = &data[1..];
        }
    }
    rows
}

/// Whether a value of CSV is this one.
fn means((read, value): (&Option<Vec<u8>>, &Value)) -> bool {
    let text = read.as_ref().map(|read| String::from_utf8_lossy(read));
    match (text, value) {
        (None, Value::Null) => true,
        (Some(read), Value::Int(v)) => *read == v.to_string(),
        (Some(read), Value::Text(v)) => *read == **v,
        (Some(read), Value::Bytes(v)) => {
            let hex: String = v.iter().map(|byte| format!("{byte:02x}")).collect();
            *read == format!("\\x{hex}")
        }
        (Some(read), Value::Float(v)) => {
            let read: f64 = read.parse().expect("a number");
            read.to_bits() == v.to_bits() || read.is_nan() && v.is_nan()
        }
        _ => false,
    }
}
