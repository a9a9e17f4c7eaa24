//! Named arguments: [`ToParams`], what `:name` placeholders are filled from.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hash};

use crate::{ParamSink, Result, ToValue};

/// A set of named arguments: a struct with `#[derive(ToParams)]`, a map, or pairs of name and value.
///
/// The `_named` calls ask for each `:name` of the text. Names that the text does not use are left alone,
/// so one struct serves many statements. Names match exactly, without the colon.
///
/// ```
/// use aquifer_driver::ToParams;
///
/// let station = [("code", "N-07"), ("river", "Nera")];
/// assert!(station.param("code").is_some());
/// assert!(station.param("level").is_none());
/// ```
pub trait ToParams {
    /// The argument of that name, or `None` if there is none.
    fn param(&self, name: &str) -> Option<Argument<'_>>;

    /// Gives every name to `each`, for messages that list what there is.
    fn names(&self, each: &mut dyn FnMut(&str));

    /// Gives every name that all values of this type have, known without a value.
    ///
    /// Derived types implement it, so that an absent nested struct (`None`) gives NULL for its own names
    /// and still refuses others. Maps and pairs have no such names.
    fn declared(each: &mut dyn FnMut(&str))
    where
        Self: Sized,
    {
        let _ = each;
    }

    /// The names of the arguments that [`bind_at`](Self::bind_at) finds by their place in this list.
    ///
    /// For whoever takes many values of one type, as COPY does: names are looked for once per list instead of
    /// once per value. Derived types have their own fields here, without those of flattened and nested
    /// structs; anything else may have nothing, and is asked by name.
    #[inline]
    fn places(&self) -> &'static [&'static str] {
        &[]
    }

    /// Gives the argument at this place of [`places`](Self::places) to the sink: what
    /// [`param`](Self::param) gives for its name. False, and nothing is given, if there is no such place.
    ///
    /// # Errors
    ///
    /// The sink's.
    #[inline]
    fn bind_at(&self, place: usize, sink: &mut dyn ParamSink) -> Result<bool> {
        let _ = (place, sink);
        Ok(false)
    }

    /// Gives the arguments of all [`places`](Self::places) to the sink, in their order, as
    /// [`bind_at`](Self::bind_at) would one by one. False, and nothing is given, if this type does not do that.
    ///
    /// # Errors
    ///
    /// The sink's.
    #[inline]
    fn bind_all(&self, sink: &mut dyn ParamSink) -> Result<bool> {
        let _ = sink;
        Ok(false)
    }
}

/// One named argument: mostly a view of the value, sometimes made on the spot (a JSON document).
///
/// It is a value like any other, so a `Vec<Argument>` is a statement's [`Params`](crate::Params).
pub struct Argument<'a>(Inner<'a>);

enum Inner<'a> {
    View(&'a dyn ToValue),
    Made(Box<dyn ToValue + 'a>),
}

impl<'a> Argument<'a> {
    /// A view of a value.
    #[inline]
    pub fn view(value: &'a dyn ToValue) -> Self {
        Self(Inner::View(value))
    }

    /// A value that exists only for this call. It allocates.
    pub fn made(value: impl ToValue + 'a) -> Self {
        Self(Inner::Made(Box::new(value)))
    }

    /// NULL.
    #[inline]
    pub fn null() -> Self {
        Self(Inner::View(&None::<bool>))
    }

    #[inline]
    fn value(&self) -> &dyn ToValue {
        match &self.0 {
            Inner::View(value) => *value,
            Inner::Made(value) => &**value,
        }
    }
}

impl ToValue for Argument<'_> {
    #[inline]
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        self.value().bind(sink)
    }

    #[inline]
    fn list_len(&self) -> Option<usize> {
        self.value().list_len()
    }
}

/// Shows nothing of the value.
impl fmt::Debug for Argument<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Argument")
    }
}

impl<T: ToParams + ?Sized> ToParams for &T {
    #[inline]
    fn param(&self, name: &str) -> Option<Argument<'_>> {
        (**self).param(name)
    }

    fn names(&self, each: &mut dyn FnMut(&str)) {
        (**self).names(each);
    }

    #[inline]
    fn places(&self) -> &'static [&'static str] {
        (**self).places()
    }

    #[inline]
    fn bind_at(&self, place: usize, sink: &mut dyn ParamSink) -> Result<bool> {
        (**self).bind_at(place, sink)
    }

    #[inline]
    fn bind_all(&self, sink: &mut dyn ParamSink) -> Result<bool> {
        (**self).bind_all(sink)
    }
}

