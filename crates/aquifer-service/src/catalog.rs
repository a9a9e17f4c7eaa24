//! [`Catalog`]: all queries of a service, with unique names and routes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;

use aquifer::sql::Lexis;

use crate::diagnostic::Diagnostic;
use crate::query::{self, Query};
use crate::route::Router;

/// `.sql` files that a directory may hold.
const FILES_MAX: usize = 1_000;
/// Bytes that one file may have.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The queries of a service.
#[derive(Debug, Default)]
pub struct Catalog {
    queries: Vec<Query>,
    router: Router,
}

/// A text of queries and what to call it in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file as the user named it.
    pub file: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// Reads every `.sql` file of a directory (not of its subdirectories), by name.
    ///
    /// # Errors
    ///
    /// If the directory or one of its files cannot be read, is not UTF-8, is larger than 1 MiB, or there
    /// are none or more than 1 000.
    pub fn read_dir(directory: &Path) -> Result<Vec<Self>, Vec<Diagnostic>> {
        let (sources, errors) = Self::scan(directory)?;
        if errors.is_empty() { Ok(sources) } else { Err(errors) }
    }

    /// Like [`read_dir`](Self::read_dir), but gives the files that can be read beside what is wrong with the
    /// others.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read, has no `.sql` file, or more than 1 000.
    pub fn scan(directory: &Path) -> Result<(Vec<Self>, Vec<Diagnostic>), Vec<Diagnostic>> {
        let shown = directory.display().to_string();
        let whole =
            |message: String, hint: &str| vec![Diagnostic::file(&shown, message).with_hint(hint)];
        if directory.is_file() {
            return Err(whole(
                "this is a file, not a directory".to_owned(),
                "pass the directory that it is in with --queries",
            ));
        }
        let entries = std::fs::read_dir(directory).map_err(|error| {
            whole(
                format!("cannot read the directory: {error}"),
                "pass the directory of your `.sql` files with --queries",
            )
        })?;
        let mut files: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
            .collect();
        files.sort();
        if files.is_empty() {
            return Err(whole(
                "there is no `.sql` file here".to_owned(),
                "write one; each query starts with `-- name: stations.get :one`",
            ));
        }
        if files.len() > FILES_MAX {
            return Err(whole(format!("more than {FILES_MAX} `.sql` files"), "join some of them"));
        }
        let mut sources = Vec::new();
        let mut errors = Vec::new();
        for path in files {
            let file = path.display().to_string();
            let text = std::fs::metadata(&path).and_then(|metadata| {
                if metadata.len() > FILE_BYTES_MAX {
                    return Err(std::io::Error::other("the file is larger than 1 MiB"));
                }
                std::fs::read(&path)
            });
            match text.map(String::from_utf8) {
                Ok(Ok(text)) => sources.push(Self { file, text }),
                Ok(Err(error)) => errors.push(not_utf8(&file, &error)),
                Err(error) => errors.push(
                    Diagnostic::file(&file, format!("cannot read the file: {error}"))
                        .with_hint("queries are UTF-8 text of at most 1 MiB per file"),
                ),
            }
        }
        Ok((sources, errors))
    }
}

/// Where a file stops being UTF-8.
fn not_utf8(file: &str, error: &FromUtf8Error) -> Diagnostic {
    let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let text = String::from_utf8_lossy(valid);
    Diagnostic::at(file, &text, text.len(), "this is not UTF-8").with_hint("save the file as UTF-8")
}

impl Catalog {
    /// Reads the queries of all sources.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them, names and routes that two queries share included.
    pub fn parse(sources: &[Source], lexis: &Lexis) -> Result<Self, Vec<Diagnostic>> {
        let (catalog, errors) = Self::read(sources, lexis);
        if errors.is_empty() { Ok(catalog) } else { Err(errors) }
    }

