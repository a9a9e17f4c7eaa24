//! The fake engine's types: what a column takes, and how its cells are laid out.

use aquifer_driver::{Encoding, Error, ErrorKind, Result, RowBatch, Tag, Value, ValueRef};

use super::options::Cells;

/// A column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    Bool,
    Int,
    Int4,
    UInt,
    Float,
    Decimal,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
    Json,
}

impl Kind {
    /// The type of that name; unknown names take anything.
    pub(super) fn of_type(name: &str) -> Self {
        match name {
            "INTEGER" | "INT" | "BIGINT" | "INT8" => Self::Int,
            "INT4" => Self::Int4,
            "UBIGINT" => Self::UInt,
            "REAL" | "DOUBLE" | "FLOAT" | "FLOAT8" => Self::Float,
            "DECIMAL" | "NUMERIC" => Self::Decimal,
            "TEXT" | "VARCHAR" => Self::Text,
            "BLOB" | "BYTEA" => Self::Bytes,
            "BOOLEAN" | "BOOL" => Self::Bool,
            "DATE" => Self::Date,
            "TIME" => Self::Time,
            "TIMESTAMP" => Self::Timestamp,
            "TIMESTAMPTZ" => Self::TimestampTz,
            "UUID" => Self::Uuid,
            "JSON" => Self::Json,
            _ => Self::Any,
        }
    }

    /// The type that a value has by itself.
    pub(super) fn of_value(value: &Value) -> Self {
        match value {
            Value::Bool(_) => Self::Bool,
            Value::Int(_) => Self::Int,
            Value::UInt(_) => Self::UInt,
            Value::Float(_) => Self::Float,
            Value::Decimal(_) => Self::Decimal,
            Value::Text(_) => Self::Text,
            Value::Bytes(_) => Self::Bytes,
            Value::Date(_) => Self::Date,
            Value::Time(_) => Self::Time,
            Value::Timestamp(_) => Self::Timestamp,
            Value::TimestampTz(_) => Self::TimestampTz,
            Value::Uuid(_) => Self::Uuid,
            Value::Json(_) => Self::Json,
            _ => Self::Any,
        }
    }

    /// How cells of this type travel.
    pub(super) fn encoding(self, cells: Cells) -> Encoding {
        if cells == Cells::Tagged {
            return Encoding::Tagged;
        }
        match self {
            Self::Bool => Encoding::Bool,
            Self::Int => Encoding::I64Be,
            Self::Int4 => Encoding::I32Be,
            Self::UInt => Encoding::U64Le,
            Self::Float => Encoding::F64Be,
            Self::Decimal => Encoding::Decimal,
            Self::Text => Encoding::Text,
            Self::Bytes => Encoding::Bytes,
            Self::Date => Encoding::DateLe,
            Self::Time => Encoding::TimeLe,
            Self::Timestamp => Encoding::TimestampLe,
            Self::TimestampTz => Encoding::TimestampTzLe,
            Self::Uuid => Encoding::Uuid,
            Self::Json => Encoding::Json,
            Self::Any => Encoding::Tagged,
        }
    }

    /// The value as a column of this type keeps it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Data`] if a typed column cannot hold it.
    pub(super) fn admit(self, value: Value, cells: Cells, column: &str) -> Result<Value> {
        let value = match (self, value) {
            (Self::Float, Value::Int(v)) => Value::Float(v as f64),
            (_, value) => value,
        };
        if cells == Cells::Tagged || value.is_null() {
            return Ok(value);
        }
        let fits = match (self, &value) {
            (Self::Any, _) => true,
            (Self::Int4, Value::Int(v)) => i32::try_from(*v).is_ok(),
            (Self::UInt, Value::Int(v)) => *v >= 0,
            (Self::Json, Value::Text(_)) => true,
            (kind, value) => kind == Self::of_value(value),
        };
        if fits { Ok(value) } else { Err(misfit(column)) }
    }
}