impl<K, V, S> ToParams for HashMap<K, V, S>
where
    K: Borrow<str> + Eq + Hash,
    V: ToValue,
    S: BuildHasher,
{
    #[inline]
    fn param(&self, name: &str) -> Option<Argument<'_>> {
        self.get(name).map(|value| Argument::view(value))
    }

    fn names(&self, each: &mut dyn FnMut(&str)) {
        self.keys().for_each(|name| each(name.borrow()));
    }
}

impl<K: Borrow<str> + Ord, V: ToValue> ToParams for BTreeMap<K, V> {
    #[inline]
    fn param(&self, name: &str) -> Option<Argument<'_>> {
        self.get(name).map(|value| Argument::view(value))
    }

    fn names(&self, each: &mut dyn FnMut(&str)) {
        self.keys().for_each(|name| each(name.borrow()));
    }
}

/// Pairs of name and value; of two pairs with one name, the first counts.
impl<K: AsRef<str>, V: ToValue> ToParams for [(K, V)] {
    fn param(&self, name: &str) -> Option<Argument<'_>> {
        let (_, value) = self.iter().find(|(key, _)| key.as_ref() == name)?;
        Some(Argument::view(value))
    }

    fn names(&self, each: &mut dyn FnMut(&str)) {
        self.iter().for_each(|(name, _)| each(name.as_ref()));
    }
}

macro_rules! through_slice {
    ($([$($generics:tt)*] $type:ty),* $(,)?) => {$(
        impl<K: AsRef<str>, V: ToValue, $($generics)*> ToParams for $type {
            fn param(&self, name: &str) -> Option<Argument<'_>> {
                self[..].param(name)
            }

            fn names(&self, each: &mut dyn FnMut(&str)) {
                self[..].names(each);
            }
        }
    )*};
}
through_slice! { [] Vec<(K, V)>, [const N: usize] [(K, V); N] }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Array, ParamBuf, Params, Value, ValueRef};

    fn value(params: &(impl ToParams + ?Sized), name: &str) -> Option<Value> {
        struct Taken(Option<Value>);
        impl ParamSink for Taken {
            fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
                self.0 = Some(value.to_owned()?);
                Ok(())
            }
        }
        let mut taken = Taken(None);
        params.param(name)?.bind(&mut taken).unwrap();
        taken.0
    }

    fn names(params: &(impl ToParams + ?Sized)) -> Vec<String> {
        let mut names = Vec::new();
        params.names(&mut |name| names.push(name.to_owned()));
        names
    }

    #[test]
    fn maps_of_either_kind_and_key_give_their_entries() {
        let owned = HashMap::from([("code".to_owned(), 7i64)]);
        let borrowed = BTreeMap::from([("code", 7i64), ("river", 8)]);
        assert_eq!(value(&owned, "code"), Some(Value::Int(7)));
        assert_eq!(value(&borrowed, "river"), Some(Value::Int(8)));
        assert_eq!(value(&owned, "Code"), None);
        assert_eq!(names(&borrowed), ["code", "river"]);
        assert_eq!(names(&&owned), ["code"]);
    }

    #[test]
    fn pairs_may_hold_values_of_different_types_and_the_first_of_a_name_counts() {
        let pairs: [(&str, &dyn ToValue); 3] = [("id", &1i64), ("code", &"N-07"), ("id", &2i64)];
        assert_eq!(value(&pairs, "id"), Some(Value::Int(1)));
        assert_eq!(value(&pairs[..], "code"), Some(Value::Text("N-07".into())));
        assert_eq!(value(&pairs.to_vec(), "river"), None);
        assert_eq!(names(&pairs), ["id", "code", "id"]);
    }

    #[test]
    fn arguments_are_params_and_keep_their_list_lengths() {
        struct List;
        impl ToValue for List {
            fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
                sink.put(ValueRef::Int(1))?;
                sink.put(ValueRef::Int(2))
            }

            fn list_len(&self) -> Option<usize> {
                Some(2)
            }
        }
        let arguments =
            vec![Argument::view(&List), Argument::made(Array(&[1i64])), Argument::null()];
        assert_eq!(Params::list_len(&arguments, 0), Some(2));
        assert_eq!(Params::list_len(&arguments, 1), None);
        assert_eq!(ParamBuf::of(&arguments[2..]).unwrap().len(), 1);
        assert_eq!(format!("{:?}", arguments[1]), "Argument");
    }
}
