//! Columns: from the server's description to how their cells are read.

use std::sync::Arc;

use aquifer_driver::{Column, Columns, Encoding, Result};
use mysql_common::constants::{ColumnFlags, ColumnType as Type};

use super::plain::Plain;
use super::{NoDay, Reading, Zone};
use crate::protocol::Agreed;
use crate::protocol::answer::Definition;
use crate::protocol::reader::Reader;

/// The number of the collation `binary`: the bytes are no text.
const BINARY: u16 = 63;

/// How the cells of one column lie on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    /// Behind a length: text, bytes, decimals.
    Bytes,
    /// As `Bytes`, the text of a UUID.
    Uuid,
    /// Behind a length, as the most significant byte first: a BIT.
    Bits,
    Date,
    /// Of clocks that are so many seconds east of what it is read as.
    DateTime(i32),
    Time,
    /// A DATE that is read as text.
    DateText,
    /// A DATETIME that is read as text, with so many digits of fraction.
    DateTimeText(u8),
}

impl Kind {
    /// The bytes that a binary cell takes, where that does not depend on the value.
    #[inline]
    pub(crate) fn width(self) -> Option<usize> {
        Some(match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
            _ => return None,
        })
    }

    /// Whether what the text protocol sends is the cell.
    #[inline]
    pub(crate) fn is_text_as_is(self) -> bool {
        matches!(self, Self::Bytes | Self::DateText | Self::DateTimeText(_))
    }
}

/// How the rows of one result lie on the wire, and what they become.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) columns: Arc<Columns>,
    pub(crate) kinds: Box<[Kind]>,
    /// How rows of the binary protocol lie, if all their cells are read where they lie.
    pub(crate) plain: Option<Plain>,
    /// What it was made with.
    pub(crate) reading: Reading,
}

impl Shape {
    /// Reads descriptions of columns, each behind four bytes of length.
    ///
    /// # Errors
    ///
    /// If one is malformed.
    pub(crate) fn parse(raw: &[u8], agreed: Agreed, reading: Reading) -> Result<Self> {
        let mut reader = Reader::new(raw);
        let mut definitions = Vec::new();
        while !reader.is_empty() {
            let len = reader.u32()? as usize;
            definitions.push(Definition::parse(reader.take(len)?, agreed)?);
        }
        Ok(Self::new(&definitions, reading))
    }

    pub(crate) fn new(definitions: &[Definition], reading: Reading) -> Self {
        let mut columns = Vec::with_capacity(definitions.len());
        let mut kinds = Vec::with_capacity(definitions.len());
        for definition in definitions {
            let (kind, encoding) = read(definition, reading);
            let zero_dates =
                matches!(kind, Kind::Date | Kind::DateTime(_)) && reading.no_day == NoDay::Null;
            let never_null = definition.flags & ColumnFlags::NOT_NULL_FLAG.bits() != 0;
            let name = match definition.alias.as_str() {
                alias if reading.full_names && !alias.is_empty() => {
                    format!("{alias}.{}", definition.name)
                }
                _ => definition.name.clone(),
            };
            let mut column = Column::new(name, encoding)
                .with_nullable(!never_null || zero_dates)
                .with_type_name(type_name(definition))
                .with_type_id(definition.kind.into());
            if !definition.table.is_empty() {
                column = column.with_table(definition.table.clone());
            }
            match Type::try_from(definition.kind) {
                Ok(Type::MYSQL_TYPE_NEWDECIMAL) => {
                    let scale = definition.decimals;
                    let signs = u32::from(scale > 0) + u32::from(!unsigned(definition));
                    let precision = definition.length.saturating_sub(signs);
                    column = column.with_precision_scale(precision as u16, scale.into());
                }
                Ok(Type::MYSQL_TYPE_VAR_STRING | Type::MYSQL_TYPE_STRING) => {
                    let width = letter_bytes(definition.charset);
                    column = column.with_length((definition.length / width).into());
                }
                _ => {}
            }
            columns.push(column);
            kinds.push(kind);
        }
        let plain = Plain::of(&kinds);
        Self { columns: Arc::new(Columns::new(columns)), kinds: kinds.into(), plain, reading }
    }
}

/// Most bytes of a letter in a collation of what results are sent in: UTF-8, of four bytes or three; one in bytes.
fn letter_bytes(collation: u16) -> u32 {
    match collation {
        BINARY => 1,
        // Those of `utf8mb3`.
        33 | 76 | 83 | 192..=223 => 3,
        _ => 4,
    }
}

fn unsigned(definition: &Definition) -> bool {
    definition.flags & ColumnFlags::UNSIGNED_FLAG.bits() != 0
}

