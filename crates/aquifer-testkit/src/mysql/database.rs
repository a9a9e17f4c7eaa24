//! Databases of a server, made and removed without a driver: the driver is what is being tested.

use std::path::PathBuf;
use std::process::Command;

use super::settings::quoted;
use crate::postgres::template::run_with;
use crate::postgres::{Account, Error};

/// Whoever can run `mariadb` over a server's socket.
#[derive(Debug, Clone)]
pub(super) struct Admin {
    pub(super) bin: PathBuf,
    pub(super) directory: PathBuf,
    pub(super) account: Account,
}

impl Admin {
    pub(super) fn program(&self, name: &str) -> Command {
        self.account.command(&self.bin.join(name), &self.directory)
    }

    pub(super) fn sql(&self, database: &str, sql: &str) -> Result<String, Error> {
        let mut client = self.program("mariadb");
        client.arg("--no-defaults").arg("-S").arg(self.directory.join("socket"));
        // A paused server must not hang whoever cleans up.
        client.args(["-u", "root", "-N", "-B", "--connect-timeout=10", "-D", database]);
        run_with(&mut client, sql)
    }
}

/// A database of its own for one test, removed when this is dropped.
#[derive(Debug)]
pub struct Database {
    pub(super) admin: Admin,
    pub(super) name: String,
    pub(super) url: String,
}

impl Database {
    /// Its name; a plain identifier.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL of the account `aquifer` in it, over TCP.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// [`Server::sql`](super::Server::sql) in this database.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn sql(&self, sql: &str) -> Result<String, Error> {
        self.admin.sql(&self.name, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A transaction that somebody left open holds locks on its tables; the database then stays until
        // the server goes.
        let name = quoted(&self.name, '`');
        let drop = format!("SET lock_wait_timeout = 1;\nDROP DATABASE IF EXISTS {name};");
        let _ = self.admin.sql("aquifer", &drop);
    }
}
