//! The layer against the real library.

mod backup;
mod budget;
mod errors;
mod handle;
mod interrupt;
mod lifetime;
mod locks;
mod memcheck;
mod model;
mod open;
mod prepare;
mod status;
mod values;

use std::path::{Path, PathBuf};

use super::*;

/// Counts to ten billion: longer than any test waits.
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000000) SELECT count(*) FROM n";

/// A directory of one test, removed with its content.
struct Dir(PathBuf);

impl Dir {
    fn new(test: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("aquifer-sqlite-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

fn memory() -> Handle {
    Handle::open(Location::Memory, Mode::default()).unwrap()
}

fn open(path: &Path) -> Handle {
    Handle::open(Location::Path(bytes(path)), Mode::default()).unwrap()
}

fn prepare(handle: &mut Handle, sql: &str) -> StatementId {
    handle.prepare(sql, Persistence::Persistent).unwrap().statement.unwrap()
}

/// A cell that has been copied out of its row.
#[derive(Clone, Debug, PartialEq)]
enum Owned {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl From<Cell<'_>> for Owned {
    fn from(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Integer(value) => Self::Integer(value),
            Cell::Real(value) => Self::Real(value),
            Cell::Text(value) => Self::Text(value.to_vec()),
            Cell::Blob(value) => Self::Blob(value.to_vec()),
        }
    }
}

fn owned(row: &Row<'_>) -> Vec<Owned> {
    let mut cells = Vec::new();
    row.visit(|index, cell| {
        assert_eq!(index, cells.len());
        cells.push(Owned::from(cell));
    })
    .unwrap();
    cells
}

/// All rows of a statement from where it stands.
fn rest(statement: &mut Statement<'_>) -> Vec<Vec<Owned>> {
    let mut rows = Vec::new();
    while let Some(row) = statement.next_row().unwrap() {
        rows.push(owned(&row));
    }
    rows
}

/// Runs `sql` once, without parameters.
fn query(handle: &mut Handle, sql: &str) -> Vec<Vec<Owned>> {
    let id = prepare(handle, sql);
    let rows = rest(&mut handle.statement(id).unwrap());
    assert!(handle.finalize(id));
    rows
}

fn number(handle: &mut Handle, sql: &str) -> i64 {
    match query(handle, sql).as_slice() {
        [row] => match row.as_slice() {
            [Owned::Integer(value)] => *value,
            other => panic!("not a number: {other:?}"),
        },
        other => panic!("not one row: {other:?}"),
    }
}
