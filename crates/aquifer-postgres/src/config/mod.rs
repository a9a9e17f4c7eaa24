//! [`Config`]: where to connect, as whom, and how; read from a connection string, the environment and
//! the service file.
//!
//! Every parameter is defined once, in `parameters`. This module never opens a socket; the files it
//! reads are the service file (once) and the password file (when asked for a host's password).

mod draft;
mod files;
mod host;
mod keyword;
mod modes;
pub(crate) mod parameters;
mod passfile;
mod secret;
mod service;
mod url;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aquifer_driver::{Dsn, Environment, Error, ErrorKind, Result};

use crate::auth::{Policy, RequireAuth};

pub(crate) use self::files::{Files, GivenFiles, Stat, SystemFiles, is_missing};
pub use self::host::HostSpec;
pub use self::modes::{
    ChannelBinding, LoadBalanceHosts, ProtocolVersion, QueryMode, SslCertMode, SslMode,
    SslNegotiation, TargetSessionAttrs, TlsVersion,
};
pub(crate) use self::passfile::{Found, Server, lookup};
pub use self::secret::Secret;
pub(crate) use self::service::parse as service;

use self::draft::Draft;
use self::parameters::PARAMETERS;

/// Where to connect, as whom, and how.
///
/// Made from a connection string and an environment; every field may be changed afterwards. `Debug`
/// shows no password, no key and no value of a run-time parameter.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The servers to try, in this order. Never empty if it was read.
    pub hosts: Vec<HostSpec>,
    /// Who logs in.
    pub user: String,
    /// The password. Without one, the password file is asked for each host.
    pub password: Option<Secret>,
    /// A bearer token for servers that ask for one (OAUTHBEARER). No parameter sets it: tokens are
    /// short-lived, so the program brings one.
    pub token: Option<Secret>,
    /// The password file. A missing one is as good as none.
    pub passfile: Option<PathBuf>,
    /// The database; without one, the one that has the user's name.
    pub dbname: Option<String>,
    /// What the server's views and log show for this program.
    pub application_name: Option<String>,
    /// Arguments for the server, such as `-c statement_timeout=5s`.
    pub options: Option<String>,
    /// Settings for the session, in order, sent when it begins.
    pub run_time: Vec<(String, String)>,
    /// What a host may take, from resolving its name to the end of the login.
    pub connect_timeout: Option<Duration>,
    /// Encryption and certificates.
    pub ssl: SslConfig,
    /// The ways to log in that are accepted, as they are written.
    pub require_auth: Option<String>,
    /// Whether the login is bound to the TLS channel.
    pub channel_binding: ChannelBinding,
    /// Which of the hosts will do.
    pub target_session_attrs: TargetSessionAttrs,
    /// In which order they are tried.
    pub load_balance_hosts: LoadBalanceHosts,
    /// The lowest version of the protocol that the server must speak.
    pub min_protocol_version: ProtocolVersion,
    /// The version of the protocol to ask for.
    pub max_protocol_version: ProtocolVersion,
    /// Keepalive and timeouts of TCP.
    pub tcp: TcpConfig,
    /// Statements that each connection keeps prepared on the server, at most.
    pub statement_cache_capacity: usize,
    /// How statements reach the server.
    pub query_mode: QueryMode,
}

/// Encryption and certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SslConfig {
    /// Whether the connection is encrypted and the server checked.
    pub mode: SslMode,
    /// How the encryption begins.
    pub negotiation: SslNegotiation,
    /// The client certificate and its chain. A missing file is as good as none.
    pub cert: Option<PemSource>,
    /// The key of the client certificate.
    pub key: Option<PemSource>,
    /// Whether the client certificate is offered.
    pub cert_mode: SslCertMode,
    /// The certificates of trusted issuers.
    pub root_cert: Option<RootCert>,
    /// Lists of revoked certificates. A missing file is as good as none.
    pub crl: Option<PemSource>,
    /// Whether the host's name is sent in the clear at the beginning of the handshake.
    pub sni: bool,
    /// The lowest version of TLS; 1.2 if this is lower.
    pub min_version: TlsVersion,
    /// The highest version of TLS: 1.2 or 1.3.
    pub max_version: TlsVersion,
}

/// Where certificates or keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PemSource {
    /// In a file.
    File(PathBuf),
    /// In the connection string itself, as PEM text.
    Inline(Secret),
}

