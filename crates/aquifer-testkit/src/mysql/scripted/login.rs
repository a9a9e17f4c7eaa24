//! The log-in: greeting, the client's answer, as many questions as the account's methods take.

use std::io;

use super::compression::Algorithm;
use super::method::{Account, Method};
use super::packet::{self, AUTOCOMMIT, Reader};
use super::release::capability as has;
use super::wire::{Channel, Wire};
use super::{Failure, PUBLIC_KEY, Shared, proof};

/// The greeting's challenge; that of the n-th question has n in its first byte.
const NONCE: &[u8; 20] = b"0123456789abcdefghij";

/// Where a server refuses a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// In place of the greeting; the error has no SQLSTATE.
    Greeting,
    /// After the client's answer to the greeting.
    Response,
    /// After the client's answer to a further question.
    Question,
    /// In place of the OK.
    End,
    /// At the first statement.
    Setup,
}

/// What a client says of itself in its answer to the greeting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// Its capabilities.
    pub flags: u32,
    /// MariaDB's own capabilities.
    pub mariadb_flags: u32,
    /// The number of its collation.
    pub collation: u8,
    /// Who logs in.
    pub user: String,
    /// The plugin that it used.
    pub plugin: String,
    /// What that plugin has answered.
    pub answer: Vec<u8>,
    /// The database that it wants.
    pub database: Option<String>,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
    /// Whether the connection was encrypted.
    pub encrypted: bool,
}

impl Hello {
    fn read(packet: &[u8], encrypted: bool) -> Option<Self> {
        let mut reader = Reader(packet);
        let flags = reader.u32()?;
        reader.take(4)?;
        let collation = reader.u8()?;
        reader.take(19)?;
        let mariadb_flags = reader.u32()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let user = text(reader.until_nul()?);
        let answer = if flags & has::PLUGIN_AUTH_LENENC_CLIENT_DATA != 0 {
            reader.bytes()?
        } else {
            let len = reader.u8()?;
            reader.take(len.into())?
        };
        let database = match flags & has::CONNECT_WITH_DB {
            0 => None,
            _ => Some(text(reader.until_nul()?)),
        };
        let plugin = match flags & has::PLUGIN_AUTH {
            0 => "mysql_native_password".to_owned(),
            _ => text(reader.until_nul()?),
        };
        let mut attributes = Vec::new();
        if flags & has::CONNECT_ATTRS != 0 {
            let mut pairs = Reader(reader.bytes()?);
            while !pairs.0.is_empty() {
                attributes.push((text(pairs.bytes()?), text(pairs.bytes()?)));
            }
        }
        if flags & has::ZSTD_COMPRESSION_ALGORITHM != 0 {
            // How hard the client compresses; 1 to 22.
            reader.u8().filter(|level| (1..=22).contains(level))?;
        }
        let answer = answer.to_vec();
        reader.0.is_empty().then_some(Self {
            flags,
            mariadb_flags,
            collation,
            user,
            plugin,
            answer,
            database,
            attributes,
            encrypted,
        })
    }
}

/// Greets and lets in whoever proves to be somebody; the client's capabilities.
pub(super) async fn log_in(shared: &Shared, wire: &mut Wire, number: u32) -> io::Result<Hello> {
    refuse_at(shared, wire, Stage::Greeting).await?;
    let offered = offered(shared);
    wire.write(shared, &greeting(shared, offered, number)).await?;
    let mut packet = wire.read().await?;
    if let (32, Some(acceptor)) = (packet.len(), &shared.tls) {
        wire.encrypt(acceptor).await?;
        packet = wire.read().await?;
    }
    let Some(hello) = Hello::read(&packet, wire.channel() == Channel::Encrypted) else {
        let malformed = Failure::new(1043, "08S01", "Bad handshake");
        return refuse(shared, wire, &malformed).await;
    };
    let unoffered = hello.flags & !offered & !has::FOUND_ROWS;
    shared.lock().hellos.push(hello.clone());
    if unoffered != 0 {
        let message = format!("The client has what was not offered: {unoffered:#x}");
        return refuse(shared, wire, &Failure::new(1043, "08S01", &message)).await;
    }
    refuse_at(shared, wire, Stage::Response).await?;
    let account = shared.settings.accounts.iter().find(|account| account.name == hello.user);
    if !prove(shared, wire, account, &hello).await? {
        let message = format!("Access denied for user '{}'@'localhost'", hello.user);
        return refuse(shared, wire, &Failure::new(1045, "28000", &message)).await;
    }
    refuse_at(shared, wire, Stage::End).await?;
    wire.write(shared, &packet::ok(0, (0, 0), AUTOCOMMIT, 0, &[], hello.flags)).await?;
    wire.compress(Algorithm::agreed(hello.flags));
    Ok(hello)
}

