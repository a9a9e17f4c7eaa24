//! Compressed packets: three bytes of length, one of number, three of the length before compression, the payload. They
//! carry the ordinary packets' bytes, cut anywhere; a payload that is not worth it goes as it is, and says so by a
//! length before compression of 0.
//!
//! Their numbers are their own: they begin with 0 at each command and go on with the server's. After it has flushed,
//! a server numbers ordinary packets as the compressed ones, so that the numbers inside tell nothing.
//!
//! [`Packer`] and [`Unpacker`] take bytes and append bytes; they know no socket.

use std::io::{Read, Write};

use aquifer_driver::{Error, ErrorKind, Result};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::frame;
use super::reader::malformed;

/// Bytes before a payload.
const HEADER: usize = 7;

/// Shorter payloads are not compressed.
const WORTH: usize = 50;

/// Most bytes that go into one packet: what is compressed at once, while nobody else runs.
pub(crate) const PIECE: usize = 64 * 1024;

/// How payloads are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// By this level, of 0 to 9.
    Zlib(u32),
    /// By this level, of 1 to 22.
    #[cfg(feature = "zstd")]
    Zstd(u8),
}

impl Codec {
    /// Appends the bytes, compressed.
    fn compress(self, bytes: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
        match self {
            Self::Zlib(level) => {
                let mut encoder = ZlibEncoder::new(out, Compression::new(level));
                encoder.write_all(bytes)?;
                encoder.finish().map(drop)
            }
            #[cfg(feature = "zstd")]
            Self::Zstd(level) => zstd::stream::copy_encode(bytes, out, level.into()),
        }
    }

    /// Appends what was compressed: exactly `len` bytes, or none. Memory grows with what comes out.
    fn decompress(self, bytes: &[u8], len: usize, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let most = len as u64 + 1;
        let read = match self {
            Self::Zlib(_) => ZlibDecoder::new(bytes).take(most).read_to_end(out),
            #[cfg(feature = "zstd")]
            Self::Zstd(_) => zstd::stream::read::Decoder::with_buffer(bytes)
                .and_then(|decoder| decoder.single_frame().take(most).read_to_end(out)),
        };
        if matches!(read, Ok(read) if read == len) {
            return Ok(());
        }
        out.truncate(start);
        let error = malformed("what it compresses is not what it says");
        Err(match read {
            Err(cause) => error.with_source(cause),
            Ok(_) => error,
        })
    }
}

/// Packs what the client sends.
#[derive(Debug)]
pub(crate) struct Packer {
    codec: Codec,
    /// The number of the next packet.
    sequence: u8,
    /// Bytes that are not packed yet: less than a [`PIECE`], and no end of an ordinary packet.
    held: Vec<u8>,
    /// The head of the ordinary packet that is coming, as far as it is here.
    head: [u8; frame::HEADER],
    head_len: usize,
    /// How much of the ordinary packet is still to come.
    left: usize,
    /// The number of the ordinary packet before.
    last: u8,
    scratch: Vec<u8>,
}

impl Packer {
    pub(crate) fn new(codec: Codec) -> Self {
        Self {
            codec,
            sequence: 0,
            held: Vec::new(),
            head: [0; frame::HEADER],
            head_len: 0,
            left: 0,
            last: 0,
            scratch: Vec::new(),
        }
    }

    /// The server's packet had this number.
    pub(crate) fn heard(&mut self, sequence: u8) {
        self.sequence = sequence.wrapping_add(1);
    }

