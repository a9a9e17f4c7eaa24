//! Arguments into cells, as an engine does between storing a value and giving it back.

use aquifer_driver::{
    Column, Encoding, Error, ErrorKind, ParamBuf, ParamSink, Params, Result, RowBatch, Tag,
    ToValue, ValueRef, notation,
};

/// What the engine has for a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Engine {
    /// A type for each kind.
    Typed,
    /// The four storage classes of SQLite, by the conventions of `docs/types.md`.
    Sqlite,
}

/// One row of one column that holds what the engine made of `value`.
pub(crate) fn stored(value: &dyn ToValue, engine: Engine) -> Result<RowBatch> {
    let mut store = Store { engine, batch: RowBatch::new() };
    // By way of the owned form, which a hop to another thread takes.
    ParamBuf::of(&(value,))?.bind(&mut store)?;
    Ok(store.batch)
}

struct Store {
    engine: Engine,
    batch: RowBatch,
}

impl Store {
    fn cell(&mut self, encoding: Encoding, bytes: &[u8]) -> Result<()> {
        self.columns(encoding);
        self.batch.push_bytes(bytes)
    }

    fn tagged(&mut self, tag: Tag, bytes: &[u8]) -> Result<()> {
        self.columns(Encoding::Tagged);
        self.batch.push_tagged(tag, bytes)
    }

    fn columns(&mut self, encoding: Encoding) {
        let columns = vec![Column::new("value", encoding)];
        self.batch.set_columns(&std::sync::Arc::new(columns.into()));
    }

    fn typed(&mut self, value: &ValueRef<'_>) -> Result<()> {
        match *value {
            ValueRef::Bool(v) => self.cell(Encoding::Bool, &[v.into()]),
            ValueRef::Int(v) => self.cell(Encoding::I64Be, &v.to_be_bytes()),
            ValueRef::UInt(v) => self.cell(Encoding::U64Le, &v.to_le_bytes()),
            ValueRef::Float(v) => self.cell(Encoding::F64Be, &v.to_be_bytes()),
            ValueRef::Decimal(v) => self.cell(Encoding::Decimal, v.as_bytes()),
            ValueRef::Text(v) => self.cell(Encoding::Text, v.as_bytes()),
            ValueRef::Bytes(v) => self.cell(Encoding::Bytes, v),
            ValueRef::Date(v) => self.cell(Encoding::DateLe, &v.0.to_le_bytes()),
            ValueRef::Time(v) => self.cell(Encoding::TimeLe, &v.to_le_bytes()),
            ValueRef::Timestamp(v) => self.cell(Encoding::TimestampLe, &v.to_le_bytes()),
            ValueRef::TimestampTz(v) => self.cell(Encoding::TimestampTzLe, &v.to_le_bytes()),
            ValueRef::Uuid(v) => self.cell(Encoding::Uuid, &v),
            ValueRef::Json(v) => self.cell(Encoding::Json, v.as_bytes()),
            // There is no encoding for intervals yet.
            ValueRef::Interval(_) => self.sqlite(value),
            ref other => Err(Error::new(ErrorKind::Unsupported, other.kind())),
        }
    }

    fn sqlite(&mut self, value: &ValueRef<'_>) -> Result<()> {
        match *value {
            ValueRef::Bool(v) => self.tagged(Tag::Int, &i64::from(v).to_le_bytes()),
            ValueRef::Int(v) => self.tagged(Tag::Int, &v.to_le_bytes()),
            ValueRef::Float(v) => self.tagged(Tag::Float, &v.to_le_bytes()),
            ValueRef::Text(v) | ValueRef::Decimal(v) | ValueRef::Json(v) => {
                self.tagged(Tag::Text, v.as_bytes())
            }
            ValueRef::Bytes(v) => self.tagged(Tag::Bytes, v),
            ValueRef::Uuid(v) => self.tagged(Tag::Bytes, &v),
            ref other => match notation::iso(other) {
                Some(text) => self.tagged(Tag::Text, text.as_bytes()),
                None => Err(Error::new(ErrorKind::Unsupported, other.kind())),
            },
        }
    }
}

impl ParamSink for Store {
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        if value.is_null() {
            self.columns(Encoding::Tagged);
            self.batch.push_null();
        } else if self.engine == Engine::Typed {
            self.typed(&value)?;
        } else {
            self.sqlite(&value)?;
        }
        self.batch.end_row();
        Ok(())
    }
}