fn offered(shared: &Shared) -> u32 {
    let tls = if shared.tls.is_some() { has::SSL } else { 0 };
    (shared.settings.release.capabilities() | tls) & !shared.settings.without
}

fn greeting(shared: &Shared, offered: u32, number: u32) -> Vec<u8> {
    let release = shared.settings.release;
    let [a, b, c, d] = offered.to_le_bytes();
    let mut out = vec![shared.settings.protocol];
    out.extend_from_slice(release.version().as_bytes());
    out.push(0);
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&NONCE[..8]);
    out.extend_from_slice(&[0, a, b, 255, AUTOCOMMIT as u8, 0, c, d]);
    out.push(if offered & has::PLUGIN_AUTH == 0 { 0 } else { 21 });
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(&release.mariadb_capabilities().to_le_bytes());
    out.extend_from_slice(&NONCE[8..]);
    out.push(0);
    if offered & has::PLUGIN_AUTH != 0 {
        out.extend_from_slice(release.plugin().as_bytes());
        out.push(0);
    }
    out
}

async fn refuse_at(shared: &Shared, wire: &mut Wire, at: Stage) -> io::Result<()> {
    match &shared.settings.refusal {
        Some((stage, failure)) if *stage == at && !shared.lock().admits => {
            let state = (at != Stage::Greeting).then_some(failure.state.as_str());
            let packet = packet::error(failure.number, state, &failure.message);
            wire.write(shared, &packet).await?;
            wire.close().await
        }
        _ => Ok(()),
    }
}

async fn refuse<T>(shared: &Shared, wire: &mut Wire, failure: &Failure) -> io::Result<T> {
    let packet = packet::error(failure.number, Some(&failure.state), &failure.message);
    wire.write(shared, &packet).await?;
    wire.close().await?;
    Err(io::ErrorKind::NotConnected.into())
}

/// Whether one of the account's methods succeeds.
async fn prove(
    shared: &Shared,
    wire: &mut Wire,
    account: Option<&Account>,
    hello: &Hello,
) -> io::Result<bool> {
    let Some(account) = account else { return Ok(false) };
    for (turn, method) in account.methods.iter().enumerate() {
        let mut nonce = NONCE.to_vec();
        let answer = if turn == 0 && method.plugin() == hello.plugin {
            hello.answer.clone()
        } else {
            nonce[0] = turn as u8 + 1;
            if matches!(method, Method::Ed25519(_) | Method::Parsec(_)) {
                nonce.extend_from_slice(b"and twelve..");
            }
            ask(shared, wire, method, &nonce).await?;
            let answer = wire.read().await?;
            refuse_at(shared, wire, Stage::Question).await?;
            answer
        };
        if succeeds(shared, wire, method, &account.name, &nonce, answer).await? {
            shared.lock().proved.insert(method.plugin().to_owned());
            return factors(shared, wire, account, hello).await;
        }
    }
    Ok(false)
}

