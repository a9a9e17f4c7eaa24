//! What a result's columns are called and how their cells are laid out.

use std::fmt;
use std::sync::OnceLock;

use crate::from_row::{KeptPlan, Planned};
use crate::{Encoding, FromRow, Mapping, Result};

/// One column of a result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Column {
    /// The name as the engine gives it.
    pub name: Box<str>,
    /// How its cells are laid out.
    pub encoding: Encoding,
    /// The engine's name of the type, upper-case and without length (`INT4`, `VARCHAR`); empty where
    /// the engine does not say.
    pub type_name: Box<str>,
    /// The engine's number of the type, 0 where it has none.
    pub type_id: u32,
    /// Whether NULLs may occur; `None` where the engine does not say.
    pub nullable: Option<bool>,
    /// The declared length of a variable-length type.
    pub length: Option<u64>,
    /// Precision and scale of a decimal type.
    pub precision_scale: Option<(u16, i16)>,
    /// The table that the column comes from, where the engine says.
    pub table: Option<Box<str>>,
}

impl Column {
    /// A column of that name and layout; everything else unknown.
    pub fn new(name: impl Into<Box<str>>, encoding: Encoding) -> Self {
        Self {
            name: name.into(),
            encoding,
            type_name: "".into(),
            type_id: 0,
            nullable: None,
            length: None,
            precision_scale: None,
            table: None,
        }
    }

    /// Sets the engine's name of the type.
    #[must_use]
    pub fn with_type_name(mut self, name: impl Into<Box<str>>) -> Self {
        self.type_name = name.into();
        self
    }

    /// Sets the engine's number of the type.
    #[must_use]
    pub fn with_type_id(mut self, id: u32) -> Self {
        self.type_id = id;
        self
    }

    /// Says whether NULLs may occur.
    #[must_use]
    pub fn with_nullable(mut self, nullable: bool) -> Self {
        self.nullable = Some(nullable);
        self
    }

    /// Names the table that the column comes from.
    #[must_use]
    pub fn with_table(mut self, table: impl Into<Box<str>>) -> Self {
        self.table = Some(table.into());
        self
    }

    /// Sets the declared length.
    #[must_use]
    pub fn with_length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    /// Sets precision and scale.
    #[must_use]
    pub fn with_precision_scale(mut self, precision: u16, scale: i16) -> Self {
        self.precision_scale = Some((precision, scale));
        self
    }
}

/// The columns of one result set, in order.
///
/// They are shared by all executions of a statement, and so keep the [`Plan`](crate::Plan)s of the types
/// that its rows are read as.
pub struct Columns {
    columns: Vec<Column>,
    /// Each column's encoding once more, side by side: what every cell of every row asks for.
    encodings: Vec<Encoding>,
    plans: [OnceLock<KeptPlan>; PLANS_MAX],
}

/// Most types that columns keep plans for: a statement is mostly read as one type. The plans of others
/// are made at each result.
const PLANS_MAX: usize = 4;

impl Columns {
    /// These columns, in this order.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        let columns = columns.into();
        let encodings = columns.iter().map(|column| column.encoding).collect();
        Self { columns, encodings, ..Self::empty() }
    }

    /// No columns.
    pub const fn empty() -> Self {
        Self {
            columns: Vec::new(),
            encodings: Vec::new(),
            plans: [const { OnceLock::new() }; PLANS_MAX],
        }
    }

    /// The encodings, in order.
    #[inline]
    pub(crate) fn encodings(&self) -> &[Encoding] {
        &self.encodings
    }

    /// The position of the first column of that name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| &*column.name == name)
    }

    /// The names, in order, for messages.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| &*column.name)
    }

    /// The plan of `T` over these columns: made at the first call, and mostly kept.
    ///
    /// # Errors
    ///
    /// If a field has no column; with [`Mapping::Strict`] also if a column has no field.
    #[inline]
    pub fn plan<'r, T: FromRow<'r>>(&self, mapping: Mapping) -> Result<Planned<'_>> {
        Planned::of::<T>(self, &self.plans, mapping)
    }
}

/// A copy plans for itself.
impl Clone for Columns {
    fn clone(&self) -> Self {
        Self::new(self.columns.clone())
    }
}

impl Default for Columns {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Columns").field(&self.columns).finish()
    }
}

impl std::ops::Deref for Columns {
    type Target = [Column];

    #[inline]
    fn deref(&self) -> &[Column] {
        &self.columns
    }
}

impl From<Vec<Column>> for Columns {
    fn from(columns: Vec<Column>) -> Self {
        Self::new(columns)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{ErrorKind, Fields, Plan, Row};

    fn three() -> Columns {
        Columns::new(["a", "b", "c"].map(|name| Column::new(name, Encoding::Text)))
    }

    static PLANNED: AtomicUsize = AtomicUsize::new(0);

    struct Counted;

    impl<'r> FromRow<'r> for Counted {
        fn plan(columns: &Columns, plan: &mut Plan) -> Result<()> {
            PLANNED.fetch_add(1, Ordering::Relaxed);
            ["a", "b", "c"].into_iter().try_for_each(|name| plan.column(columns, name))
        }

        fn from_row(_: Row<'r>, _: &mut Fields<'_>) -> Result<Self> {
            Ok(Self)
        }
    }

    #[test]
    fn a_plan_is_made_once_for_columns_and_not_for_their_copies() {
        let columns = three();
        for _ in 0..3 {
            columns.plan::<Counted>(Mapping::Strict).unwrap();
        }
        assert_eq!(PLANNED.load(Ordering::Relaxed), 1);
        columns.clone().plan::<Counted>(Mapping::Strict).unwrap();
        assert_eq!(PLANNED.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn each_type_and_mapping_has_a_plan_of_its_own() {
        let columns = three();
        let wrong = |mapping| columns.plan::<(String, String)>(mapping).unwrap_err().kind();
        // More types than plans are kept for, each asked twice.
        for _ in 0..2 {
            columns.plan::<(String, String, String)>(Mapping::Strict).unwrap();
            columns.plan::<(String, &str, String)>(Mapping::Strict).unwrap();
            columns.plan::<(String, String)>(Mapping::Lax).unwrap();
            columns.plan::<(String,)>(Mapping::Lax).unwrap();
            columns.plan::<String>(Mapping::Lax).unwrap();
            columns.plan::<(Option<String>, String, String)>(Mapping::Strict).unwrap();
            assert_eq!(wrong(Mapping::Strict), ErrorKind::Column);
        }
    }
}
