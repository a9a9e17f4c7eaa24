//! Logging in: the startup packet, authentication, and what the server tells before it is ready.
//!
//! [`Startup`] decides; [`log_in`] reads and writes.

use std::sync::Arc;

use aquifer_driver::{Error, ErrorKind, Result, Retry};
use aquifer_net::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::auth::{Authenticator, Progress};
use crate::parameters::Parameters;
use crate::protocol::frame::{self, Found};
use crate::protocol::{VERSION_3_0, VERSION_3_2, backend, frontend};
use crate::server_error::{Notice, ServerError};
use crate::session_observer::SessionObserver;

/// A session that is ready.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    pub(crate) parameters: Parameters,
    pub(crate) process: u32,
    /// What a CancelRequest must show; empty if the server gave none.
    pub(crate) key: Box<[u8]>,
}

/// Logging in, without I/O.
pub(crate) struct Startup {
    authenticator: Authenticator,
    observer: Option<Arc<dyn SessionObserver>>,
    /// The version asked for, and the oldest one taken.
    version: u32,
    version_min: u32,
    authenticated: bool,
    parameters: Parameters,
    process: u32,
    key: Box<[u8]>,
}

impl Startup {
    pub(crate) fn new(
        authenticator: Authenticator,
        observer: Option<Arc<dyn SessionObserver>>,
        versions: (u32, u32),
    ) -> Self {
        Self {
            authenticator,
            observer,
            version_min: versions.0,
            version: versions.1,
            authenticated: false,
            parameters: Parameters::default(),
            process: 0,
            key: [].into(),
        }
    }

    /// Takes one message; answers go to `out`. True when the session is ready.
    fn receive(&mut self, tag: u8, body: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        match tag {
            b'R' if !self.authenticated => {
                if self.authenticator.on_request(body, out)? == Progress::Done {
                    self.authenticated = true;
                }
            }
            b'v' if !self.authenticated => {
                let (version, unknown) = backend::negotiate_protocol_version(body)?;
                self.negotiated(version, &unknown)?;
            }
            b'E' => {
                let said = ServerError::parse(body)?;
                return Err(said.into_connect_error());
            }
            b'N' => {
                let notice = Notice::parse(body)?;
                if let Some(observer) = &self.observer {
                    observer.notice(&notice);
                }
            }
            b'S' if self.authenticated => {
                let (name, value) = backend::parameter_status(body)?;
                self.parameters.set(name, value);
            }
            b'K' if self.authenticated => {
                (self.process, self.key) = backend::backend_key_data(body)?;
            }
            b'Z' if self.authenticated => {
                backend::ready_for_query(body)?;
                return Ok(true);
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    format!(
                        "the server sent a message out of turn while logging in (tag {})",
                        tag.escape_ascii()
                    ),
                ));
            }
        }
        Ok(false)
    }

    /// The server has an older minor version, or does not know an option.
    fn negotiated(&mut self, version: u32, unknown: &[String]) -> Result<()> {
        // Servers name the minor version alone or with the major one.
        let version = if version >> 16 == 0 { VERSION_3_0 | version } else { version };
        let shown = |version: u32| format!("{}.{}", version >> 16, version & 0xffff);
        if version < self.version_min || version > self.version {
            return Err(Error::new(
                ErrorKind::Connect,
                format!(
                    "the server speaks protocol {}, and at least {} is asked for",
                    shown(version),
                    shown(self.version_min)
                ),
            )
            .with_hint("lower min_protocol_version")
            .with_retry(Retry::Never));
        }
        if let Some(option) = unknown.first() {
            return Err(Error::new(
                ErrorKind::Connect,
                format!("the server does not know the protocol option `{}`", option.escape_debug()),
            )
            .with_retry(Retry::Never));
        }
        self.version = version;
        Ok(())
    }
}

/// Says hello and goes on until the session is ready.
///
/// # Errors
///
/// What the server said, or that it hung up or broke the protocol. Nothing is left behind but the socket,
/// which is the caller's.
pub(crate) async fn log_in<'a>(
    stream: &mut Stream,
    mut startup: Startup,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<LoggedIn> {
    let mut out = Vec::new();
    let version = if startup.version >= VERSION_3_2 { VERSION_3_2 } else { VERSION_3_0 };
    frontend::startup(&mut out, version, parameters);
    let mut input: Vec<u8> = Vec::with_capacity(4096);
    let mut at = 0;
    loop {
        if !out.is_empty() {
            stream.write_all(&out).await.map_err(|error| broke(error, &input[at..]))?;
            stream.flush().await.map_err(|error| broke(error, &input[at..]))?;
            zeroize::Zeroize::zeroize(&mut out);
        }
        let found = match frame::find(&input, at) {
            // A server that could not start a process for us says so in bare text.
            Err(_) if input.get(at) == Some(&b'E') => {
                return Err(bare_text(stream, input.split_off(at + 1)).await);
            }
            found => found?,
        };
        if let Found::Whole(frame) = found {
            at = frame.end;
            if startup.receive(frame.tag, &input[frame.body..frame.end], &mut out)? {
                if at < input.len() {
                    return Err(Error::new(
                        ErrorKind::Protocol,
                        "the server went on talking after it was ready",
                    ));
                }
                let Startup { parameters, process, key, .. } = startup;
                return Ok(LoggedIn { parameters, process, key });
            }
            continue;
        }
        input.drain(..at);
        at = 0;
        match stream.read_buf(&mut input).await {
            Ok(0) => return Err(broke(std::io::ErrorKind::UnexpectedEof.into(), &input)),
            Ok(_) => {}
            Err(error) => return Err(broke(error, &input)),
        }
    }
}

/// Most bytes of an error in bare text.
const BARE_TEXT_MAX: usize = 8 * 1024;

/// The rest of an error that is not a message: up to a zero, or to the end that follows it.
async fn bare_text(stream: &mut Stream, mut text: Vec<u8>) -> Error {
    while text.len() < BARE_TEXT_MAX && memchr::memchr(0, &text).is_none() {
        match stream.read_buf(&mut text).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    ServerError::parse_plain_text(&text).into_connect_error()
}

#[cold]
fn broke(error: std::io::Error, rest: &[u8]) -> Error {
    if rest.first() == Some(&b'E') {
        return ServerError::parse_plain_text(&rest[1..]).into_connect_error();
    }
    Error::new(ErrorKind::Connect, "the server hung up while the session was being opened")
        .with_retry(Retry::Safe)
        .with_source(error)
}
