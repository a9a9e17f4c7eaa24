//! Arguments: [`ToValue`] for one, [`Params`] for all, and [`ParamBuf`], their owned form.
//!
//! Arguments are visited, not boxed: a tuple gives each element, as a [`ValueRef`], to the driver's
//! [`ParamSink`], which encodes it straight into its write buffer.

use std::fmt;

use crate::{ArrayRef, Date, Error, ErrorKind, Interval, Result, Value, ValueRef};

/// Takes the arguments of a statement, one after the other.
///
/// Drivers implement it over their write buffer; an error means that nothing of the request is sent.
pub trait ParamSink {
    /// Takes the next argument.
    ///
    /// # Errors
    ///
    /// If the engine cannot take the value.
    fn put(&mut self, value: ValueRef<'_>) -> Result<()>;
}

/// A type whose values can be arguments.
pub trait ToValue {
    /// Gives the value to the sink: exactly one, unless [`list_len`](Self::list_len) says otherwise.
    ///
    /// # Errors
    ///
    /// If the value has no form that the sink can take.
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()>;

    /// `Some(n)` for a list, which stands for `n` arguments in place of one `?`.
    #[inline]
    fn list_len(&self) -> Option<usize> {
        None
    }
}

/// All arguments of one call: a tuple, an array, a slice, a `Vec`, or `()` for none.
pub trait Params {
    /// How many arguments there are; a list counts as one.
    fn count(&self) -> usize;

    /// Gives every argument to the sink, in order.
    ///
    /// # Errors
    ///
    /// The first one that an argument gives.
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()>;

    /// [`ToValue::list_len`] of the argument at `index`.
    #[inline]
    fn list_len(&self, index: usize) -> Option<usize> {
        let _ = index;
        None
    }

    /// True if any argument is a list, so that the text must be expanded.
    #[inline]
    fn has_lists(&self) -> bool {
        (0..self.count()).any(|index| self.list_len(index).is_some())
    }
}

macro_rules! bind_as {
    ($($type:ty => |$value:ident| $view:expr),* $(,)?) => {$(
        impl ToValue for $type {
            #[inline]
            fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
                let $value = self;
                sink.put($view)
            }
        }
    )*};
}
bind_as! {
    bool => |v| ValueRef::Bool(*v),
    i8 => |v| ValueRef::Int((*v).into()),
    i16 => |v| ValueRef::Int((*v).into()),
    i32 => |v| ValueRef::Int((*v).into()),
    i64 => |v| ValueRef::Int(*v),
    isize => |v| ValueRef::Int(*v as i64),
    u8 => |v| ValueRef::Int((*v).into()),
    u16 => |v| ValueRef::Int((*v).into()),
    u32 => |v| ValueRef::Int((*v).into()),
    u64 => |v| i64::try_from(*v).map_or(ValueRef::UInt(*v), ValueRef::Int),
    usize => |v| i64::try_from(*v).map_or(ValueRef::UInt(*v as u64), ValueRef::Int),
    f32 => |v| ValueRef::Float((*v).into()),
    f64 => |v| ValueRef::Float(*v),
    str => |v| ValueRef::Text(v),
    String => |v| ValueRef::Text(v),
    [u8] => |v| ValueRef::Bytes(v),
    Vec<u8> => |v| ValueRef::Bytes(v),
    Value => |v| v.as_ref(),
    Date => |v| ValueRef::Date(*v),
    Interval => |v| ValueRef::Interval(*v),
}

impl<const N: usize> ToValue for [u8; N] {
    #[inline]
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(ValueRef::Bytes(self))
    }
}

impl ToValue for ValueRef<'_> {
    #[inline]
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(*self)
    }
}

impl<T: ToValue> ToValue for Option<T> {
    #[inline]
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        match self {
            Some(value) => value.bind(sink),
            None => sink.put(ValueRef::Null),
        }
    }
}

macro_rules! through_pointer {
    ($($pointer:ty),*) => {$(
        impl<T: ToValue + ?Sized> ToValue for $pointer {
            #[inline]
            fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
                (**self).bind(sink)
            }

            #[inline]
            fn list_len(&self) -> Option<usize> {
                (**self).list_len()
            }
        }
    )*};
}
through_pointer! { &T, Box<T>, std::sync::Arc<T>, std::rc::Rc<T> }

impl<T: ToOwned + ToValue + ?Sized> ToValue for std::borrow::Cow<'_, T> {
    #[inline]
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        (**self).bind(sink)
    }
}

