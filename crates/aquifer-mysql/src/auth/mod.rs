//! Proving who the client is: a state machine over the packets of the log-in, without I/O.
//!
//! The answers themselves (scrambles, signatures) are made by `mysql_common`'s plugins. What is ours is the
//! policy: which plugins may be used, over which kind of channel a password may go in clear, and how often a
//! server may change its mind.

mod plugin;
pub(crate) mod server_key;
#[cfg(test)]
mod tests;

use aquifer_driver::{Error, ErrorKind, Result, Retry};
use mysql_common::auth::plugins::{AuthProc, ChallengeResponsePlugin, Error as PluginError};
use mysql_common::packets::AuthPlugin;
use zeroize::Zeroizing;

use crate::config::Secret;
use crate::protocol::answer;
use crate::protocol::reader::{Reader, malformed};

/// How often a server may ask for another plugin. Two are usual at most; a hostile one must not go on for ever.
const SWITCHES_MAX: u32 = 4;

/// Bytes of the challenge of all plugins but MariaDB's younger ones.
const NONCE: usize = 20;

/// The first byte by which `caching_sha2_password` asks for the password itself.
const FULL_AUTHENTICATION: u8 = 4;

/// Who listens between client and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Anyone on the way.
    Plain,
    /// Nobody: it is encrypted.
    Tls,
    /// Nobody: it does not leave the machine.
    Socket,
}

impl Channel {
    fn is_private(self) -> bool {
        self != Self::Plain
    }
}

/// What the user allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    /// `mysql_native_password`.
    pub(crate) native: bool,
    /// `mysql_clear_password`, over a private channel.
    pub(crate) cleartext: bool,
    /// `mysql_old_password`.
    pub(crate) old: bool,
    /// The server's key may be asked of the server itself.
    pub(crate) key_retrieval: bool,
}

/// What to do after a packet of the server's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Send this payload.
    Answer(Vec<u8>),
    /// Nothing: another packet comes.
    Wait,
    /// The client is in.
    Done,
}

/// A log-in under way.
#[derive(Debug)]
pub(crate) struct Authenticator {
    password: Option<Secret>,
    /// Those of further factors, the next one last.
    further: Vec<Secret>,
    policy: Policy,
    channel: Channel,
    /// The server's public key, in PEM form.
    server_key: Option<Zeroizing<Vec<u8>>>,
    /// That key was asked for: what comes next is to be one.
    awaits_key: bool,
    /// The challenge of the greeting.
    greeted: Vec<u8>,
    plugin: Vec<u8>,
    procedure: Option<AuthProc>,
    nonce: Vec<u8>,
    switches: u32,
}

impl Authenticator {
    pub(crate) fn new(
        password: Option<Secret>,
        policy: Policy,
        channel: Channel,
        server_key: Option<Zeroizing<Vec<u8>>>,
    ) -> Self {
        Self {
            password,
            further: Vec::new(),
            policy,
            channel,
            server_key,
            awaits_key: false,
            greeted: Vec::new(),
            plugin: Vec::new(),
            procedure: None,
            nonce: Vec::new(),
            switches: 0,
        }
    }

    /// The passwords of further factors, in their order.
    pub(crate) fn with_factors(mut self, passwords: impl IntoIterator<Item = Secret>) -> Self {
        self.further = passwords.into_iter().collect();
        self.further.reverse();
        self
    }

    /// The plugin's name and the first answer, for the response to the greeting. A plugin that the greeting
    /// names and that is not to be used, or not known, is no error yet: the account may have another.
    pub(crate) fn begin(&mut self, plugin: &[u8], nonce: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
        self.greeted = nonce.to_vec();
        let usable = self.check(plugin).is_ok() && plugin != b"mysql_clear_password";
        let first = if usable { plugin } else { b"mysql_native_password" };
        if !usable && !self.policy.native {
            // The account's own plugin will be asked for.
            return Ok((plugin.to_vec(), Vec::new()));
        }
        match self.run_first(first, nonce)? {
            Progress::Answer(answer) => Ok((first.to_vec(), answer)),
            Progress::Wait | Progress::Done => Ok((first.to_vec(), Vec::new())),
        }
    }

    /// Takes a packet of the log-in.
    ///
    /// # Errors
    ///
    /// `Authentication` for what is asked and not given; `Protocol` for what is no packet of a log-in. An error
    /// packet is the caller's to read.
    pub(crate) fn receive(&mut self, packet: &[u8]) -> Result<Progress> {
        match packet.split_first() {
            Some((&answer::OK, _)) => Ok(Progress::Done),
            // As servers asked before they knew of plugins.
            Some((&answer::EOF, [])) => {
                self.count_switch()?;
                self.check(b"mysql_old_password")?;
                let challenge = self.greeted.clone();
                self.run_first(b"mysql_old_password", &challenge)
            }
            Some((&answer::EOF, rest)) => self.switch(rest),
            Some((&answer::MORE_AUTH, data)) => self.more(data),
            // The factor before was enough for itself.
            Some((&2, rest)) => {
                self.password = Some(self.further.pop().ok_or_else(plugin::needs_factor)?);
                self.switches = 0;
                self.switch(rest)
            }
            // MariaDB marks a plugin's packets only where they could be taken for others.
            Some(_) if self.plugin == b"parsec" => self.more(packet),
            _ => Err(malformed("it is none of a log-in")),
        }
    }