fn read(definition: &Definition, reading: Reading) -> (Kind, Encoding) {
    let unsigned = unsigned(definition);
    let pick = |signed, other| if unsigned { other } else { signed };
    match Type::try_from(definition.kind) {
        Ok(Type::MYSQL_TYPE_TINY) => pick((Kind::I8, Encoding::I8), (Kind::U8, Encoding::U8)),
        Ok(Type::MYSQL_TYPE_SHORT) => {
            pick((Kind::I16, Encoding::I16Le), (Kind::U16, Encoding::U16Le))
        }
        Ok(Type::MYSQL_TYPE_YEAR) => (Kind::U16, Encoding::U16Le),
        Ok(Type::MYSQL_TYPE_LONG | Type::MYSQL_TYPE_INT24) => {
            pick((Kind::I32, Encoding::I32Le), (Kind::U32, Encoding::U32Le))
        }
        Ok(Type::MYSQL_TYPE_LONGLONG) => {
            pick((Kind::I64, Encoding::I64Le), (Kind::U64, Encoding::U64Le))
        }
        Ok(Type::MYSQL_TYPE_FLOAT) => (Kind::F32, Encoding::F32Le),
        Ok(Type::MYSQL_TYPE_DOUBLE) => (Kind::F64, Encoding::F64Le),
        Ok(Type::MYSQL_TYPE_DECIMAL | Type::MYSQL_TYPE_NEWDECIMAL) => {
            (Kind::Bytes, Encoding::Decimal)
        }
        Ok(Type::MYSQL_TYPE_DATE | Type::MYSQL_TYPE_NEWDATE) if reading.dates_as_text => {
            (Kind::DateText, Encoding::Text)
        }
        Ok(
            Type::MYSQL_TYPE_DATETIME
            | Type::MYSQL_TYPE_DATETIME2
            | Type::MYSQL_TYPE_TIMESTAMP
            | Type::MYSQL_TYPE_TIMESTAMP2,
        ) if reading.dates_as_text => (Kind::DateTimeText(definition.decimals), Encoding::Text),
        Ok(Type::MYSQL_TYPE_DATE | Type::MYSQL_TYPE_NEWDATE) => (Kind::Date, Encoding::DateLe),
        Ok(Type::MYSQL_TYPE_DATETIME | Type::MYSQL_TYPE_DATETIME2) => {
            (Kind::DateTime(0), Encoding::TimestampLe)
        }
        Ok(Type::MYSQL_TYPE_TIMESTAMP | Type::MYSQL_TYPE_TIMESTAMP2) => match reading.zone {
            Zone::Fixed(east) => (Kind::DateTime(east), Encoding::TimestampTzLe),
            Zone::Named => (Kind::DateTime(0), Encoding::TimestampLe),
        },
        Ok(Type::MYSQL_TYPE_TIME | Type::MYSQL_TYPE_TIME2) => (Kind::Time, Encoding::TimeLe),
        Ok(Type::MYSQL_TYPE_JSON) => (Kind::Bytes, Encoding::Json),
        Ok(Type::MYSQL_TYPE_BIT) => (Kind::Bits, Encoding::U64Le),
        Ok(Type::MYSQL_TYPE_GEOMETRY | Type::MYSQL_TYPE_VECTOR) => (Kind::Bytes, Encoding::Bytes),
        _ if definition.format.as_deref() == Some("json") => (Kind::Bytes, Encoding::Json),
        _ if definition.type_name.as_deref() == Some("uuid") => (Kind::Uuid, Encoding::Uuid),
        // MariaDB's addresses have the charset of bytes, and are sent as text.
        _ if definition.type_name.as_deref().is_some_and(|name| name.starts_with("inet")) => {
            (Kind::Bytes, Encoding::Text)
        }
        _ if definition.charset == BINARY => (Kind::Bytes, Encoding::Bytes),
        _ => (Kind::Bytes, Encoding::Text),
    }
}

