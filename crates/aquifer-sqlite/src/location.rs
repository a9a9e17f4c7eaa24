//! Which database a URL names.

use aquifer_driver::{Dsn, Error, ErrorKind, Result};

use crate::options::{Mode, Options};

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// In memory, for as long as its connection lives.
    Memory,
    /// A file, as it was written: relative to the working directory at the first connect, or absolute.
    File(String),
}

impl Location {
    /// Reads `sqlite:a.db`, `sqlite://a.db`, `sqlite:///abs/a.db`, `sqlite::memory:`, or a plain path
    /// in the driver's own form.
    ///
    /// # Errors
    ///
    /// `Configuration` if no file is named, or the name cannot be one.
    pub(crate) fn parse(dsn: &Dsn, options: &Options) -> Result<Self> {
        let path = if dsn.is_url() {
            let body = dsn.body();
            let named = body.strip_prefix("//");
            if named.is_some_and(|named| named.split('/').next().unwrap_or(named).contains('@')) {
                return Err(login());
            }
            Dsn::decode(named.unwrap_or(body), "the path")?
        } else {
            dsn.body().to_owned()
        };
        if path == ":memory:" || options.mode == Mode::Memory {
            return match options.mode {
                Mode::ReadOnly => Err(Error::new(
                    ErrorKind::Configuration,
                    "a database in memory cannot be opened with `mode=ro`: it would stay empty",
                )),
                _ => Ok(Self::Memory),
            };
        }
        if path.is_empty() {
            return Err(Error::new(ErrorKind::Configuration, "the SQLite URL names no file")
                .with_hint(
                    "write `sqlite://file.db`, `sqlite:///absolute/file.db` or `sqlite::memory:`",
                ));
        }
        if path.contains('\0') {
            return Err(Error::new(
                ErrorKind::Configuration,
                "the path in the SQLite URL contains a NUL byte",
            ));
        }
        Ok(Self::File(path))
    }

    /// The name for messages.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Memory => ":memory:",
            Self::File(path) => path,
        }
    }
}

/// What stands before an `@` is likely a password: nothing of the text is shown.
#[cold]
fn login() -> Error {
    Error::new(
        ErrorKind::Configuration,
        "the SQLite URL names a user or a host, and SQLite databases are files",
    )
    .with_hint(
        "did you mean `postgres://`? A file with `@` in its name is written \
         `sqlite:a@b.db`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(url: &str) -> Result<Location> {
        let dsn = Dsn::parse(url)?;
        let params = dsn.params().iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Location::parse(&dsn, &Options::parse(params)?)
    }

    #[test]
    fn urls_name_files_and_memory() {
        for (url, path) in [
            ("sqlite://rel.db", "rel.db"),
            ("sqlite:rel.db", "rel.db"),
            ("sqlite:///abs/x.db", "/abs/x.db"),
            ("sqlite:/abs/x.db", "/abs/x.db"),
            ("sqlite3://a%20b%3F.db?mode=ro", "a b?.db"),
            ("sqlite:./:memory:", "./:memory:"),
        ] {
            assert_eq!(location(url).unwrap(), Location::File(path.into()), "{url}");
        }
        for url in [
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite://x.db?mode=memory",
            "sqlite:?mode=memory",
        ] {
            assert_eq!(location(url).unwrap(), Location::Memory, "{url}");
        }
        let native = Dsn::native("sqlite", "a%20b.db");
        let location = Location::parse(&native, &Options::default()).unwrap();
        assert_eq!(location, Location::File("a%20b.db".into()));
    }

    #[test]
    fn what_names_no_file_is_refused() {
        for url in [
            "sqlite:",
            "sqlite://",
            "sqlite://a%00b.db",
            "sqlite://%ff.db",
            "sqlite::memory:?mode=ro",
        ] {
            assert_eq!(location(url).unwrap_err().kind(), ErrorKind::Configuration, "{url}");
        }
    }

    #[test]
    fn a_url_with_a_login_is_refused_without_showing_it() {
        for url in
            ["sqlite://user:hunter2@host/x.db", "sqlite://hunter2@host", "sqlite://:hunter2@"]
        {
            let error = location(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{url}");
            let shown = format!("{error} {error:?} {:?}", error.hint());
            assert!(shown.contains("postgres://") && !shown.contains("hunter2"), "{shown}");
        }
        for (url, path) in [
            ("sqlite:a@b.db", "a@b.db"),
            ("sqlite://a%40b.db", "a@b.db"),
            ("sqlite:///srv/a@b/x.db", "/srv/a@b/x.db"),
            ("sqlite://dir/a@b.db", "dir/a@b.db"),
        ] {
            assert_eq!(location(url).unwrap(), Location::File(path.into()), "{url}");
        }
    }
}
