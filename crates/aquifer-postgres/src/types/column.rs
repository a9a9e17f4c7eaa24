//! How the cells of a result column are read.

use aquifer_driver::Encoding;

use super::catalogue::oid;
use super::{Format, Oid, Transcode, element, find, shown};

/// What becomes of a result column's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResultType {
    /// How they are laid out in the batch.
    pub(crate) encoding: Encoding,
    /// How they are rewritten for that; `None` if they are read where they were received.
    pub(crate) transcode: Option<Transcode>,
    /// How many bytes at a cell's start are not part of the value.
    pub(crate) skip: u8,
}

impl ResultType {
    const fn in_place(encoding: Encoding) -> Self {
        Self { encoding, transcode: None, skip: 0 }
    }

    const fn rewritten(encoding: Encoding, transcode: Transcode) -> Self {
        Self { encoding, transcode: Some(transcode), skip: 0 }
    }
}

/// How to read a column of this type in this format. The encoding does not depend on the format for types
/// whose [`binary_result`] is true; the others' binary form, which only COPY sends, stays as the server's
/// bytes.
pub(crate) fn column(oid: Oid, _typmod: i32, format: Format) -> ResultType {
    if let Some(element) = elements_of(oid) {
        return ResultType::rewritten(
            Encoding::Array,
            match (format, oid) {
                (Format::Binary, _) => Transcode::Array(element),
                (Format::Text, oid::INT2VECTOR | oid::OIDVECTOR) => Transcode::TextVector(element),
                (Format::Text, _) => Transcode::TextArray(element),
            },
        );
    }
    match format {
        Format::Text => text(oid),
        Format::Binary => binary(oid),
    }
}

/// The element type of arrays, and of the two types that are arrays in all but their text.
fn elements_of(oid: Oid) -> Option<Oid> {
    match oid {
        oid::INT2VECTOR => Some(oid::INT2),
        oid::OIDVECTOR => Some(oid::OID),
        _ => element(oid),
    }
}

fn text(oid: Oid) -> ResultType {
    let encoding = binary(oid).encoding;
    let transcode = match oid {
        oid::BOOL => Transcode::TextBool,
        oid::INT2 => Transcode::TextInt2,
        oid::INT4 => Transcode::TextInt4,
        oid::INT8 => Transcode::TextInt8,
        oid::OID | oid::XID | oid::CID => Transcode::TextOid,
        oid::XID8 => Transcode::TextXid8,
        oid::FLOAT4 => Transcode::TextFloat4,
        oid::FLOAT8 => Transcode::TextFloat8,
        oid::BYTEA => Transcode::TextBytea,
        oid::UUID => Transcode::TextUuid,
        oid::DATE => Transcode::TextDate,
        oid::TIME => Transcode::TextTime,
        oid::TIMESTAMP => Transcode::TextTimestamp,
        oid::TIMESTAMPTZ => Transcode::TextTimestampTz,
        oid::INTERVAL => Transcode::TextInterval,
        oid::CHAR => Transcode::TextChar,
        _ => {
            let encoding = match encoding {
                Encoding::Json | Encoding::Decimal => encoding,
                _ if find(oid).is_none() => Encoding::Literal,
                _ => Encoding::Text,
            };
            return ResultType::in_place(encoding);
        }
    };
    ResultType::rewritten(encoding, transcode)
}

fn binary(oid: Oid) -> ResultType {
    ResultType::in_place(match oid {
        oid::BOOL => Encoding::Bool,
        oid::INT2 => Encoding::I16Be,
        oid::INT4 => Encoding::I32Be,
        oid::INT8 => Encoding::I64Be,
        oid::OID | oid::XID | oid::CID => Encoding::U32Be,
        oid::XID8 => Encoding::U64Be,
        oid::FLOAT4 => Encoding::F32Be,
        oid::FLOAT8 => Encoding::F64Be,
        oid::TEXT
        | oid::VARCHAR
        | oid::BPCHAR
        | oid::NAME
        | oid::UNKNOWN
        | oid::CSTRING
        | oid::REFCURSOR
        | oid::VOID
        | oid::XML => Encoding::Text,
        oid::JSON => Encoding::Json,
        oid::JSONB => {
            return ResultType { encoding: Encoding::Json, transcode: None, skip: 1 };
        }
        oid::UUID => Encoding::Uuid,
        oid::DATE => Encoding::Date2000Be,
        oid::TIME => Encoding::TimeBe,
        oid::TIMESTAMP => Encoding::Timestamp2000Be,
        oid::TIMESTAMPTZ => Encoding::TimestampTz2000Be,
        oid::INTERVAL => Encoding::IntervalBe,
        oid::NUMERIC => return ResultType::rewritten(Encoding::Decimal, Transcode::Numeric),
        oid::CHAR => return ResultType::rewritten(Encoding::Text, Transcode::Char),
        _ if shown::knows(oid) => {
            return ResultType::rewritten(Encoding::Text, Transcode::Shown(oid));
        }
        _ => Encoding::Bytes,
    })
}

/// True if results of this type are asked for in binary once it is known.
///
/// It is false where the text says more than the binary form (names for numbers, amounts in the server's
/// currency, ranges in the session's time zone) and where the contract has the text anyway: it is read where
/// it was received, while the binary form would have to be rewritten.
pub(crate) fn binary_result(oid: Oid) -> bool {
    match oid {
        // Binary brings an encoding declaration along.
        oid::XML => false,
        oid::BYTEA => true,
        _ => match elements_of(oid) {
            Some(element) => binary_result(element),
            None => {
                let column = binary(oid);
                column.encoding != Encoding::Bytes
                    && !matches!(column.transcode, Some(Transcode::Shown(_)))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_is_not_known_is_read_in_text_from_where_it_was_received() {
        let unknown = column(99_999, -1, Format::Text);
        assert_eq!(unknown, ResultType::in_place(Encoding::Literal));
        assert!(!binary_result(99_999));
        assert_eq!(column(99_999, -1, Format::Binary).encoding, Encoding::Bytes);
    }

    #[test]
    fn common_types_are_read_in_place() {
        for oid in [oid::BOOL, oid::INT8, oid::FLOAT8, oid::TEXT, oid::BYTEA, oid::UUID, oid::DATE]
        {
            assert_eq!(column(oid, -1, Format::Binary).transcode, None);
            assert!(binary_result(oid));
        }
        assert_eq!(column(oid::JSONB, -1, Format::Binary).skip, 1);
        assert_eq!(column(oid::JSONB, -1, Format::Text).skip, 0);
    }
}
