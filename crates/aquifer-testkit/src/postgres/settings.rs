//! What a test may choose about its server, and the configuration files that follow from it.

use std::fmt::Write;
use std::path::Path;

/// How a client proves who it is, as in the last column of `pg_hba.conf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Auth {
    /// Anyone is who they say. The default.
    #[default]
    Trust,
    /// The password in clear text.
    Password,
    /// The password hashed with MD5; the server stores it so, too.
    Md5,
    /// SCRAM-SHA-256, and SCRAM-SHA-256-PLUS over TLS.
    Scram,
    /// A client certificate that names the role. Over TCP with TLS only; a socket is refused.
    Cert,
    /// Nobody gets in.
    Reject,
}

impl Auth {
    fn method(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Password => "password",
            Self::Md5 => "md5",
            Self::Scram => "scram-sha-256",
            Self::Cert => "cert",
            Self::Reject => "reject",
        }
    }

    /// The value of `password_encryption` under which a password suits this method.
    fn storage(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            _ => "scram-sha-256",
        }
    }
}

/// Which certificate the server shows. All are for `localhost`, `127.0.0.1` and `::1` and signed by the
/// test's own authority with ECDSA and SHA-256 unless they say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerCertificate {
    /// A good one. The default.
    #[default]
    Good,
    /// A good one, signed with SHA-384: channel binding (RFC 5929, `tls-server-end-point`) hashes it with
    /// SHA-384.
    Sha384,
    /// A good one with Ed25519, a signature without a hash of its own: RFC 5929 leaves channel binding
    /// undefined, and PostgreSQL refuses to log in with it.
    Ed25519,
    /// For `other.example` instead.
    WrongHost,
    /// Valid until 2001.
    Expired,
    /// Signed by an authority that [`Server::ca_path`](super::Server::ca_path) does not hold.
    UnknownAuthority,
}

/// A further role, with its own way to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    name: String,
    password: Option<String>,
    auth: Auth,
    superuser: bool,
}

impl Role {
    /// A role that may log in, without privileges.
    pub fn new(name: impl Into<String>, auth: Auth) -> Self {
        Self { name: name.into(), password: None, auth, superuser: false }
    }

    /// Gives it a password, stored as its [`Auth`] needs it.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Makes it a superuser.
    #[must_use]
    pub fn superuser(mut self) -> Self {
        self.superuser = true;
        self
    }
}

/// What a [`Server`](super::Server) is started with.
///
/// By default: trust, no TLS, 100 connections, nothing logged but problems, and the durability of a server
/// that nobody will miss (`fsync`, `full_page_writes`, `synchronous_commit` and `autovacuum` are off).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    pub(crate) auth: Auth,
    pub(crate) certificate: Option<ServerCertificate>,
    pub(crate) roles: Vec<Role>,
    pub(crate) standby: bool,
    tls_required: bool,
    log_statements: bool,
    hba: Vec<String>,
    parameters: Vec<(String, String)>,
}

impl Settings {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How clients log in, unless [`Settings::role`] or [`Settings::hba`] say otherwise.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Offers TLS, with this certificate.
    #[must_use]
    pub fn tls(mut self, certificate: ServerCertificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Refuses TCP connections without TLS. Offers it with a good certificate if [`Settings::tls`] chose none.
    #[must_use]
    pub fn tls_required(mut self) -> Self {
        self.certificate.get_or_insert_default();
        self.tls_required = true;
        self
    }

    /// Adds a role.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.roles.push(role);
        self
    }

    /// The server's `max_connections`, three of which are reserved to superusers; its default is 100.
    #[must_use]
    pub fn max_connections(self, connections: u32) -> Self {
        self.set("max_connections", connections.to_string())
    }

    /// Logs every statement with its way of execution, before it runs;
    /// see [`Server::statements`](super::Server::statements).
    #[must_use]
    pub fn log_statements(mut self) -> Self {
        self.log_statements = true;
        self
    }

    /// Starts it as a standby without a primary: it reports `in_hot_standby`, refuses writes, and
    /// `SELECT pg_promote()` makes it a primary. Cannot be combined with what writes at the start: roles,
    /// and [`Auth::Md5`].
    #[must_use]
    pub fn standby(mut self) -> Self {
        self.standby = true;
        self
    }

    /// Adds a line to `pg_hba.conf`, ahead of those that roles and [`Settings::auth`] make.
    #[must_use]
    pub fn hba(mut self, line: impl Into<String>) -> Self {
        self.hba.push(line.into());
        self
    }

