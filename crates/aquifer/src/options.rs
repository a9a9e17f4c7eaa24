//! [`DbOptions`]: what a `Db` can be told, as plain data.

use std::fmt;
use std::time::Duration;

use aquifer_driver::{Environment, Error, ErrorKind, ProcessEnvironment, Result};
use aquifer_pool::PoolOptions;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::errors;

/// Options of a `Db`: its pool's, and its own. Every one can be given in the URL (prefix `pool_`), in a
/// configuration file, in the environment, or through the [builder](crate::Builder).
///
/// ```
/// use aquifer::DbOptions;
/// let mut options = DbOptions::default();
/// options.set("max_open", "20")?;
/// options.set("query_timeout", "2s")?;
/// assert_eq!(options.pool.max_open, 20);
/// # Ok::<(), aquifer::Error>(())
/// ```
///
/// In a file all of them stand side by side, as in the URL; absent ones have their default, and an unknown
/// name is an error. Durations are texts with units (`"250ms"`, `"30m"`).
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct DbOptions {
    /// The pool's options.
    #[serde(flatten)]
    pub pool: PoolOptions,
    /// The calls' options.
    #[serde(flatten)]
    pub calls: CallOptions,
}

/// What one option is called, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptionHelp {
    /// The name, without the URL's prefix.
    pub name: &'static str,
    /// The default, as it would be written.
    pub default: String,
    /// What it does.
    pub help: &'static str,
    /// Why the default is what it is.
    pub reason: &'static str,
}

/// One definition of each option: the struct, its default, parsing, help and docs come from this table.
macro_rules! call_options {
    ($($name:ident: $type:ty = $default:expr, $text:literal, $help:literal, $reason:literal;)*) => {
        /// Options of a `Db`'s calls.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[non_exhaustive]
        pub struct CallOptions {
            $(#[doc = $help] #[serde(serialize_with = "in_file")] pub $name: $type,)*
        }

        impl Default for CallOptions {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl CallOptions {
            fn set(&mut self, name: &str, value: &str) -> Option<Result<()>> {
                match name {
                    $(stringify!($name) => Some(
                        <$type as FromText>::from_text(value)
                            .map(|value| self.$name = value)
                            .map_err(|problem| invalid(stringify!($name), problem)),
                    ),)*
                    _ => None,
                }
            }

            fn get(&self, name: &str) -> Option<String> {
                match name {
                    $(stringify!($name) => Some(self.$name.to_text()),)*
                    _ => None,
                }
            }
        }

        const HELP: &[(&str, &str, &str, &str)] =
            &[$((stringify!($name), $text, $help, $reason),)*];
    };
}

call_options! {
    query_timeout: Option<Duration> = None, "off",
        "Budget of every call that sets none of its own: queue, connect, execution and reading. `off` sets none.",
        "Only the application knows which of its queries may take long; `acquire_timeout` bounds the queue anyway.";
    slow_call: Option<Duration> = Some(Duration::from_secs(1)), "1s",
        "A call that takes longer is counted, and shown to observers, as slow. `off` counts none.",
        "A second is slow for any service, whatever its engine.";
    slow_plan: Option<Duration> = None, "off",
        "The plan of a read that takes longer is asked of the engine, in the background and at most once a minute for each statement, and shown to observers. `off` asks for none. Needs the feature `explain`.",
        "It puts a little work on a server that may be slow for having too much of it: somebody should want it.";
    cancel_after: Duration = Duration::from_millis(20), "20ms",
        "How long an abandoned statement may go on sending before the engine is told to stop.",
        "What is on its way arrives within a few milliseconds, and reading it off is cheaper than a cancel request.";
    transaction_max: Option<Duration> = None, "off",
        "How old a transaction may become: it is then rolled back, whether a call is under way or nobody has called for long; its next call says so. `off` sets no limit.",
        "Batch jobs have transactions of minutes; a service that has none should say so here, because a forgotten one holds locks.";
    commit_resolve_timeout: Duration = Duration::from_secs(5), "5s",
        "How long a commit that is tracked (`track_commit`, `mark_commit`) may look for its outcome after its answer was lost, within the call's own deadline.",
        "A server that restarts, or a session that has to be ended, takes a second or two; whoever waits for a commit has no better plan.";
    multiplex: Multiplexing = Multiplexing::Off, "off",
        "What many tasks run over few connections, without waiting for each other's answers: nothing (`off`), `reads` whose rows are collected, or single `statements`. On PostgreSQL such calls share `multiplex_connections` connections. On SQLite, `reads` sends those that come at the same time to the worker in one flight. MySQL and MariaDB answer one statement at a time: anything but `off` is an error.",
        "It helps many tasks over few connections; a call then waits for what stands before it.";
    multiplex_connections: u32 = 2, "2",
        "How many of the connections (`max_open`) are shared where calls are multiplexed over a network.",
        "One is kept busy by many tasks; a second one takes what would wait behind a statement that takes long.";
    texts_max: u32 = 1024, "1024",
        "How many statement texts are kept in rewritten form.",
        "More than any hand-written application has; one takes some hundred bytes.";
    labels_max: u32 = 256, "256",
        "How many labels have statistics of their own; further ones are counted together as `_other`.",
        "Each takes about 10 KiB of histograms, and metrics with more label values than this hurt whoever stores them.";
}

/// What an option's text becomes.
trait FromText: Sized {
    fn from_text(text: &str) -> std::result::Result<Self, &'static str>;
    fn to_text(&self) -> String;
}

impl FromText for u32 {
    fn from_text(text: &str) -> std::result::Result<Self, &'static str> {
        match text.trim().parse() {
            Ok(n @ 1..=1_000_000) => Ok(n),
            _ => Err("it must be a whole number from 1 to 1000000"),
        }
    }

    fn to_text(&self) -> String {
        self.to_string()
    }
}

/// What calls share connections: see the option `multiplex`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Multiplexing {
    /// None: each has a connection to itself.
    #[default]
    Off,
    /// Reads outside transactions whose rows are collected.
    Reads,
    /// Statements outside transactions that stand alone, writes among them.
    Statements,
}