impl Params for () {
    #[inline]
    fn count(&self) -> usize {
        0
    }

    #[inline]
    fn bind(&self, _sink: &mut dyn ParamSink) -> Result<()> {
        Ok(())
    }
}

macro_rules! params_of_sequence {
    ($([$($generics:tt)*] $type:ty),* $(,)?) => {$(
        impl<T: ToValue, $($generics)*> Params for $type {
            #[inline]
            fn count(&self) -> usize {
                self.len()
            }

            #[inline]
            fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
                self.iter().try_for_each(|value| value.bind(sink))
            }

            #[inline]
            fn list_len(&self, index: usize) -> Option<usize> {
                self.get(index)?.list_len()
            }
        }
    )*};
}
params_of_sequence! { [] [T], [] Vec<T>, [const N: usize] [T; N] }

impl<P: Params + ?Sized> Params for &P {
    #[inline]
    fn count(&self) -> usize {
        (**self).count()
    }

    #[inline]
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        (**self).bind(sink)
    }

    #[inline]
    fn list_len(&self, index: usize) -> Option<usize> {
        (**self).list_len(index)
    }

    #[inline]
    fn has_lists(&self) -> bool {
        (**self).has_lists()
    }
}

macro_rules! tuple_params {
    ($(($len:literal: $($name:ident $index:tt),*))*) => {$(
        impl<$($name: ToValue),*> Params for ($($name,)*) {
            #[inline]
            fn count(&self) -> usize {
                $len
            }

            #[inline]
            fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
                $(self.$index.bind(sink)?;)*
                Ok(())
            }

            #[inline]
            fn list_len(&self, index: usize) -> Option<usize> {
                match index {
                    $($index => self.$index.list_len(),)*
                    _ => None,
                }
            }

            #[inline]
            fn has_lists(&self) -> bool {
                $(self.$index.list_len().is_some())||*
            }
        }
    )*};
}
tuple_params! {
    (1: A 0)
    (2: A 0, B 1)
    (3: A 0, B 1, C 2)
    (4: A 0, B 1, C 2, D 3)
    (5: A 0, B 1, C 2, D 3, E 4)
    (6: A 0, B 1, C 2, D 3, E 4, F 5)
    (7: A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (9: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (10: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
    (11: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
    (13: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12)
    (14: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13)
    (15: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14)
    (16: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15)
}

/// Arguments in one owned buffer: for a hop to another thread, a batch, or a second try.
///
/// It is a [`ParamSink`] to fill and [`Params`] to read; [`clear`](Self::clear) keeps the memory.
#[derive(Clone, Default)]
pub struct ParamBuf {
    slots: Vec<Slot>,
    /// Texts one after the other, kept as text so that reading them checks nothing again.
    text: String,
    /// From the first argument on that needs it: few do, and calls that wait are many.
    rare: Option<Box<Rare>>,
}

/// What few arguments need.
#[derive(Clone, Default)]
struct Rare {
    /// Bytes, and arrays in their encoded form.
    bytes: Vec<u8>,
    /// See [`has_special`](ParamBuf::has_special).
    special: bool,
}

/// One stored argument.
#[derive(Clone, Copy)]
enum Slot {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Date(Date),
    Time(i64),
    Timestamp(i64),
    TimestampTz(i64),
    Interval(Interval),
    Uuid([u8; 16]),
    /// Where it starts in `text`; it ends where the next one starts.
    Decimal(usize, usize),
    Text(usize, usize),
    Json(usize, usize),
    /// Where it is in `bytes`.
    Bytes(usize, usize),
    Array(usize),
}

/// What an argument's first byte says of the rest.
mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    pub(super) const INT: u8 = 3;
    pub(super) const UINT: u8 = 4;
    pub(super) const FLOAT: u8 = 5;
    pub(super) const DECIMAL: u8 = 6;
    pub(super) const TEXT: u8 = 7;
    pub(super) const BYTES: u8 = 8;
    pub(super) const DATE: u8 = 9;
    pub(super) const TIME: u8 = 10;
    pub(super) const TIMESTAMP: u8 = 11;
    pub(super) const TIMESTAMP_TZ: u8 = 12;
    pub(super) const INTERVAL: u8 = 13;
    pub(super) const UUID: u8 = 14;
    pub(super) const JSON: u8 = 15;
    pub(super) const ARRAY: u8 = 16;
}

/// How deep arrays may nest in an argument.
const DEPTH_MAX: usize = 8;

impl ParamBuf {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// The arguments of one call, copied.
    ///
    /// # Errors
    ///
    /// The first one that an argument gives.
    pub fn of(params: &(impl Params + ?Sized)) -> Result<Self> {
        let mut buf = Self::new();
        params.bind(&mut buf)?;
        Ok(buf)
    }

    /// Forgets the arguments, keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.slots.clear();
        self.text.clear();
        if let Some(rare) = &mut self.rare {
            rare.bytes.clear();
            rare.special = false;
        }
    }

    /// Forgets the arguments and gives back memory beyond `keep` bytes.
    #[inline]
    pub fn shrink(&mut self, keep: usize) {
        self.clear();
        let slots = keep / size_of::<Slot>();
        if self.slots.capacity() > slots || self.text.capacity() > keep {
            self.slots.shrink_to(slots);
            self.text.shrink_to(keep);
        }
        if let Some(rare) = &mut self.rare {
            rare.bytes.shrink_to(keep);
        }
    }

    /// How many bytes the arguments take.
    pub fn size(&self) -> usize {
        self.slots.len() * size_of::<Slot>() + self.text.len() + self.bytes().len()
    }

    /// Takes room for so many more arguments.
    pub fn reserve(&mut self, arguments: usize) {
        self.slots.reserve(arguments);
    }

    /// Forgets the arguments from `len` on.
    pub fn truncate(&mut self, len: usize) {
        for slot in self.slots.drain(len.min(self.slots.len())..).rev() {
            match slot {
                Slot::Decimal(start, _) | Slot::Text(start, _) | Slot::Json(start, _) => {
                    self.text.truncate(start);
                }
                Slot::Bytes(start, _) | Slot::Array(start) => {
                    if let Some(rare) = &mut self.rare {
                        rare.bytes.truncate(start);
                    }
                }
                _ => {}
            }
        }
    }

    /// How many arguments there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether a value that some engine lacks may be among the arguments: an unsigned integer beyond
    /// `i64`, NaN, a time of day, an array. A driver need not look at each argument if there is none.
    ///
    /// It stays true until [`clear`](Self::clear), also if such an argument has been taken back.
    #[inline]
    pub fn has_special(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.special)
    }

    /// The argument at `index`; `None` beyond the last one, and for an array, which is only given to a
    /// sink.
    #[inline(always)]
    pub fn get(&self, index: usize) -> Option<ValueRef<'_>> {
        self.view(self.slots.get(index)?)
    }

    /// The arguments in a range, each as [`get`](Self::get) gives it; none if the range is out of bounds.
    #[inline]
    pub(crate) fn views(
        &self,
        range: std::ops::Range<usize>,
    ) -> impl ExactSizeIterator<Item = Option<ValueRef<'_>>> {
        self.slots.get(range).unwrap_or_default().iter().map(|slot| self.view(slot))
    }

    #[inline(always)]
    fn view(&self, slot: &Slot) -> Option<ValueRef<'_>> {
        Some(match *slot {
            Slot::Null => ValueRef::Null,
            Slot::Bool(v) => ValueRef::Bool(v),
            Slot::Int(v) => ValueRef::Int(v),
            Slot::UInt(v) => ValueRef::UInt(v),
            Slot::Float(v) => ValueRef::Float(v),
            Slot::Date(v) => ValueRef::Date(v),
            Slot::Time(v) => ValueRef::Time(v),
            Slot::Timestamp(v) => ValueRef::Timestamp(v),
            Slot::TimestampTz(v) => ValueRef::TimestampTz(v),
            Slot::Interval(v) => ValueRef::Interval(v),
            Slot::Uuid(v) => ValueRef::Uuid(v),
            Slot::Decimal(start, end) => ValueRef::Decimal(&self.text[start..end]),
            Slot::Text(start, end) => ValueRef::Text(&self.text[start..end]),
            Slot::Json(start, end) => ValueRef::Json(&self.text[start..end]),
            Slot::Bytes(start, end) => ValueRef::Bytes(&self.bytes()[start..end]),
            Slot::Array(_) => return None,
        })
    }

    /// Gives the arguments from `range` to the sink.
    ///
    /// # Errors
    ///
    /// The first one that the sink gives; also if the range is out of bounds.
    pub fn bind_range(
        &self,
        range: std::ops::Range<usize>,
        sink: &mut dyn ParamSink,
    ) -> Result<()> {
        let Some(slots) = self.slots.get(range) else {
            return Err(Error::new(
                ErrorKind::ArgumentMismatch,
                "fewer arguments were stored than are asked for",
            ));
        };
        slots.iter().try_for_each(|slot| self.give(slot, sink))
    }

    #[inline(always)]
    fn give(&self, slot: &Slot, sink: &mut dyn ParamSink) -> Result<()> {
        match slot {
            // Most are.
            Slot::Int(value) => sink.put(ValueRef::Int(*value)),
            slot => self.give_other(slot, sink),
        }
    }

    #[inline(never)]
    fn give_other(&self, slot: &Slot, sink: &mut dyn ParamSink) -> Result<()> {
        match (self.view(slot), slot) {
            (Some(value), _) => sink.put(value),
            (None, Slot::Array(start)) => {
                let mut decoder = Decoder { bytes: self.bytes(), at: *start };
                decoder.give(&mut |value| sink.put(value))
            }
            (None, _) => Ok(()),
        }
    }

    #[inline(never)]
    fn array(&mut self, value: &ValueRef<'_>) -> Result<Slot> {
        let rare = self.rare();
        rare.special = true;
        let start = rare.bytes.len();
        if let Err(error) = encode(&mut rare.bytes, value, 0) {
            rare.bytes.truncate(start);
            return Err(error);
        }
        Ok(Slot::Array(start))
    }

    #[inline]
    fn text(&mut self, text: &str) -> (usize, usize) {
        let start = self.text.len();
        self.text.push_str(text);
        (start, self.text.len())
    }

    #[inline]
    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self.rare.as_ref().map_or(&[], |rare| &rare.bytes)
    }
}

