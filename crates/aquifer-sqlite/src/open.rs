//! Opening a handle: on the worker for a file, because it reads, waits for locks and may write.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aquifer_driver::{Access, Error, ErrorKind, Result, Retry};

use crate::engine::Engine;
use crate::errors::{self, Doing};
use crate::options::{Mode, Options};
use crate::raw::{self, Cell, Code, Config, Handle, Location};

/// How long to wait before the journal mode is tried again: SQLite does not call the busy handler for
/// the lock that changing it takes.
const JOURNAL_RETRY: Duration = Duration::from_millis(5);

/// The system's numbers for too many open files: of all processes (`ENFILE`), of this one (`EMFILE`). The same on every Unix.
const TOO_MANY_OPEN: [i32; 2] = if cfg!(unix) { [23, 24] } else { [0; 2] };

/// Everything that is needed to open a connection.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    /// `None` is memory.
    pub(crate) path: Option<PathBuf>,
    /// For messages.
    pub(crate) name: Arc<str>,
    pub(crate) options: Arc<Options>,
    pub(crate) access: Access,
    /// The file that the first connection opened: every later one must open the same.
    pub(crate) first: Arc<OnceLock<Identity>>,
}

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }

    /// Only whether there is a file.
    #[cfg(not(unix))]
    fn of(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|_| Self { device: 0, inode: 0 })
    }
}

