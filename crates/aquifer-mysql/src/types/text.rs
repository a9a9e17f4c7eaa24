//! Rows of the text protocol: a length and the digits of each cell, rewritten into what the binary protocol sends.

use std::str::FromStr;

use aquifer_driver::Result;

use super::binary::var;
use super::{Cells, Kind, malformed, temporal};

/// The byte in the place of a length that says NULL.
const NULL: u8 = 0xfb;

/// Finds and rewrites the cells of the row in `bytes[at..end]`.
///
/// # Errors
///
/// If the row does not have the form that was described.
pub(crate) fn row(
    bytes: &[u8],
    at: usize,
    end: usize,
    kinds: &[Kind],
    cells: &mut Cells<'_>,
) -> Result<()> {
    let mut cell = at;
    for kind in kinds {
        if cell < end && bytes.get(cell) == Some(&NULL) {
            cells.null();
            cell += 1;
            continue;
        }
        let (start, after) = var(bytes, cell, end).ok_or_else(malformed)?;
        cell = after;
        if kind.is_text_as_is() {
            cells.here(start, after - start);
        } else {
            rewrite(*kind, &bytes[start..after], cells).ok_or_else(malformed)?;
        }
    }
    if cell == end { Ok(()) } else { Err(malformed()) }
}

fn rewrite(kind: Kind, text: &[u8], cells: &mut Cells<'_>) -> Option<()> {
    match kind {
        Kind::I8 => cells.rewritten(&parse::<i8>(text)?.to_le_bytes()),
        Kind::I16 => cells.rewritten(&parse::<i16>(text)?.to_le_bytes()),
        Kind::I32 => cells.rewritten(&parse::<i32>(text)?.to_le_bytes()),
        Kind::I64 => cells.rewritten(&parse::<i64>(text)?.to_le_bytes()),
        Kind::U8 => cells.rewritten(&parse::<u8>(text)?.to_le_bytes()),
        Kind::U16 => cells.rewritten(&parse::<u16>(text)?.to_le_bytes()),
        Kind::U32 => cells.rewritten(&parse::<u32>(text)?.to_le_bytes()),
        Kind::U64 => cells.rewritten(&parse::<u64>(text)?.to_le_bytes()),
        Kind::F32 => cells.rewritten(&parse::<f32>(text)?.to_le_bytes()),
        Kind::F64 => cells.rewritten(&parse::<f64>(text)?.to_le_bytes()),
        Kind::Date => cells.date(temporal::date_of_text(text)?),
        Kind::DateTime(east) => cells.moment(temporal::date_time_of_text(text)?, east),
        Kind::Bits => cells.rewritten(&super::bits(text)?.to_le_bytes()),
        Kind::Time => cells.rewritten(&temporal::time_of_text(text)?.to_le_bytes()),
        Kind::Uuid => cells.rewritten(&uuid(text)?),
        Kind::Bytes | Kind::DateText | Kind::DateTimeText(_) => return None,
    }
    Some(())
}

fn parse<T: FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The bytes of `123e4567-e89b-12d3-a456-426655440000`.
pub(super) fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let mut digits = text.iter().filter(|byte| **byte != b'-');
    for byte in &mut bytes {
        let high = char::from(*digits.next()?).to_digit(16)?;
        let low = char::from(*digits.next()?).to_digit(16)?;
        *byte = (high << 4 | low) as u8;
    }
    digits.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aquifer_driver::{Column, Columns, Encoding, RowBatch, Value};

    use super::*;
    use crate::protocol::reader::put_bytes;
    use crate::types::{NoDay, binary};

    const KINDS: [(Kind, Encoding); 8] = [
        (Kind::I8, Encoding::I8),
        (Kind::U64, Encoding::U64Le),
        (Kind::F64, Encoding::F64Le),
        (Kind::Bytes, Encoding::Text),
        (Kind::Date, Encoding::DateLe),
        (Kind::DateTime(0), Encoding::TimestampLe),
        (Kind::Time, Encoding::TimeLe),
        (Kind::Uuid, Encoding::Uuid),
    ];

    type Read = fn(&[u8], usize, usize, &[Kind], &mut Cells<'_>) -> Result<()>;

    fn read(read: Read, row: &[u8]) -> Result<Vec<Value>> {
        let kinds = KINDS.map(|(kind, _)| kind);
        let columns = KINDS.map(|(_, encoding)| Column::new("c", encoding));
        let mut batch = RowBatch::new();
        batch.set_columns(&Arc::new(Columns::new(columns)));
        batch.bytes_mut().extend_from_slice(row);
        let mut scratch = Vec::new();
        {
            let (bytes, slots) = batch.locate();
            let mut cells = Cells {
                slots,
                scratch: &mut scratch,
                scratch_at: bytes.len(),
                no_day: NoDay::Empty,
            };
            read(bytes, 0, bytes.len(), &kinds, &mut cells)?;
            cells.slots.end_row(kinds.len());
        }
        batch.bytes_mut().extend_from_slice(&scratch);
        let row = batch.row(0).unwrap();
        (0..row.len()).map(|index| row.get::<Value>(index)).collect()
    }

    #[test]
    fn both_protocols_give_the_same_values() {
        let uuid = "01020304-0506-0708-090a-0b0c0d0e0f10";
        let moment = "1970-01-01 00:00:01";
        let mut text = Vec::new();
        for cell in
            ["-5", "18446744073709551615", "1.5", "ä", "1970-01-02", moment, "-00:00:01", uuid]
        {
            put_bytes(&mut text, cell.as_bytes());
        }
        let mut packed = vec![0, 0, 0, (-5_i8) as u8];
        packed.extend_from_slice(&u64::MAX.to_le_bytes());
        packed.extend_from_slice(&1.5_f64.to_le_bytes());
        put_bytes(&mut packed, "ä".as_bytes());
        put_bytes(&mut packed, &[0xb2, 7, 1, 2]);
        put_bytes(&mut packed, &[0xb2, 7, 1, 1, 0, 0, 1]);
        put_bytes(&mut packed, &[1, 0, 0, 0, 0, 0, 0, 1]);
        put_bytes(&mut packed, uuid.as_bytes());
        let values = read(row, &text).unwrap();
        assert_eq!(values, read(binary::row, &packed).unwrap());
        assert_eq!(values[1], Value::UInt(u64::MAX));
        assert_eq!(values[6], Value::Time(-1_000_000));
        for cut in 0..packed.len() {
            assert!(read(binary::row, &packed[..cut]).is_err(), "{cut}");
        }
        for cut in 0..text.len() {
            assert!(read(row, &text[..cut]).is_err(), "{cut}");
        }
        let nulls = read(binary::row, &[0, 0b1111_1100, 0b11]).unwrap();
        assert!(nulls.iter().all(Value::is_null));
        assert_eq!(read(row, &[NULL; 8]).unwrap(), nulls);
    }

    #[test]
    fn a_cell_that_is_not_of_its_type_is_an_error() {
        let mut text = Vec::new();
        for cell in ["300", "1", "1", "a", "1970-01-02", "1970-01-01 00:00:01", "0:0:1", "x"] {
            put_bytes(&mut text, cell.as_bytes());
        }
        assert!(read(row, &text).is_err());
    }
}
