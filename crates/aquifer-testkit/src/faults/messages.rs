//! Where a protocol's messages end, without looking into them.

use super::{Protocol, Side};

/// Follows one direction of one connection.
#[derive(Debug, Clone)]
pub(super) struct Messages {
    protocol: Protocol,
    /// Bytes of the header that is being read.
    header: [u8; 5],
    header_len: usize,
    /// A client's first message has no tag.
    untagged: bool,
    /// Bytes that are missing of the message's body.
    missing: u64,
}

impl Messages {
    pub(super) fn new(protocol: Protocol, side: Side) -> Self {
        let untagged = side == Side::Client;
        Self { protocol, header: [0; 5], header_len: 0, untagged, missing: 0 }
    }

    /// How many of `bytes` belong to the message under way, and whether it ends with them. At least one, of at least
    /// one.
    pub(super) fn next(&mut self, bytes: &[u8]) -> (usize, bool) {
        if self.protocol == Protocol::Bytes {
            return (bytes.len(), true);
        }
        let mut used = 0;
        while self.missing == 0 && used < bytes.len() {
            self.header[self.header_len] = bytes[used];
            self.header_len += 1;
            used += 1;
            if self.header_len == self.header_bytes() {
                self.missing = self.body_bytes();
                self.header_len = 0;
                if self.missing == 0 {
                    return (used, true);
                }
            }
        }
        let body = self.missing.min((bytes.len() - used) as u64);
        self.missing -= body;
        used += usize::try_from(body).unwrap_or(usize::MAX);
        (used, self.missing == 0 && self.header_len == 0)
    }

    /// Of the message that begins next.
    pub(super) fn header_bytes(&self) -> usize {
        match self.protocol {
            Protocol::Postgres if !self.untagged => 5,
            _ => 4,
        }
    }

    fn body_bytes(&mut self) -> u64 {
        let [a, b, c, d, e] = self.header;
        match self.protocol {
            Protocol::Mysql => u32::from_le_bytes([a, b, c, 0]).into(),
            _ if self.untagged => {
                self.untagged = false;
                u64::from(u32::from_be_bytes([a, b, c, d])).saturating_sub(4)
            }
            _ => u64::from(u32::from_be_bytes([b, c, d, e])).saturating_sub(4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where messages end, in bytes from the start, if the bytes come in pieces of `size`.
    fn ends(mut messages: Messages, bytes: &[u8], size: usize) -> Vec<usize> {
        let (mut at, mut ends) = (0, Vec::new());
        for mut piece in bytes.chunks(size) {
            while !piece.is_empty() {
                let (used, ended) = messages.next(piece);
                assert!(used > 0);
                at += used;
                piece = &piece[used..];
                if ended {
                    ends.push(at);
                }
            }
        }
        ends
    }

    #[test]
    fn ends_are_found_wherever_the_bytes_are_cut() {
        let postgres = b"\0\0\0\x09\0\x03\0\0\0P\0\0\0\x08\0x\0\0S\0\0\0\x04";
        let mysql = b"\x03\0\0\0abc\0\0\0\x01\x01\0\0\x02x";
        for size in 1..postgres.len() {
            let client = Messages::new(Protocol::Postgres, Side::Client);
            assert_eq!(ends(client, postgres, size), [9, 18, 23], "in pieces of {size}");
            let server = Messages::new(Protocol::Postgres, Side::Server);
            assert_eq!(ends(server, &postgres[9..], size), [9, 14]);
            let either = Messages::new(Protocol::Mysql, Side::Server);
            assert_eq!(ends(either, mysql, size), [7, 11, 16]);
        }
    }
}