    /// The queries that can be read, to be checked beside everything that is wrong with the others. Only a
    /// catalogue without errors is to be served.
    pub fn read(sources: &[Source], lexis: &Lexis) -> (Self, Vec<Diagnostic>) {
        let mut errors = Vec::new();
        let mut catalog = Self::default();
        let mut names: HashMap<String, String> = HashMap::new();
        let mut shapes: HashMap<String, usize> = HashMap::new();
        for source in sources {
            let (queries, found) = query::read(&source.file, &source.text, lexis);
            errors.extend(found);
            for query in queries {
                let place = &query.location;
                let at = format!("{}:{}", place.file, place.name.0);
                if let Some(first) = names.insert(query.name.clone(), at) {
                    errors.push(
                        place
                            .at_name(format!("a second query is called `{}`", query.name))
                            .with_hint(format!("the first is at {first}; rename one")),
                    );
                }
                let index = catalog.queries.len();
                if !catalog.router.add(&query.route, index) {
                    let shape = format!("{} {}", query.route.method, query.route.path.shape());
                    let first = shapes.get(&shape).map(|index| &catalog.queries[*index]);
                    let hint = first.map_or_else(
                        || "give it another path or method".to_owned(),
                        |first| format!("`{}` has it already; give one another path", first.name),
                    );
                    errors.push(
                        place
                            .at_route(format!("a second query has the route {}", query.route))
                            .with_hint(hint),
                    );
                }
                let shape = format!("{} {}", query.route.method, query.route.path.shape());
                shapes.entry(shape).or_insert(index);
                catalog.queries.push(query);
            }
        }
        (catalog, errors)
    }

    /// The queries, in the order of files and lines.
    pub fn queries(&self) -> &[Query] {
        &self.queries
    }

    /// Finds queries by path.
    pub fn router(&self) -> &Router {
        &self.router
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(file: &str, text: &str) -> Source {
        Source { file: file.into(), text: text.into() }
    }

    #[test]
    fn names_and_routes_are_unique_over_all_files() {
        let a = source(
            "a.sql",
            "-- name: x :one\n-- http: GET /x/{id}\n-- param id: int64\nSELECT :id;",
        );
        let b = source(
            "b.sql",
            "-- name: x :one\n-- http: GET /y\nSELECT 1;\n\
             -- name: z :one\n-- http: GET /x/{other}\n-- param other: text\nSELECT :other;",
        );
        let errors = Catalog::parse(&[a, b], &Lexis::sqlite()).unwrap_err();
        let shown: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "b.sql:1:10: a second query is called `x`\n  the first is at a.sql:1; rename one",
                "b.sql:5:10: a second query has the route GET /x/{other}\n  \
                 `x` has it already; give one another path",
            ]
        );
    }

    #[test]
    fn the_mistakes_of_all_files_are_shown() {
        let sources = [source("a.sql", "SELECT 1;"), source("b.sql", "SELECT 2;")];
        assert_eq!(Catalog::parse(&sources, &Lexis::sqlite()).unwrap_err().len(), 2);
    }

    #[test]
    fn a_directory_without_queries_is_a_mistake() {
        let directory =
            std::env::temp_dir().join(format!("aquifer-catalog-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let none = Source::read_dir(&directory).unwrap_err();
        assert!(none[0].message.contains("no `.sql` file"), "{none:?}");
        std::fs::write(directory.join("b.sql"), "B").unwrap();
        std::fs::write(directory.join("a.sql"), "A").unwrap();
        std::fs::write(directory.join("c.txt"), "C").unwrap();
        let texts: Vec<_> =
            Source::read_dir(&directory).unwrap().into_iter().map(|source| source.text).collect();
        assert_eq!(texts, ["A", "B"]);
        std::fs::write(directory.join("d.sql"), b"-- \xc3\xa9\n--\xc3\xa9 \xff").unwrap();
        let broken = Source::read_dir(&directory).unwrap_err();
        assert_eq!(broken.len(), 1);
        assert_eq!((broken[0].line, broken[0].column), (2, 5), "{}", broken[0]);
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(Source::read_dir(&directory).unwrap_err()[0].message.contains("cannot read"));
    }
}
