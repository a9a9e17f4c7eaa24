//! The closed list of cell encodings.

/// How the cells of a column are laid out in a [`RowBatch`](crate::RowBatch)'s buffer.
///
/// Decoding is one inlinable `match` on this tag: no virtual call and no function pointer per cell. A
/// driver chooses from this list; what fits nothing else travels as [`Text`](Self::Text) or
/// [`Bytes`](Self::Bytes). The list grows with the engines, so match with a wildcard arm.
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
    /// Microseconds since 1970-01-01T00:00:00 without zone, i64, little-endian.
    TimestampLe,
    /// Microseconds since 1970-01-01T00:00:00 UTC, i64, little-endian.
    TimestampTzLe,
    /// Microseconds since midnight, i64, little-endian.
    TimeLe,
    /// Days since 1970-01-01, i32, little-endian.
    DateLe,
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
