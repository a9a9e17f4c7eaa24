//! The servers, each behind a proxy that counts what passes.

use aquifer_testkit::postgres::Proxy;
use aquifer_testkit::{mysql, postgres};

use crate::Result;
use crate::operation::{Engine, schema};

/// Ended with the process, or when dropped.
#[derive(Debug)]
pub(crate) struct Servers {
    postgres: postgres::Server,
    mysql: mysql::Server,
    /// Before PostgreSQL, and before MariaDB, of whose protocol it understands only who speaks.
    proxies: [Proxy; 2],
}

/// Starts both, with the tables.
pub(crate) fn start() -> Result<Servers> {
    // Scans begin with the first row, and nothing else is done beside.
    let settings = postgres::Settings::new().set("jit", "off").set("synchronize_seqscans", "off");
    let postgres = postgres::Server::start(settings)?;
    // A statement at a time: VACUUM refuses to share a transaction.
    for statement in schema(Engine::Postgres).split_inclusive(';') {
        postgres.psql(statement)?;
    }
    let mysql = mysql::Server::start(mysql::Settings::new())?;
    mysql.sql(&schema(Engine::Mysql))?;
    let proxies = [Proxy::start(postgres.address())?, Proxy::start(mysql.address())?];
    Ok(Servers { postgres, mysql, proxies })
}

impl Servers {
    /// Where the operations of an engine find their tables.
    pub(crate) fn url(&self, engine: Engine) -> String {
        match engine {
            Engine::Postgres => format!("{}?sslmode=disable", self.postgres.url()),
            Engine::Mysql => format!("{}?", self.mysql.url()),
            Engine::Sqlite => "sqlite::memory:?".to_owned(),
        }
    }

    /// The same through a proxy, if there is a network at all.
    pub(crate) fn watched(&self, engine: Engine) -> Option<(String, &Proxy)> {
        let (proxy, address) = match engine {
            Engine::Postgres => (&self.proxies[0], self.postgres.address()),
            Engine::Mysql => (&self.proxies[1], self.mysql.address()),
            Engine::Sqlite => return None,
        };
        let url = self.url(engine);
        let through = url.replacen(&address.to_string(), &proxy.address().to_string(), 1);
        Some((through, proxy))
    }
}
