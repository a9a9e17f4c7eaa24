//! The wire protocol, version 3, without I/O.
//!
//! [`frame`] finds where messages begin and end and bounds their lengths, [`backend`] reads what the
//! server says, [`frontend`] writes what we say. Message formats are those of PostgreSQL's manual,
//! chapter "Frontend/Backend Protocol", section "Message Formats".

pub(crate) mod backend;
pub(crate) mod flight;
pub(crate) mod frame;
pub(crate) mod frontend;
mod reader;
#[cfg(test)]
pub(crate) mod said;

pub(crate) use reader::Reader;

/// A protocol version as it stands in the startup packet: the major number in the upper half.
pub(crate) const VERSION_3_0: u32 = 3 << 16;
/// Version 3.2, of PostgreSQL 18: cancel keys of up to 256 bytes.
pub(crate) const VERSION_3_2: u32 = (3 << 16) | 2;
