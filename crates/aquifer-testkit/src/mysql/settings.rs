//! What a test may choose about its server, and the options and statements that follow from it.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;

use crate::postgres::ServerCertificate;

/// How a client proves who it is: an authentication plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Auth {
    /// `mysql_native_password`: SHA-1. The default.
    #[default]
    Native,
    /// `ed25519`: a signature by a key that is made of the password.
    Ed25519,
}

/// A further account, with its own way to log in, and all privileges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    name: String,
    password: String,
    auth: Auth,
    tls: bool,
    privileges: bool,
}

impl User {
    /// An account without a password. The name must be a plain word.
    pub fn new(name: impl Into<String>, auth: Auth) -> Self {
        Self { name: name.into(), password: String::new(), auth, tls: false, privileges: true }
    }

    /// Sets the password.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }

    /// Lets the account in over TLS only.
    #[must_use]
    pub fn require_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Takes all privileges away but that of connecting.
    #[must_use]
    pub fn without_privileges(mut self) -> Self {
        self.privileges = false;
        self
    }

    fn statements(&self, out: &mut String) {
        let Self { name, password, auth, tls, privileges } = self;
        let plugin = match auth {
            Auth::Native => "mysql_native_password",
            Auth::Ed25519 => "ed25519",
        };
        let password = quoted(password, '\'');
        let name = quoted(name, '\'');
        let require = if *tls { " REQUIRE SSL" } else { "" };
        // One statement per line, as the server reads them.
        let _ = writeln!(
            out,
            "CREATE USER IF NOT EXISTS {name}@'%' IDENTIFIED VIA {plugin} USING PASSWORD({password}){require};"
        );
        if *privileges {
            let _ = writeln!(out, "GRANT ALL PRIVILEGES ON *.* TO {name}@'%' WITH GRANT OPTION;");
        }
    }
}

/// What a server is started with. The default is a server that is fast and forgetful: nothing is synced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Settings {
    pub(crate) users: Vec<User>,
    pub(crate) certificate: Option<ServerCertificate>,
    pub(crate) options: Vec<String>,
}

impl Settings {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an account.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Has the server offer TLS with this certificate.
    #[must_use]
    pub fn tls(mut self, certificate: ServerCertificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Adds an option of the server's command line, without the dashes: `max-connections=5`.
    #[must_use]
    pub fn option(mut self, option: impl Into<String>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Switches `performance_schema` on, with the book of prepared statements.
    #[must_use]
    pub fn performance_schema(self) -> Self {
        self.option("performance-schema=ON")
    }

    pub(super) fn first_statements(&self) -> String {
        let mut out = String::new();
        User::new("aquifer", Auth::Native).password("aquifer").statements(&mut out);
        out.push_str("CREATE DATABASE IF NOT EXISTS aquifer;\n");
        for user in &self.users {
            user.statements(&mut out);
        }
        out
    }

    /// The server's command line.
    pub(super) fn arguments(&self, directory: &Path, port: u16) -> Vec<OsString> {
        let at = |option: &str, file: &str| {
            let mut argument = OsString::from(option);
            argument.push(directory.join(file));
            argument
        };
        let mut arguments: Vec<OsString> = vec![
            "--no-defaults".into(),
            at("--datadir=", "data"),
            at("--socket=", "socket"),
            at("--pid-file=", "server.pid"),
            at("--init-file=", "first.sql"),
            at("--tmpdir=", ""),
            format!("--port={port}").into(),
        ];
        let fixed = [
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            "--skip-log-bin",
            "--innodb-log-file-size=4M",
            "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--innodb-doublewrite=OFF",
            "--plugin-load-add=auth_ed25519",
            "--max-connections=200",
            "--thread-handling=one-thread-per-connection",
        ];
        arguments.extend(fixed.map(OsString::from));
        if self.certificate.is_some() {
            arguments.push(at("--ssl-ca=", "ca.crt"));
            arguments.push(at("--ssl-cert=", "server.crt"));
            arguments.push(at("--ssl-key=", "server.key"));
        }
        arguments.extend(self.options.iter().map(|option| format!("--{option}").into()));
        arguments
    }
}

/// `text` between `quote`s, for names and for strings without backslashes.
pub(super) fn quoted(text: &str, quote: char) -> String {
    let doubled: String = [quote, quote].iter().collect();
    format!("{quote}{}{quote}", text.replace(quote, &doubled))
}
