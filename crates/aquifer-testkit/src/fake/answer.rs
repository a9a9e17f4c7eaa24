//! Running a statement over the tables: what comes back.

use std::sync::Arc;

use aquifer_driver::{
    Column, Columns, Encoding, Error, ErrorKind, Outcome, Result, RowBatch, Value,
};

use super::eval::{Scope, compare};
use super::kind::{Kind, push};
use super::options::{Cells, FakeOptions};
use super::statement::{ColumnDef, Expr, Insert, Item, Select, Source, Statement};
use super::table::{Data, Record};

type Rows = Box<dyn Iterator<Item = Result<Vec<Value>>> + Send>;

/// A result set under way. Rows are made as they are asked for.
pub(super) struct Answer {
    pub(super) columns: Arc<Columns>,
    rows: Rows,
    /// A row that did not fit into the last batch any more is never lost: it waits here.
    next: Option<Vec<Value>>,
    pub(super) outcome: Outcome,
}

impl Answer {
    /// No columns, no rows.
    pub(super) fn none(outcome: Outcome) -> Self {
        Self { columns: Arc::default(), rows: Box::new(std::iter::empty()), next: None, outcome }
    }

    fn new(columns: Columns, rows: Rows, outcome: Outcome) -> Self {
        Self { columns: Arc::new(columns), rows, next: None, outcome }
    }

    /// One row of one column.
    pub(super) fn single(name: &str, value: Value, cells: Cells) -> Self {
        let encoding = Kind::of_value(&value).encoding(cells);
        let columns = vec![Column::new(name, encoding)].into();
        Self::new(columns, Box::new(std::iter::once(Ok(vec![value]))), Outcome::default())
    }

    /// Lets only the first row through.
    pub(super) fn first_only(&mut self) {
        let rows = std::mem::replace(&mut self.rows, Box::new(std::iter::empty()));
        self.rows = Box::new(rows.take(1));
    }

    /// Lets no row through.
    pub(super) fn no_rows(&mut self) {
        self.rows = Box::new(std::iter::empty());
        self.next = None;
    }

    /// Fills the batch up to the options' bounds; true if there is more.
    pub(super) fn fill(&mut self, batch: &mut RowBatch, options: &FakeOptions) -> Result<bool> {
        batch.set_columns(&self.columns);
        self.add(batch, options)
    }

    /// Adds rows to a batch that has the columns, up to the options' bounds of a batch; true if there is more.
    pub(super) fn add(&mut self, batch: &mut RowBatch, options: &FakeOptions) -> Result<bool> {
        let (rows, bytes) = (batch.len(), batch.byte_len());
        loop {
            if self.next.is_none() {
                self.next = self.rows.next().transpose()?;
            }
            if self.next.is_none() {
                return Ok(false);
            }
            if batch.len() - rows >= options.batch_rows_max.max(1)
                || batch.byte_len() - bytes >= options.batch_bytes_max.max(1)
            {
                return Ok(true);
            }
            let row = self.next.take().unwrap_or_default();
            for (column, value) in self.columns.iter().zip(&row) {
                push(batch, column.encoding, value)?;
            }
            batch.end_row();
        }
    }
}

