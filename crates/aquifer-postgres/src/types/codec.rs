//! Types that are not built in, in their binary form, by codecs that the application brings.

use std::fmt;
use std::sync::Arc;

use aquifer_driver::{Encoding, Error, ErrorKind, Result, ValueRef};

use super::put::sized;
use super::{Format, Oid};

/// Reads and writes one type of an extension, or of your own, in its binary form.
///
/// Without a codec the values of such a type are read as their text, and arguments are sent as text; most
/// types need no more. A codec spares the server and the program the text of types that are large or many:
/// PostGIS geometries, vectors of floats. It is registered by
/// [`PostgresConnector::with_codec`](crate::PostgresConnector::with_codec), under the type's name.
///
/// **Both forms must mean the same.** The first use of a statement is sent before its types are known: its
/// results come as text, and its arguments go as text; so do all results of the simple protocol. A codec
/// turns either form of a cell into the same bytes, and writes an argument as what the server would make of
/// the argument's text. Arrays of the type, and types that contain it, stay text.
///
/// Calls happen where rows are read and arguments are written, so they must not block.
///
/// ```
/// use aquifer_driver::{Encoding, ValueRef};
/// use aquifer_postgres::TypeCodec;
///
/// /// pgvector's `vector`, read as `Vec<f32>`, and bound as its text: `[1,2.5]`.
/// struct VectorCodec;
///
/// impl TypeCodec for VectorCodec {
///     fn encoding(&self) -> Encoding {
///         Encoding::Array
///     }
///
///     /// Dimensions (u16), 16 unused bits, the elements (f32).
///     fn read_binary(&self, cell: &[u8], out: &mut Vec<u8>) -> bool {
///         let Some(([a, b, _, _], elements)) = cell.split_first_chunk() else { return false };
///         let count = usize::from(u16::from_be_bytes([*a, *b]));
///         if elements.len() != 4 * count {
///             return false;
///         }
///         out.extend_from_slice(&u32::from(Encoding::F32Be as u8).to_be_bytes());
///         out.extend_from_slice(&(count as u32).to_be_bytes());
///         for element in elements.chunks_exact(4) {
///             out.extend_from_slice(&4u32.to_be_bytes());
///             out.extend_from_slice(element);
///         }
///         true
///     }
///
///     fn read_text(&self, text: &str, out: &mut Vec<u8>) -> bool {
///         let mut cell = Vec::new();
///         self.write_binary(ValueRef::Text(text), &mut cell) && self.read_binary(&cell, out)
///     }
///
///     fn write_binary(&self, value: ValueRef<'_>, out: &mut Vec<u8>) -> bool {
///         let ValueRef::Text(text) = value else { return false };
///         let Some(list) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
///             return false;
///         };
///         let floats: Result<Vec<f32>, _> = list.split(',').map(|f| f.trim().parse()).collect();
///         let Ok(floats) = floats else { return false };
///         let Ok(count) = u16::try_from(floats.len()) else { return false };
///         out.extend_from_slice(&count.to_be_bytes());
///         out.extend_from_slice(&[0; 2]);
///         floats.iter().for_each(|float| out.extend_from_slice(&float.to_be_bytes()));
///         true
///     }
/// }
/// # let mut read = Vec::new();
/// # assert!(VectorCodec.read_text("[1, 2.5]", &mut read));
/// # let cell = aquifer_driver::Cell::new(Some(&read), Encoding::Array);
/// # assert_eq!(<Vec<f32> as aquifer_driver::FromValue>::from_cell(cell).unwrap(), [1.0, 2.5]);
/// ```
pub trait TypeCodec: Send + Sync + 'static {
    /// How cells are laid out when they have been read; the same for every cell.
    fn encoding(&self) -> Encoding;

    /// Appends a cell that the type's send function wrote, in this codec's [encoding](Self::encoding).
    ///
    /// False if the cell is not of the type's form; then what was appended is taken back, and the statement
    /// fails with [`ErrorKind::Conversion`].
    fn read_binary(&self, cell: &[u8], out: &mut Vec<u8>) -> bool;

    /// As [`read_binary`](Self::read_binary), of a cell that the type's output function wrote.
    fn read_text(&self, text: &str, out: &mut Vec<u8>) -> bool;

    /// Appends the bytes that the type's receive function makes the same value of as its input function
    /// makes of the argument's text. Never called with NULL, bytes (which are `bytea` always) or arrays.
    ///
    /// False, the default, sends the argument as text; what was appended is taken back.
    fn write_binary(&self, value: ValueRef<'_>, out: &mut Vec<u8>) -> bool {
        let _ = (value, out);
        false
    }
}

