//! Opening a session: dial, greeting, TLS, log-in. Packets are read and written here one at a time; what they say is
//! decided by `protocol` and `auth`.

use aquifer_driver::{Error, ErrorKind, Result, Retry};
use aquifer_net::Stream;
use mysql_common::constants::Command;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::access::Access;
use crate::auth::{Authenticator, Channel, Policy, Progress};
use crate::compression::Compressed;
use crate::config::{Compression, Config, TlsMode};
use crate::dial;
use crate::protocol::answer::{self, Ok as Done, ServerStatus};
use crate::protocol::compressed::Codec;
use crate::protocol::greeting::{self, Greeting, Response, Wanted};
use crate::protocol::{Agreed, command, frame};
use crate::server_error::ServerError;

/// `utf8mb4_general_ci`, which every server knows by this number.
const COLLATION: u8 = 45;

/// Most bytes of a packet of the log-in: keys, tickets and messages are far shorter.
const PACKET_MAX: usize = 64 * 1024;

/// Most packets of a log-in: a server that goes on for ever is none.
const PACKETS_MAX: u32 = 32;

/// A session that has begun and runs nothing yet.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) stream: Stream,
    pub(crate) agreed: Agreed,
    pub(crate) status: ServerStatus,
    pub(crate) greeting: Greeting,
}

/// Opens a session.
///
/// # Errors
///
/// With `nothing_sent`, and with what may be done about it.
pub(crate) async fn open(access: &Access) -> Result<Login> {
    let config = &access.config;
    let wire = Wire { stream: dial::dial(config).await?, sequence: 0 };
    wire.log_in(access).await.map_err(|error| at(config, error))
}

/// Packets over a stream: [`Stream`], or one that is borrowed.
struct Wire<S> {
    stream: S,
    /// The number of the next packet.
    sequence: u8,
}

impl Wire<Stream> {
    async fn log_in(mut self, access: &Access) -> Result<Login> {
        let config = &access.config;
        let packet = self.read().await?;
        if packet.first() == Some(&answer::ERR) {
            return Err(ServerError::parse(&packet)?.into_connect_error());
        }
        let greeting = Greeting::parse(&packet)?;
        let tls = self.wants_tls(config, &greeting)?;
        let database = config.database.as_deref().unwrap_or_default();
        let wanted = Wanted {
            tls,
            found_rows: config.client_found_rows,
            database: !database.is_empty(),
            compression: config.compress,
            factors: config.password2.is_some(),
        };
        let agreed = greeting::agree(&greeting, wanted);
        if tls {
            self.write(|out| greeting::put_ssl_request(out, agreed, COLLATION)).await?;
            self.stream = access.tls.encrypt(self.stream, &config.host).await?;
        }
        let channel = match (&self.stream, tls) {
            (_, true) => Channel::Tls,
            (stream, false) if stream.is_local() => Channel::Socket,
            _ => Channel::Plain,
        };
        let policy = Policy {
            native: config.allow_native_passwords,
            cleartext: config.allow_cleartext_passwords,
            old: config.allow_old_passwords,
            key_retrieval: config.allow_public_key_retrieval,
        };
        let key = access.server_key.clone();
        let mut auth = Authenticator::new(config.password.clone(), policy, channel, key)
            .with_factors(config.password2.iter().chain(&config.password3).cloned());
        let (plugin, answer) = auth.begin(&greeting.plugin, &greeting.nonce)?;
        let attributes = attributes(config);
        self.write(|out| {
            Response {
                agreed,
                collation: COLLATION,
                user: &config.user,
                auth: &answer,
                database,
                plugin: &plugin,
                attributes: &attributes,
                zstd_level: match config.compress {
                    Compression::Zstd(level) => level,
                    _ => 0,
                },
            }
            .put(out);
        })
        .await?;
        for _ in 0..PACKETS_MAX {
            let packet = self.read().await?;
            if packet.first() == Some(&answer::ERR) {
                return Err(ServerError::parse(&packet)?.into_connect_error());
            }
            match auth.receive(&packet)? {
                Progress::Answer(answer) => {
                    self.write(|out| out.extend_from_slice(&answer)).await?;
                }
                Progress::Wait => {}
                Progress::Done => {
                    let status = Done::parse(&packet, agreed)?.status;
                    let stream = match codec(config.compress).filter(|_| agreed.compresses()) {
                        Some(codec) => {
                            Stream::Layered(Box::new(Compressed::new(self.stream, codec)))
                        }
                        None => self.stream,
                    };
                    return Ok(Login { stream, agreed, status, greeting });
                }
            }
        }
        Err(Error::new(ErrorKind::Protocol, "the log-in does not come to an end"))
    }

