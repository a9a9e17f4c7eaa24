//! What a result's columns are called and how their cells are laid out.

use crate::Encoding;

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
#[derive(Debug, Clone, Default)]
pub struct Columns(Vec<Column>);

impl Columns {
    /// No columns.
    pub const EMPTY: Self = Self(Vec::new());

    /// These columns, in this order.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self(columns.into())
    }

    /// The position of the first column of that name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|column| &*column.name == name)
    }

    /// The names, in order, for messages.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|column| &*column.name)
    }
}

impl std::ops::Deref for Columns {
    type Target = [Column];

    #[inline]
    fn deref(&self) -> &[Column] {
        &self.0
    }
}

impl From<Vec<Column>> for Columns {
    fn from(columns: Vec<Column>) -> Self {
        Self(columns)
    }
}
