//! [`Target`]: what the suite must know of a driver and its engine.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{BoxFuture, Connection, Connector, Result, Value};

use crate::block::block_on_for;

/// A fresh, empty database.
pub struct Database {
    /// Opens connections to it.
    pub connector: Arc<dyn Connector>,
    /// Dropped when the check is over: removes files, stops servers.
    pub guard: Option<Box<dyn Any + Send + Sync>>,
}

impl From<Arc<dyn Connector>> for Database {
    fn from(connector: Arc<dyn Connector>) -> Self {
        Self { connector, guard: None }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("connector", &self.connector).finish_non_exhaustive()
    }
}

/// A value of one neutral kind, and how the engine keeps it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KindCase {
    /// The column's type in the engine's words.
    pub ddl: &'static str,
    /// What is bound.
    pub value: Value,
    /// What is read back; the same for most.
    pub back: Value,
}

/// A future that runs one check.
pub type CheckFuture<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

type Make = Arc<dyn Fn() -> Database + Send + Sync>;
type Runner = Arc<dyn Fn(CheckFuture<'_>) -> bool + Send + Sync>;
type Look = Arc<dyn for<'c> Fn(&'c mut dyn Connection) -> BoxFuture<'c, Result<u64>> + Send + Sync>;

/// How to make fresh databases, and where the engine differs from others.
///
/// The defaults describe an engine that can everything; each method that takes something away says so in
/// the report: a check that does not apply is listed with the reason, never left out in silence.
#[derive(Clone)]
pub struct Target {
    pub(super) make: Make,
    pub(super) runner: Runner,
    pub(super) integer: &'static str,
    pub(super) real: &'static str,
    pub(super) text: &'static str,
    pub(super) blob: &'static str,
    pub(super) auto_key: &'static str,
    pub(super) series: &'static str,
    pub(super) long_statement: Option<&'static str>,
    pub(super) session: Option<(&'static str, &'static str)>,
    pub(super) last_insert_id: bool,
    pub(super) returning: bool,
    pub(super) checks: bool,
    pub(super) foreign_keys: bool,
    pub(super) transactional_ddl: bool,
    pub(super) read_only_access: bool,
    pub(super) read_only_transactions: bool,
    pub(super) errors_fail_transactions: bool,
    pub(super) batches_stop: bool,
    pub(super) statements_max: Option<u64>,
    pub(super) statements_on_server: Option<Look>,
    pub(super) batch_bytes_max: usize,
    pub(super) kinds: Vec<KindCase>,
    pub(super) refused: Vec<Value>,
    pub(super) inspect: Option<Arc<dyn Fn() -> std::result::Result<(), String> + Send + Sync>>,
}

impl Target {
    /// A target whose databases `make` gives: fresh and empty at each call.
    ///
    /// `series` is a query with one `?`: it gives the integers from 1 to that argument, in order, in one
    /// column `n`.
    pub fn new<D: Into<Database>>(
        series: &'static str,
        make: impl Fn() -> D + Send + Sync + 'static,
    ) -> Self {
        Self {
            make: Arc::new(move || make().into()),
            runner: Arc::new(|future| block_on_for(Duration::from_secs(30), future).is_some()),
            integer: "INTEGER",
            real: "REAL",
            text: "TEXT",
            blob: "BLOB",
            auto_key: "INTEGER PRIMARY KEY",
            series,
            long_statement: None,
            session: None,
            last_insert_id: true,
            returning: true,
            checks: true,
            foreign_keys: true,
            transactional_ddl: true,
            read_only_access: true,
            read_only_transactions: true,
            errors_fail_transactions: false,
            batches_stop: false,
            statements_max: None,
            statements_on_server: None,
            batch_bytes_max: 1024 * 1024,
            kinds: Vec::new(),
            refused: Vec::new(),
            inspect: None,
        }
    }

