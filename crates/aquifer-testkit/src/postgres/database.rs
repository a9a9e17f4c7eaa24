//! Databases of a server, made and removed without a driver: the driver is what is being tested.

use super::account::Account;
use super::error::Error;
use super::settings::quoted;
use super::template::{ADMIN, run_with};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whoever can run `psql` over a server's socket.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    bin: PathBuf,
    socket_dir: PathBuf,
    port: u16,
    account: Account,
}

impl Admin {
    pub(crate) fn new(bin: PathBuf, socket_dir: PathBuf, port: u16, account: Account) -> Self {
        Self { bin, socket_dir, port, account }
    }

    /// One of the installation's programs, if it has it.
    pub(crate) fn program(&self, name: &str) -> Command {
        self.account.command(&self.bin.join(name), &self.socket_dir)
    }

    pub(crate) fn psql(&self, database: &str, sql: &str) -> Result<String, Error> {
        let mut psql = self.program("psql");
        // A paused server must not hang whoever cleans up.
        psql.env("PGCONNECT_TIMEOUT", "10").arg("-h").arg(&self.socket_dir);
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", ADMIN, "-f", "-"]);
        psql.args(["-p", &self.port.to_string(), "-d", database]);
        run_with(&mut psql, sql)
    }

    /// Removes a System V segment that a killed server left. Where `ipcrm` is missing, it stays: a few bytes.
    pub(crate) fn remove_shared_memory(&self, id: &str) {
        let mut ipcrm = self.account.command(Path::new("ipcrm"), &self.socket_dir);
        let _ = run_with(ipcrm.args(["-m", id]), "");
    }
}

/// A database of its own for one test, removed when this is dropped, whoever is still connected.
#[derive(Debug)]
pub struct Database {
    admin: Admin,
    name: String,
    url: String,
}

impl Database {
    pub(crate) fn new(admin: Admin, name: String, url: String) -> Self {
        Self { admin, name, url }
    }

    /// Its name; a plain identifier.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL of the superuser `aquifer` in it, over TCP.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// [`Server::psql`](super::Server::psql) in this database.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn psql(&self, sql: &str) -> Result<String, Error> {
        self.admin.psql(&self.name, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // If the server has gone, so has the database.
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&self.name, '"'));
        let _ = self.admin.psql("aquifer", &drop);
    }
}
