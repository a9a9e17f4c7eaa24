//! A database of its own for one test, and the ways to it.

use std::net::SocketAddr;
use std::time::Duration;

use aquifer::driver::{Driver, Dsn, EmptyEnvironment};
use aquifer::sqlite::SqliteDriver;
use aquifer::{Builder, Db, TxOptions};
use aquifer_testkit::faults::FaultProxy;
use aquifer_testkit::{Yielding, mysql, postgres};

use crate::books::Books;
use crate::engine::{Engine, MYSQL, POSTGRES};
use crate::server::Server;

/// An empty database with the table `marks`, in which [operations](crate::operations) leave what they did.
#[derive(Debug)]
pub struct Arena {
    engine: Engine,
    place: Place,
}

#[derive(Debug)]
enum Place {
    File(tempfile::TempDir),
    Postgres(postgres::Database, SocketAddr),
    Mysql(mysql::Database, SocketAddr),
}

impl Place {
    fn postgres(server: &postgres::Server) -> Self {
        Self::Postgres(server.fresh_database().expect("a database"), server.address())
    }

    fn mysql(server: &mysql::Server) -> Self {
        Self::Mysql(server.fresh_database().expect("a database"), server.address())
    }
}

impl Arena {
    /// A database on the server that tests share.
    pub async fn new(engine: Engine) -> Self {
        let place = match engine {
            Engine::Sqlite => Place::File(tempfile::tempdir().expect("a directory")),
            Engine::Postgres => Place::postgres(&POSTGRES),
            Engine::Mysql => Place::mysql(&MYSQL),
        };
        Self { engine, place }.furnished().await
    }

    /// A database on a server of the test's own.
    pub async fn on(server: &Server) -> Self {
        let (engine, place) = match server {
            Server::Postgres(server) => (Engine::Postgres, Place::postgres(server)),
            Server::Mysql(server) => (Engine::Mysql, Place::mysql(server)),
        };
        Self { engine, place }.furnished().await
    }

    /// With its tables.
    async fn furnished(self) -> Self {
        let arena = self;
        let db = arena.direct().open().expect("it opens");
        let created = db.exec("CREATE TABLE marks (tag BIGINT NOT NULL, part INT NOT NULL)", ());
        created.await.expect("a table");
        let indexed = db.exec("CREATE INDEX marks_tag ON marks (tag)", ());
        indexed.await.expect("an index");
        let created =
            db.exec("CREATE TABLE accounts (id INT PRIMARY KEY, balance INT NOT NULL)", ());
        created.await.expect("a table");
        db.exec(TxOptions::MARKS_TABLE, ()).await.expect("a table");
        db.exec("INSERT INTO accounts VALUES (1, 100), (2, 100)", ()).await.expect("two accounts");
        assert!(db.close().await.is_clean());
        arena
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The URL of the database.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.place {
            Place::File(directory) => {
                format!("sqlite://{}", directory.path().join("test.db").display())
            }
            Place::Postgres(database, _) => {
                format!("{}?sslmode=disable&statement_cache_capacity=8", database.url())
            }
            Place::Mysql(database, _) => {
                format!("{}?tls=false&statement_cache_capacity=8", database.url())
            }
        }
    }

    /// Where its server listens; `None` for a file.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.place {
            Place::File(_) => None,
            Place::Postgres(_, address) | Place::Mysql(_, address) => Some(*address),
        }
    }

    /// A proxy in front of its server; `None` for a file.
    #[must_use]
    pub fn proxy(&self) -> Option<FaultProxy> {
        let address = self.address()?;
        Some(FaultProxy::start(address, self.engine.protocol()).expect("a proxy"))
    }

    /// A `Db` straight to it, with patience for a busy machine.
    #[must_use]
    pub fn direct(&self) -> Builder {
        self.builder(&self.url())
    }

    /// The same through a proxy.
    #[must_use]
    pub fn through(&self, proxy: &FaultProxy) -> Builder {
        let address = self.address().expect("a server").to_string();
        let url = self.url().replace(&address, &proxy.address().to_string());
        assert!(url.contains(&proxy.address().to_string()), "the URL has no address: {url}");
        self.builder(&url)
    }

    /// A `Db` with as many points to be dropped at as can be: over SQLite everything is pending that the contract
    /// lets be so, because a file in the page cache keeps nobody waiting.
    #[must_use]
    pub fn yielding(&self, proxy: Option<&FaultProxy>) -> Builder {
        match proxy {
            Some(proxy) => self.through(proxy),
            None => {
                let dsn = Dsn::parse(&self.url()).expect("a URL");
                let connector = SqliteDriver::new().connector(&dsn, &EmptyEnvironment);
                patient(Builder::from_connector(Yielding::new(connector.expect("a connector"))))
            }
        }
    }

    fn builder(&self, url: &str) -> Builder {
        patient(Db::builder(url).expect("a URL").environment(EmptyEnvironment))
    }

    /// What the server knows of this database's sessions.
    pub async fn books(&self) -> Books {
        Books::open(self.engine, self.direct()).await
    }
}

fn patient(builder: Builder) -> Builder {
    builder.acquire_timeout(Duration::from_secs(60))
}
