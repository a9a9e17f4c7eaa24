//! [`Config`]: where to connect, as whom, and how; read from a URL or a DSN of Go's driver, an option file, and the
//! environment.
//!
//! Every parameter is defined once, in `parameters`. This module never opens a socket; the only file it reads is the
//! option file.

mod charset;
mod foreign;
mod go;
mod modes;
mod option_file;
pub(crate) mod parameters;
mod render;
#[cfg(test)]
mod tests;
mod url;
pub(crate) mod variables;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aquifer_driver::{Dsn, Environment, Error, ErrorKind, Result, Retry, suggest};

pub use aquifer_net::Secret;

pub use self::modes::{Compression, TlsMode, ZeroDates};

use self::parameters::{PARAMETERS, Parameter};
use crate::pipeline::local::Files;
use crate::types::Zone;

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
    /// The password of the second factor.
    pub password2: Option<Secret>,
    /// The password of the third factor.
    pub password3: Option<Secret>,
    /// The database that the session begins in.
    pub database: Option<String>,
    /// Whether the connection is encrypted and the server checked. Sockets are never encrypted.
    pub tls: TlsMode,
    /// The certificates of trusted issuers, as a file of PEM; without one, those of the operating system.
    pub tls_ca: Option<PathBuf>,
    /// The certificate that this client shows, with its issuers, as a file of PEM. Needs `tls_key`.
    pub tls_cert: Option<PathBuf>,
    /// That certificate's key, as a file of PEM.
    pub tls_key: Option<PathBuf>,
    /// Whether a connection goes on unencrypted where `tls` asks for encryption and the server has none.
    pub allow_fallback_to_plaintext: bool,
    /// What opening a connection may take, from resolving the name to the end of the log-in.
    pub timeout: Option<Duration>,
    /// How long an answer that is due may make no progress.
    pub read_timeout: Option<Duration>,
    /// How long the server may take nothing of what is being sent.
    pub write_timeout: Option<Duration>,
    /// Whether a connection is read, without waiting, before a command is sent.
    pub check_conn_liveness: bool,
    /// Whether a server that refuses a write because it only reads loses the connection.
    pub reject_read_only: bool,
    /// Whether `mysql_native_password` is used if the server asks for it.
    pub allow_native_passwords: bool,
    /// Whether the password itself is sent, over TLS or a socket, if the server asks for it.
    pub allow_cleartext_passwords: bool,
    /// Whether `mysql_old_password` is used if the server asks for it.
    pub allow_old_passwords: bool,
    /// The server's public RSA key, as a file of PEM, for log-ins without TLS.
    pub server_pub_key: Option<PathBuf>,
    /// Whether that key is asked of the server where there is no TLS and no file.
    pub allow_public_key_retrieval: bool,
    /// Whether an UPDATE counts the rows that it found, and not only those that it changed.
    pub client_found_rows: bool,
    /// The session's character set: the first of these that the server has. All are UTF-8.
    pub charset: Vec<String>,
    /// The session's collation; without one, the server's for the character set.
    pub collation: Option<String>,
    /// The session's time zone, as the server knows it.
    pub time_zone: String,
    /// The zone in which times without a zone are meant, if it is to be checked that it is the session's.
    pub loc: Option<String>,
    /// What users of Go's driver say; dates and times are typed in any case.
    pub parse_time: bool,
    /// Whether arguments are written into the text, and nothing is prepared.
    pub interpolate_params: bool,
    /// How what goes over the network is compressed, if the server can.
    pub compress: Compression,
    /// Whether every call takes texts of several statements.
    pub multi_statements: bool,
    /// Whether columns of tables are named `table.column`, by what the statement calls the table.
    pub columns_with_alias: bool,
    /// What dates with times are cut to a multiple of when they are sent.
    pub time_truncate: Option<Duration>,
    /// The files that a statement may load (LOAD DATA LOCAL), by the names that it gives them.
    pub allow_files: Vec<PathBuf>,
    /// Whether a statement may load any file that it names.
    pub allow_all_files: bool,
    /// What a zero date (`0000-00-00`) is read as.
    pub zero_dates: ZeroDates,
    /// Most bytes of a command; 0 for what the server takes.
    pub max_allowed_packet: usize,
    /// Statements that each connection keeps prepared on the server, at most.
    pub statement_cache_capacity: usize,
    /// What the server's books show of this program, besides the driver's own entries.
    pub connection_attributes: Vec<(String, String)>,
    /// System variables that each session sets, with their values: numbers, words such as `ON`, or text.
    pub system_variables: Vec<(String, String)>,
    /// Why the option file was not read, for the hint of a log-in that fails.
    pub(crate) ignored_file: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 3306,
            socket: None,
            user: String::new(),
            password: None,
            password2: None,
            password3: None,
            database: None,
            tls: TlsMode::Preferred,
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            allow_fallback_to_plaintext: false,
            timeout: None,
            read_timeout: None,
            write_timeout: None,
            check_conn_liveness: true,
            reject_read_only: false,
            allow_native_passwords: true,
            allow_cleartext_passwords: false,
            allow_old_passwords: false,
            server_pub_key: None,
            allow_public_key_retrieval: false,
            client_found_rows: true,
            charset: vec!["utf8mb4".to_owned()],
            collation: None,
            time_zone: "+00:00".to_owned(),
            loc: None,
            parse_time: false,
            interpolate_params: false,
            compress: Compression::None,
            multi_statements: false,
            columns_with_alias: false,
            time_truncate: None,
            allow_files: Vec::new(),
            allow_all_files: false,
            zero_dates: ZeroDates::Error,
            max_allowed_packet: 0,
            statement_cache_capacity: 256,
            connection_attributes: Vec::new(),
            system_variables: Vec::new(),
            ignored_file: None,
        }
    }
}