/// Runs a statement that touches only tables.
pub(super) fn run(
    statement: &Statement,
    params: Vec<Value>,
    data: &mut Data,
    cells: Cells,
) -> Result<Answer> {
    let changed = |n: usize| Outcome::new(n as u64, None);
    match statement {
        Statement::CreateTable { name, if_not_exists, columns } => {
            data.create(name, *if_not_exists, columns)?;
            Ok(Answer::none(Outcome::default()))
        }
        Statement::DropTable { name, if_exists } => {
            data.remove(name, *if_exists)?;
            Ok(Answer::none(Outcome::default()))
        }
        Statement::AddColumn { table, column } => {
            data.add_column(table, column)?;
            Ok(Answer::none(Outcome::default()))
        }
        Statement::Insert(insert) => run_insert(insert, params, data, cells),
        Statement::Update { table, set, filter, returning } => {
            let found = data.table(table)?;
            let columns = found.columns.clone();
            let scope = Scope { columns: &columns, params: &params };
            for (name, expr) in set {
                scope.position(name)?;
                scope.check(expr)?;
            }
            check_items(scope, filter.as_ref(), returning)?;
            let rows = data.update(table, set, filter.as_ref(), &params, cells)?;
            let outcome = changed(rows.len());
            returned(table, columns, returning, rows, params, outcome, cells)
        }
        Statement::Delete { table, filter, returning } => {
            let columns = data.table(table)?.columns.clone();
            check_items(Scope { columns: &columns, params: &params }, filter.as_ref(), returning)?;
            let rows = data.delete(table, filter.as_ref(), &params)?;
            let outcome = changed(rows.len());
            returned(table, columns, returning, rows, params, outcome, cells)
        }
        Statement::Select(select) => run_select(select, params, data, cells),
        _ => Ok(Answer::none(Outcome::default())),
    }
}

/// The columns that a statement would give, without running it.
pub(super) fn describe(
    statement: &Statement,
    params: usize,
    data: &Data,
    cells: Cells,
) -> Result<Columns> {
    let nulls = vec![Value::Null; params];
    let of = |table: &str, filter: Option<&Expr>, items: &[Item]| {
        let found = data.table(table)?;
        let scope = Scope { columns: &found.columns, params: &nulls };
        check_items(scope, filter, items)?;
        Ok(columns_of(items, scope, Some(&found.name), cells))
    };
    match statement {
        Statement::Select(select) => match &select.from {
            Some(Source::Table(table)) => {
                let columns = of(table, select.filter.as_ref(), &select.items)?;
                let scope = Scope { columns: &data.table(table)?.columns, params: &nulls };
                select.order.iter().try_for_each(|(key, _)| scope.check(key))?;
                Ok(columns)
            }
            Some(Source::Series(..)) => {
                let columns = [series_column()];
                let scope = Scope { columns: &columns, params: &nulls };
                check_items(scope, select.filter.as_ref(), &select.items)?;
                Ok(columns_of(&select.items, scope, None, cells))
            }
            None => {
                let scope = Scope { columns: &[], params: &nulls };
                check_items(scope, select.filter.as_ref(), &select.items)?;
                Ok(columns_of(&select.items, scope, None, cells))
            }
        },
        Statement::Insert(insert) => {
            let found = data.table(&insert.table)?;
            let scope = Scope { columns: &found.columns, params: &nulls };
            insert.columns.iter().try_for_each(|name| scope.position(name).map(|_| ()))?;
            of(&insert.table, None, &insert.returning)
        }
        Statement::Update { table, set, filter, returning } => {
            let scope = Scope { columns: &data.table(table)?.columns, params: &nulls };
            set.iter().try_for_each(|(name, _)| scope.position(name).map(|_| ()))?;
            of(table, filter.as_ref(), returning)
        }
        Statement::Delete { table, filter, returning } => of(table, filter.as_ref(), returning),
        Statement::Sleep(_) => Ok(vec![Column::new("sleep", Kind::Int.encoding(cells))].into()),
        Statement::Show(name) => {
            Ok(vec![Column::new(name.as_str(), Kind::Text.encoding(cells))].into())
        }
        _ => Ok(Columns::default()),
    }
}

fn check_items(scope: Scope<'_>, filter: Option<&Expr>, items: &[Item]) -> Result<()> {
    if let Some(filter) = filter {
        scope.check(filter)?;
    }
    items.iter().try_for_each(|item| match item {
        Item::Star => Ok(()),
        Item::Expr { expr, .. } => scope.check(expr),
    })
}