    /// Whether to go on encrypted.
    fn wants_tls(&self, config: &Config, greeting: &Greeting) -> Result<bool> {
        if self.stream.is_local() || config.tls == TlsMode::Disabled {
            return Ok(false);
        }
        // Decided for this connection alone: the next one asks its server again.
        let may_go_plain = config.tls == TlsMode::Preferred || config.allow_fallback_to_plaintext;
        if !greeting.offers_tls() && !may_go_plain {
            return Err(Error::new(
                ErrorKind::Connect,
                format!("the server does not do TLS, and `tls={}` asks for it", config.tls.word()),
            )
            .with_hint("give the server a certificate, or set `tls=false`")
            .with_retry(Retry::Never));
        }
        Ok(greeting.offers_tls())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    async fn read(&mut self) -> Result<Vec<u8>> {
        let mut head = [0; frame::HEADER];
        self.stream.read_exact(&mut head).await.map_err(broke)?;
        let [a, b, c, sequence] = head;
        let len = u32::from_le_bytes([a, b, c, 0]) as usize;
        if len > PACKET_MAX {
            return Err(Error::new(
                ErrorKind::Protocol,
                format!("the server sent {len} bytes during the log-in"),
            )
            .with_hint("check that the address is a MySQL or MariaDB server's"));
        }
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body).await.map_err(broke)?;
        if sequence != self.sequence && body.first() != Some(&answer::ERR) {
            return Err(Error::new(
                ErrorKind::Protocol,
                "the server's packets do not have the numbers that the protocol asks for",
            )
            .with_hint("check that the address is a MySQL or MariaDB server's"));
        }
        self.sequence = sequence.wrapping_add(1);
        Ok(body)
    }

    async fn write(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let mut out = Vec::new();
        let start = frame::begin(&mut out);
        put(&mut out);
        self.sequence = frame::finish(&mut out, start, self.sequence);
        self.stream.write_all(&out).await.map_err(broke)?;
        self.stream.flush().await.map_err(broke)
    }
}

impl Login {
    /// Runs one statement that has no result; the server's refusal, if it refused.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<Option<ServerError>> {
        let mut out = Vec::new();
        let sequence = command::text(&mut out, Command::COM_QUERY, sql);
        self.stream.write_all(&out).await.map_err(broke)?;
        self.stream.flush().await.map_err(broke)?;
        let packet = Wire { stream: &mut self.stream, sequence }.read().await?;
        match packet.first() {
            Some(&answer::ERR) => Ok(Some(ServerError::parse(&packet)?)),
            _ => Ok(None),
        }
    }
}

/// What compresses as configured.
fn codec(compression: Compression) -> Option<Codec> {
    match compression {
        Compression::None => None,
        Compression::Zlib(level) => Some(Codec::Zlib(level.into())),
        #[cfg(feature = "zstd")]
        Compression::Zstd(level) => Some(Codec::Zstd(level)),
        // The connector has refused it.
        #[cfg(not(feature = "zstd"))]
        Compression::Zstd(_) => None,
    }
}

/// What the server's books show of this program.
fn attributes(config: &Config) -> Vec<(String, String)> {
    let mut all = vec![
        ("_client_name".to_owned(), "aquifer".to_owned()),
        ("_client_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("_os".to_owned(), std::env::consts::OS.to_owned()),
        ("_platform".to_owned(), std::env::consts::ARCH.to_owned()),
        ("_pid".to_owned(), std::process::id().to_string()),
    ];
    if config.socket.is_none() {
        all.push(("_server_host".to_owned(), config.host.clone()));
    }
    all.extend(config.connection_attributes.iter().cloned());
    all
}

#[cold]
fn broke(error: std::io::Error) -> Error {
    let message = if error.kind() == std::io::ErrorKind::UnexpectedEof {
        "the server closed the connection during the log-in"
    } else {
        "the connection broke during the log-in"
    };
    Error::new(ErrorKind::Connect, message).with_retry(Retry::Safe).with_source(error)
}

/// Says where it was.
#[cold]
fn at(config: &Config, error: Error) -> Error {
    let (retry, place) = (error.retry(), config.place());
    let mut at = Error::new(error.kind(), format!("no session with {place}: {}", error.message()))
        .with_nothing_sent(true)
        .with_retry(retry);
    if let Some(code) = error.code() {
        at = at.with_code(code.to_owned());
    }
    if let Some(state) = error.sqlstate() {
        at = at.with_sqlstate(state);
    }
    if let Some(hint) = error.hint() {
        at = at.with_hint(hint.to_owned());
    } else if let (ErrorKind::Authentication, Some(why)) = (error.kind(), config.ignored_file()) {
        at = at.with_hint(why.to_owned());
    }
    match std::error::Error::source(&error) {
        Some(_) => at.with_source(error),
        None => at,
    }
}