/// Shows how many arguments there are, never what they are.
impl fmt::Debug for ParamBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParamBuf({})", self.slots.len())
    }
}

impl ParamSink for ParamBuf {
    // Where the kind of an argument is known, what is left of this is one arm.
    #[inline(always)]
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        let slot = match value {
            ValueRef::Null => Slot::Null,
            ValueRef::Bool(v) => Slot::Bool(v),
            ValueRef::Int(v) => Slot::Int(v),
            ValueRef::UInt(v) => {
                self.rare().special = true;
                Slot::UInt(v)
            }
            ValueRef::Float(v) => {
                if v.is_nan() {
                    self.rare().special = true;
                }
                Slot::Float(v)
            }
            ValueRef::Date(v) => Slot::Date(v),
            ValueRef::Time(v) => {
                self.rare().special = true;
                Slot::Time(v)
            }
            ValueRef::Timestamp(v) => Slot::Timestamp(v),
            ValueRef::TimestampTz(v) => Slot::TimestampTz(v),
            ValueRef::Interval(v) => Slot::Interval(v),
            ValueRef::Uuid(v) => Slot::Uuid(v),
            ValueRef::Decimal(v) => {
                let (start, end) = self.text(v);
                Slot::Decimal(start, end)
            }
            ValueRef::Text(v) => {
                let (start, end) = self.text(v);
                Slot::Text(start, end)
            }
            ValueRef::Json(v) => {
                let (start, end) = self.text(v);
                Slot::Json(start, end)
            }
            ValueRef::Bytes(v) => {
                let bytes = &mut self.rare().bytes;
                let start = bytes.len();
                bytes.extend_from_slice(v);
                Slot::Bytes(start, bytes.len())
            }
            ValueRef::Array(_) | ValueRef::Elements(_) => self.array(&value)?,
        };
        self.slots.push(slot);
        Ok(())
    }
}

