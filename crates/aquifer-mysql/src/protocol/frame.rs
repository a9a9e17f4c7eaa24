//! Packets: three bytes of length, one of sequence number, the payload. A payload of 16 MiB - 1 bytes or more
//! comes in several packets; the first that is shorter, and be it empty, is the last.

use aquifer_driver::{Error, ErrorKind, Result};

/// Bytes before a payload.
pub(crate) const HEADER: usize = 4;

/// Most bytes of one packet's payload.
pub(crate) const PAYLOAD_MAX: usize = 0xff_ffff;

/// Most bytes of a payload that is put together of several packets: what a server can be set to send at most
/// (`max_allowed_packet`), and a packet more.
pub(crate) const WHOLE_MAX: usize = (1 << 30) + PAYLOAD_MAX;

/// A payload in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet {
    /// Where the payload begins.
    pub(crate) body: usize,
    /// Where it ends.
    pub(crate) end: usize,
    /// The number that the next packet must have.
    pub(crate) next: u8,
}

/// What a buffer holds at some place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A payload in one packet.
    Whole(Packet),
    /// The first packet of several.
    Split,
    /// The beginning of a packet that takes so many bytes in all; 0 while even that is unknown.
    Part(usize),
}

/// Looks for a packet with the number `sequence` at `at`.
///
/// # Errors
///
/// If the number is another: client and server have then lost each other. An error packet may have any number,
/// because a server that closes a session says so whenever it does.
#[inline]
pub(crate) fn find(bytes: &[u8], at: usize, sequence: u8) -> Result<Found> {
    let Some([a, b, c, number]) = bytes.get(at..).and_then(<[u8]>::first_chunk::<HEADER>) else {
        return Ok(Found::Part(0));
    };
    let len = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
    if *number != sequence {
        match bytes.get(at + HEADER) {
            Some(0xff) => {}
            None if len > 0 => return Ok(Found::Part(HEADER + len)),
            _ => return Err(lost(sequence, *number)),
        }
    }
    if len == PAYLOAD_MAX {
        return Ok(Found::Split);
    }
    let body = at + HEADER;
    Ok(if body + len <= bytes.len() {
        Found::Whole(Packet { body, end: body + len, next: number.wrapping_add(1) })
    } else {
        Found::Part(HEADER + len)
    })
}

/// Puts the payload that begins with the split packet at `at` together in its place, if all of it is there;
/// else tells how many bytes from `at` it takes at least.
///
/// # Errors
///
/// If a packet has a wrong number, or the whole is longer than any server sends.
pub(crate) fn join(bytes: &mut Vec<u8>, at: usize, sequence: u8) -> Result<Found> {
    let (mut from, mut number) = (at, sequence);
    let mut parts = Vec::new();
    loop {
        let Some([a, b, c, found]) = bytes.get(from..).and_then(<[u8]>::first_chunk::<HEADER>)
        else {
            return Ok(Found::Part(from + HEADER - at));
        };
        if *found != number {
            return Err(lost(number, *found));
        }
        let len = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
        let body = from + HEADER;
        if body + len - at > WHOLE_MAX {
            return Err(Error::new(
                ErrorKind::Protocol,
                "the server sent a packet of more than 1 GiB",
            ));
        }
        if body + len > bytes.len() {
            return Ok(Found::Part(body + len - at));
        }
        parts.push(body..body + len);
        (from, number) = (body + len, number.wrapping_add(1));
        if len < PAYLOAD_MAX {
            break;
        }
    }
    let body = at + HEADER;
    let mut end = body;
    for part in parts {
        let len = part.len();
        bytes.copy_within(part, end);
        end += len;
    }
    bytes.drain(end..from);
    Ok(Found::Whole(Packet { body, end, next: number }))
}

/// Begins a packet whose length is not known yet; its payload is appended, then [`finish`] closes it.
#[inline]
pub(crate) fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    start
}