impl Config {
    /// Dates with times are sent in whole multiples of so many microseconds.
    pub(crate) fn grain(&self) -> i64 {
        self.time_truncate.map_or(1, |grain| i64::try_from(grain.as_micros()).unwrap_or(i64::MAX))
    }

    /// # Errors
    ///
    /// `Configuration` if this program was built without the compression that is asked for.
    pub(crate) fn check_compression(&self) -> Result<()> {
        if self.compress.is_there() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Configuration,
            "`compress=zstd` needs a program that is built with Zstandard",
        )
        .with_hint("add the feature `mysql-zstd` of `aquifer`, or set `compress=zlib`"))
    }

    /// Which files of this machine statements may load.
    pub(crate) fn files(&self) -> Files {
        Files { all: self.allow_all_files, names: self.allow_files.clone() }
    }
}

impl Config {
    /// Reads a URL, or a DSN of Go's driver. What it does not say comes from the group `[client]` of the option
    /// file, then from the environment, then from the defaults: the order of MySQL's own programs.
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
        let mut said_tls = config.read_option_file(&pairs, environment)?;
        if pairs.iter().any(|(name, _)| name == "host") {
            // A host in the URL counts more than a socket in the environment.
            config.socket = None;
        }
        for (name, value) in &pairs {
            match Parameter::find(name) {
                Some(parameter) => {
                    said_tls |= parameter.option.name == "tls";
                    config.set(parameter, value, name)?;
                }
                None => config.set_variable(name, value)?,
            }
        }
        if !said_tls && config.tls_ca.is_some() {
            // As MySQL's programs do: who names a trusted issuer wants the server checked.
            config.tls = TlsMode::VerifyCa;
        }
        if config.user.is_empty() {
            config.user = environment.user().unwrap_or_default();
        }
        config.check()?;
        Ok(config)
    }

    /// An expression that is true where the session's zone is the one that is meant; `None` if that is known.
    pub(crate) fn zone_question(&self) -> Option<String> {
        let loc = self.loc.as_deref()?;
        if loc.eq_ignore_ascii_case(&self.time_zone)
            || matches!(
                (Zone::parse(loc), Zone::parse(&self.time_zone)),
                (Zone::Fixed(_), Zone::Fixed(_))
            )
        {
            return None;
        }
        // Servers have names only where their tables were filled.
        let loc = if loc.eq_ignore_ascii_case("utc") { "+00:00" } else { loc };
        let same = |day: &str| {
            let to = |zone: &str| format!("CONVERT_TZ('2021-{day} 12:00:00', '+00:00', {zone})");
            format!("{} = {}", to("@@time_zone"), to(&format!("'{loc}'")))
        };
        Some(format!("IFNULL({} AND {}, 0)", same("01-15"), same("07-15")))
    }

    /// `loc` contradicts `time_zone`.
    #[cold]
    pub(crate) fn other_zone(&self) -> Error {
        Error::new(
            ErrorKind::Configuration,
            "`loc` is not the session's zone: times without a zone would be meant in one and told in another",
        )
        .with_hint("set `time_zone` to the zone that is meant, or leave `loc` out")
        .with_retry(Retry::Never)
    }

    /// What would be wrong at every log-in.
    ///
    /// # Errors
    ///
    /// `Configuration`, naming the parameter.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::new(ErrorKind::Configuration, message));
        self.check_compression()?;
        if self.user.is_empty() {
            return Err(Error::new(ErrorKind::Configuration, "nobody is named to log in as")
                .with_hint("write `mysql://user@host/database`"));
        }
        for (what, text) in
            [("user", &self.user), ("database", self.database.as_ref().unwrap_or(&self.user))]
        {
            if text.contains('\0') {
                return wrong(format!(
                    "the {what} has a NUL in it, which the protocol cannot carry"
                ));
            }
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return wrong("`tlsCert` and `tlsKey` go together, and only one is there".to_owned());
        }
        if let Some(loc) = &self.loc
            && let (Zone::Fixed(meant), Zone::Fixed(session)) =
                (Zone::parse(loc), Zone::parse(&self.time_zone))
            && meant != session
        {
            return Err(self.other_zone());
        }
        if let Some(collation) = &self.collation
            && !self.charset.iter().any(|charset| charset::belong(charset, collation))
        {
            return wrong("the `collation` is none of the `charset`".to_owned());
        }
        for (name, value) in &self.system_variables {
            if !variables::is_name(name) {
                return Err(unknown(name));
            }
            if let Some(why) = variables::refuse(name, value) {
                return wrong(format!("the variable `{name}` cannot be set: {why}"));
            }
        }
        Ok(())
    }

    /// Applies the option file, if there is one. Whether it says anything of TLS.
    fn read_option_file(
        &mut self,
        pairs: &[(String, String)],
        environment: &dyn Environment,
    ) -> Result<bool> {
        let named = pairs.iter().rev().find(|(name, _)| {
            Parameter::find(name).is_some_and(|parameter| parameter.option.name == "defaultsFile")
        });
        let path = match named {
            Some((_, path)) if path.is_empty() => return Ok(false),
            Some((_, path)) => PathBuf::from(path),
            None => match environment.home() {
                Some(home) => Path::new(&home).join(".my.cnf"),
                None => return Ok(false),
            },
        };
        let mut options = match option_file::read(&path) {
            option_file::Found::Options(read) => {
                self.ignored_file = read.ignored;
                read.options
            }
            option_file::Found::Nothing if named.is_none() => return Ok(false),
            option_file::Found::Nothing => {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!("the option file {} does not exist", path.display()),
                ));
            }
            option_file::Found::Ignored(why) => {
                self.ignored_file = Some(why);
                return Ok(false);
            }
        };
        if let Some((_, host)) = options.iter().rev().find(|(name, _)| *name == "host") {
            // As for MySQL's programs, only `localhost` is reached by its socket.
            self.socket = None;
            if host != "localhost" {
                options.retain(|(name, _)| *name != "socket");
            }
        }
        for (name, value) in &options {
            if let Some(parameter) = Parameter::find(name) {
                self.set(parameter, value, &format!("{name}` of `{}", path.display()))?;
            }
        }
        Ok(options.iter().any(|(name, _)| *name == "tls"))
    }

    /// A parameter that is not in the table: a system variable, or a mistake.
    fn set_variable(&mut self, name: &str, value: &str) -> Result<()> {
        // Of the variables' names hardly any is a single word; what is one and looks like a parameter is a typo.
        let typo = !name.contains('_') && suggest::nearest(name, names()).is_some();
        if typo || foreign::instead(name).is_some() || !variables::is_name(name) {
            return Err(unknown(name));
        }
        self.system_variables.retain(|(known, _)| known != name);
        self.system_variables.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// A parameter whose name is near that of a variable that the server does not know.
    pub(crate) fn meant(&self) -> Option<(&str, &'static str)> {
        self.system_variables
            .iter()
            .find_map(|(name, _)| Some((name.as_str(), suggest::nearest(name, names())?)))
    }

    /// Why the option file was not read, if that was so.
    pub(crate) fn ignored_file(&self) -> Option<&str> {
        self.ignored_file.as_deref()
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

/// All names of parameters.
fn names() -> impl Iterator<Item = &'static str> {
    PARAMETERS.iter().flat_map(|parameter| {
        std::iter::once(parameter.option.name).chain(parameter.aliases.iter().copied())
    })
}

#[cold]
fn unknown(name: &str) -> Error {
    let shown: String = name.chars().filter(|letter| !letter.is_control()).take(40).collect();
    let error = Error::new(
        ErrorKind::Configuration,
        format!("the MySQL driver has no parameter `{shown}`"),
    );
    if let Some(advice) = foreign::instead(name) {
        return error.with_hint(advice);
    }
    match suggest::nearest(name, names()) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error.with_hint("docs/mysql.md lists the parameters"),
    }
}

impl fmt::Debug for Config {
    /// Shows what differs from the defaults, and no password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Config");
        shown.field("place", &self.place());
        for (name, value) in self.changed() {
            match name {
                "host" | "port" | "socket" => {}
                "password" | "password2" | "password3" => {
                    shown.field(name, &format_args!("…"));
                }
                name => {
                    shown.field(name, &value);
                }
            }
        }
        let variables: Vec<&str> =
            self.system_variables.iter().map(|(name, _)| name.as_str()).collect();
        shown.field("system_variables", &variables).finish_non_exhaustive()
    }
}
