//! The closed list of cell encodings.

/// How the cells of a column are laid out in a [`RowBatch`](crate::RowBatch)'s buffer.
///
/// Decoding is one inlinable `match` on this tag: no virtual call and no function pointer per cell. A
/// driver chooses from this list; what fits nothing else travels as [`Text`](Self::Text) or
/// [`Bytes`](Self::Bytes). The list grows with the engines, at its end: match with a wildcard arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Encoding {
    /// Each cell starts with a [`Tag`] byte: for engines whose columns do not fix the type (SQLite).
    Tagged,
    /// One byte, 0 or 1.
    Bool,
    /// Two's complement, 1 byte.
    I8,
    /// Two's complement, 2 bytes, big-endian.
    I16Be,
    /// Two's complement, 4 bytes, big-endian.
    I32Be,
    /// Two's complement, 8 bytes, big-endian.
    I64Be,
    /// Two's complement, 2 bytes, little-endian.
    I16Le,
    /// Two's complement, 4 bytes, little-endian.
    I32Le,
    /// Two's complement, 8 bytes, little-endian.
    I64Le,
    /// Unsigned, 1 byte.
    U8,
    /// Unsigned, 2 bytes, little-endian.
    U16Le,
    /// Unsigned, 4 bytes, little-endian.
    U32Le,
    /// Unsigned, 4 bytes, big-endian.
    U32Be,
    /// Unsigned, 8 bytes, little-endian.
    U64Le,
    /// IEEE 754 binary32, big-endian.
    F32Be,
    /// IEEE 754 binary64, big-endian.
    F64Be,
    /// IEEE 754 binary32, little-endian.
    F32Le,
    /// IEEE 754 binary64, little-endian.
    F64Le,
    /// UTF-8 text.
    Text,
    /// Bytes.
    Bytes,
    /// UTF-8 text of a JSON document.
    Json,
    /// UTF-8 text of a decimal number.
    Decimal,
    /// A UUID's sixteen bytes.
    Uuid,
    /// Microseconds since 1970-01-01T00:00:00 without zone, i64, little-endian. An empty cell is a moment
    /// that the calendar does not have (MySQL's zero dates): reading it is an error.
    TimestampLe,
    /// Microseconds since 1970-01-01T00:00:00 UTC, i64, little-endian. Empty: as for
    /// [`TimestampLe`](Self::TimestampLe).
    TimestampTzLe,
    /// Microseconds since midnight, i64, little-endian; on engines whose times are spans, negative or beyond
    /// a day.
    TimeLe,
    /// Days since 1970-01-01, i32, little-endian. Empty: as for [`TimestampLe`](Self::TimestampLe).
    DateLe,
    /// Unsigned, 8 bytes, big-endian.
    U64Be,
    /// PostgreSQL's `timestamp`: microseconds since 2000-01-01T00:00:00 without zone, i64, big-endian;
    /// the ends of the range are the infinities.
    Timestamp2000Be,
    /// PostgreSQL's `timestamptz`: microseconds since 2000-01-01T00:00:00 UTC, i64, big-endian; the ends
    /// of the range are the infinities.
    TimestampTz2000Be,
    /// Microseconds since midnight, i64, big-endian.
    TimeBe,
    /// PostgreSQL's `date`: days since 2000-01-01, i32, big-endian; the ends of the range are the
    /// infinities.
    Date2000Be,
    /// PostgreSQL's `interval`: microseconds (i64), days (i32) and months (i32), big-endian.
    IntervalBe,
    /// A list of elements of one encoding; see [`Elements`](crate::Elements).
    Array,
    /// UTF-8 text of a type that the driver does not know, as PostgreSQL writes it. It reads as text, and a
    /// list reads from an array's literal: `{a,NULL,"b c"}`.
    Literal,
}

impl Encoding {
    /// All encodings. Each stands at the index that is its number (`encoding as u8`).
    pub const ALL: [Self; 35] = [
        Self::Tagged,
        Self::Bool,
        Self::I8,
        Self::I16Be,
        Self::I32Be,
        Self::I64Be,
        Self::I16Le,
        Self::I32Le,
        Self::I64Le,
        Self::U8,
        Self::U16Le,
        Self::U32Le,
        Self::U32Be,
        Self::U64Le,
        Self::F32Be,
        Self::F64Be,
        Self::F32Le,
        Self::F64Le,
        Self::Text,
        Self::Bytes,
        Self::Json,
        Self::Decimal,
        Self::Uuid,
        Self::TimestampLe,
        Self::TimestampTzLe,
        Self::TimeLe,
        Self::DateLe,
        Self::U64Be,
        Self::Timestamp2000Be,
        Self::TimestampTz2000Be,
        Self::TimeBe,
        Self::Date2000Be,
        Self::IntervalBe,
        Self::Array,
        Self::Literal,
    ];
}

/// The first byte of a cell in the [`Encoding::Tagged`] encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Tag {
    /// An `i64`, little-endian, follows.
    Int = 1,
    /// An `f64`, little-endian, follows.
    Float = 2,
    /// UTF-8 text follows. SQLite does not enforce UTF-8: readers check.
    Text = 3,
    /// Bytes follow.
    Bytes = 4,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_stands_at_its_number() {
        for (index, encoding) in Encoding::ALL.iter().enumerate() {
            assert_eq!(*encoding as usize, index);
        }
    }
}
