//! How an engine's SQL text differs from the others'.

/// The form of an engine's placeholders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Placeholder {
    /// `?`
    Question,
    /// `$1`, `$2`
    Dollar,
}

/// Which family an engine's lexical rules belong to: strings, comments, quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grammar {
    /// PostgreSQL: dollar quotes, `E''`, nested comments, `::` casts.
    Postgres,
    /// MySQL: backslash escapes, backticks, `#` comments.
    MySql,
    /// MariaDB: as MySQL.
    MariaDb,
    /// SQLite: `[brackets]`, backticks, `?1`.
    Sqlite,
}

/// How an engine's SQL text differs from the others'. Plain data; a driver has one per engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dialect {
    /// The engine's name as OpenTelemetry spells it: `postgresql`, `mysql`, `mariadb`, `sqlite`.
    pub name: &'static str,
    /// The lexical rules.
    pub grammar: Grammar,
    /// The placeholder form.
    pub placeholder: Placeholder,
    /// How many arguments one statement may have.
    pub params_max: usize,
    /// The character around quoted identifiers.
    pub quote: char,
    /// Whether a transaction that may write begins by waiting for the database's one write lock.
    pub begin_locks: bool,
    /// Whether a plain query may write, through a function that it calls.
    pub queries_may_write: bool,
    /// Whether a statement that is stopped fails the transaction that it runs in.
    pub stop_fails_transaction: bool,
    /// Whether a session can run statements of several callers, one behind the other, without waiting for
    /// each answer: its connections then have a [`Multiplex`](crate::multiplex::Multiplex).
    pub multiplexes: bool,
}

impl Dialect {
    /// A dialect with `?` placeholders, double quotes and at most 32 766 arguments.
    pub const fn new(name: &'static str, grammar: Grammar) -> Self {
        Self {
            name,
            grammar,
            placeholder: Placeholder::Question,
            params_max: 32_766,
            quote: '"',
            begin_locks: false,
            queries_may_write: false,
            stop_fails_transaction: false,
            multiplexes: false,
        }
    }

    /// Sets the placeholder form.
    #[must_use]
    pub const fn placeholder(mut self, placeholder: Placeholder) -> Self {
        self.placeholder = placeholder;
        self
    }

    /// Sets how many arguments one statement may have.
    #[must_use]
    pub const fn params_max(mut self, max: usize) -> Self {
        self.params_max = max;
        self
    }

    /// Sets the character around quoted identifiers.
    #[must_use]
    pub const fn quote(mut self, quote: char) -> Self {
        self.quote = quote;
        self
    }

    /// Says that a transaction that may write begins by waiting for the database's one write lock.
    #[must_use]
    pub const fn begin_locks(mut self) -> Self {
        self.begin_locks = true;
        self
    }

    /// Says that a plain query may write, through a function that it calls: one whose answer was not seen
    /// is then never said to be safe to repeat.
    #[must_use]
    pub const fn queries_may_write(mut self) -> Self {
        self.queries_may_write = true;
        self
    }

    /// Says that a statement that is stopped fails the transaction that it runs in.
    #[must_use]
    pub const fn stop_fails_transaction(mut self) -> Self {
        self.stop_fails_transaction = true;
        self
    }

    /// Says that a session can run statements of several callers, one behind the other.
    #[must_use]
    pub const fn multiplexes(mut self) -> Self {
        self.multiplexes = true;
        self
    }
}
