//! What a statement answers.

use super::packet::{put_bytes, put_int};

/// An answer to a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done(Done),
    /// It was refused.
    Failed(Failure),
    /// It has rows.
    Rows(Rows),
    /// These answers in turn, as of a procedure or of several statements.
    Several(Vec<Answer>),
    /// These payloads, whatever they are.
    Payloads(Vec<Vec<u8>>),
    /// These bytes, which are no packets unless they happen to be.
    Raw(Vec<u8>),
    /// Nothing, until the session is told to stop (1317).
    Waits,
    /// The connection is closed.
    Closes,
}

/// What a statement without rows did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// Rows that it changed.
    pub affected: u64,
    /// The first number that it gave to a row.
    pub insert_id: u64,
    /// How many warnings it had.
    pub warnings: u16,
    /// What it has changed in the session: kinds (`TRACK_…`) and their data.
    pub tracked: Vec<(u8, Vec<u8>)>,
}

/// An error of the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its number.
    pub number: u16,
    /// Its SQLSTATE.
    pub state: String,
    /// Its text.
    pub message: String,
}

impl Failure {
    /// An error of this number, state and text.
    pub fn new(number: u16, state: &str, message: &str) -> Self {
        Self { number, state: state.to_owned(), message: message.to_owned() }
    }
}

/// A result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, each with a cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// What comes after the rows in place of their end.
    pub then: Option<Failure>,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// None.
    Null,
    /// An integer, in a column that is [`Column::bigint`].
    Int(i64),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Bytes(value.into())
    }
}

impl From<Vec<u8>> for Cell {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

/// A column's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The number of its type (`MYSQL_TYPE_…`).
    pub kind: u8,
    /// The number of its collation; 63 for bytes.
    pub collation: u16,
    /// Its flags.
    pub flags: u16,
    /// Bytes of its widest value.
    pub length: u32,
    /// Digits behind the point.
    pub decimals: u8,
}

impl Column {
    /// A column of this type.
    pub fn new(name: &str, kind: u8, collation: u16) -> Self {
        Self { name: name.to_owned(), kind, collation, flags: 0, length: 1024, decimals: 0 }
    }

    /// A BIGINT.
    pub fn bigint(name: &str) -> Self {
        Self::new(name, 8, 63)
    }

    /// A VARCHAR of `utf8mb4_0900_ai_ci`.
    pub fn text(name: &str) -> Self {
        Self::new(name, 253, 255)
    }

    /// MySQL's JSON.
    pub fn json(name: &str) -> Self {
        Self::new(name, 245, 63)
    }

    /// MySQL 9's VECTOR.
    pub fn vector(name: &str) -> Self {
        Self::new(name, 242, 63)
    }

    pub(super) fn describe(&self, mariadb: bool) -> Vec<u8> {
        let mut out = Vec::new();
        for text in ["def", "", "", "", self.name.as_str(), ""] {
            put_bytes(&mut out, text.as_bytes());
        }
        if mariadb {
            put_bytes(&mut out, b"");
        }
        out.push(12);
        out.extend_from_slice(&self.collation.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.push(self.kind);
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&[self.decimals, 0, 0]);
        out
    }
}

impl Answer {
    /// It was done, and there is nothing to say of it.
    pub fn done() -> Self {
        Self::Done(Done::default())
    }

    /// It was done, and has changed this in the session.
    pub fn tracked(kind: u8, data: &[u8]) -> Self {
        Self::Done(Done { tracked: vec![(kind, data.to_vec())], ..Done::default() })
    }

    /// It was refused.
    pub fn failed(number: u16, state: &str, message: &str) -> Self {
        Self::Failed(Failure::new(number, state, message))
    }

    /// It has these rows.
    pub fn rows(columns: Vec<Column>, rows: Vec<Vec<Cell>>) -> Self {
        Self::Rows(Rows { columns, rows, then: None })
    }

    pub(super) fn columns(&self) -> &[Column] {
        match self {
            Self::Rows(rows) => &rows.columns,
            _ => &[],
        }
    }
}

/// A row as text.
pub(super) fn text_row(cells: &[Cell]) -> Vec<u8> {
    let mut out = Vec::new();
    for cell in cells {
        match cell {
            Cell::Null => out.push(0xfb),
            Cell::Int(value) => put_bytes(&mut out, value.to_string().as_bytes()),
            Cell::Bytes(bytes) => put_bytes(&mut out, bytes),
        }
    }
    out
}

/// A row in binary.
pub(super) fn binary_row(cells: &[Cell]) -> Vec<u8> {
    let mut nulls = vec![0_u8; (cells.len() + 9) / 8];
    let mut values = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        match cell {
            Cell::Null => nulls[(index + 2) / 8] |= 1 << ((index + 2) % 8),
            Cell::Int(value) => values.extend_from_slice(&value.to_le_bytes()),
            Cell::Bytes(bytes) => put_bytes(&mut values, bytes),
        }
    }
    let mut out = vec![0];
    out.extend_from_slice(&nulls);
    out.extend_from_slice(&values);
    out
}

/// The head of a result: how many columns it has, and on MariaDB whether they are described.
pub(super) fn head(columns: usize, caches: bool) -> Vec<u8> {
    let mut out = Vec::new();
    put_int(&mut out, columns as u64);
    if caches {
        out.push(1);
    }
    out
}