impl Params for ParamBuf {
    fn count(&self) -> usize {
        self.slots.len()
    }

    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        self.slots.iter().try_for_each(|slot| self.give(slot, sink))
    }

    fn has_lists(&self) -> bool {
        false
    }
}

fn encode(out: &mut Vec<u8>, value: &ValueRef<'_>, depth: usize) -> Result<()> {
    fn sized(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
        out.push(tag);
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
    }
    fn word(out: &mut Vec<u8>, tag: u8, word: [u8; 8]) {
        out.push(tag);
        out.extend_from_slice(&word);
    }
    match *value {
        ValueRef::Null => out.push(tag::NULL),
        ValueRef::Bool(false) => out.push(tag::FALSE),
        ValueRef::Bool(true) => out.push(tag::TRUE),
        ValueRef::Int(v) => word(out, tag::INT, v.to_le_bytes()),
        ValueRef::UInt(v) => word(out, tag::UINT, v.to_le_bytes()),
        ValueRef::Float(v) => word(out, tag::FLOAT, v.to_le_bytes()),
        ValueRef::Decimal(v) => sized(out, tag::DECIMAL, v.as_bytes()),
        ValueRef::Text(v) => sized(out, tag::TEXT, v.as_bytes()),
        ValueRef::Bytes(v) => sized(out, tag::BYTES, v),
        ValueRef::Date(v) => word(out, tag::DATE, i64::from(v.0).to_le_bytes()),
        ValueRef::Time(v) => word(out, tag::TIME, v.to_le_bytes()),
        ValueRef::Timestamp(v) => word(out, tag::TIMESTAMP, v.to_le_bytes()),
        ValueRef::TimestampTz(v) => word(out, tag::TIMESTAMP_TZ, v.to_le_bytes()),
        ValueRef::Interval(v) => {
            out.push(tag::INTERVAL);
            out.extend_from_slice(&v.months.to_le_bytes());
            out.extend_from_slice(&v.days.to_le_bytes());
            out.extend_from_slice(&v.micros.to_le_bytes());
        }
        ValueRef::Uuid(v) => {
            out.push(tag::UUID);
            out.extend_from_slice(&v);
        }
        ValueRef::Json(v) => sized(out, tag::JSON, v.as_bytes()),
        // Read from a cell: as shallow as its reader allows.
        ValueRef::Elements(v) => encode(out, &ValueRef::Array(&v), depth)?,
        ValueRef::Array(v) => {
            if depth >= DEPTH_MAX {
                return Err(Error::new(
                    ErrorKind::Argument,
                    format!("an array argument nests deeper than {DEPTH_MAX}"),
                ));
            }
            out.push(tag::ARRAY);
            out.extend_from_slice(&(v.len() as u64).to_le_bytes());
            v.visit(&mut |item| encode(out, &item, depth + 1))?;
        }
    }
    Ok(())
}

struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let taken = &self.bytes[self.at..self.at + len];
        self.at += len;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut word = [0; N];
        word.copy_from_slice(self.take(N));
        word
    }

    fn int(&mut self) -> i64 {
        i64::from_le_bytes(self.array())
    }

    fn sized(&mut self) -> &'a [u8] {
        let len = u64::from_le_bytes(self.array()) as usize;
        self.take(len)
    }

    fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.sized())
            .map_err(|_| Error::new(ErrorKind::Argument, "a stored argument is damaged"))
    }

    /// Gives the value at the cursor to `each`, and moves past it.
    fn give(&mut self, each: &mut dyn FnMut(ValueRef<'_>) -> Result<()>) -> Result<()> {
        let [tag] = self.array();
        let value = match tag {
            tag::NULL => ValueRef::Null,
            tag::FALSE => ValueRef::Bool(false),
            tag::TRUE => ValueRef::Bool(true),
            tag::INT => ValueRef::Int(self.int()),
            tag::UINT => ValueRef::UInt(u64::from_le_bytes(self.array())),
            tag::FLOAT => ValueRef::Float(f64::from_le_bytes(self.array())),
            tag::DECIMAL => ValueRef::Decimal(self.text()?),
            tag::TEXT => ValueRef::Text(self.text()?),
            tag::BYTES => ValueRef::Bytes(self.sized()),
            tag::DATE => ValueRef::Date(Date(self.int() as i32)),
            tag::TIME => ValueRef::Time(self.int()),
            tag::TIMESTAMP => ValueRef::Timestamp(self.int()),
            tag::TIMESTAMP_TZ => ValueRef::TimestampTz(self.int()),
            tag::INTERVAL => ValueRef::Interval(Interval {
                months: i32::from_le_bytes(self.array()),
                days: i32::from_le_bytes(self.array()),
                micros: self.int(),
            }),
            tag::UUID => ValueRef::Uuid(self.array()),
            tag::JSON => ValueRef::Json(self.text()?),
            _ => {
                let len = self.int() as usize;
                let mut items = Vec::with_capacity(len.min(1024));
                for _ in 0..len {
                    self.give(&mut |item| {
                        items.push(item.to_owned()?);
                        Ok(())
                    })?;
                }
                return each(ValueRef::Array(&items));
            }
        };
        each(value)
    }
}