/// Closes the packet that was begun at `start`: writes its length and number, or splits it. Returns the number of
/// the packet that answers.
pub(crate) fn finish(out: &mut Vec<u8>, start: usize, sequence: u8) -> u8 {
    let len = out.len() - start - HEADER;
    if len < PAYLOAD_MAX {
        header(out, start, len, sequence);
        return sequence.wrapping_add(1);
    }
    // From the last to the first, so that what is moved is moved once.
    let parts = len / PAYLOAD_MAX;
    out.resize(out.len() + parts * HEADER, 0);
    for part in (1..=parts).rev() {
        let from = start + HEADER + part * PAYLOAD_MAX;
        let part_len = (len - part * PAYLOAD_MAX).min(PAYLOAD_MAX);
        let to = from + part * HEADER;
        out.copy_within(from..from + part_len, to);
        header(out, to - HEADER, part_len, sequence.wrapping_add(part as u8));
    }
    header(out, start, PAYLOAD_MAX, sequence);
    sequence.wrapping_add(parts as u8).wrapping_add(1)
}

/// How long the payload is whose packets have so many bytes in all.
pub(crate) fn payload_len(framed: usize) -> usize {
    framed - HEADER * (framed / (PAYLOAD_MAX + HEADER) + 1)
}

fn header(out: &mut [u8], at: usize, len: usize, sequence: u8) {
    let [a, b, c, _] = (len as u32).to_le_bytes();
    out[at..at + HEADER].copy_from_slice(&[a, b, c, sequence]);
}

#[cold]
fn lost(expected: u8, found: u8) -> Error {
    Error::new(
        ErrorKind::Protocol,
        format!("the server sent packet number {found} in the place of {expected}"),
    )
    .with_hint("client and server have lost each other; the connection is closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(payload: &[u8], sequence: u8) -> (Vec<u8>, u8) {
        let mut out = Vec::new();
        let start = begin(&mut out);
        out.extend_from_slice(payload);
        let next = finish(&mut out, start, sequence);
        (out, next)
    }

    #[test]
    fn a_packet_is_found_whole_or_its_size_is_told() {
        let (bytes, next) = written(b"abc", 7);
        assert_eq!((bytes.as_slice(), next), (b"\x03\0\0\x07abc".as_slice(), 8));
        let whole = Packet { body: 4, end: 7, next: 8 };
        assert_eq!(find(&bytes, 0, 7).unwrap(), Found::Whole(whole));
        assert_eq!(find(&bytes[..6], 0, 7).unwrap(), Found::Part(7));
        assert_eq!(find(&bytes[..3], 0, 7).unwrap(), Found::Part(0));
        assert_eq!(find(&bytes, 99, 7).unwrap(), Found::Part(0));
        assert_eq!(find(&bytes, 0, 6).unwrap_err().kind(), ErrorKind::Protocol);
        // A goodbye has whatever number it has.
        assert!(matches!(find(b"\x01\0\0\x00\xff", 0, 6).unwrap(), Found::Whole(_)));
        assert_eq!(find(b"\x01\0\0\x00", 0, 6).unwrap(), Found::Part(5));
    }

    #[test]
    fn payloads_are_split_and_joined_at_every_boundary() {
        for len in
            [PAYLOAD_MAX - 1, PAYLOAD_MAX, PAYLOAD_MAX + 1, 2 * PAYLOAD_MAX, 2 * PAYLOAD_MAX + 5]
        {
            let payload: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let (mut bytes, next) = written(&payload, 255);
            assert_eq!(next, (len / PAYLOAD_MAX) as u8);
            assert_eq!(bytes.len(), len + HEADER * (1 + len / PAYLOAD_MAX));
            assert_eq!(payload_len(bytes.len()), len);
            bytes.extend_from_slice(b"next");
            let found = match find(&bytes, 0, 255).unwrap() {
                Found::Split => {
                    let cut = bytes.len() - 6;
                    let mut short = bytes[..cut].to_vec();
                    assert!(matches!(join(&mut short, 0, 255).unwrap(), Found::Part(_)));
                    assert_eq!(short, bytes[..cut], "nothing is moved before all is there");
                    join(&mut bytes, 0, 255).unwrap()
                }
                found => found,
            };
            let Found::Whole(packet) = found else { panic!("{found:?}") };
            assert_eq!(packet.next, next);
            assert!(bytes[packet.body..packet.end] == payload);
            assert_eq!(&bytes[packet.end..], b"next");
        }
    }

    #[test]
    fn a_part_with_a_wrong_number_ends_the_joining() {
        let (mut bytes, _) = written(&vec![1; PAYLOAD_MAX + 1], 0);
        bytes[HEADER + PAYLOAD_MAX + 3] = 9;
        assert!(join(&mut bytes, 0, 0).is_err());
    }
}
