//! Arrays in cells: [`Elements`], and lists of Rust types read from them.

use std::fmt;

use crate::{
    ArrayRef, Cell, ConversionError, Encoding, Error, ErrorKind, FromValue, Result, Value, ValueRef,
};

/// How deep arrays may nest in a cell that is read into a [`Value`]. PostgreSQL's own limit is 6.
const DEPTH_MAX: usize = 8;
const HEADER: usize = 8;
const NULL: u32 = u32::MAX;

/// A view of the elements of a cell in the encoding [`Encoding::Array`].
///
/// The layout, all numbers big-endian: the number of the elements' [`Encoding`] (`encoding as u8`, in an
/// u32), how many elements there are (u32), then each element as its length (i32, -1 for NULL) and its
/// bytes, as PostgreSQL's binary form of arrays has them. An array of more dimensions is an array of arrays.
#[derive(Clone, Copy)]
pub struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// A view of the cell's bytes.
    ///
    /// # Errors
    ///
    /// If the head of the cell is damaged: an unknown encoding, or more elements than there can be.
    #[inline]
    pub fn new(cell: &'a [u8]) -> Result<Self, ConversionError> {
        let elements = Self(cell);
        // Each element has at least its length, so a count is never trusted beyond what is there.
        if elements.raw_encoding().is_none()
            || elements.raw_len() > cell.len().saturating_sub(HEADER) / 4
        {
            return Err(damaged());
        }
        Ok(elements)
    }

    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.raw_len()
    }

    /// True if there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How each element is laid out.
    #[inline]
    pub fn encoding(&self) -> Encoding {
        self.raw_encoding().unwrap_or(Encoding::Bytes)
    }

    /// Each element's cell, in order. An error, after which nothing follows, means that the cell is damaged.
    #[inline]
    pub fn cells(&self) -> Cells<'a> {
        Cells {
            rest: self.0.get(HEADER..).unwrap_or_default(),
            left: self.len(),
            encoding: self.encoding(),
        }
    }

    #[inline]
    fn raw_encoding(&self) -> Option<Encoding> {
        let number = u32::from_be_bytes(*self.0.first_chunk()?);
        Encoding::ALL.get(number as usize).copied()
    }

    #[inline]
    fn raw_len(&self) -> usize {
        match self.0.get(4..).and_then(|rest| rest.first_chunk()) {
            Some(count) => u32::from_be_bytes(*count) as usize,
            None => usize::MAX,
        }
    }
}

/// Shows the shape, never the data.
impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Elements({:?}, {})", self.encoding(), self.len())
    }
}

impl ArrayRef for Elements<'_> {
    fn len(&self) -> usize {
        Elements::len(self)
    }

    fn visit(&self, each: &mut dyn FnMut(ValueRef<'_>) -> Result<()>) -> Result<()> {
        let unreadable =
            |error: ConversionError| Error::new(ErrorKind::Conversion, error.to_string());
        for cell in self.cells() {
            each(cell.and_then(Cell::value).map_err(unreadable)?)?;
        }
        Ok(())
    }
}

/// The cells of an array's elements; made by [`Elements::cells`].
#[derive(Clone)]
pub struct Cells<'a> {
    rest: &'a [u8],
    left: usize,
    encoding: Encoding,
}

impl<'a> Iterator for Cells<'a> {
    type Item = Result<Cell<'a>, ConversionError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let Some((len, rest)) = self.rest.split_first_chunk() else {
            self.left = 0;
            return Some(Err(damaged()));
        };
        let len = u32::from_be_bytes(*len);
        if len == NULL {
            self.rest = rest;
            return Some(Ok(Cell::new(None, self.encoding)));
        }
        let Some((bytes, rest)) = rest.split_at_checked(len as usize) else {
            self.left = 0;
            return Some(Err(damaged()));
        };
        self.rest = rest;
        Some(Ok(Cell::new(Some(bytes), self.encoding)))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

/// Shows how many are left, never the data.
impl fmt::Debug for Cells<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cells({:?}, {})", self.encoding, self.left)
    }
}

#[cold]
fn damaged() -> ConversionError {
    ConversionError::damaged("the array is damaged")
}

/// What [`FromValue::vec_from_cell`] does unless a type says otherwise.
#[inline]
pub(crate) fn read<'r, T: FromValue<'r>>(cell: Cell<'r>) -> Result<Vec<T>, ConversionError> {
    let elements = match cell.value()? {
        ValueRef::Elements(elements) => elements,
        ValueRef::Text(text) if cell.encoding() == Encoding::Literal => return read_literal(text),
        other => return Err(no_array(&other)),
    };
    let mut out = Vec::with_capacity(elements.len());
    for (index, cell) in elements.cells().enumerate() {
        match cell.and_then(T::from_cell) {
            Ok(value) => out.push(value),
            Err(error) => return Err(error.in_element(index)),
        }
    }
    Ok(out)
}

