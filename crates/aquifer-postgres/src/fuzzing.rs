//! What the fuzz targets feed. Not part of the API: it may change in any version.

use std::sync::Arc;

use aquifer_driver::multiplex::{Answers, Room, Ticket};
use aquifer_driver::{
    Dsn, EmptyEnvironment, Encoding, Error, Outcome, Result, RowBatch, Status, Value, ValueRef,
    Want,
};
use aquifer_net::fuzzing::{Played, ask, play};
use aquifer_net::{Flow, GivenFiles};

use crate::auth::{
    Authenticator, Identity, NONCE_BYTES, Password, Policy, Progress, RequireAuth, SaltedPasswords,
};
use crate::config::{self, ChannelBinding, Config, Secret};
use crate::copy::{Column, CopyFormat, Decoder, Encoder};
use crate::multiplex::Taken;
use crate::parameters::Parameters;
use crate::pipeline::{CopyStep, Direction, Pipeline, Settings, StatementMode};
use crate::protocol::backend::Field;
use crate::statement::Shape;
use crate::types::Codecs;
use crate::{Notice, ServerError, types};

/// A log-in with a nonce that is always the same.
#[derive(Debug)]
pub struct Login(Authenticator);

impl Login {
    /// Of user `app` with this password and token; over TLS if there is an end point.
    pub fn new(
        secret: &str,
        require_auth: &str,
        channel_binding: ChannelBinding,
        end_point: Option<&[u8]>,
    ) -> Result<Self> {
        let policy = Policy { require_auth: RequireAuth::parse(require_auth)?, channel_binding };
        let identity = Identity {
            user: "app".to_owned(),
            password: Some(Password::from(secret)),
            token: Some(Password::from(secret)),
            tls: end_point.is_some(),
            end_point: end_point.map(<[u8]>::to_vec),
        };
        let salted = Arc::new(SaltedPasswords::new(SaltedPasswords::ENTRIES));
        Ok(Self(Authenticator::new(policy, identity, salted, [7; NONCE_BYTES])))
    }

    /// The body of an `R` message; true once the log-in is done.
    pub fn on_request(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        Ok(self.0.on_request(body, out)? == Progress::Done)
    }
}

/// The body of an `E` message.
pub fn server_error(body: &[u8]) -> Result<ServerError> {
    ServerError::parse(body)
}

/// The body of an `N` message.
pub fn notice(body: &[u8]) -> Result<Notice> {
    Notice::parse(body)
}

/// The driver's error for a report.
pub fn into_error(report: ServerError, sql: Option<&str>) -> Error {
    report.into_error(sql)
}

/// A result cell of the type with this number, in binary or as text: what becomes of it, and its
/// encoding.
pub fn cell(oid: u32, binary: bool, bytes: &[u8]) -> Result<(Encoding, Vec<u8>)> {
    let format = if binary { types::Format::Binary } else { types::Format::Text };
    let column = types::column(oid, -1, format);
    let bytes = bytes.get(usize::from(column.skip)..).unwrap_or_default();
    let mut out = Vec::new();
    match column.transcode {
        Some(transcode) => transcode.run(bytes, &mut out)?,
        None => out.extend_from_slice(bytes),
    }
    Ok((column.encoding, out))
}

/// An argument for a parameter of the type with this number, as it is put into a Bind message; and whether
/// that is its binary form.
pub fn argument(oid: u32, value: ValueRef<'_>) -> Result<(bool, Vec<u8>)> {
    let mut out = Vec::new();
    let format = types::put(oid, value, &mut out)?;
    Ok((format == types::Format::Binary, out))
}

/// Whether results of the type with this number are asked for in binary.
pub fn is_binary_result(oid: u32) -> bool {
    types::binary_result(oid)
}

/// A connection string of either form, where there is no file and no variable.
pub fn config(dsn: &Dsn) -> Result<Config> {
    Config::read(dsn, &EmptyEnvironment, &GivenFiles::default())
}

/// What is sent when a session begins.
pub fn startup_parameters(config: &Config) -> Vec<(&str, &str)> {
    config.startup_parameters()
}

/// The password that a password file has for a server.
pub fn passfile(file: &[u8], host: &str, port: u16, dbname: &str, user: &str) -> Option<Secret> {
    config::lookup(file, config::Server { host, port, dbname, user })
}

/// The parameters of a service in a service file.
pub fn service(file: &str, service: &str) -> Result<Option<Vec<(String, String)>>> {
    config::service(file, "the file", service)
}