/// Whether all further factors are proved, too.
async fn factors(
    shared: &Shared,
    wire: &mut Wire,
    account: &Account,
    hello: &Hello,
) -> io::Result<bool> {
    if !account.factors.is_empty() && hello.flags & has::MULTI_FACTOR_AUTHENTICATION == 0 {
        return Ok(false);
    }
    for (turn, method) in account.factors.iter().enumerate() {
        let mut nonce = NONCE.to_vec();
        nonce[0] = b'A' + turn as u8;
        let asks = [b"\x02", method.plugin().as_bytes(), b"\0", &nonce, b"\0"].concat();
        wire.write(shared, &asks).await?;
        let answer = wire.read().await?;
        // What is remembered is remembered by factor.
        let who = format!("{}, factor {}", account.name, turn + 2);
        if !succeeds(shared, wire, method, &who, &nonce, answer).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Asks for the method's plugin.
async fn ask(shared: &Shared, wire: &mut Wire, method: &Method, nonce: &[u8]) -> io::Result<()> {
    let packet = match method {
        Method::Says(payload) => payload.clone(),
        Method::Asks(plugin, data) => [b"\xfe", plugin.as_bytes(), b"\0", data].concat(),
        // MariaDB's younger plugins have no NUL behind their challenge.
        Method::Ed25519(_) | Method::Parsec(_) => {
            [b"\xfe", method.plugin().as_bytes(), b"\0", nonce].concat()
        }
        _ => [b"\xfe", method.plugin().as_bytes(), b"\0", nonce, b"\0"].concat(),
    };
    wire.write(shared, &packet).await
}

/// Whether the answer is the right one, after what is still to be asked.
async fn succeeds(
    shared: &Shared,
    wire: &mut Wire,
    method: &Method,
    user: &str,
    nonce: &[u8],
    answer: Vec<u8>,
) -> io::Result<bool> {
    Ok(match method {
        Method::Native(password) => proof::native(password, nonce, &answer),
        Method::Ed25519(key) => proof::ed25519(key, nonce, &answer),
        Method::Clear(password) => proof::clear(password, &answer),
        Method::Asks(..) | Method::Says(_) => false,
        Method::Parsec(password) => {
            if !answer.is_empty() {
                return Ok(false);
            }
            wire.write(shared, proof::PARSEC_SALT).await?;
            proof::parsec(password, nonce, &wire.read().await?)
        }
        Method::CachingSha2(password) => {
            if is_nothing(&answer) || password.is_empty() {
                return Ok(is_nothing(&answer) && password.is_empty());
            }
            let known = shared.lock().remembered.get(user).cloned();
            if known.is_some_and(|known| proof::caching_sha2(&known, nonce, &answer)) {
                wire.write(shared, &[1, 3]).await?;
                return Ok(true);
            }
            wire.write(shared, &[1, 4]).await?;
            let answer = wire.read().await?;
            let private = wire.channel() != Channel::Network;
            let right = itself(shared, wire, password, nonce, answer, (2, private)).await?;
            if right {
                let digest = proof::remembered(password);
                shared.lock().remembered.insert(user.to_owned(), digest);
            }
            right
        }
        Method::Sha256(password) if is_nothing(&answer) => password.is_empty(),
        Method::Sha256(password) => {
            // A socket does not count here.
            let private = wire.channel() == Channel::Encrypted;
            itself(shared, wire, password, nonce, answer, (1, private)).await?
        }
    })
}

/// Whether a client of SHA-2 has no password; there are two ways to say so.
fn is_nothing(answer: &[u8]) -> bool {
    matches!(answer, [] | [0])
}

/// Whether the client sends the password itself, encrypted by the server's key unless the channel is private enough.
/// A client that has no key asks for it by the byte `asks`.
async fn itself(
    shared: &Shared,
    wire: &mut Wire,
    password: &str,
    nonce: &[u8],
    mut answer: Vec<u8>,
    (asks, private): (u8, bool),
) -> io::Result<bool> {
    if private {
        return Ok(proof::clear(password, &answer));
    }
    if answer == [asks] {
        wire.write(shared, &[&[1], PUBLIC_KEY.as_bytes()].concat()).await?;
        answer = wire.read().await?;
    }
    Ok(proof::encrypted(password, nonce, &answer))
}