impl Opening {
    /// Opens the database and sets it up. `given_up` is asked between tries.
    pub(crate) fn open(&self, given_up: &dyn Fn() -> bool) -> Result<Engine> {
        let handle = match &self.path {
            None => Handle::open(Location::Memory, raw::Mode::ReadWriteCreate),
            Some(path) => {
                self.is_the_same(path)?;
                let mode = match self.options.mode {
                    Mode::ReadOnly => raw::Mode::ReadOnly,
                    _ if self.first.get().is_some() => raw::Mode::ReadWrite,
                    Mode::ReadWrite => raw::Mode::ReadWrite,
                    Mode::ReadWriteCreate | Mode::Memory => raw::Mode::ReadWriteCreate,
                };
                Handle::open(Location::Path(path.as_os_str().as_encoded_bytes()), mode)
            }
        };
        let mut handle = handle.map_err(|raw| self.failed(&raw))?;
        let timeout = self.options.busy_timeout;
        handle.busy_timeout(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        let reader = self.access == Access::ReadOnly;
        let mut engine = Engine::new(handle, &self.options, reader);
        engine.set_private(self.path.is_none());
        self.set_up(&mut engine, given_up).map_err(|failed| match failed {
            Failed::Raw(raw) => self.failed(&raw),
            Failed::Error(error) => error,
        })?;
        if let Some(path) = &self.path {
            if let Ok(identity) = Identity::of(path) {
                self.first.get_or_init(|| identity);
            }
            // It may have been replaced while it was being opened.
            self.is_the_same(path)?;
        }
        Ok(engine)
    }

    /// Whether the path leads to the file that the first connection opened. Another one, or an empty one
    /// made anew, would split the database: some connections would go on with the old file.
    fn is_the_same(&self, path: &Path) -> Result<()> {
        match (self.first.get(), Identity::of(path)) {
            (None, _) => Ok(()),
            (Some(first), Ok(now)) if *first == now => Ok(()),
            // What cannot be looked at cannot be opened either, and that error says why.
            (_, Err(error)) if error.kind() != std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(self.replaced()),
        }
    }

    #[cold]
    fn replaced(&self) -> Error {
        Error::new(
            ErrorKind::Connect,
            format!(
                "the database file `{}` was replaced or removed since it was opened",
                self.name
            ),
        )
        .with_hint(
            "close the `Db` and open it again; connections that are open still use the old file",
        )
        .with_retry(Retry::Never)
        .with_nothing_sent(true)
    }

    fn set_up(&self, engine: &mut Engine, given_up: &dyn Fn() -> bool) -> Result<(), Failed> {
        settings(engine)?;
        if self.path.is_some() {
            if self.options.mode == Mode::ReadOnly {
                // Reads the header, so that a file that is no database shows now.
                engine.integer("PRAGMA schema_version")?;
            } else {
                if engine.handle.is_readonly("main")? {
                    return Err(Failed::Error(
                        Error::new(
                            ErrorKind::Connect,
                            format!("the database `{}` cannot be written", self.name),
                        )
                        .with_hint("change the file's permissions, or open it with `mode=ro`")
                        .with_retry(Retry::Never),
                    ));
                }
                self.set_journal(engine, given_up)?;
            }
        }
        if engine.is_reader() {
            // After the journal mode, which writes.
            engine.exec("PRAGMA query_only = on")?;
        }
        engine.adopt_session();
        Ok(())
    }

    /// Puts the file into the journal mode of the options, unless it is in it.
    fn set_journal(&self, engine: &mut Engine, given_up: &dyn Fn() -> bool) -> Result<(), Failed> {
        let wanted = self.options.journal.name();
        let is_wanted =
            |cell: Cell<'_>| Some(matches!(cell, Cell::Text(mode) if mode == wanted.as_bytes()));
        let started = Instant::now();
        loop {
            if engine.first("PRAGMA journal_mode", is_wanted)? == Some(true) {
                return Ok(());
            }
            match engine.first(&format!("PRAGMA journal_mode = {wanted}"), is_wanted) {
                Ok(Some(true)) => return Ok(()),
                Ok(_) => {
                    return Err(Failed::Error(
                        Error::new(
                            ErrorKind::Connect,
                            format!(
                                "the database `{}` cannot be put into journal mode `{wanted}`",
                                self.name
                            ),
                        )
                        .with_hint("choose another `journal_mode`")
                        .with_retry(Retry::Never),
                    ));
                }
                // Two connections that open a new file at once meet here.
                Err(raw)
                    if raw.code().primary() == Code::BUSY
                        && started.elapsed() < self.options.busy_timeout
                        && !given_up() =>
                {
                    std::thread::sleep(JOURNAL_RETRY);
                }
                Err(raw) => return Err(raw.into()),
            }
        }
    }

    /// The error of a database that cannot be opened: it names the file and what is wrong with it.
    fn failed(&self, raw: &raw::Error) -> Error {
        let name = &self.name;
        let error = match raw.code().primary().raw() {
            14 if let Some(number) =
                raw.system().filter(|number| TOO_MANY_OPEN.contains(number)) =>
            {
                let said = std::io::Error::from_raw_os_error(number);
                let message = format!("the database `{name}` could not be opened: {said}");
                return Error::new(ErrorKind::Resources, message)
                    .with_hint("close files or sockets, or raise the limit (`ulimit -n`)")
                    .with_code(raw.code().name())
                    .with_nothing_sent(true)
                    // Others may close some at any time.
                    .with_retry(Retry::Safe);
            }
            14 => match self.path.as_deref().map(look) {
                Some(Look::Directory) => Error::new(
                    ErrorKind::Connect,
                    format!("`{name}` is a directory, not a database"),
                ),
                Some(Look::NoParent) => Error::new(
                    ErrorKind::Connect,
                    format!("the directory of the database `{name}` does not exist"),
                )
                .with_hint("create it first"),
                Some(Look::Missing) if self.first.get().is_some() => return self.replaced(),
                Some(Look::Missing) => {
                    Error::new(ErrorKind::Connect, format!("the database `{name}` does not exist"))
                        .with_hint("`mode=rwc` creates it")
                }
                _ => Error::new(
                    ErrorKind::Connect,
                    format!("the database `{name}` could not be opened"),
                )
                .with_hint("check the permissions of the file and its directory"),
            },
            26 => Error::new(ErrorKind::Corrupt, format!("`{name}` is not a SQLite database")),
            11 => Error::new(ErrorKind::Corrupt, format!("the database `{name}` is damaged")),
            5 => {
                return Error::new(
                    ErrorKind::Connect,
                    format!("the database `{name}` is locked by another connection"),
                )
                .with_code(raw.code().name())
                .with_retry(Retry::Safe);
            }
            _ => {
                let inner = errors::error(raw, Doing::Running);
                Error::new(ErrorKind::Connect, format!("the database `{name}` could not be opened"))
                    .with_source(inner)
            }
        };
        error.with_code(raw.code().name()).with_nothing_sent(true).with_retry(Retry::Never)
    }
}

/// Applies the options that are settings of a connection.
pub(crate) fn settings(engine: &mut Engine) -> Result<(), raw::Error> {
    let options = Arc::clone(&engine.options);
    engine.handle.set_config(Config::ForeignKeys, options.foreign_keys)?;
    engine.exec(&format!(
        "PRAGMA cache_size = {}; PRAGMA temp_store = {}; PRAGMA synchronous = {}",
        options.cache_size, options.temp_store, options.synchronous
    ))
}

enum Failed {
    Raw(raw::Error),
    Error(Error),
}

impl From<raw::Error> for Failed {
    fn from(raw: raw::Error) -> Self {
        Self::Raw(raw)
    }
}

/// What stands at a path, for a better message.
enum Look {
    Directory,
    NoParent,
    Missing,
    Other,
}

fn look(path: &Path) -> Look {
    if path.is_dir() {
        return Look::Directory;
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if parent.is_some_and(|parent| !parent.is_dir()) {
        return Look::NoParent;
    }
    if path.exists() { Look::Other } else { Look::Missing }
}