fn misfit(column: &str) -> Error {
    Error::new(ErrorKind::Data, format!("the value does not fit the column {column}"))
        .with_code("FAKE_DATA")
        .with_sqlstate("22000")
        .with_column(column)
}

/// What an argument becomes on its way to the engine.
///
/// # Errors
///
/// [`ErrorKind::Argument`] for kinds that the engine does not have.
pub(super) fn argument(value: ValueRef<'_>, cells: Cells) -> Result<Value> {
    let refused = |kind: &str| {
        Err(Error::new(ErrorKind::Argument, format!("the fake engine takes no {kind}")))
    };
    if matches!(value, ValueRef::Interval(_)) || value.as_array().is_some() {
        return refused(value.kind());
    }
    let owned = value.to_owned()?;
    if cells == Cells::Typed {
        return Ok(owned);
    }
    Ok(match owned {
        Value::UInt(_) => return refused("unsigned integer beyond i64"),
        Value::Bool(v) => Value::Int(v.into()),
        Value::Decimal(text) | Value::Json(text) => Value::Text(text),
        Value::Uuid(bytes) => Value::Bytes(bytes.to_vec()),
        Value::Date(days) => Value::Int(days.0.into()),
        Value::Time(v) | Value::Timestamp(v) | Value::TimestampTz(v) => Value::Int(v),
        other => other,
    })
}

/// Appends one cell.
///
/// # Errors
///
/// If the value does not fit the column's encoding, or the batch is full.
pub(super) fn push(batch: &mut RowBatch, encoding: Encoding, value: &Value) -> Result<()> {
    match (encoding, value) {
        (_, Value::Null) => {
            batch.push_null();
            Ok(())
        }
        (Encoding::Tagged, Value::Bool(v)) => batch.push_tagged_int((*v).into()),
        (Encoding::Tagged, Value::Int(v)) => batch.push_tagged_int(*v),
        (Encoding::Tagged, Value::Float(v)) => batch.push_tagged_float(*v),
        (Encoding::Tagged, Value::Text(v)) => batch.push_tagged(Tag::Text, v.as_bytes()),
        (Encoding::Tagged, Value::Bytes(v)) => batch.push_tagged(Tag::Bytes, v),
        (Encoding::Bool, Value::Bool(v)) => batch.push_bytes(&[(*v).into()]),
        (Encoding::I64Be, Value::Int(v)) => batch.push_bytes(&v.to_be_bytes()),
        (Encoding::I32Be, Value::Int(v)) => batch.push_bytes(&(*v as i32).to_be_bytes()),
        (Encoding::U64Le, Value::Int(v)) => batch.push_bytes(&v.to_le_bytes()),
        (Encoding::U64Le, Value::UInt(v)) => batch.push_bytes(&v.to_le_bytes()),
        (Encoding::F64Be, Value::Float(v)) => batch.push_bytes(&v.to_be_bytes()),
        (Encoding::F64Be, Value::Int(v)) => batch.push_bytes(&(*v as f64).to_be_bytes()),
        (Encoding::Decimal, Value::Decimal(v)) => batch.push_bytes(v.as_bytes()),
        (Encoding::Text, Value::Text(v)) => batch.push_bytes(v.as_bytes()),
        (Encoding::Json, Value::Json(v) | Value::Text(v)) => batch.push_bytes(v.as_bytes()),
        (Encoding::Bytes, Value::Bytes(v)) => batch.push_bytes(v),
        (Encoding::Uuid, Value::Uuid(v)) => batch.push_bytes(v),
        (Encoding::DateLe, Value::Date(v)) => batch.push_bytes(&v.0.to_le_bytes()),
        (Encoding::TimeLe, Value::Time(v))
        | (Encoding::TimestampLe, Value::Timestamp(v))
        | (Encoding::TimestampTzLe, Value::TimestampTz(v)) => batch.push_bytes(&v.to_le_bytes()),
        _ => Err(misfit("of the result")),
    }
}
