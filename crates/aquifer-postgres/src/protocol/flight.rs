//! [`Flight`]: Bind, Execute and Sync of one statement, encoded once but for the arguments.

use std::ops::Range;

use aquifer_driver::{ParamSink, Params, Result, ValueRef};

use super::frontend::{self, Formats};
use crate::types::{Format, Oid, integer_len};

/// What all flights of one statement have in common. Results are asked for without a limit.
#[derive(Debug)]
pub(crate) struct Flight {
    /// The Bind up to its first argument, with all formats text and no length yet.
    head: Box<[u8]>,
    /// The rest of the Bind, Execute, Sync.
    tail: Box<[u8]>,
    /// How much of the tail belongs to the Bind.
    rest: usize,
    /// Where the arguments begin, with the number of their formats.
    arguments: usize,
    integers: Option<Integers>,
}

/// Most parameters of a flight that is kept with places for integers.
const INTEGERS_MAX: usize = 8;

/// A whole flight whose arguments are all integers, as those of most selects by key are: they have places of their own.
#[derive(Debug)]
struct Integers {
    bytes: Box<[u8]>,
    places: Box<[Integer]>,
}

#[derive(Debug, Clone, Copy)]
enum Integer {
    Four(usize),
    Eight(usize),
}

impl Integers {
    /// `None` if other arguments are asked for, or too many.
    fn new(flight: &Flight, parameters: &[Oid]) -> Option<Self> {
        if parameters.is_empty() || parameters.len() > INTEGERS_MAX {
            return None;
        }
        let mut places = Vec::with_capacity(parameters.len());
        let mut bytes = Vec::new();
        let values = |out: &mut Vec<u8>, formats: Formats| {
            for (index, parameter) in parameters.iter().enumerate() {
                let Some(len) = integer_len(*parameter) else { return Ok(()) };
                formats.set(out, index, Format::Binary);
                out.extend_from_slice(&len.to_be_bytes());
                let place = if len == 4 { Integer::Four } else { Integer::Eight };
                places.push(place(out.len()));
                out.resize(out.len() + len as usize, 0);
            }
            Ok(())
        };
        flight.write_each(&mut bytes, values).ok()?;
        (places.len() == parameters.len())
            .then(|| Self { bytes: bytes.into(), places: places.into() })
    }

    /// Adds the flight without its last bytes; false, and nothing was added, if the arguments are not integers of those
    /// sizes.
    #[inline(always)]
    fn append(&self, out: &mut Vec<u8>, without: usize, params: &dyn Params) -> bool {
        let start = out.len();
        out.extend_from_slice(&self.bytes[..self.bytes.len() - without]);
        let mut values = Values { bytes: &mut out[start..], places: self.places.iter(), fit: true };
        let given = params.bind(&mut values);
        let all = values.fit && values.places.next().is_none() && given.is_ok();
        if !all {
            out.truncate(start);
        }
        all
    }
}

/// Takes integers to their places.
struct Values<'a> {
    bytes: &'a mut [u8],
    places: std::slice::Iter<'a, Integer>,
    fit: bool,
}

impl ParamSink for Values<'_> {
    #[inline]
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        self.fit &= match (self.places.next(), value) {
            (Some(Integer::Eight(at)), ValueRef::Int(value)) => {
                let place = self.bytes.get_mut(*at..).and_then(<[u8]>::first_chunk_mut::<8>);
                place.map(|place| *place = value.to_be_bytes()).is_some()
            }
            (Some(Integer::Four(at)), ValueRef::Int(value)) => {
                let place = self.bytes.get_mut(*at..).and_then(<[u8]>::first_chunk_mut::<4>);
                match (place, i32::try_from(value)) {
                    (Some(place), Ok(value)) => {
                        *place = value.to_be_bytes();
                        true
                    }
                    _ => false,
                }
            }
            _ => false,
        };
        Ok(())
    }
}

impl Flight {
    /// For a statement of this name with these parameters. Where integers are not written as the protocol's own, but
    /// by somebody's codec, `plain` is false.
    pub(crate) fn new(
        statement: &str,
        parameters: &[Oid],
        results: &[Format],
        plain: bool,
    ) -> Self {
        let mut head = Vec::new();
        // No arguments: this cannot fail.
        let arguments =
            frontend::bind(&mut head, "", statement, parameters.len(), results, |_, _| Ok(()))
                .unwrap_or_default();
        let mut tail = head.split_off(arguments.end);
        let rest = tail.len();
        frontend::execute(&mut tail, "", 0);
        frontend::sync(&mut tail);
        let (head, tail, arguments) = (head.into(), tail.into(), arguments.start);
        let mut flight = Self { head, tail, rest, arguments, integers: None };
        if plain {
            flight.integers = Integers::new(&flight, parameters);
        }
        flight
    }