fn run_insert(
    insert: &Insert,
    params: Vec<Value>,
    data: &mut Data,
    cells: Cells,
) -> Result<Answer> {
    let columns = data.table(&insert.table)?.columns.clone();
    let scope = Scope { columns: &columns, params: &params };
    check_items(scope, None, &insert.returning)?;
    let targets: Vec<usize> = if insert.columns.is_empty() {
        (0..columns.len()).collect()
    } else {
        insert.columns.iter().map(|name| scope.position(name)).collect::<Result<_>>()?
    };
    let mut rows = Vec::with_capacity(insert.rows.len());
    let mut last = None;
    for row in &insert.rows {
        if row.len() != targets.len() {
            return Err(super::token::syntax(
                "the row has another number of values than columns",
                0,
            ));
        }
        let mut given = Vec::with_capacity(row.len());
        for (expr, index) in row.iter().zip(&targets) {
            given.push((*index, scope.value(expr, &[])?));
        }
        let (row, key) = data.insert(&insert.table, given, cells)?;
        rows.push(row);
        last = key.or(last);
    }
    let outcome = Outcome::new(rows.len() as u64, last);
    returned(&insert.table, columns, &insert.returning, rows, params, outcome, cells)
}

fn returned(
    table: &str,
    columns: Vec<ColumnDef>,
    items: &[Item],
    rows: Vec<Record>,
    params: Vec<Value>,
    outcome: Outcome,
    cells: Cells,
) -> Result<Answer> {
    if items.is_empty() {
        return Ok(Answer::none(outcome));
    }
    let described =
        columns_of(items, Scope { columns: &columns, params: &params }, Some(table), cells);
    let items = items.to_vec();
    let rows = rows
        .into_iter()
        .map(move |row| project(&items, Scope { columns: &columns, params: &params }, &row));
    Ok(Answer::new(described, Box::new(rows), outcome))
}

fn series_column() -> ColumnDef {
    ColumnDef {
        name: "n".to_owned(),
        type_name: "INTEGER".to_owned(),
        primary: false,
        unique: false,
        not_null: true,
        default: None,
        check: None,
        references: None,
        constraint: None,
    }
}

fn run_select(select: &Select, params: Vec<Value>, data: &Data, cells: Cells) -> Result<Answer> {
    let (columns, name, rows): (Vec<ColumnDef>, Option<String>, Vec<Record>) = match &select.from {
        Some(Source::Series(first, last)) => return series(select, first, last, params, cells),
        Some(Source::Table(table)) => {
            let table = data.table(table)?;
            (table.columns.clone(), Some(table.name.clone()), table.rows.clone())
        }
        None => (Vec::new(), None, vec![Vec::new().into()]),
    };
    let scope = Scope { columns: &columns, params: &params };
    check_items(scope, select.filter.as_ref(), &select.items)?;
    select.order.iter().try_for_each(|(key, _)| scope.check(key))?;
    let mut found = Vec::new();
    for row in rows {
        if scope.passes(select.filter.as_ref(), &row)? {
            found.push(row);
        }
    }
    sort(&mut found, select, scope)?;
    let described = columns_of(&select.items, scope, name.as_deref(), cells);
    if aggregates(select) {
        let row = select
            .items
            .iter()
            .map(|item| match item {
                Item::Star => Err(super::token::syntax("a star beside an aggregate", 0)),
                Item::Expr { expr, .. } => scope.aggregate(expr, &found),
            })
            .collect::<Result<Vec<_>>>()?;
        return Ok(Answer::new(described, Box::new(std::iter::once(Ok(row))), Outcome::default()));
    }
    found.truncate(limit(select, scope)?);
    let items = select.items.clone();
    let rows = found
        .into_iter()
        .map(move |row| project(&items, Scope { columns: &columns, params: &params }, &row));
    Ok(Answer::new(described, Box::new(rows), Outcome::default()))
}

fn aggregates(select: &Select) -> bool {
    select.items.iter().any(|item| matches!(item, Item::Expr { expr, .. } if expr.aggregates()))
}

fn limit(select: &Select, scope: Scope<'_>) -> Result<usize> {
    let Some(limit) = &select.limit else { return Ok(usize::MAX) };
    Ok(usize::try_from(whole(&scope.value(limit, &[])?)?).unwrap_or(0))
}