/// A list from an array's literal, whose elements are borrowed from it.
fn read_literal<'r, T: FromValue<'r>>(text: &'r str) -> Result<Vec<T>, ConversionError> {
    let mut out = Vec::new();
    let mut items = Literal::new(text)?;
    while let Some(cell) = items.next()? {
        match T::from_cell(cell) {
            Ok(value) => out.push(value),
            Err(error) => return Err(error.in_element(out.len())),
        }
    }
    Ok(out)
}

/// The items of one level of an array's literal, as PostgreSQL writes it.
struct Literal<'a> {
    rest: &'a str,
    first: bool,
}

impl<'a> Literal<'a> {
    fn new(text: &'a str) -> Result<Self, ConversionError> {
        // Bounds, if they do not start at 1: `[0:1]={a,b}`.
        let items = match text.strip_prefix('[') {
            Some(bounds) => bounds.split_once('=').map_or("", |(_, items)| items),
            None => text,
        };
        match items.strip_prefix('{') {
            Some(rest) => Ok(Self { rest, first: true }),
            None => Err(not_a_literal()),
        }
    }

    fn next(&mut self) -> Result<Option<Cell<'a>>, ConversionError> {
        if let Some(rest) = self.rest.strip_prefix('}') {
            return if rest.is_empty() { Ok(None) } else { Err(not_a_literal()) };
        }
        if !std::mem::take(&mut self.first) {
            self.rest = self.rest.strip_prefix(',').ok_or_else(not_a_literal)?;
        }
        let cell = |text: &'a str| Cell::new(Some(text.as_bytes()), Encoding::Literal);
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let end = quoted.find(['"', '\\']).ok_or_else(not_a_literal)?;
            let (item, rest) = quoted.split_at(end);
            self.rest = rest.strip_prefix('"').ok_or_else(escaped)?;
            return Ok(Some(cell(item)));
        }
        let len = if self.rest.starts_with('{') { level(self.rest) } else { plain(self.rest) };
        let (item, rest) = self.rest.split_at(len.ok_or_else(not_a_literal)?);
        self.rest = rest;
        Ok(Some(if item == "NULL" { Cell::new(None, Encoding::Literal) } else { cell(item) }))
    }
}

/// How long the item without quotes is that the text starts with.
fn plain(text: &str) -> Option<usize> {
    text.find([',', '}', '{', '"', '\\']).filter(|len| *len > 0)
}

/// How long the level is that the text starts with.
fn level(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut quoted = false;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cold]
fn not_a_literal() -> ConversionError {
    ConversionError::kind("Vec", &ValueRef::Text(""))
        .with_hint("the column's type is not known to the driver, and its text is no array")
}

#[cold]
fn escaped() -> ConversionError {
    ConversionError::value("Vec", &ValueRef::Text(""), "an element has quotes or backslashes").with_hint(
        "the driver does not know the column's type: cast it to one it knows, as in CAST(column AS text[])",
    )
}

#[cold]
fn no_array(value: &ValueRef<'_>) -> ConversionError {
    ConversionError::kind("Vec", value)
}