/// Where the certificates of trusted issuers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCert {
    /// In the operating system's store.
    System,
    /// In a file, or given as text.
    Pem(PemSource),
}

/// Keepalive and timeouts of TCP. `None` leaves it to the operating system.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpConfig {
    /// Whether idle connections are probed.
    pub keepalives: bool,
    /// Idleness before the first probe.
    pub keepalives_idle: Option<Duration>,
    /// Time between probes.
    pub keepalives_interval: Option<Duration>,
    /// Probes without an answer until the connection is lost.
    pub keepalives_count: Option<u32>,
    /// How long sent data may stay unacknowledged until the connection is lost (Linux).
    pub user_timeout: Option<Duration>,
}

impl Config {
    /// Reads a connection string. What it does not say comes from its service, then from the
    /// environment, then from the defaults.
    ///
    /// # Errors
    ///
    /// `Configuration` for anything that cannot be used. The message names the parameter and where it
    /// comes from, never its value.
    pub fn from_dsn(dsn: &Dsn, environment: &dyn Environment) -> Result<Self> {
        Self::read(dsn, environment, &SystemFiles)
    }

    /// The same, with other files than the system's.
    pub(crate) fn read(
        dsn: &Dsn,
        environment: &dyn Environment,
        files: &dyn Files,
    ) -> Result<Self> {
        let mut layers = Layers::default();
        layers.take_dsn(&pairs(dsn)?)?;
        layers.take_service(environment, files)?;
        layers.take_environment(environment)?;
        layers.finish(environment)
    }

    /// The defaults of the table, without anything that depends on the surroundings.
    fn blank() -> Self {
        Self {
            hosts: Vec::new(),
            user: String::new(),
            password: None,
            token: None,
            passfile: None,
            dbname: None,
            application_name: None,
            options: None,
            run_time: Vec::new(),
            connect_timeout: None,
            ssl: SslConfig {
                mode: SslMode::Prefer,
                negotiation: SslNegotiation::Postgres,
                cert: None,
                key: None,
                cert_mode: SslCertMode::Allow,
                root_cert: None,
                crl: None,
                sni: true,
                min_version: TlsVersion::V1_2,
                max_version: TlsVersion::V1_3,
            },
            require_auth: None,
            channel_binding: ChannelBinding::Prefer,
            target_session_attrs: TargetSessionAttrs::Any,
            load_balance_hosts: LoadBalanceHosts::Disable,
            min_protocol_version: ProtocolVersion::V3_0,
            max_protocol_version: ProtocolVersion::V3_0,
            tcp: TcpConfig {
                keepalives: true,
                keepalives_idle: None,
                keepalives_interval: None,
                keepalives_count: None,
                user_timeout: None,
            },
            statement_cache_capacity: 256,
            query_mode: QueryMode::CacheStatement,
        }
    }

    /// The database that the session is in: the user's name if none was given.
    #[must_use]
    pub fn database(&self) -> &str {
        self.dbname.as_deref().unwrap_or(&self.user)
    }

    /// Where connections go, for messages and metrics: `db1:5432,db2:5432/shop`.
    #[must_use]
    pub fn target(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(HostSpec::to_string).collect();
        format!("{}/{}", hosts.join(","), self.database())
    }

    /// What the user insists on at the log-in.
    ///
    /// # Errors
    ///
    /// `Configuration` if `require_auth` is no list of methods, which only a changed field can be.
    pub(crate) fn policy(&self) -> Result<Policy> {
        let require_auth = RequireAuth::parse(self.require_auth.as_deref().unwrap_or_default())?;
        Ok(Policy { require_auth, channel_binding: self.channel_binding })
    }