    /// How a check's future is run to its end; false if it never ends. Default: on the calling thread,
    /// without a runtime, given up 30 s after the last wake. Drivers that need a runtime enter it here.
    #[must_use]
    pub fn run_with(
        mut self,
        runner: impl Fn(CheckFuture<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.runner = Arc::new(runner);
        self
    }

    /// The engine's words for 64-bit integers, 64-bit floats, text and bytes. Default: `INTEGER`,
    /// `REAL`, `TEXT`, `BLOB`.
    #[must_use]
    pub fn types(
        mut self,
        integer: &'static str,
        real: &'static str,
        text: &'static str,
        blob: &'static str,
    ) -> Self {
        (self.integer, self.real, self.text, self.blob) = (integer, real, text, blob);
        self
    }

    /// Type and constraints of a key that the engine generates. Default: `INTEGER PRIMARY KEY`.
    #[must_use]
    pub fn auto_key(mut self, ddl: &'static str) -> Self {
        self.auto_key = ddl;
        self
    }

    /// A statement without arguments that runs until it is cancelled. Without one the checks of
    /// cancelling do not apply.
    #[must_use]
    pub fn long_statement(mut self, sql: &'static str) -> Self {
        self.long_statement = Some(sql);
        self
    }

    /// Statements that change something in the session, and that show it in one cell. Without them the
    /// check of `Reset` looks at the transaction only.
    #[must_use]
    pub fn session(mut self, set: &'static str, show: &'static str) -> Self {
        self.session = Some((set, show));
        self
    }

    /// How many statements a connection of this target keeps prepared at most: small is fast; 0 if it
    /// keeps none.
    #[must_use]
    pub fn statements_max(mut self, max: u64) -> Self {
        self.statements_max = Some(max);
        self
    }

    /// How to ask the engine itself how many statements a connection holds.
    #[must_use]
    pub fn statements_on_server(
        mut self,
        look: impl for<'c> Fn(&'c mut dyn Connection) -> BoxFuture<'c, Result<u64>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.statements_on_server = Some(Arc::new(look));
        self
    }

    /// How many bytes a batch of small rows may hold. Default: 1 MiB.
    #[must_use]
    pub fn batch_bytes_max(mut self, bytes: usize) -> Self {
        self.batch_bytes_max = bytes;
        self
    }

    /// A further kind of value that must round trip through a column of that type unchanged.
    #[must_use]
    pub fn kind(self, ddl: &'static str, value: Value) -> Self {
        let back = value.clone();
        self.kind_as(ddl, value, back)
    }

    /// A further kind of value that the engine gives back as another (a boolean as 0 or 1).
    #[must_use]
    pub fn kind_as(mut self, ddl: &'static str, value: Value, back: Value) -> Self {
        self.kinds.push(KindCase { ddl, value, back });
        self
    }

    /// A value that the driver refuses as an argument.
    #[must_use]
    pub fn refuses(mut self, value: Value) -> Self {
        self.refused.push(value);
        self
    }

    /// Asked after every check, when its connections are gone: says what is wrong on the engine's side.
    #[must_use]
    pub fn inspect(
        mut self,
        inspect: impl Fn() -> std::result::Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.inspect = Some(Arc::new(inspect));
        self
    }
}

macro_rules! abilities {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        impl Target {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(mut self, yes: bool) -> Self {
                    self.$name = yes;
                    self
                }
            )*
        }
    };
}
abilities! {
    /// Whether the engine tells the key that it generated. Default: true.
    last_insert_id,
    /// Whether the engine has `RETURNING`. Default: true.
    returning,
    /// Whether the engine enforces `CHECK`. Default: true.
    checks,
    /// Whether the engine enforces `REFERENCES`. Default: true.
    foreign_keys,
    /// Whether `CREATE TABLE` is undone by a rollback. Default: true.
    transactional_ddl,
    /// Whether a connection for reading only refuses writes. Default: true.
    read_only_access,
    /// Whether a transaction for reading only refuses writes. Default: true.
    read_only_transactions,
    /// Whether after an error a transaction can only be rolled back. Default: false.
    errors_fail_transactions,
    /// Whether a batch outside a transaction stops at its first error. Default: false.
    batches_stop,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("series", &self.series).finish_non_exhaustive()
    }
}
