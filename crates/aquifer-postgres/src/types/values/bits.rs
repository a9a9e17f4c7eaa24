use std::fmt;

use super::by_its_text;

/// A `bit(n)` or `varbit`: bits in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Bits {
    /// The first bit is the highest of the first byte; what is left of the last byte is 0.
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    /// How many bits there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bit at `index`, counted from the left; `None` beyond the last.
    pub fn get(&self, index: usize) -> Option<bool> {
        (index < self.len).then(|| self.bytes[index / 8] >> (7 - index % 8) & 1 == 1)
    }

    /// All bits, from the left.
    pub fn iter(&self) -> impl Iterator<Item = bool> {
        (0..self.len).filter_map(|index| self.get(index))
    }

    /// The bits, eight to a byte, the first one highest; what is left of the last byte is 0.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn parse(text: &str) -> Option<Self> {
        text.bytes()
            .all(|b| b == b'0' || b == b'1')
            .then(|| text.bytes().map(|b| b == b'1').collect())
    }
}

impl FromIterator<bool> for Bits {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Self {
        let mut all = Self::default();
        for bit in bits {
            if all.len.is_multiple_of(8) {
                all.bytes.push(0);
            }
            if let Some(last) = all.bytes.last_mut() {
                *last |= u8::from(bit) << (7 - all.len % 8);
            }
            all.len += 1;
        }
        all
    }
}

/// As PostgreSQL writes it: `1011`.
impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|bit| f.write_str(if bit { "1" } else { "0" }))
    }
}

by_its_text!(Bits);