/// An array argument, for engines that have arrays: `Array(&ids)`.
#[derive(Debug, Clone, Copy)]
pub struct Array<'a, T>(pub &'a [T]);

impl<T: ToValue> ToValue for Array<'_, T> {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(ValueRef::Array(self))
    }
}

impl<T: ToValue> ArrayRef for Array<'_, T> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn visit(&self, each: &mut dyn FnMut(ValueRef<'_>) -> Result<()>) -> Result<()> {
        struct Each<'f>(&'f mut dyn FnMut(ValueRef<'_>) -> Result<()>);
        impl ParamSink for Each<'_> {
            fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
                (self.0)(value)
            }
        }
        let mut sink = Each(each);
        self.0.iter().try_for_each(|item| item.bind(&mut sink))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Collect(Vec<Value>);
    impl ParamSink for Collect {
        fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
            self.0.push(value.to_owned()?);
            Ok(())
        }
    }

    fn collected(params: &dyn Params) -> Vec<Value> {
        let mut sink = Collect::default();
        params.bind(&mut sink).unwrap();
        sink.0
    }

    #[test]
    fn a_tuple_gives_its_elements_in_order() {
        let params = (7, "Nera", None::<f64>, Some(1.5), vec![1u8, 2], true, u64::MAX);
        assert_eq!(params.count(), 7);
        assert!(!params.has_lists());
        assert_eq!(
            collected(&params),
            vec![
                Value::Int(7),
                "Nera".into(),
                Value::Null,
                Value::Float(1.5),
                Value::Bytes(vec![1, 2]),
                Value::Bool(true),
                Value::UInt(u64::MAX)
            ]
        );
    }

    #[test]
    fn a_buffer_gives_back_every_kind_of_value() {
        let values = vec![
            Value::Null,
            Value::Bool(true),
            Value::Int(-1),
            Value::UInt(u64::MAX),
            Value::Float(0.5),
            Value::Decimal("1.50".into()),
            Value::Text("é".into()),
            Value::Bytes(vec![0, 255]),
            Value::Date(Date(-5)),
            Value::Time(1),
            Value::Timestamp(2),
            Value::TimestampTz(i64::MIN),
            Value::Interval(Interval { months: 1, days: -2, micros: 3 }),
            Value::Uuid([9; 16]),
            Value::Json("{}".into()),
            Value::Array(vec![Value::Int(1), Value::Array(vec![Value::Null])]),
        ];
        let buf = ParamBuf::of(&values).unwrap();
        assert_eq!(buf.len(), values.len());
        assert_eq!(collected(&buf), values);
        let mut one = Collect::default();
        buf.bind_range(6..7, &mut one).unwrap();
        assert_eq!(one.0, vec![Value::Text("é".into())]);
        assert_eq!(
            buf.bind_range(0..99, &mut one).unwrap_err().kind(),
            ErrorKind::ArgumentMismatch
        );
    }

    #[test]
    fn a_refused_value_leaves_the_buffer_as_it_was() {
        let mut deep = Value::Int(1);
        for _ in 0..=DEPTH_MAX {
            deep = Value::Array(vec![deep]);
        }
        let mut buf = ParamBuf::of(&(1,)).unwrap();
        assert!(buf.put(deep.as_ref()).is_err());
        assert_eq!(collected(&buf), vec![Value::Int(1)]);
    }

    #[test]
    fn values_that_an_engine_may_lack_are_remembered() {
        let special = |params: &dyn Params| ParamBuf::of(params).unwrap().has_special();
        let usual = (1, "x", 0.5, None::<i64>, vec![1u8], true, Value::Uuid([1; 16]));
        assert!(!special(&usual));
        assert!(special(&(1, u64::MAX)));
        assert!(special(&(f64::NAN,)));
        assert!(special(&(f32::NAN, 1)));
        assert!(special(&(Value::Time(1),)));
        assert!(special(&(Value::Array(vec![]),)));
        assert!(special(&vec![Value::Int(1), Value::Float(f64::NAN)]));
        let mut buf = ParamBuf::of(&(u64::MAX,)).unwrap();
        buf.truncate(0);
        assert!(buf.has_special());
        buf.clear();
        assert!(!buf.has_special());
    }

    #[test]
    fn debug_shows_no_arguments() {
        assert_eq!(format!("{:?}", ParamBuf::of(&("hunter2",)).unwrap()), "ParamBuf(1)");
    }
}
