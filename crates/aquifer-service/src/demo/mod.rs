//! The demo: rivers, gauging stations and their readings, the same on every machine.
//!
//! The data is made from a fixed seed. The readings, nearly all of it, are computed inside SQLite by one
//! statement, so that the first start is as quick as the later ones.

mod seed;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use aquifer::driver::Environment;
use aquifer::{Db, Error};

use crate::catalog::Source;

/// Stations in the demo.
pub const STATIONS: u32 = seed::STATIONS;
/// Readings in the demo.
pub const READINGS: u32 = seed::STATIONS * seed::HOURS;

/// The demo's queries: file names and texts.
const QUERIES: [(&str, &str); 3] = [
    ("alerts.sql", include_str!("alerts.sql")),
    ("readings.sql", include_str!("readings.sql")),
    ("stations.sql", include_str!("stations.sql")),
];

/// An open demo database and its queries.
#[derive(Debug)]
#[non_exhaustive]
pub struct Demo {
    /// The database.
    pub db: Db,
    /// Its file; `None` in memory.
    pub file: Option<PathBuf>,
    /// Where its queries are, for the user to change; `None` in memory.
    pub directory: Option<PathBuf>,
    /// The queries.
    pub sources: Vec<Source>,
}

/// Why there is no demo.
#[derive(Debug)]
#[non_exhaustive]
pub enum DemoError {
    /// Neither `XDG_DATA_HOME` nor a home directory is known.
    NoHome,
    /// A file or directory cannot be made or read.
    Io(PathBuf, io::Error),
    /// The database cannot be opened or filled.
    Database(Error),
    /// The directory of queries is there but cannot be used.
    Queries(Vec<crate::Diagnostic>),
    /// The file is not a demo of this version.
    Foreign(PathBuf),
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHome => f.write_str(
                "no place for the demo: neither XDG_DATA_HOME nor HOME is set; use `--memory`",
            ),
            Self::Io(path, error) => {
                write!(f, "the demo cannot use {}: {error}; use `--memory`", path.display())
            }
            Self::Database(error) => write!(f, "the demo's database: {error}"),
            Self::Queries(diagnostics) => {
                let lines: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::Foreign(path) => write!(
                f,
                "{} is not a demo of this version; move it away, and the next start makes a new one",
                path.display()
            ),
        }
    }
}

impl std::error::Error for DemoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Error> for DemoError {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl Demo {
    /// Where the demo keeps its files: `$XDG_DATA_HOME/aquifer`, or `~/.local/share/aquifer`.
    ///
    /// # Errors
    ///
    /// [`DemoError::NoHome`].
    pub fn directory(environment: &dyn Environment) -> Result<PathBuf, DemoError> {
        // The XDG specification has relative paths ignored.
        let xdg = environment.var("XDG_DATA_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
        let home = || Some(PathBuf::from(environment.home()?).join(".local/share"));
        Ok(xdg.or_else(home).ok_or(DemoError::NoHome)?.join("aquifer"))
    }

    /// Opens the demo in `directory`, making what is missing: `demo.db` and `demo/queries`. What is there
    /// is the user's, and stays as it is.
    ///
    /// # Errors
    ///
    /// If the files cannot be made, or are not a demo's.
    pub async fn in_directory(directory: &Path) -> Result<Self, DemoError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| DemoError::Io(path, error)
        };
        std::fs::create_dir_all(directory).map_err(at(directory))?;
        let file = directory.join("demo.db");
        let queries = directory.join("demo/queries");
        // Two first starts at once must not both seed: the second waits, and finds the work done. The
        // lock ends with the process, however that ends.
        let lock_path = directory.join("demo.lock");
        let lock = File::create(&lock_path).map_err(at(&lock_path))?;
        lock.lock().map_err(at(&lock_path))?;
        if !file.exists() {
            seed_file(directory, &file).await?;
        }
        if !queries.exists() {
            write_queries(directory, &queries)?;
        }
        drop(lock);
        let db = Db::connect(&format!("{}?mode=rw", sqlite_url(&file))).await?;
        let version: i64 = db.get("PRAGMA user_version", ()).await?;
        if version != seed::VERSION {
            return Err(DemoError::Foreign(file));
        }
        let sources = Source::read_dir(&queries).map_err(DemoError::Queries)?;
        Ok(Self { db, file: Some(file), directory: Some(queries), sources })
    }