impl FromText for Multiplexing {
    fn from_text(text: &str) -> std::result::Result<Self, &'static str> {
        match text.trim() {
            "off" | "false" => Ok(Self::Off),
            "reads" => Ok(Self::Reads),
            "statements" => Ok(Self::Statements),
            _ => Err("it must be `off`, `reads` or `statements`"),
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Off => "off",
            Self::Reads => "reads",
            Self::Statements => "statements",
        }
        .to_owned()
    }
}

impl FromText for Duration {
    fn from_text(text: &str) -> std::result::Result<Self, &'static str> {
        aquifer_driver::duration::parse(text.trim())
            .ok_or("it must be a duration with units, such as `250ms`, `30s`, `1h30m`")
    }

    fn to_text(&self) -> String {
        aquifer_driver::duration::show(*self)
    }
}

impl FromText for Option<Duration> {
    fn from_text(text: &str) -> std::result::Result<Self, &'static str> {
        match text.trim() {
            "off" => Ok(None),
            text => Duration::from_text(text).map(Some),
        }
    }

    fn to_text(&self) -> String {
        self.map_or_else(|| "off".to_owned(), |span| span.to_text())
    }
}

/// Options in files are the same texts as in URLs.
fn in_file<T: FromText, S: Serializer>(value: &T, out: S) -> std::result::Result<S::Ok, S::Error> {
    out.serialize_str(&value.to_text())
}

/// A value in a file: a text, or a number or switch without quotes.
struct Raw(String);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(input: D) -> std::result::Result<Self, D::Error> {
        struct Scalar;

