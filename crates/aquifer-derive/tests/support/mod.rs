//! Results and statements without an engine.

#![allow(dead_code)]

use std::sync::Arc;

use aquifer_driver::{
    Column, Encoding, FromRow, FromValue, ParamSink, Result, RowBatch, Tag, ToParams, ToValue,
    Value, ValueRef,
};

/// A cell's content.
#[derive(Clone, Copy)]
pub(crate) enum Put {
    Null,
    Int(i64),
    Float(f64),
    Text(&'static str),
}

impl From<i64> for Put {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Put {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&'static str> for Put {
    fn from(value: &'static str) -> Self {
        Self::Text(value)
    }
}

/// One row of these columns, in the encoding whose cells carry their type.
pub(crate) fn row_of(cells: &[(&str, Put)]) -> RowBatch {
    let columns: Vec<_> =
        cells.iter().map(|(name, _)| Column::new(*name, Encoding::Tagged)).collect();
    let mut batch = RowBatch::new();
    batch.set_columns(&Arc::new(columns.into()));
    for (_, cell) in cells {
        match cell {
            Put::Null => batch.push_null(),
            Put::Int(value) => batch.push_tagged_int(*value).unwrap(),
            Put::Float(value) => batch.push_tagged_float(*value).unwrap(),
            Put::Text(value) => batch.push_tagged(Tag::Text, value.as_bytes()).unwrap(),
        }
    }
    batch.end_row();
    batch
}

/// `row!{ "id" => 1, "code" => "N-07" }`
#[macro_export]
macro_rules! row {
    ($($name:literal => $value:expr),* $(,)?) => {
        $crate::support::row_of(&[$(($name, $crate::support::Put::from($value))),*])
    };
}

/// The message of reading the first row.
pub(crate) fn refusal<'r, T: FromRow<'r>>(batch: &'r RowBatch) -> String {
    match batch.row(0).unwrap().scan::<T>() {
        Ok(_) => panic!("the row was read"),
        Err(error) => error.to_string(),
    }
}

/// The first row.
pub(crate) fn read<'r, T: FromRow<'r>>(batch: &'r RowBatch) -> T {
    batch.row(0).unwrap().scan().unwrap_or_else(|error| panic!("{error}"))
}

/// The only cell of the first row.
pub(crate) fn cell<'r, T: FromValue<'r>>(batch: &'r RowBatch) -> T {
    batch.row(0).unwrap().get(0).unwrap_or_else(|error| panic!("{error}"))
}

struct Taken(Vec<Value>);

impl ParamSink for Taken {
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        self.0.push(value.to_owned()?);
        Ok(())
    }
}

/// What a value gives as an argument.
pub(crate) fn bound(value: &dyn ToValue) -> Value {
    let mut taken = Taken(Vec::new());
    value.bind(&mut taken).unwrap();
    assert_eq!(taken.0.len(), 1);
    taken.0.remove(0)
}

/// The argument of that name; by its place, too, if it has one.
pub(crate) fn argument(params: &dyn ToParams, name: &str) -> Option<Value> {
    let by_name = params.param(name).map(|argument| bound(&argument));
    if let Some(place) = params.places().iter().position(|known| *known == name) {
        let mut taken = Taken(Vec::new());
        assert!(params.bind_at(place, &mut taken).unwrap());
        assert_eq!(taken.0.first(), by_name.as_ref(), "{name} at {place}");
    }
    assert!(!params.bind_at(params.places().len(), &mut Taken(Vec::new())).unwrap());
    let (mut each, mut all) = (Taken(Vec::new()), Taken(Vec::new()));
    (0..params.places().len()).for_each(|at| assert!(params.bind_at(at, &mut each).unwrap()));
    params.bind_all(&mut all).unwrap();
    assert_eq!(all.0, each.0, "all places, in their order");
    by_name
}

/// All names.
pub(crate) fn names(params: &dyn ToParams) -> Vec<String> {
    let mut names = Vec::new();
    params.names(&mut |name| names.push(name.to_owned()));
    names
}
