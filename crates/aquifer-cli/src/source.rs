//! From what was typed to an open database and its queries.

use std::path::{Path, PathBuf};

use aquifer::Db;
use aquifer::driver::Environment;
use aquifer_service::{Catalog, Checked, Demo, Diagnostic, lexis, sqlite_url};

use crate::args;
use crate::failure::Failure;

/// An open database and the queries for it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) db: Db,
    /// The database's name in metrics and probes.
    pub(crate) name: String,
    /// The queries that could be read.
    pub(crate) catalog: Catalog,
    /// What is wrong with the others; none of the queries is to be served then.
    pub(crate) mistakes: Vec<Diagnostic>,
    /// Where the queries are, for people.
    pub(crate) queries: String,
    /// The same as an absolute path; `None` if they are built in.
    pub(crate) queries_path: Option<String>,
    /// Where the data is, for people; never a password.
    pub(crate) data: String,
    /// The same for programs: the absolute path of a file; `None` if it is in memory.
    pub(crate) data_path: Option<String>,
    pub(crate) is_demo: bool,
}

/// What a database is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To answer requests.
    Serve,
    /// To prepare queries. The file is opened for reading only: opening it for writing would create it, or
    /// change its journal mode.
    Check,
}

impl Source {
    /// A new database in memory, which has no tables.
    fn is_empty_memory(&self) -> bool {
        self.data_path.is_none() && !self.is_demo
    }

    /// The database in a sentence.
    pub(crate) fn described(&self) -> &str {
        match (self.is_empty_memory(), self.data_path.is_none()) {
            (true, _) => "an empty database in memory",
            (false, true) => "the demo in memory",
            (false, false) => &self.data,
        }
    }

    /// Has the database prepare the queries.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, with heads and with statements, file by file.
    pub(crate) async fn check(&self) -> Result<Vec<Checked>, Failure> {
        let checked = aquifer_service::check(&self.db, &self.catalog).await;
        let mut mistakes = self.mistakes.clone();
        match checked {
            Ok(checked) if mistakes.is_empty() => return Ok(checked),
            Ok(_) => {}
            Err(refused) => mistakes.extend(refused.into_iter().map(|mistake| {
                if self.is_empty_memory() && mistake.hint.is_none() {
                    mistake.with_hint("a memory database is empty; pass one that has your tables")
                } else {
                    mistake
                }
            })),
        }
        mistakes.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        Err(Failure::queries(mistakes))
    }
}

/// True if the demo is what these arguments mean.
pub(crate) fn is_demo(args: &args::Source, environment: &dyn Environment) -> bool {
    args.memory || dsn(args, environment).is_none()
}

fn dsn(args: &args::Source, environment: &dyn Environment) -> Option<String> {
    let from_environment = || environment.var("DATABASE_URL").filter(|url| !url.is_empty());
    args.dsn.clone().or_else(from_environment)
}

/// Opens the database and reads the queries.
pub(crate) async fn open(
    args: &args::Source,
    environment: &dyn Environment,
    purpose: Purpose,
) -> Result<Source, Failure> {
    match dsn(args, environment).filter(|_| !args.memory) {
        None => demo(args, environment, purpose).await,
        Some(dsn) => {
            let url = url(&dsn, purpose)?;
            // A scheme or option that does not exist is told before anything else is asked for.
            drop(Db::open(&url).map_err(|error| Failure::database(error, purpose))?);
            let directory = match &args.queries {
                Some(directory) => directory.clone(),
                None if Path::new("queries").is_dir() => PathBuf::from("queries"),
                None => {
                    return Err(Failure::usage(
                        "no queries: pass their directory with --queries DIR, or make ./queries",
                    ));
                }
            };
            let (sources, unreadable) = read(&directory)?;
            let db = Db::connect(&url).await.map_err(|error| Failure::database(error, purpose))?;
            let (catalog, mistakes) = parse(&db, &sources, unreadable)?;
            let location = db.location().to_owned();
            let name = Path::new(&location)
                .file_stem()
                .map_or_else(|| "main".to_owned(), |stem| stem.to_string_lossy().into_owned());
            Ok(Source {
                name,
                catalog,
                mistakes,
                queries: directory.display().to_string(),
                queries_path: Some(absolute(&directory)),
                data_path: data_path(&db, &url, &location),
                data: location,
                is_demo: false,
                db,
            })
        }
    }
}

async fn demo(
    args: &args::Source,
    environment: &dyn Environment,
    purpose: Purpose,
) -> Result<Source, Failure> {
    let demo = if args.memory {
        Demo::in_memory().await
    } else {
        let directory = Demo::directory(environment).map_err(Failure::demo)?;
        // Checking does not make the demo that serving would keep.
        if purpose == Purpose::Check && !directory.join("demo.db").exists() {
            Demo::in_memory().await
        } else {
            Demo::in_directory(&directory).await
        }
    }
    .map_err(Failure::demo)?;
    let ((sources, unreadable), queries) = match &args.queries {
        Some(directory) => (read(directory)?, directory.display().to_string()),
        None => {
            let shown = demo.directory.as_deref().map(|path| shorten(path, environment));
            ((demo.sources, Vec::new()), shown.unwrap_or_else(|| "built in".to_owned()))
        }
    };
    let (catalog, mistakes) = parse(&demo.db, &sources, unreadable)?;
    let data = demo.file.as_deref().map(|file| shorten(file, environment));
    let queries_path = args.queries.as_deref().or(demo.directory.as_deref()).map(absolute);
    let data_path = demo.file.as_deref().map(absolute);
    Ok(Source {
        data_path,
        queries_path,
        db: demo.db,
        name: "demo".to_owned(),
        catalog,
        mistakes,
        queries,
        data: data.unwrap_or_else(|| "in memory".to_owned()),
        is_demo: true,
    })
}

