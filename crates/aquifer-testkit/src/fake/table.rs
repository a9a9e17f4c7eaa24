//! The fake engine's tables: rows, and the rules that they keep.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use aquifer_driver::{Error, ErrorKind, Result, Value};

use super::eval::{Scope, compare, undefined};
use super::kind::Kind;
use super::options::Cells;
use super::statement::{ColumnDef, Expr};

/// One row. Shared, so that a snapshot costs a pointer per row.
pub(super) type Record = Arc<[Value]>;

/// One table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// The name as it was declared.
    pub(super) name: String,
    pub(super) columns: Vec<ColumnDef>,
    pub(super) rows: Vec<Record>,
    /// Above every key of the primary column that was ever there.
    pub(super) next_key: i64,
}

/// Everything that the engine keeps. Cloning it is how snapshots are made.
#[derive(Debug, Clone, Default)]
pub(super) struct Data {
    /// By name in lower case.
    tables: BTreeMap<String, Arc<Table>>,
}

impl Data {
    /// The table of that name.
    pub(super) fn table(&self, name: &str) -> Result<&Arc<Table>> {
        self.tables
            .get(&name.to_ascii_lowercase())
            .ok_or_else(|| undefined("table", name).with_table(name))
    }

    fn table_mut(&mut self, name: &str) -> Result<&mut Table> {
        self.tables
            .get_mut(&name.to_ascii_lowercase())
            .map(Arc::make_mut)
            .ok_or_else(|| undefined("table", name).with_table(name))
    }

    pub(super) fn create(
        &mut self,
        name: &str,
        if_not_exists: bool,
        columns: &[ColumnDef],
    ) -> Result<()> {
        let key = name.to_ascii_lowercase();
        if self.tables.contains_key(&key) {
            if if_not_exists {
                return Ok(());
            }
            return Err(Error::new(
                ErrorKind::Database,
                format!("the table {name} exists already"),
            )
            .with_code("FAKE_DUPLICATE")
            .with_sqlstate("42P07")
            .with_table(name));
        }
        let table = Table {
            name: name.to_owned(),
            columns: columns.to_vec(),
            rows: Vec::new(),
            next_key: 1,
        };
        self.tables.insert(key, Arc::new(table));
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str, if_exists: bool) -> Result<()> {
        if self.tables.remove(&name.to_ascii_lowercase()).is_none() && !if_exists {
            return Err(undefined("table", name).with_table(name));
        }
        Ok(())
    }

    pub(super) fn add_column(&mut self, table: &str, column: &ColumnDef) -> Result<()> {
        let table = self.table_mut(table)?;
        let value = column.default.clone().unwrap_or_default();
        for row in &mut table.rows {
            *row = row.iter().cloned().chain([value.clone()]).collect();
        }
        table.columns.push(column.clone());
        Ok(())
    }

    /// Adds one row, given as (column, value); returns it and the key, if one was generated.
    pub(super) fn insert(
        &mut self,
        name: &str,
        given: Vec<(usize, Value)>,
        cells: Cells,
    ) -> Result<(Record, Option<i64>)> {
        let table = self.table(name)?;
        let mut row: Vec<Value> =
            table.columns.iter().map(|c| c.default.clone().unwrap_or_default()).collect();
        for (index, value) in given {
            row[index] = value;
        }
        let mut key = None;
        for (index, column) in table.columns.iter().enumerate() {
            let kind = Kind::of_type(&column.type_name);
            let whole = matches!(kind, Kind::Int | Kind::Int4 | Kind::UInt);
            if column.primary && whole {
                if row[index].is_null() {
                    row[index] = Value::Int(table.next_key);
                }
                if let Value::Int(v) = row[index] {
                    key = Some(v);
                }
            }
            row[index] = kind.admit(std::mem::take(&mut row[index]), cells, &column.name)?;
        }
        self.keeps_rules(table, &row, None)?;
        let row: Record = row.into();
        let table = self.table_mut(name)?;
        if let Some(key) = key {
            table.next_key = table.next_key.max(key.saturating_add(1));
        }
        table.rows.push(Arc::clone(&row));
        Ok((row, key))
    }

    /// Changes the rows that pass the filter; returns them as they are now.
    pub(super) fn update(
        &mut self,
        name: &str,
        set: &[(String, Expr)],
        filter: Option<&Expr>,
        params: &[Value],
        cells: Cells,
    ) -> Result<Vec<Record>> {
        let mut changed = Vec::new();
        for at in self.passing(name, filter, params)? {
            let table = self.table(name)?;
            let scope = Scope { columns: &table.columns, params };
            let old = Arc::clone(&table.rows[at]);
            let mut row = old.to_vec();
            for (column, expr) in set {
                let index = scope.position(column)?;
                let kind = Kind::of_type(&table.columns[index].type_name);
                row[index] = kind.admit(scope.value(expr, &old)?, cells, column)?;
            }
            self.keeps_rules(table, &row, Some(at))?;
            let row: Record = row.into();
            self.table_mut(name)?.rows[at] = Arc::clone(&row);
            changed.push(row);
        }
        Ok(changed)
    }

