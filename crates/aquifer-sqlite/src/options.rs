//! The options of a SQLite URL: one table, from which parsing, checks, help and docs come.

use std::num::NonZeroU32;
use std::time::Duration;

use aquifer_driver::{DriverOption, Error, ErrorKind, Result, suggest};

/// What a connection may do with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    ReadOnly,
    ReadWrite,
    ReadWriteCreate,
    Memory,
}

/// How SQLite makes transactions durable and undoes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Journal {
    Wal,
    Delete,
    Truncate,
    Persist,
    Memory,
}

impl Journal {
    /// The name as `PRAGMA journal_mode` takes and gives it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wal => "wal",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
            Self::Persist => "persist",
            Self::Memory => "memory",
        }
    }
}

/// Everything that a URL's query says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    pub(crate) busy_timeout: Duration,
    pub(crate) journal: Journal,
    /// As `PRAGMA synchronous` takes it.
    pub(crate) synchronous: &'static str,
    pub(crate) foreign_keys: bool,
    /// Pages, or KiB if negative.
    pub(crate) cache_size: i32,
    /// As `PRAGMA temp_store` takes it.
    pub(crate) temp_store: &'static str,
    /// Statements that a connection keeps prepared, at most.
    pub(crate) statement_cache: usize,
    /// Virtual-machine operations that a query may take on the calling thread; `None` for none at all.
    pub(crate) inline_budget: Option<NonZeroU32>,
    pub(crate) extensions: bool,
}

/// An option, and how its text becomes a value.
struct Definition {
    option: DriverOption,
    /// What may be written, for messages and docs.
    takes: &'static str,
    /// `None` for a text that is none of that.
    set: fn(&mut Options, &str) -> Option<()>,
}

const fn define(
    name: &'static str,
    default: &'static str,
    takes: &'static str,
    help: &'static str,
    set: fn(&mut Options, &str) -> Option<()>,
) -> Definition {
    Definition { option: DriverOption::new(name, default, help), takes, set }
}

const COUNT: usize = 10;

const DEFINITIONS: [Definition; COUNT] = [
    define(
        "mode",
        "rwc",
        "`ro`, `rw`, `rwc`, `memory`",
        "What may be done with the file: read it, write it too, create it if it is missing, or keep a database in memory instead.",
        |options, text| {
            options.mode = match text {
                "ro" => Mode::ReadOnly,
                "rw" => Mode::ReadWrite,
                "rwc" => Mode::ReadWriteCreate,
                "memory" => Mode::Memory,
                _ => return None,
            };
            Some(())
        },
    ),
    define(
        "busy_timeout",
        "5s",
        "a time such as `250ms`, `5s`, `1m`; `0` for none; at most `1h`",
        "How long a statement waits for a lock that another connection holds, on the worker, before it fails.",
        |options, text| {
            options.busy_timeout = duration(text).filter(|time| *time <= BUSY_TIMEOUT_MAX)?;
            Some(())
        },
    ),
    define(
        "journal_mode",
        "wal",
        "`wal`, `delete`, `truncate`, `persist`, `memory`",
        "How transactions are kept and undone. With `wal` many can read while one writes; all others make the pool one of equal connections.",
        |options, text| {
            options.journal = [
                Journal::Wal,
                Journal::Delete,
                Journal::Truncate,
                Journal::Persist,
                Journal::Memory,
            ]
            .into_iter()
            .find(|journal| journal.name() == text)?;
            Some(())
        },
    ),
    define(
        "synchronous",
        "normal",
        "`off`, `normal`, `full`, `extra`",
        "How often SQLite waits for the disk. With `wal` and `normal` a power failure can undo the last commits but not damage the file; `full` keeps them.",
        |options, text| {
            options.synchronous = one_of(text, &["off", "normal", "full", "extra"])?;
            Some(())
        },
    ),
    define(
        "foreign_keys",
        "on",
        "`on`, `off`",
        "Whether foreign keys are enforced.",
        |options, text| {
            options.foreign_keys = switch(text)?;
            Some(())
        },
    ),
    define(
        "cache_size",
        "-2000",
        "a whole number",
        "The page cache of each connection: pages, or KiB if negative.",
        |options, text| {
            options.cache_size = text.parse().ok()?;
            Some(())
        },
    ),
    define(
        "temp_store",
        "default",
        "`default`, `file`, `memory`",
        "Where temporary tables and indices are kept.",
        |options, text| {
            options.temp_store = one_of(text, &["default", "file", "memory"])?;
            Some(())
        },
    ),
    define(
        "statement_cache",
        "128",
        "1 to 10000",
        "Statements that each connection keeps prepared, at most; the least recently used leaves first.",
        |options, text| {
            options.statement_cache =
                text.parse().ok().filter(|count| (1..=10_000).contains(count))?;
            Some(())
        },
    ),
    define(
        "inline_budget",
        "10000",
        "1 to 1000000000, or `off`",
        "Virtual-machine operations (about 10 ns each) that a query may take on the calling thread before it moves to the worker; `off` runs everything on the worker.",
        |options, text| {
            options.inline_budget = match text {
                "off" => None,
                _ => Some(text.parse().ok().filter(|ops: &NonZeroU32| ops.get() <= 1_000_000_000)?),
            };
            Some(())
        },
    ),
    define(
        "extensions",
        "off",
        "`on`, `off`",
        "Whether `SqliteConnection::load_extension` may load native code. Never possible from SQL.",
        |options, text| {
            options.extensions = switch(text)?;
            Some(())
        },
    ),
];

