//! [`Reading`]: what a session's settings make of its columns.

use super::Zone;

/// What a zero date becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoDay {
    /// An empty cell, which is an error to read.
    Empty,
    Null,
}

/// How columns are read. Shapes depend on it, so they keep what they were made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The session's time zone.
    pub(crate) zone: Zone,
    pub(crate) no_day: NoDay,
    /// DATE, DATETIME and TIMESTAMP are texts.
    pub(crate) dates_as_text: bool,
    /// Columns of tables are named `table.column`.
    pub(crate) full_names: bool,
}

#[cfg(test)]
impl Reading {
    pub(crate) const UTC: Self = Self {
        zone: Zone::Fixed(0),
        no_day: NoDay::Empty,
        dates_as_text: false,
        full_names: false,
    };
}
