//! What the fake engine can be told: its statements as data.

use aquifer_driver::Value;

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statement {
    CreateTable {
        name: String,
        if_not_exists: bool,
        columns: Vec<ColumnDef>,
    },
    DropTable {
        name: String,
        if_exists: bool,
    },
    AddColumn {
        table: String,
        column: ColumnDef,
    },
    Insert(Insert),
    Select(Select),
    Update {
        table: String,
        set: Vec<(String, Expr)>,
        filter: Option<Expr>,
        returning: Vec<Item>,
    },
    Delete {
        table: String,
        filter: Option<Expr>,
        returning: Vec<Item>,
    },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    Begin,
    Commit,
    Rollback,
    /// Waits that many milliseconds, then gives one row with the number.
    Sleep(Expr),
    /// Sets a variable of the session.
    Set {
        name: String,
        value: Expr,
    },
    /// Gives a variable of the session, or NULL.
    Show(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Insert {
    pub(super) table: String,
    /// Empty for all columns.
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Expr>>,
    pub(super) returning: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Select {
    pub(super) items: Vec<Item>,
    pub(super) from: Option<Source>,
    pub(super) filter: Option<Expr>,
    pub(super) order: Vec<(Expr, bool)>,
    pub(super) limit: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    Table(String),
    /// `series(first, last)`: one column `n`.
    Series(Expr, Expr),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Star,
    Expr { expr: Expr, name: String },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Literal(Value),
    Param(usize),
    Column(String),
    Binary(Op, Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    IsNull(Box<Expr>),
    In(Box<Expr>, Vec<Expr>),
    Aggregate(Aggregate, Option<Box<Expr>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Or,
    And,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Add,
    Sub,
    Mul,
    Div,
    Concat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
    Count,
    Max,
    Min,
    Sum,
}

/// One column of a table, as declared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ColumnDef {
    pub(super) name: String,
    /// Upper-case, without length.
    pub(super) type_name: String,
    pub(super) primary: bool,
    pub(super) unique: bool,
    pub(super) not_null: bool,
    pub(super) default: Option<Value>,
    pub(super) check: Option<Expr>,
    /// Table and column that a value must exist in.
    pub(super) references: Option<(String, String)>,
    /// The name given by `CONSTRAINT name`, if any.
    pub(super) constraint: Option<String>,
}

impl Statement {
    /// True if it can change tables.
    pub(super) fn writes(&self) -> bool {
        matches!(
            self,
            Self::CreateTable { .. }
                | Self::DropTable { .. }
                | Self::AddColumn { .. }
                | Self::Insert(_)
                | Self::Update { .. }
                | Self::Delete { .. }
        )
    }

    /// True if it changes what tables there are.
    pub(super) fn is_ddl(&self) -> bool {
        matches!(self, Self::CreateTable { .. } | Self::DropTable { .. } | Self::AddColumn { .. })
    }

    /// True if it only moves the borders of a transaction.
    pub(super) fn is_border(&self) -> bool {
        matches!(
            self,
            Self::Savepoint(_)
                | Self::Release(_)
                | Self::RollbackTo(_)
                | Self::Begin
                | Self::Commit
                | Self::Rollback
        )
    }
}

impl Expr {
    /// True if an aggregate occurs in it.
    pub(super) fn aggregates(&self) -> bool {
        match self {
            Self::Aggregate(..) => true,
            Self::Binary(_, left, right) => left.aggregates() || right.aggregates(),
            Self::Not(inner) | Self::IsNull(inner) => inner.aggregates(),
            Self::In(inner, list) => inner.aggregates() || list.iter().any(Self::aggregates),
            Self::Literal(_) | Self::Param(_) | Self::Column(_) => false,
        }
    }
}
