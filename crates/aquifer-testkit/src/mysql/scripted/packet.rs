//! Payloads: what a server says, in bytes, and what clients say, read. Pure.

use super::release::capability as has;

/// Kinds of what is told of the session (`SESSION_TRACK_…`): variables.
pub const TRACK_VARIABLES: u8 = 0;
/// The current database.
pub const TRACK_SCHEMA: u8 = 1;
/// That anything at all has changed.
pub const TRACK_STATE: u8 = 2;
/// Global numbers of transactions.
pub const TRACK_GTIDS: u8 = 3;

/// `SERVER_STATUS_IN_TRANS`.
pub(super) const IN_TRANSACTION: u16 = 1;
/// `SERVER_STATUS_AUTOCOMMIT`.
pub(super) const AUTOCOMMIT: u16 = 2;
/// `SERVER_MORE_RESULTS_EXISTS`.
pub(super) const MORE_RESULTS: u16 = 8;
/// `SERVER_SESSION_STATE_CHANGED`.
pub(super) const STATE_CHANGED: u16 = 0x4000;

/// Appends a length-encoded integer.
pub(super) fn put_int(out: &mut Vec<u8>, value: u64) {
    let bytes = value.to_le_bytes();
    match value {
        0..=0xfa => out.push(bytes[0]),
        0xfb..=0xffff => out.extend_from_slice(&[&[0xfc], &bytes[..2]].concat()),
        0x1_0000..=0xff_ffff => out.extend_from_slice(&[&[0xfd], &bytes[..3]].concat()),
        _ => out.extend_from_slice(&[&[0xfe], bytes.as_slice()].concat()),
    }
}

/// Appends bytes behind their length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_int(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// An OK packet; `first` is 0xfe where it ends a result.
pub(super) fn ok(
    first: u8,
    (affected, insert_id): (u64, u64),
    status: u16,
    warnings: u16,
    tracked: &[(u8, Vec<u8>)],
    client: u32,
) -> Vec<u8> {
    let mut out = vec![first];
    put_int(&mut out, affected);
    put_int(&mut out, insert_id);
    let tells = client & has::SESSION_TRACK != 0 && !tracked.is_empty();
    let status = if tells { status | STATE_CHANGED } else { status };
    out.extend_from_slice(&status.to_le_bytes());
    out.extend_from_slice(&warnings.to_le_bytes());
    if tells {
        put_bytes(&mut out, b"");
        let mut all = Vec::new();
        for (kind, data) in tracked {
            all.push(*kind);
            put_bytes(&mut all, data);
        }
        put_bytes(&mut out, &all);
    }
    out
}

/// The end of descriptions or of rows where OK packets do not end them.
pub(super) fn eof(status: u16) -> Vec<u8> {
    let [a, b] = status.to_le_bytes();
    vec![0xfe, 0, 0, a, b]
}

/// An error. Before the log-in it has no state.
pub(super) fn error(number: u16, state: Option<&str>, message: &str) -> Vec<u8> {
    let mut out = vec![0xff];
    out.extend_from_slice(&number.to_le_bytes());
    if let Some(state) = state {
        out.push(b'#');
        out.extend_from_slice(state.as_bytes());
    }
    out.extend_from_slice(message.as_bytes());
    out
}

/// Reads a client's packet; everything is bounded by what is there.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    }

    pub(super) fn until_nul(&mut self) -> Option<&'a [u8]> {
        let at = self.0.iter().position(|byte| *byte == 0)?;
        let taken = self.take(at)?;
        self.take(1)?;
        Some(taken)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = match self.u8()? {
            len @ 0..=0xfa => u64::from(len),
            0xfc => self.number(2)?,
            0xfd => self.number(3)?,
            0xfe => self.number(8)?,
            _ => return None,
        };
        self.take(usize::try_from(len).ok()?)
    }

    fn number(&mut self, len: usize) -> Option<u64> {
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(self.take(len)?);
        Some(u64::from_le_bytes(bytes))
    }
}