fn sort(rows: &mut Vec<Record>, select: &Select, scope: Scope<'_>) -> Result<()> {
    if select.order.is_empty() {
        return Ok(());
    }
    let mut keyed = Vec::with_capacity(rows.len());
    for row in rows.drain(..) {
        let keys = select
            .order
            .iter()
            .map(|(key, _)| scope.value(key, &row))
            .collect::<Result<Vec<_>>>()?;
        keyed.push((keys, row));
    }
    keyed.sort_by(|(a, _), (b, _)| {
        a.iter()
            .zip(b)
            .zip(&select.order)
            .map(|((a, b), (_, descending))| {
                // NULLs first, as SQLite has it.
                let order = compare(a, b).unwrap_or_else(|| b.is_null().cmp(&a.is_null()));
                if *descending { order.reverse() } else { order }
            })
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    rows.extend(keyed.into_iter().map(|(_, row)| row));
    Ok(())
}

/// `FROM series(first, last)`: made row by row, so that a large result costs no memory.
fn series(
    select: &Select,
    first: &Expr,
    last: &Expr,
    params: Vec<Value>,
    cells: Cells,
) -> Result<Answer> {
    if aggregates(select) || !select.order.is_empty() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the fake engine neither sorts nor aggregates a series",
        ));
    }
    let columns = vec![series_column()];
    let scope = Scope { columns: &columns, params: &params };
    check_items(scope, select.filter.as_ref(), &select.items)?;
    let (first, last) = (whole(&scope.value(first, &[])?)?, whole(&scope.value(last, &[])?)?);
    let described = columns_of(&select.items, scope, None, cells);
    let limit = limit(select, scope)?;
    let (items, filter) = (select.items.clone(), select.filter.clone());
    let rows = (first..=last)
        .filter_map(move |n| {
            let scope = Scope { columns: &columns, params: &params };
            let row = [Value::Int(n)];
            match scope.passes(filter.as_ref(), &row) {
                Ok(false) => None,
                Ok(true) => Some(project(&items, scope, &row)),
                Err(error) => Some(Err(error)),
            }
        })
        .take(limit);
    Ok(Answer::new(described, Box::new(rows), Outcome::default()))
}

/// An integer where the statement needs one.
pub(super) fn whole(value: &Value) -> Result<i64> {
    match value {
        Value::Int(v) => Ok(*v),
        _ => Err(Error::new(ErrorKind::Data, "an integer is needed here")
            .with_code("FAKE_DATA")
            .with_sqlstate("22000")),
    }
}

fn columns_of(items: &[Item], scope: Scope<'_>, table: Option<&str>, cells: Cells) -> Columns {
    let declared = |column: &ColumnDef| {
        let described =
            Column::new(column.name.as_str(), Kind::of_type(&column.type_name).encoding(cells))
                .with_type_name(column.type_name.as_str())
                .with_nullable(!column.not_null && !column.primary);
        match table {
            Some(table) => described.with_table(table),
            None => described,
        }
    };
    let mut columns = Vec::new();
    for item in items {
        match item {
            Item::Star => columns.extend(scope.columns.iter().map(declared)),
            Item::Expr { expr: Expr::Column(column), name } => {
                if let Ok(index) = scope.position(column) {
                    let mut described = declared(&scope.columns[index]);
                    described.name = name.as_str().into();
                    columns.push(described);
                }
            }
            Item::Expr { expr, name } => {
                let encoding: Encoding = scope.kind(expr).encoding(cells);
                columns.push(Column::new(name.as_str(), encoding));
            }
        }
    }
    columns.into()
}

fn project(items: &[Item], scope: Scope<'_>, row: &[Value]) -> Result<Vec<Value>> {
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Item::Star => out.extend_from_slice(row),
            Item::Expr { expr, .. } => out.push(scope.value(expr, row)?),
        }
    }
    Ok(out)
}
