//! [`Input`]: bytes that were read and are not understood yet.

/// How much is asked of the socket at first.
const FIRST: usize = 8 * 1024;

/// How much is asked of it at most: more saves no system calls worth mentioning.
const MOST: usize = 128 * 1024;

/// The read buffer and the place in it up to which messages were taken.
///
/// What a message is, is the protocol's business: a pipeline looks at `bytes[at..]`, moves `at` behind each message
/// that it has taken, and says in `frame` how long the next one is where only a part of it is there.
#[derive(Debug, Default)]
pub struct Input {
    /// All that was read and is still here.
    pub bytes: Vec<u8>,
    /// Up to where it was taken; never behind the end.
    pub at: usize,
    /// How much to ask for: grows while reads fill what was asked for.
    ask: usize,
    /// How long the message at `at` is known to be; 0 if that is not known.
    pub frame: usize,
}

impl Input {
    /// The buffer, with room at its end.
    ///
    /// A long message makes it grow as its bytes arrive, not as its length is claimed.
    #[inline]
    pub fn room(&mut self) -> &mut Vec<u8> {
        // Mostly all was taken, and the buffer is there.
        let spare = self.bytes.capacity();
        if self.bytes.is_empty() && self.frame == 0 && spare >= self.ask.max(FIRST) {
            self.at = 0;
            return &mut self.bytes;
        }
        self.make_room()
    }

    fn make_room(&mut self) -> &mut Vec<u8> {
        if self.at > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        let held = self.bytes.len();
        let missing = self.frame.saturating_sub(held);
        // At most doubled: a claim of a gigabyte costs what was really sent, twice.
        let ask = missing.min(held.max(MOST)).max(self.ask.max(FIRST));
        if self.bytes.capacity() - held < ask.min(FIRST).max(missing.min(ask)) {
            self.bytes.reserve(ask);
        }
        &mut self.bytes
    }

    /// So many bytes were added to the room.
    #[inline]
    pub fn filled(&mut self, len: usize) {
        if self.bytes.len() == self.bytes.capacity() && len >= self.ask {
            self.ask = (self.ask.max(FIRST) * 2).min(MOST);
        }
    }

    /// True if all bytes were taken.
    #[inline]
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Gives memory of a large message back, if all was taken.
    #[inline]
    pub fn settle(&mut self) {
        if self.is_drained() {
            self.bytes.clear();
            self.at = 0;
            self.frame = 0;
            if self.bytes.capacity() > MOST {
                self.bytes.shrink_to(FIRST);
            }
        }
    }

    /// Takes out the buffer up to `end`, and goes on with what follows in `next`, which is empty.
    pub fn split(&mut self, end: usize, mut next: Vec<u8>) -> Vec<u8> {
        next.extend_from_slice(&self.bytes[end..]);
        self.bytes.truncate(end);
        self.at = 0;
        std::mem::replace(&mut self.bytes, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_length_reserves_only_in_proportion_to_what_arrived() {
        let mut input = Input { frame: 1 << 30, ..Input::default() };
        assert!(input.room().capacity() <= 2 * MOST);
        input.bytes.resize(1 << 20, 0);
        assert!(input.room().capacity() <= 4 << 20);
    }

    #[test]
    fn what_was_taken_makes_room() {
        let mut input = Input::default();
        input.room().extend_from_slice(b"abcdef");
        input.at = 4;
        assert_eq!(input.room(), b"ef");
        let taken = input.split(1, Vec::new());
        assert_eq!((taken, input.room().as_slice()), (b"e".to_vec(), b"f".as_slice()));
    }
}