    /// Writes the flight into `out`, which must be empty. Arguments that are integers of the sizes that the statement takes
    /// go to their places; others are written by `values`, as in [`frontend::bind`].
    ///
    /// # Errors
    ///
    /// What `values` gives, or if the arguments are too long for a message; `out` is of no use then.
    #[inline]
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        params: &dyn Params,
        values: impl FnOnce(&mut Vec<u8>, Formats) -> Result<()>,
    ) -> Result<()> {
        match &self.integers {
            Some(integers) if integers.append(out, 0, params) => Ok(()),
            _ => self.write_each(out, values),
        }
    }

    #[inline]
    fn write_each(
        &self,
        out: &mut Vec<u8>,
        values: impl FnOnce(&mut Vec<u8>, Formats) -> Result<()>,
    ) -> Result<()> {
        out.extend_from_slice(&self.head);
        values(out, Formats::of(self.arguments))?;
        let len = out.len() + self.rest - 1;
        out.extend_from_slice(&self.tail);
        frontend::set_bind_len(out, len)
    }

    /// Adds Bind and Execute, without a Sync, to what is in `out`; otherwise as [`write`](Self::write).
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); what was added is of no use then.
    #[inline(always)]
    pub(crate) fn append(
        &self,
        out: &mut Vec<u8>,
        params: &dyn Params,
        values: impl FnOnce(&mut Vec<u8>, Formats) -> Result<()>,
    ) -> Result<()> {
        match &self.integers {
            Some(integers) if integers.append(out, frontend::SYNC.len(), params) => Ok(()),
            _ => self.append_each(out, values),
        }
    }

    #[inline]
    fn append_each(
        &self,
        out: &mut Vec<u8>,
        values: impl FnOnce(&mut Vec<u8>, Formats) -> Result<()>,
    ) -> Result<()> {
        let start = out.len();
        out.extend_from_slice(&self.head);
        values(out, Formats::of(start + self.arguments))?;
        let len = out.len() - start + self.rest - 1;
        out.extend_from_slice(&self.tail[..self.tail.len() - frontend::SYNC.len()]);
        frontend::set_bind_len(&mut out[start..], len)
    }

    /// Where the arguments stand in a flight of so many bytes, to be sent
    /// [again](frontend::bind_again).
    pub(crate) fn arguments(&self, len: usize) -> Range<usize> {
        self.arguments..len - self.tail.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquifer_driver::{Error, ErrorKind};

    /// From `pg_type.dat`.
    const INT8: Oid = 20;
    const INT4: Oid = 23;

    #[test]
    fn a_flight_is_the_same_bytes_as_its_three_messages() {
        for results in [&[][..], &[Format::Binary], &[Format::Text, Format::Binary]] {
            let values = |out: &mut Vec<u8>, formats: Formats| {
                formats.set(out, 1, Format::Binary);
                out.extend_from_slice(b"\0\0\0\x01x\0\0\0\x01y");
                Ok(())
            };
            let mut expected = Vec::new();
            let arguments = frontend::bind(&mut expected, "", "s_7", 2, results, values).unwrap();
            frontend::execute(&mut expected, "", 0);
            frontend::sync(&mut expected);
            let flight = Flight::new("s_7", &[25, 25], results, true);
            // Used again and again.
            for _ in 0..2 {
                let mut out = Vec::new();
                flight.write(&mut out, &(), values).unwrap();
                assert_eq!(out, expected);
                assert_eq!(flight.arguments(out.len()), arguments);
            }
            let mut out = b"before".to_vec();
            flight.append(&mut out, &(), values).unwrap();
            frontend::sync(&mut out);
            assert_eq!(out, [b"before", &expected[..]].concat());
        }
    }

    #[test]
    fn integers_have_the_same_bytes_as_values_written_one_by_one() {
        let flight = Flight::new("s_7", &[INT8, INT4], &[Format::Binary], true);
        for (wide, narrow) in [(1_i64, 2_i32), (i64::MIN, i32::MAX), (-1, i32::MIN)] {
            let values = |out: &mut Vec<u8>, formats: Formats| {
                formats.set(out, 0, Format::Binary);
                formats.set(out, 1, Format::Binary);
                out.extend_from_slice(&8_u32.to_be_bytes());
                out.extend_from_slice(&wide.to_be_bytes());
                out.extend_from_slice(&4_u32.to_be_bytes());
                out.extend_from_slice(&narrow.to_be_bytes());
                Ok(())
            };
            let unasked = |_: &mut Vec<u8>, _: Formats| panic!("they have places");
            let (mut expected, mut out) = (b"before".to_vec(), b"before".to_vec());
            flight.append_each(&mut expected, values).unwrap();
            flight.append(&mut out, &(wide, narrow), unasked).unwrap();
            assert_eq!(out, expected);
            let (mut expected, mut out) = (Vec::new(), Vec::new());
            flight.write_each(&mut expected, values).unwrap();
            flight.write(&mut out, &(wide, narrow), unasked).unwrap();
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn what_is_no_integer_of_the_size_is_written_otherwise() {
        fn is_asked(flight: &Flight, params: &dyn Params) {
            let mut asked = false;
            let values = |out: &mut Vec<u8>, _: Formats| {
                asked = true;
                assert!(out.starts_with(b"beforeB") && out.ends_with(&flight.head));
                Ok(())
            };
            flight.append(&mut b"before".to_vec(), params, values).unwrap();
            assert!(asked);
        }
        let both = Flight::new("s_7", &[INT8, INT4], &[], true);
        is_asked(&both, &(1_i64, i64::from(i32::MAX) + 1));
        is_asked(&both, &(1_i64, None::<i32>));
        is_asked(&both, &(1_i64, "2"));
        is_asked(&both, &(1_i64,));
        is_asked(&both, &(1_i64, 2, 3));
        let many = [INT4; INTEGERS_MAX + 1];
        for (parameters, plain) in
            [(&[][..], true), (&[INT8, 25], true), (&many, true), (&[INT8], false)]
        {
            let flight = Flight::new("s", parameters, &[], plain);
            is_asked(&flight, &vec![1_i64; parameters.len()]);
        }
    }

    #[test]
    fn what_the_values_say_is_handed_on() {
        let flight = Flight::new("s", &[20], &[], false);
        let error = flight
            .write(&mut Vec::new(), &(), |_, _| Err(Error::new(ErrorKind::Argument, "no")))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
    }
}
