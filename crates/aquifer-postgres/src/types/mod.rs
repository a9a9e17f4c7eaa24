//! PostgreSQL types on the wire, and the encodings of the contract.
//!
//! Two directions. [`put`] writes one argument into a Bind message. [`column`] says, once per statement, how
//! the cells of a result column are read: most stay where they were received, the others are rewritten by a
//! [`Transcode`].
//!
//! The same value comes out of both formats: a column has one encoding, whether the server sends text (the
//! first use of a statement, the simple protocol) or binary. Nothing here does I/O or keeps state.

mod array;
#[allow(dead_code, reason = "the catalogue is generated whole")]
mod catalogue;
mod clock;
mod codec;
mod column;
mod declare;
mod exact;
mod literal;
mod numeric;
mod put;
mod shown;
mod text;
mod transcode;
mod values;

pub use codec::TypeCodec;
pub(crate) use codec::{Codecs, Registered, lookup};
pub(crate) use column::{ResultType, binary_result, column};
pub(crate) use declare::declared;
pub(crate) use exact::{put_binary, put_column_text, takes_binary};
pub(crate) use put::{integer_len, put, put_text};
pub(crate) use transcode::Transcode;
pub use values::{
    Bits, Composite, CompositeFields, CompositeText, Hstore, IpNet, List, MacAddr, Malformed,
    Multirange, Point, Range, TimeTz,
};

/// The number of a type in `pg_type`.
pub(crate) type Oid = u32;

/// How a value is written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i16)]
pub(crate) enum Format {
    /// As SQL's literals have it. The code on the wire is 0.
    Text = 0,
    /// As the type's send and receive functions have it. The code on the wire is 1.
    Binary = 1,
}

/// A built-in type.
#[derive(Debug)]
struct Type {
    oid: Oid,
    /// As columns show it: `INT4`, `INT4[]`.
    name: &'static str,
    /// The elements' type, if this one is an array; else 0.
    element: Oid,
    /// The type of arrays of this one; 0 if there is none.
    array: Oid,
}

fn find(oid: Oid) -> Option<&'static Type> {
    let types = catalogue::TYPES;
    types.binary_search_by_key(&oid, |known| known.oid).ok().map(|index| &types[index])
}

/// The name of a built-in type, in capitals: `INT4`, `TEXT[]`; empty for any other.
pub(crate) fn name(oid: Oid) -> &'static str {
    find(oid).map_or("", |known| known.name)
}

/// The type of a built-in array type's elements.
pub(crate) fn element(oid: Oid) -> Option<Oid> {
    find(oid).map(|known| known.element).filter(|oid| *oid != 0)
}

/// The type of arrays of a built-in type.
pub(crate) fn array(oid: Oid) -> Option<Oid> {
    find(oid).map(|known| known.array).filter(|oid| *oid != 0)
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod round_trip;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_sorted_and_arrays_know_their_elements() {
        assert!(catalogue::TYPES.is_sorted_by(|a, b| a.oid < b.oid));
        for known in catalogue::TYPES {
            if let Some(array) = array(known.oid) {
                assert_eq!(element(array), Some(known.oid), "{}", known.name);
                assert_eq!(name(array), format!("{}[]", known.name));
            }
        }
        assert_eq!((name(23), element(23), array(23)), ("INT4", None, Some(1007)));
        assert_eq!((name(0), element(0), array(99_999)), ("", None, None));
    }
}
