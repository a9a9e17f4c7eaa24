//! Lists: many values in place of one `?`.

use aquifer_driver::{ParamBuf, ParamSink, Params, Result, ToValue, ValueRef};

/// Many values for one `?`: `WHERE id IN (?)` with `list(&ids)`.
///
/// The text is expanded to one placeholder per value. Long lists are padded to a few sizes by repeating
/// the last value, so that lists of every length do not flush the statement cache; for `IN` and
/// `NOT IN`, the only places where a list makes sense, that changes nothing. An empty list is an error:
/// `IN ()` is not SQL, and what it should mean is the caller's decision.
///
/// ```
/// # async fn run(db: aquifer::Db) -> aquifer::Result<()> {
/// let codes: Vec<String> =
///     db.select("SELECT code FROM stations WHERE id IN (?)", (aquifer::list(&[1, 2, 3]),)).await?;
/// # Ok(()) }
/// ```
pub fn list<T: ToValue>(values: &[T]) -> List<'_, T> {
    List(values)
}

/// What [`list`] makes.
#[derive(Clone, Copy)]
pub struct List<'a, T>(&'a [T]);

impl<T> std::fmt::Debug for List<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "List({})", self.0.len())
    }
}

impl<T: ToValue> ToValue for List<'_, T> {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        self.0.iter().try_for_each(|value| value.bind(sink))
    }

    fn list_len(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The lengths of the lists among `params`, by position.
pub(crate) fn lengths(params: &impl Params) -> Vec<Option<usize>> {
    (0..params.count()).map(|index| params.list_len(index)).collect()
}

/// The arguments, with the last value of each list repeated until it fills the places that the text has
/// for it: `slots` has one entry per argument.
pub(crate) fn padded(
    params: &impl Params,
    lengths: &[Option<usize>],
    slots: &[usize],
) -> Result<ParamBuf> {
    /// Counts what each argument gives, and repeats the last value of a list.
    struct Padding<I> {
        out: ParamBuf,
        /// Length and places of the arguments to come.
        arguments: I,
        /// Values of the current list still to come.
        left: usize,
        /// Repeats of the last one.
        pad: usize,
    }
    impl<'a, I: Iterator<Item = (&'a Option<usize>, &'a usize)>> ParamSink for Padding<I> {
        fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
            if self.left == 0
                && let Some((Some(len), places)) = self.arguments.next()
            {
                self.left = *len;
                self.pad = places.saturating_sub(*len);
            }
            self.out.put(value)?;
            if self.left > 0 {
                self.left -= 1;
                if self.left == 0 {
                    for _ in 0..std::mem::take(&mut self.pad) {
                        self.out.put(value)?;
                    }
                }
            }
            Ok(())
        }
    }
    let arguments = lengths.iter().zip(slots);
    let mut sink = Padding { out: ParamBuf::new(), arguments, left: 0, pad: 0 };
    params.bind(&mut sink)?;
    Ok(sink.out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquifer_driver::Value;

    #[test]
    fn a_list_is_padded_with_its_last_value_and_its_neighbours_are_not() {
        let ids = [1, 2, 3];
        let params = ("a", list(&ids), 9);
        let lengths = lengths(&params);
        assert_eq!(lengths, [None, Some(3), None]);
        let buf = padded(&params, &lengths, &[1, 5, 1]).unwrap();
        #[derive(Default)]
        struct Collect(Vec<Value>);
        impl ParamSink for Collect {
            fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
                self.0.push(value.to_owned()?);
                Ok(())
            }
        }
        let mut got = Collect::default();
        buf.bind(&mut got).unwrap();
        let want: Vec<Value> =
            vec!["a".into(), 1.into(), 2.into(), 3.into(), 3.into(), 3.into(), 9.into()];
        assert_eq!(got.0, want);
    }
}
