//! The contract's own [`Date`] and [`Interval`], read from cells.

use super::moment;
use crate::{Cell, ConversionError, Date, FromValue, Interval};

/// Reads dates and their text. The infinities are dates of this type.
impl FromValue<'_> for Date {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        moment::any_date("Date", &cell.value()?)
    }
}

/// Reads intervals and their text, an ISO 8601 duration.
impl FromValue<'_> for Interval {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        moment::interval("Interval", &cell.value()?)
    }
}
