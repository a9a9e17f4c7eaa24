//! One message that arrives otherwise than it was sent, as a hostile or broken server would have it.

use super::messages::Messages;
use super::{Mutation, Protocol};

/// More than this of a message is not held back: it passes as it is.
const HELD_BYTES_MAX: usize = 1 << 20;
/// The most that is added to a body.
const ADDED_BYTES_MAX: u64 = 40;

/// Holds back what comes until the message, or the two, that are to be mangled are there.
#[derive(Debug)]
pub(super) struct Mangler {
    protocol: Protocol,
    mutation: Mutation,
    random: u64,
    messages: Messages,
    held: Vec<u8>,
    /// Where the first message begins to have a body.
    header_bytes: usize,
    /// Where the messages that are whole end in `held`.
    ends: Vec<usize>,
}

impl Mangler {
    /// `messages` stands where the message begins.
    pub(super) fn new(
        protocol: Protocol,
        messages: Messages,
        mutation: Mutation,
        seed: u64,
    ) -> Self {
        let header_bytes = if protocol == Protocol::Bytes { 0 } else { messages.header_bytes() };
        let (held, ends) = (Vec::new(), Vec::new());
        Self { protocol, mutation, random: seed, messages, held, header_bytes, ends }
    }

    /// Takes what came; what goes on instead, if it is decided: then this has done its work.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let before = self.held.len();
        self.held.extend_from_slice(bytes);
        let mut at = before;
        while at < self.held.len() {
            let (used, ended) = self.messages.next(&self.held[at..]);
            at += used;
            if ended {
                self.ends.push(at);
            }
        }
        let wanted = if self.mutation == Mutation::Swap { 2 } else { 1 };
        if self.ends.len() >= wanted || self.held.len() > HELD_BYTES_MAX {
            return Some(self.mangled());
        }
        None
    }

    fn mangled(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        let Some(&end) = self.ends.first() else { return held };
        let (first, rest) = held.split_at(end);
        let body = first.get(self.header_bytes..).unwrap_or_default().to_vec();
        let mut out = match self.mutation {
            Mutation::Omit => Vec::new(),
            Mutation::Repeat => [first, first].concat(),
            Mutation::Swap => {
                let second = self.ends.get(1).map_or(0, |second| second - end);
                let (second, rest) = rest.split_at(second);
                return [second, first, rest].concat();
            }
            Mutation::Tag => {
                let mut other = first.to_vec();
                // Where there is no tag it is the body's first byte that says what it is.
                let at = if self.protocol == Protocol::Postgres { 0 } else { self.header_bytes };
                if let Some(tag) = other.get_mut(at) {
                    *tag = self.byte();
                }
                other
            }
            Mutation::Length => {
                let mut other = first.to_vec();
                let length = self.odd_length(body.len());
                self.set_length(&mut other, length);
                other
            }
            Mutation::Shorter => {
                let left = self.below(body.len() as u64);
                self.framed(first, &body[..usize::try_from(left).unwrap_or(0)])
            }
            Mutation::Longer => {
                let mut body = body;
                for _ in 0..=self.below(ADDED_BYTES_MAX) {
                    let byte = self.byte();
                    body.push(byte);
                }
                self.framed(first, &body)
            }
            Mutation::Body => {
                let from = usize::try_from(self.below(body.len() as u64)).unwrap_or(0);
                let mut body = body;
                for byte in &mut body[from..] {
                    // Often what lengths are made of.
                    *byte = match self.below(4) {
                        0 => 0,
                        1 => 0xff,
                        _ => self.byte(),
                    };
                }
                self.framed(first, &body)
            }
        };
        out.extend_from_slice(rest);
        out
    }

    /// The message with another body, and the length of that.
    fn framed(&self, message: &[u8], body: &[u8]) -> Vec<u8> {
        let header = &message[..self.header_bytes.min(message.len())];
        let mut out = [header, body].concat();
        self.set_length(&mut out, body.len() as u64);
        out
    }

    fn set_length(&self, message: &mut [u8], body: u64) {
        match self.protocol {
            Protocol::Mysql => {
                if let Some(length) = message.get_mut(..3) {
                    length.copy_from_slice(&body.to_le_bytes()[..3]);
                }
            }
            Protocol::Postgres => {
                let at = self.header_bytes.saturating_sub(4);
                if let Some(length) = message.get_mut(at..at + 4) {
                    // It counts itself.
                    length.copy_from_slice(&(body as u32).wrapping_add(4).to_be_bytes());
                }
            }
            Protocol::Bytes => {}
        }
    }

    /// A length that is not that of the body: a little off, none, enormous, or negative.
    fn odd_length(&mut self, body: usize) -> u64 {
        let body = body as u64;
        match self.below(6) {
            0 => body + 1 + self.below(300),
            1 => body.wrapping_sub(1 + self.below(8)),
            2 => 0,
            3 => 0x7fff_fff0,
            4 => 0xffff_fff0,
            // Below that of the length itself.
            _ => (self.below(4)).wrapping_sub(4),
        }
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }

    /// Splitmix64; 0 if `end` is 0.
    fn below(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).checked_rem(end).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Side;
    use super::*;

    const FIRST: &[u8] = b"D\0\0\0\x07abc";
    const SECOND: &[u8] = b"Z\0\0\0\x05I";

    /// What arrives of two messages that come in pieces of so many bytes.
    fn arrives(mutation: Mutation, seed: u64, size: usize) -> Vec<u8> {
        let messages = Messages::new(Protocol::Postgres, Side::Server);
        let mut mangler = Mangler::new(Protocol::Postgres, messages, mutation, seed);
        let (mut done, mut out) = (false, Vec::new());
        for piece in [FIRST, SECOND].concat().chunks(size) {
            match done {
                true => out.extend_from_slice(piece),
                false => {
                    if let Some(other) = mangler.take(piece) {
                        done = true;
                        out.extend(other);
                    }
                }
            }
        }
        assert!(done);
        out
    }

    #[test]
    fn a_message_is_left_out_repeated_or_changes_places() {
        for size in 1..14 {
            assert_eq!(arrives(Mutation::Omit, 1, size), SECOND);
            assert_eq!(arrives(Mutation::Repeat, 1, size), [FIRST, FIRST, SECOND].concat());
            assert_eq!(arrives(Mutation::Swap, 1, size), [SECOND, FIRST].concat());
        }
    }

    #[test]
    fn what_comes_behind_a_mangled_message_is_as_it_was() {
        for seed in 0..200 {
            for mutation in Mutation::ALL {
                let whole = arrives(mutation, seed, 64);
                assert_eq!(whole, arrives(mutation, seed, 1), "{mutation:?}: however it comes");
                if mutation != Mutation::Swap {
                    assert!(whole.ends_with(SECOND), "{mutation:?}");
                }
            }
        }
    }

    #[test]
    fn another_body_has_its_own_length_and_an_odd_length_has_not() {
        for seed in 0..200 {
            for mutation in [Mutation::Shorter, Mutation::Longer, Mutation::Body] {
                let whole = arrives(mutation, seed, 64);
                let mut messages = Messages::new(Protocol::Postgres, Side::Server);
                let end = whole.len() - SECOND.len();
                assert_eq!(messages.next(&whole), (end, true), "{mutation:?}: {whole:?}");
            }
            let length = arrives(Mutation::Length, seed, 64);
            assert_ne!(length[1..5], FIRST[1..5]);
            assert_eq!(length[5..8], FIRST[5..]);
        }
    }

    #[test]
    fn a_message_of_mysql_keeps_its_number() {
        let message = b"\x03\0\0\x07abc";
        for (seed, mutation) in (0..50).flat_map(|n| [(n, Mutation::Body), (n, Mutation::Longer)]) {
            let messages = Messages::new(Protocol::Mysql, Side::Server);
            let mut mangler = Mangler::new(Protocol::Mysql, messages, mutation, seed);
            let other = mangler.take(message).unwrap();
            assert_eq!((usize::from(other[0]), other[3]), (other.len() - 4, 7));
        }
    }
}
