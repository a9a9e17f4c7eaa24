//! [`SqliteConnector`]: from a URL to connections.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use aquifer_driver::{
    Access, BoxFuture, Connection, Connector, Dialect, Dsn, Error, ErrorKind, Grammar, Layout,
    Result, Retry,
};

use crate::connection::SqliteConnection;
use crate::location::Location;
use crate::open::{Identity, Opening};
use crate::options::{Journal, Mode, Options};

/// A parsed SQLite URL: opens connections to one database.
#[derive(Debug)]
pub struct SqliteConnector {
    options: Arc<Options>,
    location: Location,
    /// Made absolute by the first connect: a later change of the working directory must not lead to
    /// another database.
    path: OnceLock<PathBuf>,
    /// The file that the first connection opened.
    first: Arc<OnceLock<Identity>>,
}

static DIALECT: Dialect = Dialect::new("sqlite", Grammar::Sqlite).begin_locks();

impl SqliteConnector {
    pub(crate) fn new(dsn: &Dsn) -> Result<Self> {
        let params = dsn.params().iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let options = Options::parse(params)?;
        let location = Location::parse(dsn, &options)?;
        Ok(Self {
            options: Arc::new(options),
            location,
            path: OnceLock::new(),
            first: Arc::default(),
        })
    }

    /// The file's path, absolute; `None` is memory.
    fn path(&self) -> Result<Option<PathBuf>> {
        let Location::File(name) = &self.location else { return Ok(None) };
        if let Some(path) = self.path.get() {
            return Ok(Some(path.clone()));
        }
        let path = std::path::absolute(name).map_err(|error| {
            Error::new(ErrorKind::Connect, format!("the path `{name}` cannot be made absolute"))
                .with_retry(Retry::Never)
                .with_source(error)
        })?;
        Ok(Some(self.path.get_or_init(|| path).clone()))
    }
}

impl Connector for SqliteConnector {
    /// A file is opened by the thread that becomes the connection's worker; memory is opened at once.
    fn connect(self: Arc<Self>, access: Access) -> BoxFuture<'static, Result<Box<dyn Connection>>> {
        Box::pin(async move {
            let opening = Opening {
                path: self.path()?,
                name: self.location.name().into(),
                options: Arc::clone(&self.options),
                access,
                first: Arc::clone(&self.first),
            };
            let connection = SqliteConnection::open(opening).await?;
            Ok(Box::new(connection) as Box<dyn Connection>)
        })
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