/// A codec and the name of its type, as it was registered.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) name: Box<str>,
    pub(crate) codec: Arc<dyn TypeCodec>,
}

/// The name of the type.
impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registered").field(&self.name).finish()
    }
}

/// The codecs of one session, by the numbers that their types have in its database.
#[derive(Debug, Clone, Default)]
pub(crate) struct Codecs(Option<Arc<[(Oid, Registered)]>>);

/// A column's codec: which one, and what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UserType {
    index: u16,
    format: Format,
}

impl Codecs {
    /// These codecs; a type that the database does not have is none of them.
    pub(crate) fn new(found: impl Iterator<Item = (Oid, Registered)>) -> Self {
        let found: Vec<_> = found.take(usize::from(u16::MAX)).collect();
        Self(if found.is_empty() { None } else { Some(found.into()) })
    }

    fn find(&self, oid: Oid) -> Option<(u16, &Registered)> {
        let known = self.0.as_ref()?;
        let index = known.iter().position(|(known, _)| *known == oid)?;
        Some((index as u16, &known[index].1))
    }

    /// Who reads the cells of a column of this type, if a codec does, how they lie then, and the type's name.
    pub(crate) fn column(&self, oid: Oid, format: Format) -> Option<(UserType, Encoding, String)> {
        let (index, found) = self.find(oid)?;
        Some((UserType { index, format }, found.codec.encoding(), found.name.to_uppercase()))
    }

    /// True if results of this type are asked for in binary.
    pub(crate) fn reads(&self, oid: Oid) -> bool {
        self.find(oid).is_some()
    }

    /// Appends a cell as its codec reads it.
    ///
    /// # Errors
    ///
    /// If the codec cannot read it. Nothing is left in `out` then.
    pub(crate) fn read(&self, user: UserType, cell: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let found = self.0.as_ref().and_then(|known| known.get(usize::from(user.index)));
        let Some((_, Registered { name, codec })) = found else { return Err(unreadable("?")) };
        let read = match user.format {
            Format::Binary => codec.read_binary(cell, out),
            Format::Text => std::str::from_utf8(cell).is_ok_and(|text| codec.read_text(text, out)),
        };
        if read {
            return Ok(());
        }
        out.truncate(start);
        Err(unreadable(name))
    }

