use aquifer_driver::{
    Array, Cell, ConversionError, Encoding, FromValue, ParamSink, Result, ToValue, ValueRef,
};

/// An array of one dimension whose type is not built in, with whatever stands in its elements.
///
/// A `Vec` borrows its elements from the row, so it cannot take those that are escaped in the text of such an
/// array: composites with texts in them, ranges, maps. This takes them out of the text first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct List<T>(pub Vec<T>);

/// Reads an array of one dimension.
impl<T: for<'a> FromValue<'a>> FromValue<'_> for List<T> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        let value = cell.value()?;
        let ValueRef::Text(text) = value else { return Vec::from_cell(cell).map(Self) };
        match elements(text) {
            Some(items) => Vec::from_cell(Cell::new(Some(&items), Encoding::Array)).map(Self),
            None => Err(ConversionError::value("List", &value, "it is no array of one dimension")),
        }
    }
}

/// Binds an array.
impl<T: ToValue> ToValue for List<T> {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        Array(&self.0).bind(sink)
    }
}

/// The elements of an array's text, as [`Encoding::Array`] lays them out; their kind is not known.
pub(super) fn elements(text: &str) -> Option<Vec<u8>> {
    // Lower bounds are read over.
    let rest = match text.starts_with('[') {
        true => text.split_once('=')?.1,
        false => text,
    };
    let mut rest = rest.strip_prefix('{')?;
    let mut out = u32::from(Encoding::Literal as u8).to_be_bytes().to_vec();
    let mut count = 0_u32;
    out.extend_from_slice(&count.to_be_bytes());
    if rest == "}" {
        return Some(out);
    }
    loop {
        let is_null = rest.strip_prefix("NULL").is_some_and(|rest| rest.starts_with([',', '}']));
        if rest.starts_with('{') {
            return None;
        }
        let (item, after) = super::unquoted(rest, &[',', '}'])?;
        let item = item?;
        count = count.checked_add(1)?;
        if is_null {
            out.extend_from_slice(&(-1i32).to_be_bytes());
        } else {
            out.extend_from_slice(&i32::try_from(item.len()).ok()?.to_be_bytes());
            out.extend_from_slice(item.as_bytes());
        }
        if after == "}" {
            out[4..8].copy_from_slice(&count.to_be_bytes());
            return Some(out);
        }
        rest = after.strip_prefix(',')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_taken_out_of_their_quotes_and_null_is_told_from_its_name() {
        let read = |text: &'static str| {
            List::<Option<String>>::from_cell(Cell::new(Some(text.as_bytes()), Encoding::Literal))
        };
        let some = |text: &str| Some(text.to_owned());
        let text = "{a,NULL,\"NULL\",\"\",\"b \\\"c\\\" {\\\\},\",NULLS}";
        let expected =
            vec![some("a"), None, some("NULL"), some(""), some("b \"c\" {\\},"), some("NULLS")];
        assert_eq!(read(text).unwrap().0, expected);
        assert_eq!(read("{}").unwrap().0, []);
        assert_eq!(read("[5:6]={x,y}").unwrap().0, [some("x"), some("y")]);
        for text in ["", "x", "{", "{a", "{a,}", "{,a}", "{{a}}", "{a}b"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
