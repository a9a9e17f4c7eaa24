//! How a fake engine behaves: one value, set before anything connects.

use aquifer_driver::Layout;

/// How cells travel from the fake engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Cells {
    /// Every cell starts with a tag byte, as SQLite's do. Dates and times are integers, booleans 0 and 1.
    #[default]
    Tagged,
    /// Each column has the encoding of its declared type, mostly big-endian, as PostgreSQL's do; a value
    /// of another type is refused with [`Data`](aquifer_driver::ErrorKind::Data).
    Typed,
}

/// What [`Connection::abandon`](aquifer_driver::Connection::abandon) achieves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Abandon {
    /// Replies stay owed, as on a wire: the connection is busy until it has recovered.
    #[default]
    Owes,
    /// The command ends at once, as SQLite's do.
    Ends,
}

/// How a fake engine behaves. The defaults are those of an engine behind a wire, with SQLite's cells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FakeOptions {
    /// How cells travel. Default: [`Cells::Tagged`].
    pub cells: Cells,
    /// What abandoning a command achieves. Default: [`Abandon::Owes`].
    pub abandon: Abandon,
    /// How the connector wants its connections kept. Default: [`Layout::Equal`].
    pub layout: Layout,
    /// After an error, a transaction can only be rolled back (PostgreSQL). Default: false.
    pub errors_fail_transactions: bool,
    /// A batch outside a transaction stops at its first error. Default: false.
    pub batches_stop: bool,
    /// `CREATE`, `ALTER` and `DROP` commit the transaction that they run in (MySQL). Default: false.
    pub ddl_commits: bool,
    /// `Begin` is held back until the first statement. Default: false.
    pub lazy_begin: bool,
    /// A write waits while another connection's transaction has written; otherwise it fails at once with
    /// [`LockTimeout`](aquifer_driver::ErrorKind::LockTimeout). Default: true.
    pub writes_wait: bool,
    /// Sessions run statements of several callers, one behind the other
    /// ([`Multiplex`](aquifer_driver::multiplex::Multiplex)). Default: false.
    pub multiplexes: bool,
    /// How many statements a connection keeps prepared. Default: 16.
    pub statements_max: usize,
    /// How many rows a batch has at most. Default: 64.
    pub batch_rows_max: usize,
    /// A batch is handed over when it has passed this many bytes. Default: 64 KiB.
    pub batch_bytes_max: usize,
    /// How many connections the server accepts; more are refused with
    /// [`Resources`](aquifer_driver::ErrorKind::Resources), and dialling again may help. Default: 1000.
    pub connections_max: usize,
}

impl Default for FakeOptions {
    fn default() -> Self {
        Self {
            cells: Cells::Tagged,
            abandon: Abandon::Owes,
            layout: Layout::Equal,
            errors_fail_transactions: false,
            batches_stop: false,
            ddl_commits: false,
            lazy_begin: false,
            writes_wait: true,
            multiplexes: false,
            statements_max: 16,
            batch_rows_max: 64,
            batch_bytes_max: 64 * 1024,
            connections_max: 1000,
        }
    }
}

macro_rules! setters {
    ($($name:ident: $type:ty),* $(,)?) => {
        impl FakeOptions {
            $(
                #[doc = concat!("Sets [`", stringify!($name), "`](Self::", stringify!($name), ").")]
                #[must_use]
                pub fn $name(mut self, value: $type) -> Self {
                    self.$name = value;
                    self
                }
            )*
        }
    };
}
setters! {
    cells: Cells,
    abandon: Abandon,
    layout: Layout,
    errors_fail_transactions: bool,
    batches_stop: bool,
    ddl_commits: bool,
    lazy_begin: bool,
    writes_wait: bool,
    multiplexes: bool,
    statements_max: usize,
    batch_rows_max: usize,
    batch_bytes_max: usize,
    connections_max: usize,
}

impl FakeOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// An engine that behaves as PostgreSQL does: typed cells, an error fails its transaction, a batch
    /// stops at its first error, `Begin` travels with the first statement.
    pub fn like_postgres() -> Self {
        Self::new()
            .cells(Cells::Typed)
            .errors_fail_transactions(true)
            .batches_stop(true)
            .lazy_begin(true)
    }

    /// An engine that behaves as SQLite does: tagged cells, commands that end when they are abandoned.
    pub fn like_sqlite() -> Self {
        Self::new().abandon(Abandon::Ends)
    }
}