    /// Makes the demo in memory. It leaves nothing behind.
    ///
    /// # Errors
    ///
    /// If the database cannot be filled.
    pub async fn in_memory() -> Result<Self, DemoError> {
        let db = Db::connect("sqlite::memory:").await?;
        seed::fill(&db).await?;
        let sources = QUERIES
            .iter()
            .map(|(file, text)| Source { file: (*file).to_owned(), text: (*text).to_owned() })
            .collect();
        Ok(Self { db, file: None, directory: None, sources })
    }
}

/// Fills another file and gives it the name when it is complete: a start that is killed half-way leaves
/// no half of a demo.
async fn seed_file(directory: &Path, file: &Path) -> Result<(), DemoError> {
    let unfinished = directory.join("demo.db.unfinished");
    let io = |error| DemoError::Io(unfinished.clone(), error);
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    // Nothing of this file is worth a journal: it is complete or it is thrown away.
    let url = format!("{}?mode=rwc&journal_mode=memory&synchronous=off", sqlite_url(&unfinished));
    let db = Db::connect(&url).await?;
    let filled = seed::fill(&db).await;
    let _ = db.close().await;
    filled?;
    File::open(&unfinished).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::rename(&unfinished, file).map_err(|error| DemoError::Io(file.to_owned(), error))
}

fn write_queries(directory: &Path, queries: &Path) -> Result<(), DemoError> {
    let unfinished = directory.join("demo/queries.unfinished");
    let write = || {
        match std::fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::create_dir_all(&unfinished)?;
        for (name, text) in QUERIES {
            std::fs::write(unfinished.join(name), text)?;
        }
        std::fs::rename(&unfinished, queries)
    };
    write().map_err(|error| DemoError::Io(queries.to_owned(), error))
}

/// The URL of an SQLite file, whatever characters its path has.
pub fn sqlite_url(path: &Path) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
    const PLAIN: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');
    let encoded = percent_encode(path.as_os_str().as_encoded_bytes(), PLAIN);
    format!("sqlite://{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    struct Vars(&'static [(&'static str, &'static str)]);

    impl Environment for Vars {
        fn var(&self, name: &str) -> Option<String> {
            self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn the_directory_follows_the_xdg_specification() {
        let directory = |vars| Demo::directory(&Vars(vars)).ok();
        assert_eq!(
            directory(&[("XDG_DATA_HOME", "/x"), ("HOME", "/h")]),
            Some("/x/aquifer".into())
        );
        assert_eq!(directory(&[("HOME", "/h")]), Some("/h/.local/share/aquifer".into()));
        assert_eq!(
            directory(&[("XDG_DATA_HOME", "rel"), ("HOME", "/h")]),
            Some("/h/.local/share/aquifer".into())
        );
        assert_eq!(directory(&[]), None);
    }

    #[test]
    fn the_demos_queries_are_well_formed() {
        let sources: Vec<_> = QUERIES
            .iter()
            .map(|(file, text)| Source { file: (*file).into(), text: (*text).into() })
            .collect();
        let catalog = Catalog::parse(&sources, &aquifer::sql::Lexis::sqlite()).unwrap();
        assert_eq!(catalog.queries().len(), 6);
    }

    #[test]
    fn a_path_becomes_a_url_whatever_its_characters() {
        assert_eq!(sqlite_url(Path::new("/a b/c?#%.db")), "sqlite:///a%20b/c%3F%23%25.db");
        assert_eq!(sqlite_url(Path::new("rel.db")), "sqlite://rel.db");
    }
}
