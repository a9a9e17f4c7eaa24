//! Numbers of errors that the driver itself acts on.

/// The server has forgotten the statement.
pub(crate) const UNKNOWN_STATEMENT: u16 = 1243;
/// The statement must be prepared anew.
pub(crate) const NEEDS_REPREPARE: u16 = 1615;
/// A statement that cannot be prepared.
pub(crate) const UNSUPPORTED_PREPARE: u16 = 1295;
/// A text without a statement.
pub(crate) const EMPTY_QUERY: u16 = 1065;
/// The server has as many statements as it takes (`max_prepared_stmt_count`).
pub(crate) const TOO_MANY_STATEMENTS: u16 = 1461;