/// The type's name as DDL writes it.
fn type_name(definition: &Definition) -> String {
    let flag = |flag: ColumnFlags| definition.flags & flag.bits() != 0;
    let binary = definition.charset == BINARY;
    if let Some(name) = &definition.type_name {
        return name.to_ascii_uppercase();
    }
    if definition.format.as_deref() == Some("json") {
        return "JSON".to_owned();
    }
    let integer = match Type::try_from(definition.kind) {
        Ok(Type::MYSQL_TYPE_TINY) => "TINYINT",
        Ok(Type::MYSQL_TYPE_SHORT) => "SMALLINT",
        Ok(Type::MYSQL_TYPE_INT24) => "MEDIUMINT",
        Ok(Type::MYSQL_TYPE_LONG) => "INT",
        Ok(Type::MYSQL_TYPE_LONGLONG) => "BIGINT",
        _ => "",
    };
    if !integer.is_empty() {
        let sign = if unsigned(definition) { " UNSIGNED" } else { "" };
        return format!("{integer}{sign}");
    }
    match Type::try_from(definition.kind) {
        Ok(Type::MYSQL_TYPE_FLOAT) => "FLOAT",
        Ok(Type::MYSQL_TYPE_DOUBLE) => "DOUBLE",
        Ok(Type::MYSQL_TYPE_DECIMAL | Type::MYSQL_TYPE_NEWDECIMAL) => "DECIMAL",
        Ok(Type::MYSQL_TYPE_YEAR) => "YEAR",
        Ok(Type::MYSQL_TYPE_DATE | Type::MYSQL_TYPE_NEWDATE) => "DATE",
        Ok(Type::MYSQL_TYPE_DATETIME | Type::MYSQL_TYPE_DATETIME2) => "DATETIME",
        Ok(Type::MYSQL_TYPE_TIMESTAMP | Type::MYSQL_TYPE_TIMESTAMP2) => "TIMESTAMP",
        Ok(Type::MYSQL_TYPE_TIME | Type::MYSQL_TYPE_TIME2) => "TIME",
        Ok(Type::MYSQL_TYPE_JSON) => "JSON",
        Ok(Type::MYSQL_TYPE_BIT) => "BIT",
        Ok(Type::MYSQL_TYPE_GEOMETRY) => "GEOMETRY",
        Ok(Type::MYSQL_TYPE_VECTOR) => "VECTOR",
        Ok(Type::MYSQL_TYPE_NULL) => "NULL",
        _ if flag(ColumnFlags::ENUM_FLAG) => "ENUM",
        _ if flag(ColumnFlags::SET_FLAG) => "SET",
        Ok(Type::MYSQL_TYPE_STRING) if binary => "BINARY",
        Ok(Type::MYSQL_TYPE_STRING) => "CHAR",
        Ok(Type::MYSQL_TYPE_VAR_STRING | Type::MYSQL_TYPE_VARCHAR) if binary => "VARBINARY",
        Ok(Type::MYSQL_TYPE_VAR_STRING | Type::MYSQL_TYPE_VARCHAR) => "VARCHAR",
        _ if binary => "BLOB",
        _ => "TEXT",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(kind: Type, flags: ColumnFlags, charset: u16) -> Definition {
        Definition {
            name: "c".into(),
            alias: String::new(),
            table: String::new(),
            charset,
            length: 12,
            kind: kind as u8,
            flags: flags.bits(),
            decimals: 2,
            type_name: None,
            format: None,
        }
    }

    #[test]
    fn a_column_is_read_by_type_sign_and_charset() {
        let none = ColumnFlags::empty();
        let (sign, list) = (ColumnFlags::UNSIGNED_FLAG, ColumnFlags::ENUM_FLAG);
        for (kind, flags, charset, encoding, name) in [
            (Type::MYSQL_TYPE_LONGLONG, sign, 63, Encoding::U64Le, "BIGINT UNSIGNED"),
            (Type::MYSQL_TYPE_INT24, none, 63, Encoding::I32Le, "MEDIUMINT"),
            (Type::MYSQL_TYPE_BLOB, none, 45, Encoding::Text, "TEXT"),
            (Type::MYSQL_TYPE_BLOB, none, 63, Encoding::Bytes, "BLOB"),
            (Type::MYSQL_TYPE_STRING, list, 45, Encoding::Text, "ENUM"),
            (Type::MYSQL_TYPE_TIMESTAMP, none, 63, Encoding::TimestampTzLe, "TIMESTAMP"),
        ] {
            let column = definition(kind, flags, charset);
            assert_eq!(read(&column, Reading::UTC).1, encoding, "{name}");
            assert_eq!(type_name(&column), name);
        }
        let stamp = definition(Type::MYSQL_TYPE_TIMESTAMP, none, 63);
        let named = Reading { zone: Zone::Named, ..Reading::UTC };
        assert_eq!(read(&stamp, named).1, Encoding::TimestampLe);
        let texts = Reading { dates_as_text: true, ..Reading::UTC };
        assert_eq!(read(&stamp, texts), (Kind::DateTimeText(2), Encoding::Text));
    }

    #[test]
    fn a_column_may_be_null_unless_the_server_says_never() {
        let day = definition(Type::MYSQL_TYPE_DATE, ColumnFlags::NOT_NULL_FLAG, 63);
        let nullable =
            |reading| Shape::new(std::slice::from_ref(&day), reading).columns[0].nullable;
        assert_eq!(nullable(Reading::UTC), Some(false));
        // Zero dates become NULL.
        assert_eq!(nullable(Reading { no_day: NoDay::Null, ..Reading::UTC }), Some(true));
    }

    #[test]
    fn a_decimal_tells_its_precision() {
        let decimal = definition(Type::MYSQL_TYPE_NEWDECIMAL, ColumnFlags::empty(), 63);
        let shape = Shape::new(&[decimal], Reading::UTC);
        assert_eq!(shape.columns[0].precision_scale, Some((10, 2)));
    }
}