    /// Whether there are none: then types are written and read as the protocol has them.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// As [`put`](super::put()), where a codec writes arguments of this type.
    #[inline]
    pub(crate) fn put(&self, oid: Oid, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<Format> {
        if self.0.is_some() && self.put_binary(oid, value, out)? {
            return Ok(Format::Binary);
        }
        super::put(oid, value, out)
    }

    /// As [`super::put_binary`], for arguments that a codec writes.
    pub(crate) fn put_binary(
        &self,
        oid: Oid,
        value: ValueRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        let takes = !matches!(
            value,
            ValueRef::Null | ValueRef::Bytes(_) | ValueRef::Array(_) | ValueRef::Elements(_)
        );
        let Some((_, found)) = self.find(oid).filter(|_| takes) else { return Ok(false) };
        let start = out.len();
        let mut written = false;
        sized(out, |out| {
            written = found.codec.write_binary(value, out);
            Ok(())
        })?;
        if !written {
            out.truncate(start);
        }
        Ok(written)
    }
}

#[cold]
fn unreadable(name: &str) -> Error {
    Error::new(
        ErrorKind::Conversion,
        format!("the codec of the type {name} cannot read a value that the server sent"),
    )
}

/// The query that asks for the numbers of these types: one row, one column each, NULL for a type that the
/// database does not have.
pub(crate) fn lookup(registered: &[Registered]) -> String {
    let mut sql = String::from("SELECT ");
    for (index, Registered { name, .. }) in registered.iter().enumerate() {
        if index > 0 {
            sql.push_str(", ");
        }
        // Read the same whatever standard_conforming_strings says.
        sql.push_str("pg_catalog.to_regtype(E'");
        for c in name.chars() {
            if matches!(c, '\'' | '\\') {
                sql.push(c);
            }
            sql.push(c);
        }
        sql.push_str("')::pg_catalog.oid");
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads and writes one byte.
    struct One;

    impl TypeCodec for One {
        fn encoding(&self) -> Encoding {
            Encoding::I8
        }
        fn read_binary(&self, cell: &[u8], out: &mut Vec<u8>) -> bool {
            out.extend_from_slice(cell);
            cell.len() == 1
        }
        fn read_text(&self, text: &str, out: &mut Vec<u8>) -> bool {
            text.parse::<i8>().is_ok_and(|v| self.read_binary(&v.to_be_bytes(), out))
        }
        fn write_binary(&self, value: ValueRef<'_>, out: &mut Vec<u8>) -> bool {
            out.push(9);
            matches!(value, ValueRef::Int(9))
        }
    }

    fn registered(name: &str) -> Registered {
        Registered { name: name.into(), codec: Arc::new(One) }
    }

    fn codecs() -> Codecs {
        Codecs::new([(70_000, registered("one"))].into_iter())
    }

    #[test]
    fn both_forms_are_read_by_the_codec_and_what_it_refuses_leaves_nothing() {
        let codecs = codecs();
        for (format, cell) in [(Format::Binary, &[7][..]), (Format::Text, b"7")] {
            let (user, encoding, name) = codecs.column(70_000, format).unwrap();
            assert_eq!((encoding, &*name), (Encoding::I8, "ONE"));
            let mut out = vec![1];
            codecs.read(user, cell, &mut out).unwrap();
            assert_eq!(out, [1, 7]);
            let error = codecs.read(user, b"no\xff", &mut out).unwrap_err();
            assert_eq!((error.kind(), &out[..]), (ErrorKind::Conversion, &[1, 7][..]));
        }
        assert!(codecs.column(70_001, Format::Text).is_none() && !codecs.reads(0));
    }

    #[test]
    fn what_the_codec_does_not_write_goes_as_without_it() {
        let codecs = codecs();
        let put = |oid, value| {
            let mut out = Vec::new();
            (codecs.put(oid, value, &mut out).unwrap(), out)
        };
        assert_eq!(put(70_000, ValueRef::Int(9)), (Format::Binary, vec![0, 0, 0, 1, 9]));
        assert_eq!(put(70_000, ValueRef::Int(8)), (Format::Text, vec![0, 0, 0, 1, b'8']));
        assert_eq!(put(70_001, ValueRef::Int(9)), (Format::Text, vec![0, 0, 0, 1, b'9']));
        assert_eq!(put(70_000, ValueRef::Null), (Format::Text, vec![0xff; 4]));
    }

    #[test]
    fn names_are_quoted_in_the_query_for_their_numbers() {
        let sql = lookup(&[registered("public.\"it's\""), registered("a\\")]);
        assert_eq!(
            sql,
            "SELECT pg_catalog.to_regtype(E'public.\"it''s\"')::pg_catalog.oid, \
             pg_catalog.to_regtype(E'a\\\\')::pg_catalog.oid"
        );
        assert!(Codecs::new(std::iter::empty()).0.is_none());
    }
}