    /// The parameters of the startup packet, in order.
    pub(crate) fn startup_parameters(&self) -> Vec<(&str, &str)> {
        let mut all = vec![("user", self.user.as_str())];
        let optional = [
            ("database", self.dbname.as_deref()),
            ("application_name", self.application_name.as_deref()),
            ("options", self.options.as_deref()),
        ];
        all.extend(
            optional
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?))),
        );
        all.extend([("client_encoding", "UTF8"), ("DateStyle", "ISO, MDY")]);
        all.extend(self.run_time.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        all
    }

    /// The password for one of the hosts: the one given, or the password file's. Reads that file.
    pub(crate) fn password_for(&self, host: &HostSpec, files: &dyn Files) -> Found {
        if let Some(password) = &self.password {
            return Found::Password(password.clone());
        }
        let Some(path) = &self.passfile else {
            return Found::Nothing;
        };
        let address = host.hostaddr.map(|address| address.to_string());
        let name = match (&host.host, &address) {
            (name, Some(address)) if name.is_empty() => address,
            (name, _) => name,
        };
        let server =
            Server { host: name, port: host.port, dbname: self.database(), user: &self.user };
        passfile::find(files, path, server)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run_time: Vec<_> = self.run_time.iter().map(|(name, _)| name).collect();
        f.debug_struct("Config")
            .field("hosts", &self.hosts)
            .field("user", &self.user)
            .field("password", &self.password)
            .field("token", &self.token)
            .field("passfile", &self.passfile)
            .field("dbname", &self.dbname)
            .field("application_name", &self.application_name)
            .field("options", &self.options.as_ref().map(|_| "..."))
            .field("run_time", &run_time)
            .field("connect_timeout", &self.connect_timeout)
            .field("ssl", &self.ssl)
            .field("require_auth", &self.require_auth)
            .field("channel_binding", &self.channel_binding)
            .field("target_session_attrs", &self.target_session_attrs)
            .field("load_balance_hosts", &self.load_balance_hosts)
            .field("min_protocol_version", &self.min_protocol_version)
            .field("max_protocol_version", &self.max_protocol_version)
            .field("tcp", &self.tcp)
            .field("statement_cache_capacity", &self.statement_cache_capacity)
            .field("query_mode", &self.query_mode)
            .finish()
    }
}

/// The pairs of a URL or of a `key=value` string. libpq takes both in the same place, so a `key=value`
/// string that is a URL is read as one.
fn pairs(dsn: &Dsn) -> Result<Vec<(String, String)>> {
    if dsn.is_url() {
        return url::pairs(dsn);
    }
    let text = dsn.body();
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return url::pairs(&Dsn::parse(text)?);
    }
    keyword::parse(text)
}

/// Where a value comes from.
#[derive(Debug, Clone)]
enum Origin {
    ConnectionString,
    Service(String),
    Environment,
}

/// The values of all parameters, each from the foremost layer that has it.
#[derive(Default)]
struct Layers {
    values: Vec<(usize, String, Origin)>,
    run_time: Vec<(String, String)>,
}

impl Layers {
    fn get(&self, name: &str) -> Option<&str> {
        let index = parameters::find(name)?;
        self.values.iter().find(|value| value.0 == index).map(|value| value.1.as_str())
    }