/// An owned copy.
pub(crate) fn value(elements: Elements<'_>, depth: usize) -> Result<Value, ConversionError> {
    if depth >= DEPTH_MAX {
        return Err(ConversionError::damaged("the array nests too deep"));
    }
    let mut items = Vec::with_capacity(elements.len().min(1024));
    for (index, cell) in elements.cells().enumerate() {
        let item = match cell.and_then(Cell::value) {
            Ok(ValueRef::Elements(elements)) => value(elements, depth + 1),
            Ok(item) => item.to_owned().map_err(|_| damaged()),
            Err(error) => Err(error),
        };
        items.push(item.map_err(|error| error.in_element(index))?);
    }
    Ok(Value::Array(items))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(encoding: Encoding, elements: &[Option<&[u8]>]) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&u32::from(encoding as u8).to_be_bytes());
        out.extend_from_slice(&(elements.len() as u32).to_be_bytes());
        for element in elements {
            match element {
                Some(bytes) => {
                    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
                    out.extend_from_slice(bytes);
                }
                None => out.extend_from_slice(&NULL.to_be_bytes()),
            }
        }
        out
    }

    fn cell(bytes: &[u8]) -> Cell<'_> {
        Cell::new(Some(bytes), Encoding::Array)
    }

    #[test]
    fn arrays_become_vectors_of_any_depth() {
        let one = array(Encoding::I16Be, &[Some(&[0, 1]), Some(&[0, 2])]);
        let two = array(Encoding::I16Be, &[Some(&[0, 3]), None]);
        let both = array(Encoding::Array, &[Some(&one), Some(&two)]);
        assert_eq!(Vec::<i64>::from_cell(cell(&one)).unwrap(), [1, 2]);
        assert_eq!(Vec::<u8>::from_cell(cell(&one)).unwrap(), [1, 2]);
        assert_eq!(
            Vec::<Vec<Option<i32>>>::from_cell(cell(&both)).unwrap(),
            [[Some(1), Some(2)], [Some(3), None]]
        );
        let value = |v: &[Value]| Value::Array(v.to_vec());
        assert_eq!(
            Value::from_cell(cell(&both)).unwrap(),
            value(&[value(&[1.into(), 2.into()]), value(&[3.into(), Value::Null])])
        );
        assert_eq!(Option::<Vec<i32>>::from_cell(Cell::new(None, Encoding::Array)).unwrap(), None);
    }

    #[test]
    fn elements_borrow_from_the_row() {
        let bytes = array(Encoding::Text, &[Some(b"a"), Some(b"")]);
        let texts: Vec<&str> = Vec::from_cell(cell(&bytes)).unwrap();
        assert_eq!(texts, ["a", ""]);
    }

    #[test]
    fn an_element_that_does_not_convert_is_named() {
        let row = array(Encoding::Text, &[Some(b"1"), None]);
        let bytes = array(Encoding::Array, &[Some(&row)]);
        let error = Vec::<Vec<i32>>::from_cell(cell(&bytes)).unwrap_err();
        assert_eq!(error.to_string(), "element [0][1]: cannot read NULL as i32");
        let text = Cell::new(Some(b"{1,2}"), Encoding::Text);
        let error = Vec::<i32>::from_cell(text).unwrap_err();
        assert_eq!(error.to_string(), "cannot read text as Vec");
    }

    #[test]
    fn a_list_is_read_from_the_literal_of_a_type_that_is_not_known() {
        let cell = |text: &'static str| Cell::new(Some(text.as_bytes()), Encoding::Literal);
        let texts = |text| Vec::<Option<&str>>::from_cell(cell(text));
        assert_eq!(texts("{}").unwrap(), []);
        assert_eq!(
            texts("{red,NULL,\"dark blue\",\"NULL\",\"\",\"{a,b}\"}").unwrap(),
            [Some("red"), None, Some("dark blue"), Some("NULL"), Some(""), Some("{a,b}")]
        );
        assert_eq!(Vec::<i32>::from_cell(cell("[0:1]={7,8}")).unwrap(), [7, 8]);
        assert_eq!(
            Vec::<Vec<&str>>::from_cell(cell("{{a,\"}\"},{b,\"c\"}}")).unwrap(),
            [["a", "}"], ["b", "c"]]
        );
        assert_eq!(String::from_cell(cell("{a}")).unwrap(), "{a}");
        for text in
            ["", "red", "{", "{a", "{a}b", "{a,}", "{,a}", "{a\"b\"}", "{\"a}", "{{a}", "[0:1]{a}"]
        {
            assert!(texts(text).is_err(), "{text}");
        }
        let error = texts("{\"a\\\"b\"}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read text as Vec: an element has quotes or backslashes"
        );
        let error = Vec::<Vec<i32>>::from_cell(cell("{{1},{x}}")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "element [1][0]: cannot read text as i32: it is not a number"
        );
    }

    #[test]
    fn a_damaged_array_is_an_error_and_its_count_allocates_nothing() {
        let good = array(Encoding::I16Be, &[Some(&[0, 1])]);
        for len in 0..good.len() {
            assert!(Vec::<i32>::from_cell(cell(&good[..len])).is_err(), "{len}");
        }
        let mut many = good.clone();
        many[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(cell(&many).value().is_err());
        let mut unknown = good.clone();
        unknown[3] = 200;
        assert!(cell(&unknown).value().is_err());
        let mut negative = good;
        negative[8..12].copy_from_slice(&(-2i32).to_be_bytes());
        assert!(Vec::<i32>::from_cell(cell(&negative)).is_err());
    }

    #[test]
    fn arrays_of_cells_are_not_followed_for_ever() {
        let mut bytes = array(Encoding::Bool, &[]);
        for _ in 0..DEPTH_MAX {
            bytes = array(Encoding::Array, &[Some(&bytes)]);
        }
        assert!(Value::from_cell(cell(&bytes)).is_err());
    }

    #[test]
    fn an_array_that_was_read_can_be_bound_again() {
        let bytes = array(Encoding::I16Be, &[Some(&[0, 1]), None]);
        let value = cell(&bytes).value().unwrap();
        let stored = crate::ParamBuf::of(&(value,)).unwrap();
        struct Want;
        impl crate::ParamSink for Want {
            fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
                assert_eq!(value.to_owned()?, Value::Array(vec![1.into(), Value::Null]));
                Ok(())
            }
        }
        stored.bind_range(0..1, &mut Want).unwrap();
    }
}