    /// Removes the rows that pass the filter; returns them.
    pub(super) fn delete(
        &mut self,
        name: &str,
        filter: Option<&Expr>,
        params: &[Value],
    ) -> Result<Vec<Record>> {
        let mut gone = Vec::new();
        for at in self.passing(name, filter, params)?.into_iter().rev() {
            self.is_unreferenced(self.table(name)?, at)?;
            gone.push(self.table_mut(name)?.rows.remove(at));
        }
        gone.reverse();
        Ok(gone)
    }

    /// The positions of the rows that pass.
    fn passing(&self, name: &str, filter: Option<&Expr>, params: &[Value]) -> Result<Vec<usize>> {
        let table = self.table(name)?;
        let scope = Scope { columns: &table.columns, params };
        let mut found = Vec::new();
        for (at, row) in table.rows.iter().enumerate() {
            if scope.passes(filter, row)? {
                found.push(at);
            }
        }
        Ok(found)
    }

    fn keeps_rules(&self, table: &Table, row: &[Value], own: Option<usize>) -> Result<()> {
        for (index, column) in table.columns.iter().enumerate() {
            let value = &row[index];
            if value.is_null() {
                if column.not_null || column.primary {
                    return Err(violation(table, column, ErrorKind::NotNullViolation));
                }
                continue;
            }
            let unique = column.primary || column.unique;
            // A key above all others cannot be taken: this keeps inserts of many rows fast.
            let fresh = column.primary
                && own.is_none()
                && matches!(value, Value::Int(v) if *v >= table.next_key);
            if unique && !fresh && taken(table, index, value, own) {
                return Err(violation(table, column, ErrorKind::UniqueViolation));
            }
            if let Some((other, key)) = &column.references {
                let parent = self.table(other)?;
                let position = Scope { columns: &parent.columns, params: &[] }.position(key)?;
                if !taken(parent, position, value, None) {
                    return Err(violation(table, column, ErrorKind::ForeignKeyViolation));
                }
            }
        }
        let scope = Scope { columns: &table.columns, params: &[] };
        for column in &table.columns {
            let Some(check) = &column.check else { continue };
            // As the standard says: only "false" violates, NULL does not.
            if !scope.value(check, row)?.is_null() && !scope.passes(Some(check), row)? {
                return Err(violation(table, column, ErrorKind::CheckViolation));
            }
        }
        Ok(())
    }

    fn is_unreferenced(&self, parent: &Table, at: usize) -> Result<()> {
        for child in self.tables.values() {
            for (index, column) in child.columns.iter().enumerate() {
                let Some((other, key)) = &column.references else { continue };
                if !other.eq_ignore_ascii_case(&parent.name) {
                    continue;
                }
                let position = Scope { columns: &parent.columns, params: &[] }.position(key)?;
                if taken(child, index, &parent.rows[at][position], None) {
                    return Err(violation(child, column, ErrorKind::ForeignKeyViolation));
                }
            }
        }
        Ok(())
    }
}

fn taken(table: &Table, index: usize, value: &Value, own: Option<usize>) -> bool {
    table
        .rows
        .iter()
        .enumerate()
        .any(|(at, row)| Some(at) != own && compare(&row[index], value) == Some(Ordering::Equal))
}

fn violation(table: &Table, column: &ColumnDef, kind: ErrorKind) -> Error {
    let (what, code, state, suffix) = match kind {
        ErrorKind::UniqueViolation => ("a duplicate in", "FAKE_UNIQUE", "23505", "key"),
        ErrorKind::NotNullViolation => ("a NULL in", "FAKE_NOT_NULL", "23502", "not_null"),
        ErrorKind::ForeignKeyViolation => (
            "no such referenced row, or one that is still referenced:",
            "FAKE_FOREIGN_KEY",
            "23503",
            "fkey",
        ),
        _ => ("a value that fails the check of", "FAKE_CHECK", "23514", "check"),
    };
    let name = match &column.constraint {
        Some(name) => name.clone(),
        None if column.primary && kind == ErrorKind::UniqueViolation => {
            format!("{}_pkey", table.name)
        }
        None => format!("{}_{}_{suffix}", table.name, column.name),
    };
    Error::new(kind, format!("{what} {}.{}", table.name, column.name))
        .with_code(code)
        .with_sqlstate(state)
        .with_constraint(name)
        .with_table(&*table.name)
        .with_column(&*column.name)
}
