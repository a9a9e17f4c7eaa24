//! [`Config`]: where to connect, as whom, and how; read from a URL or a DSN of Go's driver, and the environment.
//!
//! Every parameter is defined once, in `parameters`. This module never opens a socket and reads no file.

mod go;
mod modes;
pub(crate) mod parameters;
mod secret;
#[cfg(test)]
mod tests;
mod url;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use aquifer_driver::{Dsn, Environment, Error, ErrorKind, Result, suggest};

pub use self::modes::TlsMode;
pub use self::secret::Secret;

use self::parameters::{PARAMETERS, Parameter};

/// Where to connect, as whom, and how.
///
/// Made from a URL and an environment; every field may be changed afterwards. `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The server's name or address; unused with a socket.
    pub host: String,
    /// Its port; unused with a socket.
    pub port: u16,
    /// The path of the server's unix socket.
    pub socket: Option<PathBuf>,
    /// Who logs in.
    pub user: String,
    /// The password.
    pub password: Option<Secret>,
    /// The database that the session begins in.
    pub database: Option<String>,
    /// Whether the connection is encrypted and the server checked. Sockets are never encrypted.
    pub tls: TlsMode,
    /// The certificates of trusted issuers, as a file of PEM; without one, those of the operating system.
    pub tls_ca: Option<PathBuf>,
    /// What opening a connection may take, from resolving the name to the end of the log-in.
    pub timeout: Option<Duration>,
    /// Whether `mysql_native_password` is used if the server asks for it.
    pub allow_native_passwords: bool,
    /// Whether the password itself is sent, over TLS or a socket, if the server asks for it.
    pub allow_cleartext_passwords: bool,
    /// Whether an UPDATE counts the rows that it found, and not only those that it changed.
    pub client_found_rows: bool,
    /// The session's time zone, as the server knows it.
    pub time_zone: String,
    /// Most bytes of a command; 0 for what the server takes.
    pub max_allowed_packet: usize,
    /// Statements that each connection keeps prepared on the server, at most.
    pub statement_cache_capacity: usize,
    /// What the server's books show of this program, besides the driver's own entries.
    pub connection_attributes: Vec<(String, String)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 3306,
            socket: None,
            user: String::new(),
            password: None,
            database: None,
            tls: TlsMode::Preferred,
            tls_ca: None,
            timeout: None,
            allow_native_passwords: true,
            allow_cleartext_passwords: false,
            client_found_rows: true,
            time_zone: "+00:00".to_owned(),
            max_allowed_packet: 0,
            statement_cache_capacity: 256,
            connection_attributes: Vec::new(),
        }
    }
}

impl Config {
    /// Reads a URL, or a DSN of Go's driver. What it does not say comes from the environment, then from the
    /// defaults.
    ///
    /// # Errors
    ///
    /// `Configuration` for anything that cannot be used. The message names the parameter, never its value.
    pub fn from_dsn(dsn: &Dsn, environment: &dyn Environment) -> Result<Self> {
        let pairs = if dsn.is_url() { url::pairs(dsn)? } else { native(dsn.body())? };
        let mut config = Self::default();
        for parameter in &PARAMETERS {
            if parameter.variable.is_empty() {
                continue;
            }
            if let Some(value) =
                environment.var(parameter.variable).filter(|value| !value.is_empty())
            {
                config.set(parameter, &value, parameter.variable)?;
            }
        }
        if pairs.iter().any(|(name, _)| name == "host") {
            // A host in the URL counts more than a socket in the environment.
            config.socket = None;
        }
        for (name, value) in &pairs {
            let parameter = Parameter::find(name).ok_or_else(|| unknown(name))?;
            config.set(parameter, value, name)?;
        }
        if config.user.is_empty() {
            config.user = environment.user().unwrap_or_default();
        }
        if config.user.is_empty() {
            return Err(Error::new(ErrorKind::Configuration, "nobody is named to log in as")
                .with_hint("write `mysql://user@host/database`"));
        }
        for (what, text) in
            [("user", &config.user), ("database", config.database.as_ref().unwrap_or(&config.user))]
        {
            if text.contains('\0') {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!("the {what} has a NUL in it, which the protocol cannot carry"),
                ));
            }
        }
        Ok(config)
    }

    fn set(&mut self, parameter: &Parameter, value: &str, origin: &str) -> Result<()> {
        (parameter.set)(self, value).ok_or_else(|| {
            Error::new(
                ErrorKind::Configuration,
                format!("the value of `{origin}` cannot be used: it takes {}", parameter.takes),
            )
        })
    }

    /// Where connections go, for messages and metrics: `db1:3306/shop`, `/run/mysqld/mysqld.sock`.
    #[must_use]
    pub fn target(&self) -> String {
        let database = self.database.as_deref().unwrap_or_default();
        format!("{}/{database}", self.place())
    }

    /// The server alone, for messages.
    pub(crate) fn place(&self) -> String {
        match &self.socket {
            Some(path) => path.display().to_string(),
            None if self.host.contains(':') => format!("[{}]:{}", self.host, self.port),
            None => format!("{}:{}", self.host, self.port),
        }
    }
}

/// A DSN that is not a URL; one that is a URL after all is read as such.
fn native(text: &str) -> Result<Vec<(String, String)>> {
    if text.starts_with("mysql://") || text.starts_with("mariadb://") {
        return url::pairs(&Dsn::parse(text)?);
    }
    go::pairs(text)
}

#[cold]
fn unknown(name: &str) -> Error {
    let shown: String = name.chars().filter(|letter| !letter.is_control()).take(40).collect();
    let error = Error::new(
        ErrorKind::Configuration,
        format!("the MySQL driver has no parameter `{shown}`"),
    );
    let names = PARAMETERS.iter().flat_map(|parameter| {
        std::iter::once(parameter.option.name).chain(parameter.aliases.iter().copied())
    });
    match suggest::nearest(name, names) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error.with_hint("docs/mysql.md lists the parameters"),
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("place", &self.place())
            .field("user", &self.user)
            .field("password", &self.password)
            .field("database", &self.database)
            .field("tls", &self.tls)
            .field("tls_ca", &self.tls_ca)
            .field("timeout", &self.timeout)
            .field("allow_native_passwords", &self.allow_native_passwords)
            .field("allow_cleartext_passwords", &self.allow_cleartext_passwords)
            .field("client_found_rows", &self.client_found_rows)
            .field("time_zone", &self.time_zone)
            .field("max_allowed_packet", &self.max_allowed_packet)
            .field("statement_cache_capacity", &self.statement_cache_capacity)
            .finish_non_exhaustive()
    }
}
