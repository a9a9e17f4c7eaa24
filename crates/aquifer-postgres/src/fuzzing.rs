//! What the fuzz targets feed. Not part of the API: it may change in any version.

use std::sync::Arc;

use aquifer_driver::{
    Batch, Command, Dsn, EmptyEnvironment, Encoding, Error, Result, RowBatch, Status, Step,
    TxOptions, Value, ValueRef, Want,
};

use crate::auth::{
    Authenticator, Identity, NONCE_BYTES, Password, Policy, Progress, RequireAuth, SaltedPasswords,
};
use crate::config::{self, ChannelBinding, Config, GivenFiles, Secret};
use crate::parameters::Parameters;
use crate::pipeline::{Pipeline, Settings, StatementMode};
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
    let settings = Settings {
        mode: match command % 3 {
            0 => StatementMode::Named,
            1 => StatementMode::Described,
            _ => StatementMode::Simple,
        },
        pooled: false,
        statements_max: 2,
        name_prefix: "s".into(),
        observer: None,
    };
    let mut pipeline = Pipeline::new(settings, Parameters::default());
    let mut log = Vec::new();
    let mut pieces = bytes.chunks(piece.max(1));
    let mut batch = RowBatch::new();
    // What was asked for is asked again, with what was learnt, as long as there is something to answer.
    for round in 0..8_u8 {
        let sql: Arc<str> = "SELECT id, name FROM rivers WHERE id > $1".into();
        let started = match (command / 3 + round) % 6 {
            0 | 1 => {
                let want = Want::All;
                pipeline.start(Command::Execute { sql: &sql, params: &(1,), want })
            }
            2 => pipeline.start(Command::Script { sql: "SELECT 1; SELECT 2" }),
            3 => pipeline.start(Command::Prepare { sql: &sql }),
            4 => {
                let mut batch = Batch::new();
                for id in 0..3 {
                    if let Err(error) = batch.push(&sql, &(id,), Want::All) {
                        log.push(error.to_string());
                    }
                }
                pipeline.start(Command::Batch(Arc::new(batch)))
            }
            _ => pipeline.start(Command::Begin(TxOptions::new())),
        };
        if let Err(error) = started {
            log.push(format!("refused: {:?}", error.kind()));
        }
        loop {
            let out = pipeline.output().len();
            pipeline.wrote(out);
            match pipeline.advance(&mut batch) {
                Ok(Some(step)) => {
                    log.extend(batch.rows().map(|row| format!("{:?}", row.get::<Value>(0).ok())));
                    match step {
                        Step::Rows => continue,
                        Step::EndOfSet(outcome) => log.push(format!("set {outcome:?}")),
                        Step::Failed(error) => log.push(format!("failed {:?}", error.kind())),
                        _ => {
                            log.push("end".to_owned());
                            break;
                        }
                    }
                }
                Ok(None) => match pieces.next() {
                    Some(piece) => pipeline.input().room().extend_from_slice(piece),
                    None => return (log, pipeline.status() != Status::Broken),
                },
                Err(error) => {
                    log.push(format!("error {:?}", error.kind()));
                    break;
                }
            }
        }
        if pipeline.status() == Status::Broken {
            return (log, false);
        }
    }
    (log, true)
}
