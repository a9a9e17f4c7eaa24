//! What the fuzz targets feed. Not part of the API: it may change in any version.

use std::num::NonZeroU32;
use std::sync::Arc;

use aquifer_driver::{Error, Params, Result, RowBatch, Status, Value, ValueRef, Want};
use aquifer_net::fuzzing::{Played, ask, play};
use mysql_common::constants::CapabilityFlags as Flags;

use crate::auth::{Authenticator, Channel, Policy, Progress};
use crate::config::{Config, Secret};
use crate::pipeline::{Pipeline, Settings};
use crate::placeholders;
use crate::protocol::Agreed;
use crate::protocol::answer::{Definition, ServerStatus};
use crate::protocol::compressed::{Codec, Packer, Unpacker};
use crate::protocol::frame;
use crate::protocol::greeting::{self, Greeting};
use crate::server_error::ServerError;
use crate::session_change::{self, Changed};
use crate::setup::{Server, Setup};
use crate::types::{Cells, Clock, NoDay, Reading, Shape, Zone, binary, bind, literal, text};

const READING: Reading =
    Reading { zone: Zone::Fixed(0), no_day: NoDay::Empty, dates_as_text: false, full_names: false };

const CLOCK: Clock = Clock { zone: Zone::Fixed(0), grain: 1 };

/// A server's greeting.
pub fn greeting(packet: &[u8]) -> Result<()> {
    Greeting::parse(packet).map(drop)
}

/// A log-in with this password, of a policy that the bits choose: 1 private, 2 native, 4 cleartext, 8 old, 16 the
/// server's key.
#[derive(Debug)]
pub struct Login(Authenticator);

impl Login {
    /// A log-in that has not begun.
    pub fn new(secret: &str, choice: u8) -> Self {
        let policy = Policy {
            native: choice & 2 != 0,
            cleartext: choice & 4 != 0,
            old: choice & 8 != 0,
            key_retrieval: choice & 16 != 0,
        };
        let channel = if choice & 1 == 0 { Channel::Plain } else { Channel::Tls };
        Self(Authenticator::new(Some(Secret::new(secret)), policy, channel, None))
    }

    /// The plugin and the first answer to a greeting.
    pub fn begin(&mut self, plugin: &[u8], nonce: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
        self.0.begin(plugin, nonce)
    }

    /// What is sent for a packet; `None` once the log-in is done.
    pub fn receive(&mut self, packet: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(match self.0.receive(packet)? {
            Progress::Answer(answer) => Some(answer),
            Progress::Wait => Some(Vec::new()),
            Progress::Done => None,
        })
    }
}

/// What is shown of a server's error packet, given the statement's text; `None` if it is none.
pub fn shown(packet: &[u8], sql: &str) -> Option<Error> {
    ServerError::parse(packet).ok().map(|error| error.into_error(Some(sql)))
}

/// What a text is said to have changed: the variables, whether anything at all may be; and whether it may have changed
/// something that a server that tracks does not report, and one that does not track.
pub fn changes(sql: &str) -> (Vec<&'static str>, bool, bool, bool) {
    let changed = Changed::by(sql);
    let silent = session_change::in_text(sql, true);
    (changed.variables, changed.anything, silent, session_change::in_text(sql, false))
}

/// A row of one column of this type, in either protocol.
pub fn row(kind: u8, flags: u16, charset: u16, as_text: bool, row: &[u8]) -> Result<Value> {
    let definition = Definition {
        name: "c".to_owned(),
        alias: String::new(),
        table: String::new(),
        charset,
        length: 0,
        kind,
        flags,
        decimals: 0,
        type_name: None,
        format: None,
    };
    let shape = Shape::new(&[definition], READING);
    let mut batch = RowBatch::new();
    batch.set_columns(&shape.columns);
    batch.bytes_mut().extend_from_slice(row);
    let mut scratch = Vec::new();
    let (bytes, slots) = batch.locate();
    let mut cells =
        Cells { slots, scratch: &mut scratch, scratch_at: bytes.len(), no_day: NoDay::Empty };
    let read = if as_text { text::row } else { binary::row };
    read(bytes, 0, bytes.len(), &shape.kinds, &mut cells)?;
    cells.slots.end_row(1);
    batch.bytes_mut().extend_from_slice(&scratch);
    let row = (0..batch.rows().count()).find_map(|index| batch.row(index));
    row.map_or(Ok(Value::Null), |row| row.get(0))
}