    /// Takes the pairs of the connection string: the last of several with the same name counts, and an
    /// alias wins over its name.
    fn take_dsn(&mut self, pairs: &[(String, String)]) -> Result<()> {
        let mut by_alias = Vec::new();
        for (key, value) in pairs {
            if key.contains('\0') || value.contains('\0') {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!("the parameter `{}` has a NUL byte", keyword::shown(key)),
                ));
            }
            let Some(index) = parameters::find(key) else {
                self.take_run_time(key, value)?;
                continue;
            };
            let is_alias = PARAMETERS[index].option.name != key;
            if !is_alias && by_alias.contains(&index) {
                continue;
            }
            if is_alias {
                by_alias.push(index);
            }
            self.values.retain(|known| known.0 != index);
            self.values.push((index, value.clone(), Origin::ConnectionString));
        }
        Ok(())
    }

    /// What is no parameter of ours is a setting of the server, unless it is a slip of the pen.
    fn take_run_time(&mut self, key: &str, value: &str) -> Result<()> {
        let shown = keyword::shown(key);
        let error = Error::new(
            ErrorKind::Configuration,
            format!("the connection string has no parameter `{shown}`"),
        );
        if let Some(near) = parameters::near_miss(key) {
            return Err(error.with_hint(format!(
                "did you mean `{near}`? A setting of the server can also be given as `options=-c name=value`"
            )));
        }
        let named = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && !key.starts_with("_pq_.")
            && key.len() <= 128
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.$".contains(&byte));
        if !named {
            return Err(error.with_hint(if key.contains("://") {
                "a URL begins with `postgres://`"
            } else {
                "and a setting of the server cannot have that name"
            }));
        }
        self.run_time.retain(|(known, _)| !known.eq_ignore_ascii_case(key));
        self.run_time.push((key.to_owned(), value.to_owned()));
        Ok(())
    }

    fn take_environment(&mut self, environment: &dyn Environment) -> Result<()> {
        for (index, parameter) in PARAMETERS.iter().enumerate() {
            if parameter.variable.is_empty() || self.values.iter().any(|known| known.0 == index) {
                continue;
            }
            // An empty variable is how many tools say that there is none.
            let Some(value) = environment.var(parameter.variable).filter(|value| !value.is_empty())
            else {
                continue;
            };
            if value.contains('\0') {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!("the environment variable `{}` has a NUL byte", parameter.variable),
                ));
            }
            self.values.push((index, value, Origin::Environment));
        }
        Ok(())
    }

    /// Adds the parameters of the service, if one is named, behind those of the connection string.
    fn take_service(&mut self, environment: &dyn Environment, files: &dyn Files) -> Result<()> {
        let named = |name, variable| {
            let given = self.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
            given.or_else(|| environment.var(variable).filter(|value| !value.is_empty()))
        };
        let Some(service) = named("service", "PGSERVICE") else {
            return Ok(());
        };
        let given = named("servicefile", "PGSERVICEFILE").map(PathBuf::from);
        let own = given.clone().or_else(|| home_file(environment, "pg_service.conf"));
        let shared = environment
            .var("PGSYSCONFDIR")
            .filter(|value| !value.is_empty())
            .map(|directory| Path::new(&directory).join("pg_service.conf"));
        let shown = keyword::shown(&service);
        for path in [own, shared].into_iter().flatten() {
            let failed = |why: &str| {
                Error::new(
                    ErrorKind::Configuration,
                    format!("the service file {} cannot be read: {why}", path.display()),
                )
            };
            let bytes = match files.read(&path) {
                Ok(bytes) => bytes,
                Err(error) if is_missing(&error) && given.as_ref() != Some(&path) => continue,
                Err(error) => return Err(failed(&error.to_string()).with_source(error)),
            };
            let text = String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8"))?;
            let file = path.display().to_string();
            let Some(pairs) = service::parse(&text, &file, &service)? else {
                continue;
            };
            let origin = format!("the service `{shown}` in {file}");
            for (key, value) in pairs {
                let Some(index) = parameters::find(&key) else {
                    let error = Error::new(
                        ErrorKind::Configuration,
                        format!("{origin} has an unknown parameter `{}`", keyword::shown(&key)),
                    );
                    return Err(match parameters::near_miss(&key) {
                        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                        None => error.with_hint(
                            "settings of the server are given as `options=-c name=value`",
                        ),
                    });
                };
                if value.contains('\0') {
                    return Err(failed("it has a NUL byte"));
                }
                if !self.values.iter().any(|known| known.0 == index) {
                    self.values.push((index, value, Origin::Service(origin.clone())));
                }
            }
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Configuration,
            format!("no service file has the service `{shown}`"),
        )
        .with_hint("the file is ~/.pg_service.conf, or what `servicefile` or PGSERVICEFILE names"))
    }

    /// What the message calls a parameter.
    fn named(&self, index: usize) -> String {
        let parameter = &PARAMETERS[index];
        let name = parameter.option.name;
        match self.values.iter().find(|known| known.0 == index).map(|known| &known.2) {
            Some(Origin::Environment) => {
                format!("the environment variable `{}`", parameter.variable)
            }
            Some(Origin::Service(service)) => format!("the parameter `{name}` of {service}"),
            Some(Origin::ConnectionString) | None => format!("the parameter `{name}`"),
        }
    }

    /// Sets everything that was given, in the order of the table, and works out the rest.
    fn finish(self, environment: &dyn Environment) -> Result<Config> {
        let mut draft = Draft::new();
        draft.config.run_time.clone_from(&self.run_time);
        let mut values: Vec<&(usize, String, Origin)> = self.values.iter().collect();
        values.sort_by_key(|value| value.0);
        for (index, text, _) in values {
            let parameter = &PARAMETERS[*index];
            (parameter.set)(&mut draft, text).ok_or_else(|| {
                Error::new(
                    ErrorKind::Configuration,
                    format!("{} takes {}", self.named(*index), parameter.takes),
                )
            })?;
        }
        let hosts =
            host::hosts(&draft.host, &draft.hostaddr, &draft.port).map_err(|(name, what)| {
                let index = parameters::find(name).unwrap_or_default();
                Error::new(ErrorKind::Configuration, format!("{} {what}", self.named(index)))
            })?;
        let user = draft.user.take().or_else(|| environment.user()).ok_or_else(|| {
            Error::new(ErrorKind::Configuration, "there is no user to log in as")
                .with_hint("give `user`, or set PGUSER")
        })?;
        set_ssl(&mut draft, environment)?;
        let mut config = draft.config;
        config.hosts = hosts;
        config.user = user;
        config.application_name = draft.application_name.or(draft.fallback_application_name);
        config.passfile = draft.passfile.or_else(|| home_file(environment, "pgpass"));
        // What asks for more than 3.0 has a server that can answer.
        config.max_protocol_version = draft.max_protocol_version.unwrap_or({
            match config.min_protocol_version {
                ProtocolVersion::V3_0 => ProtocolVersion::V3_0,
                ProtocolVersion::V3_2 => ProtocolVersion::LATEST,
            }
        });
        if config.min_protocol_version > config.max_protocol_version {
            return Err(Error::new(
                ErrorKind::Configuration,
                "`min_protocol_version` is higher than `max_protocol_version`",
            ));
        }
        if config.ssl.mode == SslMode::VerifyFull
            && config.hosts.iter().any(|host| host.host.is_empty())
        {
            return Err(Error::new(
                ErrorKind::Configuration,
                "`sslmode=verify-full` needs a host whose name the certificate can have",
            )
            .with_hint("give `host` beside `hostaddr`"));
        }
        Ok(config)
    }
}

