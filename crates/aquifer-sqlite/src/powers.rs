//! What only SQLite has: backups, attached databases, checkpoints, extensions.
//!
//! Every call is a command of its own, run on the connection's worker, and may be given up like any
//! other: drop the future, and the connection recovers when it is used next or goes back to its pool.

use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aquifer_driver::{Error, ErrorKind, Result};

use crate::connection::SqliteConnection;
use crate::errors::{self, Doing};
use crate::raw::{self, BackupEnd, Handle, Location};

pub use crate::raw::{BackupProgress, Checkpoint, CheckpointMode};

/// Pages that a backup copies before it looks up: 1 MiB with SQLite's default pages.
const BACKUP_PAGES: NonZeroU32 = NonZeroU32::new(256).expect("not zero");

/// How long a backup lets a writer go first that holds a lock.
const BACKUP_PAUSE: Duration = Duration::from_millis(10);

impl SqliteConnection {
    /// The version of the SQLite library that is compiled in: `3.51.3`.
    #[must_use]
    pub fn library_version() -> &'static str {
        raw::version()
    }

    /// Copies the database into a file, while others go on using it; the pages copied.
    ///
    /// The file is created or overwritten, in one transaction: it is a copy of one moment, or as it was
    /// before. `progress` is called on the worker after every 256 pages and may stop the copy, which is
    /// then an error of kind [`Cancelled`](ErrorKind::Cancelled). A change by another connection starts
    /// the copy over; a change by this one cannot happen meanwhile.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or the copy was stopped.
    pub async fn backup(
        &mut self,
        to: impl AsRef<Path>,
        mut progress: impl FnMut(BackupProgress) -> ControlFlow<()> + Send + 'static,
    ) -> Result<u32> {
        let to: PathBuf = to.as_ref().to_owned();
        self.call(move |engine| {
            let failed = |raw: raw::Error| {
                errors::error(&raw, Doing::Running).with_hint("the backup was not completed")
            };
            let location = Location::Path(to.as_os_str().as_encoded_bytes());
            let mut target = Handle::open(location, raw::Mode::ReadWriteCreate).map_err(failed)?;
            let observe = |seen: BackupProgress| {
                if seen.blocked {
                    std::thread::sleep(BACKUP_PAUSE);
                }
                progress(seen)
            };
            match raw::backup(
                &mut engine.handle,
                "main",
                &mut target,
                "main",
                BACKUP_PAGES,
                observe,
            )
            .map_err(failed)?
            {
                BackupEnd::Complete { page_count } => Ok(page_count),
                BackupEnd::Stopped => {
                    Err(Error::new(ErrorKind::Cancelled, "the backup was stopped by its observer"))
                }
            }
        })
        .await
    }

    /// Attaches a database file under a name: its tables are `name.table`. It is created if it is
    /// missing, unless this connection only reads.
    ///
    /// Attached to this connection alone: other connections of the pool do not see it, and
    /// [`Reset`](aquifer_driver::Command::Reset) detaches it.
    ///
    /// # Errors
    ///
    /// If the name is taken, the path is not UTF-8, or the file is no database.
    pub async fn attach(&mut self, path: impl AsRef<Path>, name: &str) -> Result<()> {
        let path = path.as_ref();
        let Some(text) = path.to_str() else {
            return Err(Error::new(
                ErrorKind::Argument,
                "the path of a database to attach must be UTF-8",
            ));
        };
        // SQLite reads `file:` as a URI and `:memory:` as memory; a path is neither.
        let text = if text.starts_with(':') || text.starts_with("file:") {
            format!("./{text}")
        } else {
            text.to_owned()
        };
        let sql = format!("ATTACH {} AS {}", literal(&text)?, identifier(name)?);
        self.call(move |engine| {
            engine.set_private(false);
            engine.session.changed = true;
            engine.exec(&sql).map_err(|raw| errors::error(&raw, Doing::Running))
        })
        .await
    }

    /// Detaches a database.
    ///
    /// # Errors
    ///
    /// If there is none of that name, or a transaction is using it.
    pub async fn detach(&mut self, name: &str) -> Result<()> {
        let sql = format!("DETACH {}", identifier(name)?);
        self.call(move |engine| {
            engine.session.changed = true;
            engine.exec(&sql).map_err(|raw| errors::error(&raw, Doing::Running))
        })
        .await
    }

    /// Copies the write-ahead log into the database file.
    ///
    /// SQLite does this by itself every 1000 pages; a service calls it before a copy of the file, or
    /// when it is idle.
    ///
    /// # Errors
    ///
    /// [`LockTimeout`](ErrorKind::LockTimeout) if readers or writers were in the way for longer than
    /// `busy_timeout`; what could be copied has been.
    pub async fn wal_checkpoint(&mut self, mode: CheckpointMode) -> Result<Checkpoint> {
        self.call(move |engine| {
            engine
                .handle
                .wal_checkpoint(None, mode)
                .map_err(|raw| errors::error(&raw, Doing::Running))
        })
        .await
    }

    /// Loads an extension, native code from a shared library, into this connection.
    ///
    /// Nothing can check what that code does: the path must come from the program's own configuration.
    /// Loading from SQL is never possible.
    ///
    /// # Errors
    ///
    /// [`Permission`](ErrorKind::Permission) unless the URL says `extensions=on`; the loader's message.
    pub async fn load_extension(
        &mut self,
        path: impl AsRef<Path>,
        entry: Option<&str>,
    ) -> Result<()> {
        let Some(path) = path.as_ref().to_str().map(str::to_owned) else {
            return Err(Error::new(ErrorKind::Argument, "the extension's path must be UTF-8"));
        };
        let entry = entry.map(str::to_owned);
        self.call(move |engine| {
            if !engine.options.extensions {
                return Err(Error::new(ErrorKind::Permission, "loading extensions is off")
                    .with_hint("say `extensions=on` in the URL if the code is trusted"));
            }
            engine
                .handle
                .load_extension(&path, entry.as_deref())
                .map_err(|raw| Error::new(ErrorKind::Database, raw.message().to_owned()))
        })
        .await
    }
}

fn literal(text: &str) -> Result<String> {
    quoted(text, '\'')
}

fn identifier(text: &str) -> Result<String> {
    quoted(text, '"')
}

fn quoted(text: &str, quote: char) -> Result<String> {
    if text.is_empty() || text.contains('\0') {
        return Err(Error::new(
            ErrorKind::Argument,
            "a name or path is empty or contains a NUL byte",
        ));
    }
    let doubled = text.replace(quote, &format!("{quote}{quote}"));
    Ok(format!("{quote}{doubled}{quote}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_names_are_doubled() {
        assert_eq!(identifier("a\"b").unwrap(), "\"a\"\"b\"");
        assert_eq!(literal("it's").unwrap(), "'it''s'");
        assert_eq!(identifier("").unwrap_err().kind(), ErrorKind::Argument);
        assert_eq!(literal("a\0").unwrap_err().kind(), ErrorKind::Argument);
    }
}