/// The type and the flags of an argument, and its bytes in an Execute.
pub fn argument(value: ValueRef<'_>) -> Result<(u8, u16, Vec<u8>)> {
    let mut out = Vec::new();
    bind::put(&mut out, &(value.to_owned()?,), CLOCK)?;
    // A byte of NULLs and one that says that types follow.
    let bytes = out.split_off(4);
    let unsigned = if out[3] & 0x80 == 0 { 0 } else { 32 };
    Ok((out[2], unsigned, bytes))
}

/// A text with its arguments written in.
pub fn interpolate(sql: &str, params: &dyn Params, escapes: bool) -> Result<String> {
    literal::interpolate(sql, params, CLOCK, escapes, true)
}

/// The places of a text's placeholders, if they are certain.
pub fn places(sql: &str, escapes: bool) -> Option<Vec<usize>> {
    placeholders::find(sql, escapes)
}

fn codec(zstd: bool) -> Codec {
    #[cfg(feature = "zstd")]
    if zstd {
        return Codec::Zstd(1);
    }
    let _ = zstd;
    Codec::Zlib(1)
}

/// What a server's compressed packets hold, given in pieces of that length, and whether all of them could be read.
pub fn unpack(zstd: bool, bytes: &[u8], piece: usize) -> (Vec<u8>, bool) {
    let (mut unpacker, mut out) = (Unpacker::new(codec(zstd)), Vec::new());
    let mut pieces = bytes.chunks(piece.max(1));
    let all = pieces.all(|piece| unpacker.unpack(piece, &mut out).is_ok());
    (out, all)
}

/// A packet of this payload, and the compressed packets that it goes in, given in pieces of that length.
pub fn pack(zstd: bool, payload: &[u8], piece: usize) -> (Vec<u8>, Vec<u8>) {
    let mut plain = Vec::new();
    let start = frame::begin(&mut plain);
    plain.extend_from_slice(payload);
    frame::finish(&mut plain, start, 0);
    let (mut packer, mut out) = (Packer::new(codec(zstd)), Vec::new());
    for piece in plain.chunks(piece.max(1)) {
        packer.pack(piece, &mut out).expect("memory takes what is written");
    }
    (plain, out)
}

/// A session that is asked for what `command` chooses, and answered by these bytes in pieces: what it made of them,
/// and whether it can still be used.
pub fn replay(command: u8, bytes: &[u8], piece: usize) -> (Vec<String>, bool) {
    let mut flags = Flags::CLIENT_SESSION_TRACK;
    if command & 0x40 == 0 {
        flags |= Flags::CLIENT_DEPRECATE_EOF;
    }
    let mariadb = match command & 0x80 {
        0 => 0,
        _ => greeting::MARIADB_BULK_OPERATIONS | greeting::MARIADB_CACHE_METADATA,
    };
    let server = Server { tracks: true, mariadb: mariadb != 0 };
    let settings = Settings {
        agreed: Agreed { flags: flags.bits(), mariadb },
        statements_max: 2,
        reading: READING,
        setup: Setup::new(&Config::default(), server, "utf8mb4"),
        packet_max: 1000,
        grain: 1,
        several: true,
        files: Default::default(),
        interpolates: false,
        reject_read_only: false,
    };
    let mut pipeline = Pipeline::new(settings, ServerStatus(2));
    let mut log = Vec::new();
    let mut pieces = bytes.chunks(piece.max(1));
    let mut batch = RowBatch::new();
    for round in 0..8_u8 {
        let sql: Arc<str> = "SELECT id, name FROM rivers WHERE id > ?".into();
        let want = match round {
            4 => Want::First,
            5 => Want::Paged(NonZeroU32::MIN),
            _ => Want::All,
        };
        if !ask(command % 8 + round, &sql, want, &mut log, |command| pipeline.start(command)) {
            continue;
        }
        if play(&mut pipeline, Pipeline::advance, &mut batch, &mut pieces, &mut log)
            == Played::Waits
        {
            break;
        }
        if pipeline.status() == Status::Broken {
            return (log, false);
        }
    }
    let usable = pipeline.status() != Status::Broken;
    (log, usable)
}
