//! Rows whose shape is not known: [`Map`] by name, [`Record`] by position.

use std::sync::Arc;

use aquifer_driver::{Argument, Columns, Fields, FromRow, Plan, Result, Row, ToParams, Value};

/// A row as names and values, in column order.
///
/// Two columns of one name are both kept; [`get`](Self::get) finds the first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map(Vec<(Box<str>, Value)>);

impl Map {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }

    /// Sets the first value of that name, or appends it.
    pub fn insert(&mut self, name: impl Into<Box<str>>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some((_, slot)) => *slot = value,
            None => self.0.push((name, value)),
        }
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, in column order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }
}

impl IntoIterator for Map {
    type Item = (Box<str>, Value);
    type IntoIter = std::vec::IntoIter<(Box<str>, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K: Into<Box<str>>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl<'r> FromRow<'r> for Map {
    fn plan(_columns: &Columns, plan: &mut Plan) -> Result<()> {
        plan.lax();
        Ok(())
    }

    fn from_row(row: Row<'r>, _fields: &mut Fields<'_>) -> Result<Self> {
        row.columns()
            .iter()
            .enumerate()
            .map(|(index, column)| Ok((column.name.clone(), row.decode(index)?)))
            .collect::<Result<_>>()
            .map(Self)
    }
}

/// A map gives named arguments.
impl ToParams for Map {
    fn param(&self, name: &str) -> Option<Argument<'_>> {
        self.get(name).map(|value| Argument::view(value))
    }

    fn names(&self, each: &mut dyn FnMut(&str)) {
        self.0.iter().for_each(|(name, _)| each(name));
    }
}

/// A row as values by position, with its columns' description.
#[derive(Debug, Clone)]
pub struct Record {
    columns: Arc<Columns>,
    values: Vec<Value>,
}

impl Record {
    /// The columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The values, in column order.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The values alone.
    pub fn into_values(self) -> Vec<Value> {
        self.values
    }
}

impl<'r> FromRow<'r> for Record {
    fn plan(_columns: &Columns, plan: &mut Plan) -> Result<()> {
        plan.lax();
        Ok(())
    }

    fn from_row(row: Row<'r>, _fields: &mut Fields<'_>) -> Result<Self> {
        let values = (0..row.len()).map(|index| row.decode(index)).collect::<Result<_>>()?;
        Ok(Self { columns: Arc::clone(row.columns()), values })
    }
}
