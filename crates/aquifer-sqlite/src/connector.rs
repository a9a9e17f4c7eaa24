//! [`SqliteConnector`]: from a URL to connections.

use std::sync::Arc;

use aquifer_driver::{
    Access, BoxFuture, Connection, Connector, Dialect, Dsn, Error, ErrorKind, Grammar, Layout,
    Result,
};

use crate::location::Location;
use crate::options::{Journal, Mode, Options};

/// A parsed SQLite URL: opens connections to one database.
#[derive(Debug)]
pub struct SqliteConnector {
    options: Arc<Options>,
    location: Location,
}

static DIALECT: Dialect = Dialect::new("sqlite", Grammar::Sqlite);

impl SqliteConnector {
    pub(crate) fn new(dsn: &Dsn) -> Result<Self> {
        let params = dsn.params().iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let options = Options::parse(params)?;
        let location = Location::parse(dsn, &options)?;
        Ok(Self { options: Arc::new(options), location })
    }
}

impl Connector for SqliteConnector {
    fn connect(
        self: Arc<Self>,
        _access: Access,
    ) -> BoxFuture<'static, Result<Box<dyn Connection>>> {
        Box::pin(std::future::ready(Err(Error::new(
            ErrorKind::Unsupported,
            "this build of the SQLite driver checks URLs only",
        ))))
    }

    fn dialect(&self) -> &Dialect {
        &DIALECT
    }

    /// A file in WAL mode has one writer and many readers. Memory is one connection. A file that is only
    /// read, and one in another journal mode, where readers and the writer shut each other out anyway,
    /// has equal connections.
    fn layout(&self) -> Layout {
        match (&self.location, self.options.mode, self.options.journal) {
            (Location::Memory, ..) => Layout::One,
            (_, Mode::ReadOnly, _) => Layout::Equal,
            (_, _, Journal::Wal) => Layout::ReadersAndWriter,
            _ => Layout::Equal,
        }
    }

    fn target(&self) -> &str {
        self.location.name()
    }
}
