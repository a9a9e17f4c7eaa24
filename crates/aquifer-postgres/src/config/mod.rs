//! [`Config`]: where to connect, as whom, and how; read from a connection string, the environment and
//! the service file.
//!
//! Every parameter is defined once, in `parameters`. This module never opens a socket; the files it
//! reads are the service file (once) and the password file (when asked for a host's password).

mod draft;
mod host;
mod keyword;
mod layers;
mod modes;
pub(crate) mod parameters;
mod passfile;
mod service;
mod url;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use aquifer_driver::{Dsn, Environment, Result};
use aquifer_net::{Files, SystemFiles};

use crate::auth::{Policy, RequireAuth};

pub use aquifer_net::Secret;
pub use aquifer_net::tls::PemSource;

pub use self::host::HostSpec;
pub use self::modes::{
    ChannelBinding, LoadBalanceHosts, Pooler, ProtocolVersion, QueryMode, SslCertMode, SslMode,
    SslNegotiation, TargetSessionAttrs, TlsVersion,
};
pub(crate) use self::passfile::{Found, Server, lookup};
pub(crate) use self::service::parse as service;

use self::layers::Layers;

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
    /// The operating system's user that must serve a unix socket, by name.
    pub require_peer: Option<String>,
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
    /// Whether a pooler stands before the server.
    pub pooler: Pooler,
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
    /// What an encrypted key is opened with.
    pub key_password: Option<Secret>,
    /// Whether the client certificate is offered.
    pub cert_mode: SslCertMode,
    /// The certificates of trusted issuers.
    pub root_cert: Option<RootCert>,
    /// Lists of revoked certificates. A missing file is as good as none.
    pub crl: Option<PemSource>,
    /// A directory of such lists, named as `openssl rehash` names them: `0a1b2c3d.r0`.
    pub crl_dir: Option<PathBuf>,
    /// Whether the host's name is sent in the clear at the beginning of the handshake.
    pub sni: bool,
    /// The lowest version of TLS; 1.2 if this is lower.
    pub min_version: TlsVersion,
    /// The highest version of TLS: 1.2 or 1.3.
    pub max_version: TlsVersion,
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
                key_password: None,
                cert_mode: SslCertMode::Allow,
                root_cert: None,
                crl: None,
                crl_dir: None,
                sni: true,
                min_version: TlsVersion::V1_2,
                max_version: TlsVersion::V1_3,
            },
            require_peer: None,
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
            pooler: Pooler::None,
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
            .field("require_peer", &self.require_peer)
            .field("require_auth", &self.require_auth)
            .field("channel_binding", &self.channel_binding)
            .field("target_session_attrs", &self.target_session_attrs)
            .field("load_balance_hosts", &self.load_balance_hosts)
            .field("min_protocol_version", &self.min_protocol_version)
            .field("max_protocol_version", &self.max_protocol_version)
            .field("tcp", &self.tcp)
            .field("statement_cache_capacity", &self.statement_cache_capacity)
            .field("query_mode", &self.query_mode)
            .field("pooler", &self.pooler)
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

#[cfg(test)]
mod tests;
