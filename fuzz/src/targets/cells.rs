//! Row batches: what comes from a server or a file and is decoded into Rust types.
//!
//! An input is a list of cells: one byte for the encoding, one for the length, then the bytes. A length
//! of 255 is NULL.

use aquifer_driver::{Cell, Column, Encoding, FromValue, RowBatch, Value, ValueRef};
use std::sync::Arc;

pub(super) const WORDS: &[&str] = &[
    "\u{0}\u{9}\u{1}",
    "\u{12}\u{1}7",
    "-9223372036854775808",
    "18446744073709551615",
    "1.50",
    "-0",
    "NaN",
    "1e400",
    "{a,NULL,\"b c\"}",
    "{{1,2},{3,4}}",
    "[0:1]={",
    "\u{0}\u{0}\u{0}\u{3}\u{0}\u{0}\u{0}\u{1}\u{0}\u{0}\u{0}\u{2}\u{0}\u{7}",
    "true",
    "2026-02-29 23:59:60",
    "00000000-0000-0000-0000-000000000000",
    "é",
];

pub(super) fn run(bytes: &[u8]) {
    let cells = cells(bytes);
    let columns: Vec<Column> = cells
        .iter()
        .enumerate()
        .map(|(index, (encoding, _))| Column::new(format!("c{index}"), *encoding))
        .collect();
    let mut batch = RowBatch::new();
    batch.set_columns(&Arc::new(columns.into()));
    for (_, bytes) in &cells {
        match bytes {
            Some(bytes) => batch.push_bytes(bytes).expect("small"),
            None => batch.push_null(),
        }
    }
    batch.end_row();

    let row = batch.row(0).expect("one row was pushed");
    assert_eq!(row.len(), cells.len());
    for (index, (_, bytes)) in cells.iter().enumerate() {
        let cell = row.cell(index).expect("as many cells as columns");
        assert_eq!(cell.raw(), *bytes);
        assert_eq!(row.is_null(index), bytes.is_none());
        check(cell);
        if let Err(error) = row.decode::<i64>(index) {
            assert!(error.to_string().contains(&format!("\"c{index}\"")), "{error}");
        }
    }
    assert!(row.cell(cells.len()).is_none());
}

fn cells(mut bytes: &[u8]) -> Vec<(Encoding, Option<&[u8]>)> {
    let mut cells = Vec::new();
    while let [encoding, length, rest @ ..] = bytes {
        let encoding = Encoding::ALL[usize::from(*encoding) % Encoding::ALL.len()];
        let (cell, rest) = match length {
            255 => (None, rest),
            length => {
                let (cell, rest) = rest.split_at(rest.len().min(usize::from(*length)));
                (Some(cell), rest)
            }
        };
        cells.push((encoding, cell));
        bytes = rest;
    }
    cells
}

fn read<'r, T: FromValue<'r>>(cell: Cell<'r>) -> Option<T> {
    T::from_cell(cell).ok()
}

/// What must hold between the readings of one cell, whatever its bytes.
fn check(cell: Cell<'_>) {
    // A narrow integer reads exactly when the wide one does and its value fits.
    let wide = read::<i64>(cell);
    let unsigned = read::<u64>(cell);
    assert_eq!(read::<i32>(cell), wide.and_then(|v| v.try_into().ok()), "{cell:?}");
    assert_eq!(read::<i16>(cell), wide.and_then(|v| v.try_into().ok()), "{cell:?}");
    assert_eq!(read::<i8>(cell), wide.and_then(|v| v.try_into().ok()), "{cell:?}");
    assert_eq!(read::<u32>(cell), unsigned.and_then(|v| v.try_into().ok()), "{cell:?}");
    if let (Some(wide), Some(unsigned)) = (wide, unsigned) {
        assert_eq!(i128::from(wide), i128::from(unsigned), "{cell:?}");
    }
    if let Some(truth) = read::<bool>(cell)
        && let Some(wide) = wide
    {
        assert_eq!(wide, i64::from(truth), "{cell:?}");
    }

    // Borrowed and owned readings agree.
    assert_eq!(read::<&str>(cell).map(str::to_owned), read::<&str>(cell).and(read::<String>(cell)));
    assert_eq!(
        read::<&[u8]>(cell).map(<[u8]>::to_vec),
        read::<&[u8]>(cell).and(read::<Vec<u8>>(cell))
    );

    // NULL reads as None and as nothing else.
    if cell.is_null() {
        assert_eq!(read::<Option<i64>>(cell), Some(None));
        assert!(wide.is_none() && read::<String>(cell).is_none() && read::<f64>(cell).is_none());
    } else {
        assert_ne!(read::<Option<i64>>(cell), Some(None));
    }

    // A list has as many elements whatever they are read as, and what reads plainly reads as an option.
    let texts = read::<Vec<Option<&str>>>(cell);
    let numbers = read::<Vec<Option<i64>>>(cell);
    if let (Some(texts), Some(numbers)) = (&texts, &numbers) {
        assert_eq!(texts.len(), numbers.len(), "{cell:?}");
    }
    if let Some(plain) = read::<Vec<i64>>(cell) {
        assert_eq!(numbers, Some(plain.into_iter().map(Some).collect()), "{cell:?}");
    }
    if let Some(rows) = read::<Vec<Vec<&str>>>(cell) {
        assert_eq!(read::<Vec<Vec<Option<&str>>>>(cell).map(|rows| rows.len()), Some(rows.len()));
    }

    // A value survives being owned, and a damaged cell is damaged for everyone but readers of bytes.
    match cell.value() {
        Ok(value) => {
            assert_eq!(value.is_null(), cell.is_null());
            let owned: Value = match value.to_owned() {
                Ok(owned) => owned,
                // Elements are decoded when they are read, so an array may turn out to be damaged then.
                Err(_) if matches!(value, ValueRef::Elements(_)) => return,
                Err(error) => panic!("{cell:?}: {error}"),
            };
            assert_eq!(owned.as_ref().kind(), value.kind());
            if let (ValueRef::Text(a), ValueRef::Text(b)) = (owned.as_ref(), value) {
                assert_eq!(a, b);
            }
        }
        Err(_) => assert!(wide.is_none() && read::<f64>(cell).is_none(), "{cell:?}"),
    }
}