type Files = (Vec<aquifer_service::Source>, Vec<Diagnostic>);

fn read(directory: &Path) -> Result<Files, Failure> {
    aquifer_service::Source::scan(directory).map_err(Failure::queries)
}

fn parse(
    db: &Db,
    sources: &[aquifer_service::Source],
    mut mistakes: Vec<Diagnostic>,
) -> Result<(Catalog, Vec<Diagnostic>), Failure> {
    let (catalog, malformed) = Catalog::read(sources, &lexis(db));
    mistakes.extend(malformed);
    if catalog.queries().is_empty() && mistakes.is_empty() {
        let files = sources.first().map_or("", |source| source.file.as_str());
        return Err(Failure::queries(vec![
            Diagnostic::file(files, "there is no query in these files")
                .with_hint("each query starts with `-- name: stations.get :one`"),
        ]));
    }
    Ok((catalog, mistakes))
}

/// Where a database's data is, for programs.
fn data_path(db: &Db, url: &str, location: &str) -> Option<String> {
    if db.dialect().name != "sqlite" {
        Some(location.to_owned())
    } else if is_memory(url) {
        None
    } else {
        Some(absolute(Path::new(location)))
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

/// True if an SQLite URL means a database in memory.
fn is_memory(url: &str) -> bool {
    let (body, query) = url.split_once('?').unwrap_or((url, ""));
    body.ends_with(":memory:") || query.split('&').any(|pair| pair == "mode=memory")
}

/// A path below the home directory with `~`, as people write it.
fn shorten(path: &Path, environment: &dyn Environment) -> String {
    let below_home = environment.home().and_then(|home| path.strip_prefix(home).ok());
    match below_home {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

/// The URL of what was typed: a URL as it is, anything else as the path of an SQLite file. A file that
/// does not exist is an error, not a new database: it was most likely a typing mistake.
fn url(dsn: &str, purpose: Purpose) -> Result<String, Failure> {
    let scheme = dsn.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| {
        scheme.len() > 1
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    match scheme {
        Some("sqlite" | "sqlite3") => Ok(sqlite(dsn, purpose)),
        Some(_) => Ok(dsn.to_owned()),
        None => {
            let path = Path::new(dsn);
            if !path.is_file() {
                return Err(Failure::failed(format!(
                    "there is no database file `{dsn}`; pass the path of an SQLite file that \
                     exists, or a URL such as sqlite:///srv/my.db"
                )));
            }
            Ok(sqlite(&sqlite_url(path), purpose))
        }
    }
}

/// An SQLite URL with a `mode`: for serving `rw`, unless it has one; for checking `ro`, whatever it has.
fn sqlite(dsn: &str, purpose: Purpose) -> String {
    let (body, query) = dsn.split_once('?').unwrap_or((dsn, ""));
    let has_mode = query.split('&').any(|pair| pair.starts_with("mode="));
    if is_memory(dsn) {
        return dsn.to_owned();
    }
    let mode = match purpose {
        Purpose::Serve if has_mode => return dsn.to_owned(),
        Purpose::Serve => "mode=rw",
        Purpose::Check => "mode=ro",
    };
    let others = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("mode="));
    let pairs: Vec<_> = others.chain([mode]).collect();
    format!("{body}?{}", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_never_create_a_database_by_mistake() {
        for (dsn, serve, check) in [
            ("sqlite:///a.db", "sqlite:///a.db?mode=rw", "sqlite:///a.db?mode=ro"),
            ("sqlite://a.db?", "sqlite://a.db?mode=rw", "sqlite://a.db?mode=ro"),
            ("sqlite://a.db?x=1", "sqlite://a.db?x=1&mode=rw", "sqlite://a.db?x=1&mode=ro"),
            ("sqlite://a.db?mode=ro", "sqlite://a.db?mode=ro", "sqlite://a.db?mode=ro"),
            (
                "sqlite://a.db?mode=rwc&x=1",
                "sqlite://a.db?mode=rwc&x=1",
                "sqlite://a.db?x=1&mode=ro",
            ),
            ("sqlite::memory:", "sqlite::memory:", "sqlite::memory:"),
            ("postgres://db/shop", "postgres://db/shop", "postgres://db/shop"),
        ] {
            assert_eq!(url(dsn, Purpose::Serve).unwrap(), serve);
            assert_eq!(url(dsn, Purpose::Check).unwrap(), check);
        }
    }

    #[test]
    fn a_path_must_be_a_file_that_exists() {
        let file = std::env::temp_dir().join(format!("aquifer source {}.db", std::process::id()));
        std::fs::write(&file, "").unwrap();
        let got = url(file.to_str().unwrap(), Purpose::Serve).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(
            got.starts_with("sqlite:///")
                && got.ends_with(
                    "%20{}.db?mode=rw".replace("{}", &std::process::id().to_string()).as_str()
                ),
            "{got}"
        );
        let missing = url("./no-such.db", Purpose::Serve).unwrap_err();
        assert!(missing.to_string().contains("`./no-such.db`"));
    }
}
