//! Switches and limits of one connection.

use std::ffi::c_int;

use libsqlite3_sys as ffi;

use super::error::Result;
use super::handle::Handle;

/// A switch of `sqlite3_db_config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Config {
    /// Enforce foreign keys. The bundled library starts with it on.
    ForeignKeys,
    /// Run triggers.
    Triggers,
    /// Allow views.
    Views,
    /// Refuse what could corrupt the file: `writable_schema`, writes to shadow tables,
    /// `journal_mode=OFF`. On at [`Handle::open`].
    Defensive,
    /// Allow SQL functions with side effects in schemas. Off at [`Handle::open`].
    TrustedSchema,
    /// Read `"x"` as a string in DDL if it names nothing. Off at [`Handle::open`].
    DoubleQuotedStringsDdl,
    /// Read `"x"` as a string in queries if it names nothing. Off at [`Handle::open`].
    DoubleQuotedStringsDml,
    /// Leave the WAL alone when the last connection closes.
    NoCheckpointOnClose,
    /// Never let bound values choose the query plan.
    QueryPlannerStability,
    /// Let `ATTACH` create files.
    AttachCreate,
    /// Let `ATTACH` open files for writing.
    AttachWrite,
    /// The next `VACUUM` empties the database, even a corrupt one.
    ResetDatabase,
}

impl Config {
    fn op(self) -> c_int {
        match self {
            Self::ForeignKeys => ffi::SQLITE_DBCONFIG_ENABLE_FKEY,
            Self::Triggers => ffi::SQLITE_DBCONFIG_ENABLE_TRIGGER,
            Self::Views => ffi::SQLITE_DBCONFIG_ENABLE_VIEW,
            Self::Defensive => ffi::SQLITE_DBCONFIG_DEFENSIVE,
            Self::TrustedSchema => ffi::SQLITE_DBCONFIG_TRUSTED_SCHEMA,
            Self::DoubleQuotedStringsDdl => ffi::SQLITE_DBCONFIG_DQS_DDL,
            Self::DoubleQuotedStringsDml => ffi::SQLITE_DBCONFIG_DQS_DML,
            Self::NoCheckpointOnClose => ffi::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
            Self::QueryPlannerStability => ffi::SQLITE_DBCONFIG_ENABLE_QPSG,
            Self::AttachCreate => ffi::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE,
            Self::AttachWrite => ffi::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE,
            Self::ResetDatabase => ffi::SQLITE_DBCONFIG_RESET_DATABASE,
        }
    }
}

/// A run-time limit of `sqlite3_limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Bytes of a text, blob or row.
    Length,
    /// Bytes of a SQL text.
    SqlLength,
    /// Columns of a table, index, view, result or `GROUP BY`.
    Columns,
    /// Depth of an expression.
    ExpressionDepth,
    /// Terms of a compound `SELECT`.
    CompoundSelect,
    /// Instructions of a statement's program.
    Instructions,
    /// Arguments of a function.
    FunctionArguments,
    /// Attached databases.
    Attached,
    /// Bytes of a `LIKE` or `GLOB` pattern.
    LikePatternLength,
    /// The highest parameter index.
    VariableNumber,
    /// Depth of triggers.
    TriggerDepth,
    /// Threads that help one statement.
    WorkerThreads,
}

impl Limit {
    fn id(self) -> c_int {
        match self {
            Self::Length => ffi::SQLITE_LIMIT_LENGTH,
            Self::SqlLength => ffi::SQLITE_LIMIT_SQL_LENGTH,
            Self::Columns => ffi::SQLITE_LIMIT_COLUMN,
            Self::ExpressionDepth => ffi::SQLITE_LIMIT_EXPR_DEPTH,
            Self::CompoundSelect => ffi::SQLITE_LIMIT_COMPOUND_SELECT,
            Self::Instructions => ffi::SQLITE_LIMIT_VDBE_OP,
            Self::FunctionArguments => ffi::SQLITE_LIMIT_FUNCTION_ARG,
            Self::Attached => ffi::SQLITE_LIMIT_ATTACHED,
            Self::LikePatternLength => ffi::SQLITE_LIMIT_LIKE_PATTERN_LENGTH,
            Self::VariableNumber => ffi::SQLITE_LIMIT_VARIABLE_NUMBER,
            Self::TriggerDepth => ffi::SQLITE_LIMIT_TRIGGER_DEPTH,
            Self::WorkerThreads => ffi::SQLITE_LIMIT_WORKER_THREADS,
        }
    }
}

impl Handle {
    /// Sets a switch.
    ///
    /// # Errors
    ///
    /// `SQLITE_ERROR` if the library does not know it.
    pub fn set_config(&mut self, config: Config, on: bool) -> Result<()> {
        self.db_config(config.op(), c_int::from(on)).map(drop)
    }

    /// The state of a switch.
    ///
    /// # Errors
    ///
    /// `SQLITE_ERROR` if the library does not know it.
    pub fn config(&self, config: Config) -> Result<bool> {
        // A negative value changes nothing.
        self.db_config(config.op(), -1)
    }

    /// Sets one of the switches that take an integer and a place for the result; its state after
    /// that.
    pub(super) fn db_config(&self, op: c_int, value: c_int) -> Result<bool> {
        let mut state: c_int = 0;
        // SAFETY: `db` is open and we own it; every `op` we pass takes exactly an `int` and a
        // pointer to an `int`.
        let code = unsafe { ffi::sqlite3_db_config(self.db.as_ptr(), op, value, &raw mut state) };
        self.check(code)?;
        Ok(state != 0)
    }

    /// A limit's value.
    #[must_use]
    pub fn limit(&self, limit: Limit) -> u32 {
        self.sqlite_limit(limit, -1)
    }

    /// Sets a limit, to what the library was built with at most, and returns the one before.
    pub fn set_limit(&mut self, limit: Limit, value: u32) -> u32 {
        self.sqlite_limit(limit, c_int::try_from(value).unwrap_or(c_int::MAX))
    }

    fn sqlite_limit(&self, limit: Limit, value: c_int) -> u32 {
        // SAFETY: `db` is open and we own it. A negative value changes nothing.
        let before = unsafe { ffi::sqlite3_limit(self.db.as_ptr(), limit.id(), value) };
        u32::try_from(before).unwrap_or(0)
    }
}