    /// Sets any parameter of the server. Where one is set twice the last counts.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// The whole of `postgresql.conf`.
    pub(crate) fn conf(&self, directory: &Path, port: u16) -> String {
        let directory = directory.display().to_string();
        let mut conf = String::new();
        let mut set = |name: &str, value: &str| {
            let _ = writeln!(conf, "{name} = '{}'", value.replace('\'', "''"));
        };
        set("listen_addresses", "127.0.0.1");
        set("port", &port.to_string());
        set("unix_socket_directories", &directory);
        for name in ["fsync", "full_page_writes", "synchronous_commit", "autovacuum"] {
            set(name, "off");
        }
        set("shared_buffers", "16MB");
        // In the data directory, so that a killed server leaves nothing elsewhere.
        set("dynamic_shared_memory_type", "mmap");
        set("min_wal_size", "4MB");
        set("timezone", "UTC");
        set("log_timezone", "UTC");
        set("lc_messages", "C");
        set("log_line_prefix", "%m [%p] %q%u@%d ");
        set("log_checkpoints", "off");
        if self.log_statements {
            set("log_statement", "all");
        }
        if self.certificate.is_some() {
            set("ssl", "on");
            for (name, file) in [
                ("ssl_cert_file", "server.crt"),
                ("ssl_key_file", "server.key"),
                ("ssl_ca_file", "ca.crt"),
            ] {
                set(name, &format!("{directory}/{file}"));
            }
        }
        for (name, value) in &self.parameters {
            set(name, value);
        }
        conf
    }

    /// The whole of `pg_hba.conf`; `admin` gets in through the socket whatever the rest says.
    pub(crate) fn hba_conf(&self, admin: &str) -> String {
        let host = if self.tls_required { "hostssl" } else { "host" };
        let mut hba = format!("local all {admin} trust\nlocal replication {admin} trust\n");
        for line in &self.hba {
            let _ = writeln!(hba, "{line}");
        }
        let named = self.roles.iter().map(|role| (quoted(&role.name, '"'), role.auth));
        for (role, auth) in named.chain([("all".to_owned(), self.auth)]) {
            let method = auth.method();
            // The server does not accept `cert` where there is no TLS, neither in the file nor later.
            let (host, local) = match auth {
                Auth::Cert => ("hostssl", "reject"),
                _ => (host, method),
            };
            for database in ["all", "replication"] {
                let _ = writeln!(hba, "local {database} {role} {local}");
                let _ = writeln!(hba, "{host} {database} {role} 127.0.0.1/32 {method}");
                let _ = writeln!(hba, "{host} {database} {role} ::1/128 {method}");
            }
        }
        hba
    }

    /// What is to be executed once after the start, as an administrator.
    pub(crate) fn first_statements(&self) -> String {
        let mut sql = String::new();
        if self.auth == Auth::Md5 {
            sql += "SET password_encryption = 'md5';\nALTER ROLE aquifer PASSWORD 'aquifer';\n";
        }
        for Role { name, password, auth, superuser } in &self.roles {
            let _ = writeln!(sql, "SET password_encryption = '{}';", auth.storage());
            let _ = write!(sql, "CREATE ROLE {} LOGIN", quoted(name, '"'));
            sql += if *superuser { " SUPERUSER" } else { "" };
            if let Some(password) = password {
                let _ = write!(sql, " PASSWORD {}", quoted(password, '\''));
            }
            sql += ";\n";
        }
        sql
    }
}

/// `text` between `quote`s, as SQL and `pg_hba.conf` read it.
pub(crate) fn quoted(text: &str, quote: char) -> String {
    let doubled = text.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{doubled}{quote}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_gets_in_first_and_roles_come_before_the_rest() {
        let settings = Settings::new()
            .auth(Auth::Reject)
            .role(Role::new("a \"b\"", Auth::Scram))
            .hba("# mine");
        let hba = settings.hba_conf("testkit");
        let position = |line: &str| hba.lines().position(|l| l == line).unwrap();
        assert_eq!(position("local all testkit trust"), 0);
        assert!(position("# mine") < position(r#"host all "a ""b""" 127.0.0.1/32 scram-sha-256"#));
        assert!(
            position(r#"local all "a ""b""" scram-sha-256"#)
                < position("host all all 127.0.0.1/32 reject")
        );
    }

    #[test]
    fn required_tls_leaves_no_line_for_plain_tcp() {
        let settings = Settings::new().tls_required();
        assert!(!settings.hba_conf("testkit").lines().any(|line| line.starts_with("host ")));
        assert!(settings.conf(Path::new("/tmp/x"), 1).contains("ssl = 'on'"));
    }

    #[test]
    fn certificates_are_asked_for_over_tls_only() {
        let hba = Settings::new().auth(Auth::Cert).hba_conf("testkit");
        assert!(hba.contains("hostssl all all 127.0.0.1/32 cert"));
        assert!(hba.contains("local all all reject"));
    }

    #[test]
    fn a_value_cannot_end_its_quotes() {
        let conf = Settings::new().set("application_name", "it's").conf(Path::new("/tmp/x"), 1);
        assert!(conf.ends_with("application_name = 'it''s'\n"), "{conf}");
        let settings = Settings::new().role(Role::new("r", Auth::Md5).password("p'w"));
        assert_eq!(
            settings.first_statements(),
            "SET password_encryption = 'md5';\nCREATE ROLE \"r\" LOGIN PASSWORD 'p''w';\n"
        );
    }
}