        impl Visitor<'_> for Scalar {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a switch, or a text such as \"250ms\" or \"off\"")
            }

            fn visit_bool<E>(self, value: bool) -> std::result::Result<Raw, E> {
                Ok(Raw(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> std::result::Result<Raw, E> {
                Ok(Raw(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> std::result::Result<Raw, E> {
                Ok(Raw(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> std::result::Result<Raw, E> {
                Ok(Raw(value.to_string()))
            }

            fn visit_str<E>(self, value: &str) -> std::result::Result<Raw, E> {
                Ok(Raw(value.to_owned()))
            }
        }

        input.deserialize_any(Scalar)
    }
}

impl<'de> Deserialize<'de> for DbOptions {
    fn deserialize<D: Deserializer<'de>>(input: D) -> std::result::Result<Self, D::Error> {
        struct Options;

        impl<'de> Visitor<'de> for Options {
            type Value = DbOptions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of options")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<DbOptions, A::Error> {
                let mut options = DbOptions::default();
                while let Some((name, Raw(value))) = map.next_entry::<String, Raw>()? {
                    options.set(&name, &value).map_err(A::Error::custom)?;
                }
                options.pool.validate().map_err(A::Error::custom)?;
                Ok(options)
            }
        }

        input.deserialize_map(Options)
    }
}

#[cold]
fn invalid(name: &str, problem: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("the option `{name}` is not usable: {problem}"))
}

/// A variable that begins as ours do, and is none.
#[cold]
fn unknown_variable(prefix: &str, name: &str) -> Error {
    let shown = name.chars().take(80).collect::<String>();
    let error = Error::new(
        ErrorKind::Configuration,
        format!("there is no option for the environment variable `{shown}`"),
    );
    let option = name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase();
    match aquifer_driver::suggest::nearest(&option, DbOptions::names()) {
        Some(near) => error
            .with_hint(format!("did you mean `{prefix}{}`?", near.to_ascii_uppercase())),
        None => error.with_hint(format!("variables that begin with `{prefix}` set options of a `Db`; give other ones another prefix")),
    }
}

impl DbOptions {
    /// Sets one option from text, by its name without the URL's prefix.
    ///
    /// # Errors
    ///
    /// An unknown name ("did you mean"), or a value that does not parse or is out of bounds. Nothing is
    /// changed then.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        if let Some(result) = self.calls.set(name, value) {
            return result;
        }
        match self.pool.set(name, value) {
            Err(aquifer_pool::OptionsError::Unknown { .. }) => Err(errors::unknown_option(
                Error::new(
                    ErrorKind::Configuration,
                    format!("there is no option `{}`", name.chars().take(40).collect::<String>()),
                ),
                name,
                Self::names(),
            )),
            other => other.map_err(errors::options),
        }
    }

    /// Sets every option that the environment has: `{prefix}MAX_OPEN`, `{prefix}QUERY_TIMEOUT`, ...
    ///
    /// The prefix belongs to these options: any other variable that begins with it is taken for a
    /// misspelt one. An empty prefix belongs to nobody, so nothing is misspelt there.
    ///
    /// # Errors
    ///
    /// A value that does not parse or is out of bounds, or a variable that no option has ("did you mean");
    /// the message names the variable. Nothing is changed then.
    pub fn set_from_env(&mut self, prefix: &str, environment: &dyn Environment) -> Result<()> {
        if !prefix.is_empty() {
            // Sorted: which of two is told of must not depend on the process.
            let mut names = environment.names(prefix);
            names.sort_unstable();
            let known = |name: &str| {
                Self::names().any(|option| {
                    name.strip_prefix(prefix)
                        .is_some_and(|rest| rest == option.to_ascii_uppercase())
                })
            };
            if let Some(name) = names.iter().find(|name| !known(name)) {
                return Err(unknown_variable(prefix, name));
            }
        }
        let mut all = self.clone();
        for name in Self::names() {
            let variable = format!("{prefix}{}", name.to_ascii_uppercase());
            if let Some(value) = environment.var(&variable) {
                all.set(name, &value).map_err(|error| error.with_label(&variable))?;
            }
        }
        *self = all;
        Ok(())
    }

    /// As [`set_from_env`](Self::set_from_env), from the defaults, with the process's variables.
    ///
    /// # Errors
    ///
    /// As `set_from_env`; also if the options contradict each other.
    pub fn from_env(prefix: &str) -> Result<Self> {
        let mut options = Self::default();
        options.set_from_env(prefix, &ProcessEnvironment)?;
        options.pool.validate().map_err(errors::options)?;
        Ok(options)
    }

    /// One option as the text that [`set`](Self::set) takes; `None` for an unknown name.
    pub fn get(&self, name: &str) -> Option<String> {
        self.calls.get(name).or_else(|| self.pool.get(name))
    }

    /// Every option's name, default and meaning, for help and docs.
    pub fn help() -> Vec<OptionHelp> {
        let own = HELP.iter().map(|&(name, default, help, reason)| OptionHelp {
            name,
            default: default.to_owned(),
            help,
            reason,
        });
        let pool = aquifer_pool::OPTIONS.iter().map(|option| OptionHelp {
            name: option.name,
            default: option.default_text(),
            help: option.help,
            reason: option.reason,
        });
        own.chain(pool).collect()
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        let own = HELP.iter().map(|(name, ..)| *name);
        own.chain(aquifer_pool::OPTIONS.iter().map(|option| option.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_what_the_table_says() {
        let mut from_table = DbOptions::default();
        for (name, default, ..) in HELP {
            from_table.set(name, default).unwrap();
        }
        assert_eq!(from_table, DbOptions::default());
    }

    #[test]
    fn a_near_miss_is_answered_with_the_option_that_was_meant() {
        let mut options = DbOptions::default();
        let error = options.set("querytimeout", "1s").unwrap_err();
        assert!(error.to_string().contains("did you mean `query_timeout`?"), "{error}");
        let error = options.set("max_opn", "1").unwrap_err();
        assert!(error.to_string().contains("did you mean `max_open`?"), "{error}");
        let error = options.set("query_timeout", "soon").unwrap_err();
        assert!(error.to_string().contains("query_timeout"), "{error}");
    }

    #[test]
    fn the_environment_sets_what_it_has() {
        struct Env;
        impl Environment for Env {
            fn var(&self, name: &str) -> Option<String> {
                (name == "AQUIFER_MAX_OPEN").then(|| "7".to_owned())
            }
        }
        let mut options = DbOptions::default();
        options.set_from_env("AQUIFER_", &Env).unwrap();
        assert_eq!(options.pool.max_open, 7);
    }

    #[test]
    fn a_variable_with_the_prefix_that_is_no_option_is_an_error_that_says_what_was_meant() {
        struct Env(&'static [&'static str]);
        impl Environment for Env {
            fn var(&self, name: &str) -> Option<String> {
                self.0.contains(&name).then(|| "9".to_owned())
            }

            fn names(&self, prefix: &str) -> Vec<String> {
                let ours = self.0.iter().filter(|name| name.starts_with(prefix));
                ours.map(ToString::to_string).collect()
            }
        }
        let mut options = DbOptions::default();
        let error = options.set_from_env("AQ_", &Env(&["AQ_MAX_OPN", "AQ_MIN_IDLE"])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.message().contains("`AQ_MAX_OPN`"), "{error}");
        assert_eq!(error.hint(), Some("did you mean `AQ_MAX_OPEN`?"));
        assert_eq!(options, DbOptions::default(), "nothing was changed");
        let error = options.set_from_env("AQ_", &Env(&["AQ_COLOUR_OF_THE_SKY"])).unwrap_err();
        assert!(error.hint().unwrap().contains("another prefix"), "{error}");
        // Others' variables are theirs, and an empty prefix is nobody's.
        options.set_from_env("AQ_", &Env(&["AQUA_MAX_OPN", "AQ_MAX_OPEN"])).unwrap();
        assert_eq!(options.pool.max_open, 9);
        options.set_from_env("", &Env(&["PATH"])).unwrap();
    }

    #[test]
    fn the_process_shows_the_names_of_its_variables() {
        let ours = ProcessEnvironment.names("CARGO_MANIFEST_D");
        assert_eq!(ours, ["CARGO_MANIFEST_DIR"]);
        let error = DbOptions::from_env("CARGO_MANIFEST_").unwrap_err();
        assert!(error.message().contains("`CARGO_MANIFEST_"), "{error}");
    }
}