/// What a session makes of a server's bytes, which come in pieces of so many: one line for each row and
/// step, and whether the session is still of use. `command` chooses what the session was asked for.
pub fn replay(command: u8, bytes: &[u8], piece: usize) -> (Vec<String>, bool) {
    let mut pipeline = pipeline(match command % 3 {
        0 => StatementMode::Named,
        1 => StatementMode::Described,
        _ => StatementMode::Simple,
    });
    let mut log = Vec::new();
    let mut pieces = bytes.chunks(piece.max(1));
    let mut batch = RowBatch::new();
    // What was asked for is asked again, with what was learnt, as long as there is something to answer.
    for round in 0..8_u8 {
        let sql: Arc<str> = "SELECT id, name FROM rivers WHERE id > $1".into();
        // What is refused leaves nothing to answer, which is looked at, too.
        ask(command / 3 + round, &sql, Want::All, &mut log, |command| pipeline.start(command));
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

fn pipeline(mode: StatementMode) -> Pipeline {
    let settings = Settings {
        mode,
        pooled: false,
        statements_max: 2,
        name_prefix: "s".into(),
        observer: None,
    };
    Pipeline::new(settings, Parameters::default())
}

/// The same as [`replay`] for a session that statements of several callers share, pushed again and again, with room for
/// their rows now and then: one line for each answer, with its rows.
pub fn replay_shared(command: u8, bytes: &[u8], piece: usize) -> (Vec<String>, bool) {
    let mut pipeline = pipeline(StatementMode::Named);
    let mut pieces = bytes.chunks(piece.max(1));
    let mut callers = Callers::default();
    for round in 0..8_u8 {
        if pipeline.begin_lane().is_err() {
            break;
        }
        for number in 0..6_u8 {
            let choice = command.rotate_left((round + number).into());
            let sql: Arc<str> = match choice % 4 {
                0 => "SELECT 1".into(),
                1 => "SELECT 2".into(),
                _ => "SELECT id, name FROM rivers WHERE id > $1".into(),
            };
            let want = match choice / 4 % 4 {
                0 => Want::First,
                1 => Want::Outcome,
                _ => Want::All,
            };
            let ticket = Ticket(u32::from(round) * 6 + u32::from(number));
            let pushed = match choice % 4 {
                0 | 1 => pipeline.push(ticket, &sql, &(), want),
                _ => pipeline.push(ticket, &sql, &(1,), want),
            };
            match pushed {
                Ok(()) => callers.owed.push(ticket),
                Err(error) => callers.log.push(format!("refused: {:?}", error.kind())),
            }
            if choice / 16 % 2 == 0 {
                pipeline.end_lane_segment();
            }
        }
        pipeline.end_lane_segment();
        pipeline.wrote(pipeline.output().len());
        while pipeline.status() == Status::Busy {
            assert_eq!(pipeline.lane.owed(), callers.owed.len());
            match pipeline.take_answers(&mut callers) {
                Ok(Taken::Full) => {}
                Ok(Taken::All) if pipeline.status() != Status::Busy => {}
                Ok(Taken::All) => match pieces.next() {
                    Some(piece) => pipeline.input().room().extend_from_slice(piece),
                    None => return (callers.log, true),
                },
                Err(_) => return (callers.log, false),
            }
        }
        pipeline.lane_ended();
    }
    (callers.log, true)
}

/// Who push statements: each is answered once, in order.
#[derive(Debug, Default)]
struct Callers {
    owed: Vec<Ticket>,
    batch: RowBatch,
    log: Vec<String>,
    /// How often room was asked for.
    asked: usize,
}

impl Callers {
    fn over(&mut self, ticket: Ticket, how: &str) {
        assert_eq!(self.owed.remove(0), ticket);
        let rows = self.batch.rows().map(|row| format!("{:?}", row.get::<Value>(0).ok()));
        let rows: Vec<String> = rows.collect();
        self.log.push(format!("{} {how} {rows:?}", ticket.0));
        self.batch = RowBatch::new();
    }
}

impl Answers for Callers {
    fn room(&mut self, ticket: Ticket) -> Room<'_> {
        self.asked += 1;
        match ticket.0 % 5 {
            0 => Room::Skip,
            1 | 2 if self.asked.is_multiple_of(2) => Room::Full,
            _ => Room::Into(&mut self.batch),
        }
    }

    fn answered(&mut self, ticket: Ticket, answer: Result<Outcome>) {
        match answer {
            Ok(outcome) => self.over(ticket, &format!("{outcome:?}")),
            Err(error) => {
                // Rows before an error are worth nothing.
                self.batch.clear();
                self.over(ticket, &format!("{:?}", error.kind()));
            }
        }
    }

    fn not_run(&mut self, ticket: Ticket) {
        self.over(ticket, "not run");
    }
}

/// The same as [`replay`] for a session that was asked for COPY, in and out, again and again: one line for
/// each step, with all data that came.
pub fn replay_copy(command: u8, bytes: &[u8], piece: usize) -> (Vec<String>, bool) {
    let mut pipeline = pipeline(StatementMode::Named);
    let mut log = Vec::new();
    let mut pieces = bytes.chunks(piece.max(1));
    let mut unread = RowBatch::new();
    for round in 0..6_u8 {
        let choice = command.wrapping_add(round);
        let (direction, then) = match choice % 2 {
            0 => (Direction::In, choice / 2 % 4),
            _ => (Direction::Out, choice / 2 % 4),
        };
        if let Err(error) = pipeline.start_copy("COPY rivers", direction) {
            log.push(format!("refused: {:?}", error.kind()));
        }
        let (mut received, mut abandoned) = (Vec::new(), false);
        loop {
            let out = pipeline.output().len();
            pipeline.wrote(out);
            let mut data = Vec::new();
            let step = match abandoned {
                false => pipeline.advance_copy(&mut data),
                true if !pipeline.owes() => break,
                true => pipeline.advance(&mut unread).map(|step| step.map(|_| CopyStep::Data)),
            };
            received.append(&mut data);
            match step {
                Ok(Some(CopyStep::Started(format))) => {
                    log.push(format!("started {format:?}"));
                    match (direction, then) {
                        (Direction::In, 0) => {
                            pipeline.copy_data(&mut b"d\0\0\0\x06a\n".to_vec());
                            let out = pipeline.output().len();
                            pipeline.wrote(out);
                            pipeline.copy_done();
                        }
                        (Direction::In, 1) => pipeline.copy_done(),
                        (Direction::In, 2) => pipeline.copy_fail("no more"),
                        (_, 3) => {
                            pipeline.abandon();
                            abandoned = true;
                        }
                        _ => {}
                    }
                }
                Ok(Some(CopyStep::Data)) => {}
                Ok(Some(CopyStep::End(outcome))) => {
                    log.push(format!("end {outcome:?}"));
                    break;
                }
                // As a connection does: what is to be said comes first.
                Ok(None) if !pipeline.output().is_empty() => {}
                Ok(None) => match pieces.next() {
                    Some(piece) => pipeline.input().room().extend_from_slice(piece),
                    None => {
                        log.push(format!("{received:?}"));
                        return (log, pipeline.status() != Status::Broken);
                    }
                },
                // What an abandoned command says is nobody's.
                Err(_) if abandoned && pipeline.status() != Status::Broken => {}
                Err(error) => {
                    log.push(format!("error {:?}", error.kind()));
                    break;
                }
            }
        }
        log.push(format!("{received:?}"));
        if pipeline.status() == Status::Broken {
            return (log, false);
        }
    }
    (log, true)
}

/// What the data of a COPY of columns of these types is read as, when it comes in pieces of so many bytes:
/// one line for each row.
pub fn copied_out(types: &[u32], binary: bool, data: &[u8], piece: usize) -> Result<Vec<String>> {
    let fields: Vec<Field> = types
        .iter()
        .map(|oid| Field {
            name: "c".into(),
            table: 0,
            oid: *oid,
            modifier: -1,
            format: u16::from(binary),
        })
        .collect();
    let format = if binary { CopyFormat::Binary } else { CopyFormat::Text };
    let shape = Arc::new(Shape::as_described(&fields, &Codecs::default()));
    let mut decoder = Decoder::new(shape, format);
    let (mut batch, mut log) = (RowBatch::new(), Vec::new());
    for piece in data.chunks(piece.max(1)) {
        decoder.feed(piece, &mut batch)?;
        loop {
            log.extend(batch.rows().map(|row| {
                let cells = (0..row.len()).map(|n| format!("{:?}", row.get::<Value>(n).ok()));
                cells.collect::<Vec<_>>().join(" | ")
            }));
            if !decoder.has_more() {
                break;
            }
            decoder.feed(&[], &mut batch)?;
        }
    }
    decoder.end()?;
    Ok(log)
}

/// The data of a COPY into columns of these types.
pub fn copied_in(types: &[u32], format: CopyFormat, rows: &[Vec<Value>]) -> Result<Vec<u8>> {
    let columns = types.iter().map(|oid| Column::new("c".into(), *oid)).collect();
    let mut encoder = Encoder::new(columns, Codecs::default(), format);
    let mut out = Vec::new();
    encoder.head(&mut out);
    for row in rows {
        encoder.row(row, &mut out)?;
    }
    encoder.tail(&mut out);
    Ok(out)
}
