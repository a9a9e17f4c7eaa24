//! The engines, and how their SQL differs where a test needs it.

use std::fmt;
use std::sync::LazyLock;

use aquifer_testkit::faults::Protocol;
use aquifer_testkit::{mysql, postgres};

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Engine {
    /// SQLite, in a file.
    Sqlite,
    /// A real PostgreSQL server.
    Postgres,
    /// A real MariaDB server.
    Mysql,
}

/// The server that tests share that do it no harm.
pub(crate) static POSTGRES: LazyLock<postgres::Server> = LazyLock::new(|| {
    postgres::Server::start(postgres::Settings::new()).expect("PostgreSQL starts")
});

/// As [`POSTGRES`], with its books of statements and locks switched on.
pub(crate) static MYSQL: LazyLock<mysql::Server> = LazyLock::new(|| {
    mysql::Server::start(mysql::Settings::new().performance_schema()).expect("MariaDB starts")
});

impl Engine {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mysql];

    /// Those behind a network.
    pub const SERVERS: [Self; 2] = [Self::Postgres, Self::Mysql];

    /// What its connections speak.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Sqlite => Protocol::Bytes,
            Self::Postgres => Protocol::Postgres,
            Self::Mysql => Protocol::Mysql,
        }
    }

    /// A query for the integers from 1 to its argument.
    #[must_use]
    pub fn series(self) -> &'static str {
        match self {
            Self::Postgres => "SELECT n FROM generate_series(1, ?) AS s (n)",
            Self::Sqlite | Self::Mysql => {
                "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < ?) SELECT n FROM s"
            }
        }
    }

    /// A query that runs for some minutes, if nobody stops it, and gives its only row at the end.
    #[must_use]
    pub fn endless(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 4000000000) \
                 SELECT CAST(count(*) AS TEXT) FROM s"
            }
            Self::Postgres => "SELECT pg_sleep(600)::text",
            Self::Mysql => "SELECT CAST(SLEEP(600) AS CHAR)",
        }
    }

    /// Changes the session so that [`is_set`](Self::is_set) tells.
    #[must_use]
    pub fn set(self) -> &'static str {
        match self {
            Self::Sqlite => "PRAGMA cache_size = 77",
            Self::Postgres => "SET lock_timeout = '77s'",
            Self::Mysql => "SET @marked = 77",
        }
    }

    /// 1 if the session is as [`set`](Self::set) left it, else 0.
    #[must_use]
    pub fn is_set(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT cache_size = 77 FROM pragma_cache_size",
            Self::Postgres => "SELECT (current_setting('lock_timeout') = '77s')::int",
            Self::Mysql => "SELECT COALESCE(@marked = 77, 0)",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MariaDB",
        })
    }
}