    fn count_switch(&mut self) -> Result<()> {
        self.switches += 1;
        if self.switches > SWITCHES_MAX {
            return Err(refused("the server asked for too many authentication plugins in turn"));
        }
        Ok(())
    }

    fn switch(&mut self, packet: &[u8]) -> Result<Progress> {
        self.count_switch()?;
        let mut reader = Reader::new(packet);
        let plugin = reader.until_nul().to_vec();
        self.check(&plugin)?;
        let data = reader.rest();
        self.run_first(&plugin, data)
    }

    fn run_first(&mut self, plugin: &[u8], data: &[u8]) -> Result<Progress> {
        // Challenges are written as C strings: 20 bytes and a NUL.
        let data = match data {
            [nonce @ .., 0] if nonce.len() == NONCE || nonce.len() == 32 => nonce,
            data => data,
        };
        let known = AuthPlugin::from_bytes(plugin);
        self.procedure = Some(AuthProc::init(&known).map_err(|_| plugin::unknown(plugin))?);
        self.plugin = plugin.to_vec();
        self.nonce = data.to_vec();
        self.awaits_key = false;
        if self.plugin == b"sha256_password"
            && !self.password().is_empty()
            && self.channel != Channel::Tls
        {
            self.encrypt_by_key("sha256_password")?;
        }
        self.run(data)
    }

    fn more(&mut self, data: &[u8]) -> Result<Progress> {
        if std::mem::take(&mut self.awaits_key) && !server_key::is_key(data) {
            return Err(malformed("it has no public RSA key, which the client had asked for"));
        }
        if self.plugin == b"caching_sha2_password"
            && data == [FULL_AUTHENTICATION]
            && !self.channel.is_private()
        {
            self.encrypt_by_key("caching_sha2_password")?;
        }
        self.run(data)
    }

    /// The password is about to go to the server over a channel where others may listen, encrypted by the server's
    /// key.
    fn encrypt_by_key(&mut self, plugin: &str) -> Result<()> {
        if self.server_key.is_none() && !self.policy.key_retrieval {
            return Err(plugin::needs_tls(plugin));
        }
        self.awaits_key = self.server_key.is_none();
        Ok(())
    }

    fn run(&mut self, data: &[u8]) -> Result<Progress> {
        let Some(mut procedure) = self.procedure.take() else {
            return Err(malformed("it continues a log-in that has not begun"));
        };
        let context = plugin::Context {
            password: self.password().as_bytes(),
            channel: self.channel,
            nonce: &self.nonce,
            server_key: self.server_key.as_ref().map(|key| key.as_slice()),
        };
        let ran = procedure.run(context, data);
        let name = String::from_utf8_lossy(&self.plugin).into_owned();
        self.procedure = Some(procedure);
        match ran {
            Ok(response) => Ok(match response.data() {
                Some(data) => Progress::Answer(data.to_vec()),
                None => Progress::Wait,
            }),
            Err(PluginError::FeatureRequired(_)) => Err(plugin::unknown(name.as_bytes())),
            Err(PluginError::Challenge | PluginError::Logic) => {
                Err(malformed(&format!("the challenge is not one of {name}")))
            }
            Err(error) => Err(refused(&format!("{name} failed: {error}"))),
        }
    }

    fn password(&self) -> &str {
        self.password.as_ref().map_or("", Secret::expose)
    }

    /// Whether the policy lets this plugin be used at all.
    fn check(&self, name: &[u8]) -> Result<()> {
        match AuthPlugin::from_bytes(name) {
            AuthPlugin::MysqlNativePassword if !self.policy.native => {
                Err(refused("the server asks for mysql_native_password, which is not allowed here")
                    .with_hint("set allowNativePasswords=true, or give the account another plugin"))
            }
            AuthPlugin::MysqlClearPassword if !self.policy.cleartext => Err(refused(
                "the server asks for the password in clear text, which is not allowed here",
            )
            .with_hint("set allowCleartextPasswords=true, together with TLS")),
            AuthPlugin::MysqlClearPassword if !self.channel.is_private() => {
                Err(plugin::needs_tls("mysql_clear_password"))
            }
            AuthPlugin::MysqlOldPassword if !self.policy.old => {
                Err(refused("the server asks for mysql_old_password, whose hash is broken")
                    .with_hint("set the account's password anew on the server"))
            }
            AuthPlugin::Other(_) => Err(plugin::unknown(name)),
            _ => Ok(()),
        }
    }
}

#[cold]
fn refused(message: &str) -> Error {
    Error::new(ErrorKind::Authentication, message.to_owned()).with_retry(Retry::Never)
}
