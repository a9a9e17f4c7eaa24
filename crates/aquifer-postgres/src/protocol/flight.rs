//! [`Flight`]: Bind, Execute and Sync of one statement, encoded once but for the arguments.

use std::ops::Range;

use aquifer_driver::Result;

use super::frontend::{self, Formats};
use crate::types::Format;

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
}

impl Flight {
    /// For a statement of this name and so many parameters.
    pub(crate) fn new(statement: &str, parameters: usize, results: &[Format]) -> Self {
        let mut head = Vec::new();
        // No arguments: this cannot fail.
        let arguments =
            frontend::bind(&mut head, "", statement, parameters, results, |_, _| Ok(()))
                .unwrap_or_default();
        let mut tail = head.split_off(arguments.end);
        let rest = tail.len();
        frontend::execute(&mut tail, "", 0);
        frontend::sync(&mut tail);
        Self { head: head.into(), tail: tail.into(), rest, arguments: arguments.start }
    }

    /// Writes the flight into `out`, which must be empty; `values` as in [`frontend::bind`].
    ///
    /// # Errors
    ///
    /// What `values` gives, or if the arguments are too long for a message; `out` is of no use then.
    #[inline]
    pub(crate) fn write(
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

    /// Adds Bind and Execute, without a Sync, to what is in `out`; `values` as in [`frontend::bind`].
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); what was added is of no use then.
    #[inline]
    pub(crate) fn append(
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
            let flight = Flight::new("s_7", 2, results);
            // Used again and again.
            for _ in 0..2 {
                let mut out = Vec::new();
                flight.write(&mut out, values).unwrap();
                assert_eq!(out, expected);
                assert_eq!(flight.arguments(out.len()), arguments);
            }
            let mut out = b"before".to_vec();
            flight.append(&mut out, values).unwrap();
            frontend::sync(&mut out);
            assert_eq!(out, [b"before", &expected[..]].concat());
        }
    }

    #[test]
    fn what_the_values_say_is_handed_on() {
        let flight = Flight::new("s", 1, &[]);
        let error = flight
            .write(&mut Vec::new(), |_, _| Err(Error::new(ErrorKind::Argument, "no")))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
    }
}
