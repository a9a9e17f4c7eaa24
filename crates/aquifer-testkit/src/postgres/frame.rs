//! The protocol's messages as tags: enough to count them, and independent of the driver under test.
//!
//! Layout: the protocol's chapter "Message Formats". A message is a tag, a length that counts itself, and a
//! body; a client's first messages have no tag.

use std::collections::VecDeque;

/// In place of a tag: a startup packet.
pub const STARTUP: u8 = b'^';
/// In place of a tag: a request for TLS.
pub const SSL_REQUEST: u8 = b'!';
/// In place of a tag: a request for GSS encryption.
pub const GSS_REQUEST: u8 = b'?';
/// In place of a tag: a cancel request.
pub const CANCEL_REQUEST: u8 = b'%';
/// In place of a tag: the server's single byte in answer to a request for encryption, which is the body.
pub const ENCRYPTION_ANSWER: u8 = b'~';

/// Bodies up to this length are kept; of longer ones only the length.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its tag, or the constant of this module that stands for one.
    pub tag: u8,
    /// What follows the length; empty if it was longer than [`BODY_BYTES_MAX`].
    pub body: Vec<u8>,
    /// How long the body was.
    pub body_bytes: usize,
}

/// The tags of messages in a row: `PBDES`.
pub fn tags<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> String {
    frames.into_iter().map(|frame| char::from(frame.tag)).collect()
}

/// Cuts the bytes that one side sends into messages.
#[derive(Debug)]
pub(crate) struct Splitter {
    phase: Phase,
    /// Of the message that is not complete: its tag and length as far as they came.
    header: Vec<u8>,
    body: Vec<u8>,
    body_bytes: usize,
    /// The body's length, once known.
    expected: Option<usize>,
    complete: VecDeque<Frame>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Messages without a tag.
    Startup,
    Messages,
    /// The next byte answers a request for encryption.
    Answer,
    /// Encrypted, or not the protocol: nothing can be told apart.
    Opaque,
}

impl Splitter {
    pub(crate) fn client() -> Self {
        Self::new(Phase::Startup)
    }

    pub(crate) fn server() -> Self {
        Self::new(Phase::Messages)
    }

    fn new(phase: Phase) -> Self {
        Self {
            phase,
            header: Vec::with_capacity(5),
            body: Vec::new(),
            body_bytes: 0,
            expected: None,
            complete: VecDeque::new(),
        }
    }

    /// Of a server: the client has asked for encryption.
    pub(crate) fn expect_answer(&mut self) {
        self.phase = Phase::Answer;
    }

    /// From here on nothing can be understood.
    pub(crate) fn set_opaque(&mut self) {
        self.phase = Phase::Opaque;
    }

    pub(crate) fn is_opaque(&self) -> bool {
        self.phase == Phase::Opaque
    }

    pub(crate) fn next(&mut self) -> Option<Frame> {
        self.complete.pop_front()
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            match self.phase {
                Phase::Opaque => return,
                Phase::Answer => {
                    self.phase = Phase::Messages;
                    let frame = Frame { tag: ENCRYPTION_ANSWER, body: vec![first], body_bytes: 1 };
                    self.complete.push_back(frame);
                    bytes = rest;
                }
                Phase::Startup | Phase::Messages if self.expected.is_none() => {
                    self.header.push(first);
                    bytes = rest;
                    self.read_header();
                }
                Phase::Startup | Phase::Messages => {
                    let missing = self.expected.unwrap_or(0) - self.body_bytes;
                    let (now, later) = bytes.split_at(missing.min(bytes.len()));
                    if self.expected.is_some_and(|length| length <= BODY_BYTES_MAX) {
                        self.body.extend_from_slice(now);
                    }
                    self.body_bytes += now.len();
                    bytes = later;
                }
            }
            if self.expected == Some(self.body_bytes) {
                self.finish();
            }
        }
    }

    fn read_header(&mut self) {
        let (tag_bytes, is_tls) = match self.phase {
            // The first byte of a TLS record, where a length of that size cannot begin.
            Phase::Startup => (0, self.header == [0x16]),
            _ => (1, false),
        };
        if is_tls {
            self.phase = Phase::Opaque;
            return;
        }
        let Some(Ok(length)) = self.header.get(tag_bytes..).map(<[u8; 4]>::try_from) else {
            return;
        };
        match usize::try_from(u32::from_be_bytes(length)).ok().and_then(|n| n.checked_sub(4)) {
            Some(body) => self.expected = Some(body),
            None => self.phase = Phase::Opaque,
        }
    }

    fn finish(&mut self) {
        let body = std::mem::take(&mut self.body);
        let tag = match self.phase {
            Phase::Startup => match body.first_chunk::<4>().map(|code| u32::from_be_bytes(*code)) {
                Some(80_877_103) => SSL_REQUEST,
                Some(80_877_104) => GSS_REQUEST,
                Some(80_877_102) => CANCEL_REQUEST,
                _ => {
                    self.phase = Phase::Messages;
                    STARTUP
                }
            },
            _ => self.header[0],
        };
        self.complete.push_back(Frame { tag, body, body_bytes: self.body_bytes });
        self.header.clear();
        self.body_bytes = 0;
        self.expected = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(splitter: &mut Splitter) -> Vec<Frame> {
        std::iter::from_fn(|| splitter.next()).collect()
    }

    const FLIGHT: &[u8] =
        b"\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\x09\0\x03\0\0\0P\0\0\0\x08\0x\0\0S\0\0\0\x04";

    #[test]
    fn messages_are_found_wherever_the_bytes_are_cut() {
        for size in 1..FLIGHT.len() {
            let mut splitter = Splitter::client();
            FLIGHT.chunks(size).for_each(|chunk| splitter.push(chunk));
            let frames = frames(&mut splitter);
            assert_eq!(tags(&frames), "!^PS", "in pieces of {size}");
            assert_eq!(frames[2].body, b"\0x\0\0");
        }
    }

    #[test]
    fn an_answer_to_a_request_for_tls_is_one_byte() {
        let mut splitter = Splitter::server();
        splitter.expect_answer();
        splitter.push(b"NR\0\0\0\x08\0\0\0\0");
        assert_eq!(tags(&frames(&mut splitter)), "~R");
    }

    #[test]
    fn of_a_long_body_only_the_length_is_kept() {
        let body = vec![7; BODY_BYTES_MAX + 1];
        let mut splitter = Splitter::server();
        splitter.push(b"d");
        splitter.push(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        body.chunks(1000).for_each(|chunk| splitter.push(chunk));
        splitter.push(b"c\0\0\0\x04");
        let frames = frames(&mut splitter);
        assert_eq!(tags(&frames), "dc");
        assert_eq!((frames[0].body_bytes, frames[0].body.len()), (body.len(), 0));
    }

    #[test]
    fn what_is_not_the_protocol_is_left_alone() {
        for bytes in [&b"\x16\x03\x01\x02\0"[..], b"\0\0\0\x03"] {
            let mut splitter = Splitter::client();
            splitter.push(bytes);
            assert!(splitter.is_opaque());
            assert_eq!(frames(&mut splitter), []);
        }
    }
}