const BUSY_TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// The options as other crates see them.
pub(crate) static OPTIONS: [DriverOption; COUNT] = {
    let mut options = [DEFINITIONS[0].option; COUNT];
    let mut index = 0;
    while index < COUNT {
        options[index] = DEFINITIONS[index].option;
        index += 1;
    }
    options
};

impl Options {
    /// The defaults of the table, changed by `params`.
    ///
    /// # Errors
    ///
    /// `Configuration` for an unknown option or a value that it does not take.
    pub(crate) fn parse<'a>(params: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let mut options = Self::default();
        for (name, value) in params {
            let Some(definition) = DEFINITIONS.iter().find(|known| known.option.name == name)
            else {
                return Err(unknown(name));
            };
            (definition.set)(&mut options, value).ok_or_else(|| {
                Error::new(
                    ErrorKind::Configuration,
                    format!("the option `{name}` of a SQLite URL takes {}", definition.takes),
                )
            })?;
        }
        Ok(options)
    }
}

impl Default for Options {
    fn default() -> Self {
        // Every field is set again from the table, so that there is no second place for defaults.
        let mut options = Self {
            mode: Mode::ReadWriteCreate,
            busy_timeout: Duration::ZERO,
            journal: Journal::Wal,
            synchronous: "",
            foreign_keys: false,
            cache_size: 0,
            temp_store: "",
            statement_cache: 1,
            inline_budget: None,
            extensions: false,
        };
        for definition in &DEFINITIONS {
            (definition.set)(&mut options, definition.option.default)
                .expect("every default is a value that its option takes");
        }
        options
    }
}

fn unknown(name: &str) -> Error {
    let shown: String = name.chars().take(40).filter(|c| !c.is_control()).collect();
    let error =
        Error::new(ErrorKind::Configuration, format!("a SQLite URL has no option `{shown}`"));
    let names = || OPTIONS.iter().map(|option| option.name);
    match suggest::nearest(name, names()) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => {
            error.with_hint(format!("the options are {}", names().collect::<Vec<_>>().join(", ")))
        }
    }
}

fn one_of(text: &str, known: &[&'static str]) -> Option<&'static str> {
    known.iter().copied().find(|known| *known == text)
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "1" => Some(true),
        "off" | "false" | "0" => Some(false),
        _ => None,
    }
}

fn duration(text: &str) -> Option<Duration> {
    if text == "0" { Some(Duration::ZERO) } else { aquifer_driver::duration::parse(text) }
}

/// The table of `docs/sqlite.md`.
#[cfg(test)]
pub(crate) fn table() -> String {
    let mut out = String::from("| Option | Default | Takes | Meaning |\n|---|---|---|---|\n");
    for Definition { option, takes, .. } in &DEFINITIONS {
        out +=
            &format!("| `{}` | `{}` | {takes} | {} |\n", option.name, option.default, option.help);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_table() {
        let options = Options::parse([]).unwrap();
        assert_eq!(options.mode, Mode::ReadWriteCreate);
        assert_eq!(options.busy_timeout, Duration::from_secs(5));
        assert_eq!(options.journal, Journal::Wal);
        assert_eq!(options.synchronous, "normal");
        assert!(options.foreign_keys && !options.extensions);
        assert_eq!(options.statement_cache, 128);
        assert_eq!(options.inline_budget, NonZeroU32::new(10_000));
    }

    #[test]
    fn an_unknown_option_is_refused_with_the_nearest_name() {
        let error = Options::parse([("busy_timout", "1s")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("did you mean `busy_timeout`?"), "{error}");
        let error = Options::parse([("colour", "red")]).unwrap_err();
        assert!(error.to_string().contains("statement_cache"), "{error}");
    }

    #[test]
    fn a_value_that_an_option_does_not_take_is_refused_with_what_it_takes() {
        for (name, value) in [
            ("mode", "rx"),
            ("busy_timeout", "5"),
            ("busy_timeout", "2h"),
            ("journal_mode", "off"),
            ("synchronous", "2"),
            ("foreign_keys", "maybe"),
            ("cache_size", "2MB"),
            ("temp_store", "disk"),
            ("statement_cache", "0"),
            ("inline_budget", "0"),
            ("extensions", ""),
        ] {
            let error = Options::parse([(name, value)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{name}={value}");
            assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        }
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("1m"), Some(Duration::from_secs(60)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        assert_eq!(duration("-1s"), None);
        assert_eq!(duration("99999999999999999999s"), None);
    }

    #[test]
    fn the_documented_table_is_the_table_in_the_code() {
        let docs = include_str!("../../../docs/sqlite.md");
        assert!(docs.contains(&table()), "docs/sqlite.md must contain:\n{}", table());
    }
}