    /// Appends the packets of the bytes, which are ordinary packets, or pieces of them. The end of one is the end of a
    /// packet, so that nothing that is whole is held.
    ///
    /// # Errors
    ///
    /// If they cannot be compressed.
    pub(crate) fn pack(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
        while !bytes.is_empty() {
            if self.left == 0 {
                let (head, rest) = bytes.split_at((frame::HEADER - self.head_len).min(bytes.len()));
                self.head[self.head_len..][..head.len()].copy_from_slice(head);
                self.head_len += head.len();
                bytes = rest;
                if self.head_len < frame::HEADER {
                    return Ok(());
                }
                self.head_len = 0;
                let [a, b, c, number] = self.head;
                // A command begins; 0 behind 255 is the next piece of a file.
                if number == 0 && self.last != u8::MAX {
                    self.sequence = 0;
                }
                self.last = number;
                self.left = u32::from_le_bytes([a, b, c, 0]) as usize;
                self.held.extend_from_slice(&self.head);
            }
            let room = PIECE.saturating_sub(self.held.len());
            let (body, rest) = bytes.split_at(self.left.min(room).min(bytes.len()));
            self.held.extend_from_slice(body);
            self.left -= body.len();
            bytes = rest;
            if self.left == 0 || self.held.len() >= PIECE {
                self.put(out)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, out: &mut Vec<u8>) -> std::io::Result<()> {
        let held = std::mem::take(&mut self.held);
        self.scratch.clear();
        if held.len() >= WORTH {
            self.codec.compress(&held, &mut self.scratch)?;
        }
        let worth = !self.scratch.is_empty() && self.scratch.len() < held.len();
        let (payload, before) = if worth { (&self.scratch, held.len()) } else { (&held, 0) };
        let [a, b, c, _] = (payload.len() as u32).to_le_bytes();
        let [x, y, z, _] = (before as u32).to_le_bytes();
        out.extend_from_slice(&[a, b, c, self.sequence, x, y, z]);
        out.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.held = held;
        self.held.clear();
        Ok(())
    }
}

/// Unpacks what the server sends.
#[derive(Debug)]
pub(crate) struct Unpacker {
    codec: Codec,
    /// What was read and is not unpacked: a part of a packet.
    held: Vec<u8>,
}

impl Unpacker {
    pub(crate) fn new(codec: Codec) -> Self {
        Self { codec, held: Vec::new() }
    }

    /// Appends what the bytes unpack to. The number of the last packet that was whole, if one was.
    ///
    /// Nothing is taken for as long as a packet says: what it compresses must be of exactly the length that it says, at
    /// most 16 MiB, and memory is taken as bytes come and as they are unpacked.
    ///
    /// # Errors
    ///
    /// If what a packet compresses is not what it says. Nothing more can be understood then.
    pub(crate) fn unpack(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<u8>> {
        self.held.extend_from_slice(bytes);
        let (mut at, mut last) = (0, None);
        while let Some([a, b, c, number, x, y, z]) =
            self.held.get(at..).and_then(<[u8]>::first_chunk::<HEADER>)
        {
            let len = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
            let before = u32::from_le_bytes([*x, *y, *z, 0]) as usize;
            let body = at + HEADER;
            let Some(payload) = self.held.get(body..body + len) else { break };
            match before {
                0 => out.extend_from_slice(payload),
                before => self.codec.decompress(payload, before, out)?,
            }
            last = Some(*number);
            at = body + len;
        }
        self.held.drain(..at);
        if self.held.is_empty() {
            self.held.shrink_to(2 * PIECE);
        }
        Ok(last)
    }
}

/// The error of a server that compresses by something else than was agreed, or of none.
#[cold]
pub(crate) fn broken(error: Error) -> std::io::Error {
    debug_assert_eq!(error.kind(), ErrorKind::Protocol);
    std::io::Error::new(std::io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codecs() -> Vec<Codec> {
        vec![
            Codec::Zlib(1),
            Codec::Zlib(9),
            #[cfg(feature = "zstd")]
            Codec::Zstd(3),
        ]
    }

    fn packets(payloads: &[(Vec<u8>, u8)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (payload, sequence) in payloads {
            let start = frame::begin(&mut out);
            out.extend_from_slice(payload);
            frame::finish(&mut out, start, *sequence);
        }
        out
    }

    /// Number, length and length before compression of each packet.
    fn heads(mut bytes: &[u8]) -> Vec<(u8, usize, usize)> {
        let mut heads = Vec::new();
        while let Some(([a, b, c, number, x, y, z], rest)) = bytes.split_first_chunk::<HEADER>() {
            let len = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
            heads.push((*number, len, u32::from_le_bytes([*x, *y, *z, 0]) as usize));
            bytes = &rest[len..];
        }
        heads
    }

    #[test]
    fn what_is_packed_unpacks_to_itself_however_it_is_cut() {
        let noise: Vec<u8> =
            (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let plain = packets(&[
            (b"\x03DO 1".to_vec(), 0),
            (vec![b'x'; 300_000], 0),
            (noise, 0),
            (Vec::new(), 1),
            (vec![7; frame::PAYLOAD_MAX + 5], 0),
        ]);
        for codec in codecs() {
            for cut in [1, 3, 4, 5, 1000, 70_000, plain.len()] {
                // One byte at a time only where that is quick.
                let plain = if cut < 100 { &plain[..20_000] } else { &plain };
                let (mut packer, mut packed) = (Packer::new(codec), Vec::new());
                plain.chunks(cut).for_each(|piece| packer.pack(piece, &mut packed).unwrap());
                let mut held = packer.held.clone();
                held.extend_from_slice(&packer.head[..packer.head_len]);
                let (mut unpacker, mut found) = (Unpacker::new(codec), Vec::new());
                for piece in packed.chunks(cut) {
                    unpacker.unpack(piece, &mut found).unwrap();
                }
                found.extend_from_slice(&held);
                assert!(found == *plain, "{codec:?} {cut}");
            }
        }
    }

    #[test]
    fn each_command_begins_with_0_and_files_go_on_with_the_servers_number() {
        let mut packer = Packer::new(Codec::Zlib(6));
        let mut out = Vec::new();
        packer.pack(&packets(&[(vec![1; 9], 0), (vec![2; 100], 0)]), &mut out).unwrap();
        let found = heads(&out);
        assert_eq!((found[0], found[1].0, found[1].2), ((0, 13, 0), 0, 104));
        assert!(found[1].1 < 50, "it is compressed");
        packer.heard(253);
        out.clear();
        let pieces: Vec<_> = (0..4).map(|n| (vec![3; 9], 254_u8.wrapping_add(n))).collect();
        packer.pack(&packets(&pieces), &mut out).unwrap();
        assert_eq!(heads(&out).iter().map(|head| head.0).collect::<Vec<_>>(), [254, 255, 0, 1]);
        out.clear();
        packer.pack(&packets(&[(vec![1; 9], 0)]), &mut out).unwrap();
        assert_eq!(heads(&out)[0].0, 0);
        // A long command is cut, and its packets are counted.
        out.clear();
        packer.pack(&packets(&[(vec![1; 3 * PIECE], 0)]), &mut out).unwrap();
        assert_eq!(heads(&out).iter().map(|head| head.0).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_packet_that_lies_is_an_error_and_takes_no_memory() {
        for codec in codecs() {
            let mut bomb = Vec::new();
            codec.compress(&vec![0; 8 << 20], &mut bomb).unwrap();
            for (payload, before) in [
                (bomb.as_slice(), 1000),
                (&bomb, frame::PAYLOAD_MAX),
                (b"nonsense that is none", 100),
                (&bomb[..bomb.len() / 2], 8 << 20),
                (b"", 5),
            ] {
                let [a, b, c, _] = (payload.len() as u32).to_le_bytes();
                let [x, y, z, _] = (before as u32).to_le_bytes();
                let packet = [&[a, b, c, 0, x, y, z], payload].concat();
                let mut out = Vec::new();
                let error = Unpacker::new(codec).unpack(&packet, &mut out).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Protocol, "{codec:?} {before}");
                assert!(out.is_empty());
            }
            // A length alone reserves nothing.
            let mut unpacker = Unpacker::new(codec);
            unpacker.unpack(&[255, 255, 255, 0, 255, 255, 255, 1], &mut Vec::new()).unwrap();
            assert!(unpacker.held.capacity() < 100);
        }
    }
}