/// Works out modes, defaults and contradictions of everything about TLS.
fn set_ssl(draft: &mut Draft, environment: &dyn Environment) -> Result<()> {
    let refused = |message: &'static str| Error::new(ErrorKind::Configuration, message);
    let system = !draft.sslinline && draft.sslrootcert.as_deref() == Some("system");
    let ssl = &mut draft.config.ssl;
    ssl.mode = match draft.sslmode {
        None if system => SslMode::VerifyFull,
        None => SslMode::Prefer,
        // The system's roots sign certificates for anybody: without the name they prove nothing.
        Some(mode) if system && mode != SslMode::VerifyFull => {
            return Err(refused("`sslrootcert=system` needs `sslmode=verify-full`"));
        }
        Some(mode) => mode,
    };
    if ssl.negotiation == SslNegotiation::Direct && ssl.mode < SslMode::Require {
        return Err(refused("`sslnegotiation=direct` needs `sslmode=require` or stronger"));
    }
    if ssl.min_version > ssl.max_version {
        return Err(refused(
            "`ssl_min_protocol_version` is higher than `ssl_max_protocol_version`",
        ));
    }
    let inline = draft.sslinline;
    let source = |given: Option<String>, default: &str| match given {
        Some(text) if inline => Some(PemSource::Inline(Secret::new(text))),
        Some(path) => Some(PemSource::File(path.into())),
        None if inline => None,
        None => home_file(environment, default).map(PemSource::File),
    };
    ssl.cert = source(draft.sslcert.take(), "postgresql.crt");
    ssl.key = source(draft.sslkey.take(), "postgresql.key");
    ssl.crl = source(draft.sslcrl.take(), "root.crl");
    ssl.root_cert = if system {
        Some(RootCert::System)
    } else {
        source(draft.sslrootcert.take(), "root.crt").map(RootCert::Pem)
    };
    Ok(())
}

/// A file of the user's at its customary place.
fn home_file(environment: &dyn Environment, name: &str) -> Option<PathBuf> {
    if cfg!(windows) {
        let data = environment.var("APPDATA").filter(|data| !data.is_empty())?;
        let name = match name {
            "pgpass" => "pgpass.conf",
            "pg_service.conf" => ".pg_service.conf",
            other => other,
        };
        return Some(Path::new(&data).join("postgresql").join(name));
    }
    let home = PathBuf::from(environment.home()?);
    Some(match name {
        "pgpass" => home.join(".pgpass"),
        "pg_service.conf" => home.join(".pg_service.conf"),
        other => home.join(".postgresql").join(other),
    })
}

#[cfg(test)]
mod tests;
