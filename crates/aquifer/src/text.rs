//! [`Text`]: a statement's text, worked out once and kept.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aquifer_driver::{
    Access, Dialect, Error, ErrorKind, Grammar, ParamBuf, Params, Placeholder, Result,
};
use hashlink::LruCache;

use crate::list;
use crate::multiplex::Pace;
use crate::sql::{self, Arg, Form, Lexis, Padding, SqlTextError, SqlTextErrorKind, Style};
use crate::volatility::Standing;

/// A text in the engine's own placeholder form, with what routing and checking need to know about it.
pub(crate) struct Text {
    /// As the user wrote it.
    source: Arc<str>,
    /// As the engine gets it, and the key of the statement caches.
    sql: Arc<str>,
    params: usize,
    /// Only `?` can be counted with certainty; the engine's own form is left to the engine.
    counted: bool,
    script: bool,
    /// It begins or ends a transaction.
    controls: bool,
    /// It makes something that only its connection sees.
    temporary: bool,
    /// False until the engine has refused it on a reader.
    writes: AtomicBool,
    /// As far as its text tells, it changes nothing, and in this engine no text hides a write.
    only_reads: bool,
    pace: Pace,
    standing: Standing,
}

impl Text {
    /// As the user wrote it.
    #[inline]
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// As the engine gets it.
    #[inline]
    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    pub(crate) fn shared_sql(&self) -> &Arc<str> {
        &self.sql
    }

    /// True if it has several statements.
    #[inline]
    pub(crate) fn is_script(&self) -> bool {
        self.script
    }

    /// True if it begins or ends a transaction.
    #[inline]
    pub(crate) fn controls(&self) -> bool {
        self.controls
    }

    /// How many placeholders it has, as far as they can be counted.
    #[cfg(feature = "explain")]
    pub(crate) fn params(&self) -> usize {
        self.params
    }

    /// What kind of connection it needs, as far as is known.
    #[inline]
    pub(crate) fn access(&self) -> Access {
        if self.writes.load(Ordering::Relaxed) { Access::ReadWrite } else { Access::ReadOnly }
    }

    /// True if running it is sure to change nothing.
    pub(crate) fn only_reads(&self) -> bool {
        self.only_reads && self.access() == Access::ReadOnly
    }

    /// Remembers that the engine took it for a write after all.
    pub(crate) fn is_a_write(&self) {
        self.writes.store(true, Ordering::Relaxed);
    }

    /// How long it takes where it shares.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Whether it shares, as far as has been worked out.
    #[inline]
    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Refuses a wrong number of arguments before a connection is taken.
    #[inline]
    pub(crate) fn check(&self, arguments: usize) -> Result<()> {
        match self.script {
            false if self.params == arguments || !self.counted => Ok(()),
            false => Err(wrong_count(self.params, arguments)),
            true if arguments == 0 => Ok(()),
            true => Err(script_with_arguments()),
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Text").field(&self.sql).finish()
    }
}

#[cold]
fn script_with_arguments() -> Error {
    Error::new(ErrorKind::ArgumentMismatch, "a text of several statements takes no arguments")
        .with_hint("run the statements one by one, or send them as a `batch`")
}

#[cold]
fn wrong_count(placeholders: usize, arguments: usize) -> Error {
    Error::new(
        ErrorKind::ArgumentMismatch,
        format!(
            "the statement has {placeholders} placeholder{}, but {arguments} argument{} given",
            if placeholders == 1 { "" } else { "s" },
            if arguments == 1 { " was" } else { "s were" },
        ),
    )
}

/// The engine's lexical rules and placeholder form, and the texts worked out so far.
pub(crate) struct Texts {
    lexis: Lexis,
    style: Style,
    params_max: usize,
    queries_may_write: bool,
    /// A text has made something on a connection that went back to the pool, and lost it there.
    lost_temporary: AtomicBool,
    /// By what the user wrote.
    kept: Kept,
    /// Those that calls have made in the engine's form, by that.
    made: Kept,
}

type Kept = Mutex<LruCache<Arc<str>, Arc<Text>, foldhash::fast::RandomState>>;

fn kept(capacity: usize) -> Kept {
    let random = foldhash::fast::RandomState::default();
    Mutex::new(LruCache::with_hasher(capacity.max(1), random))
}

/// Texts that calls have made are kept up to this many bytes: one with long lists seldom comes again.
const MADE_MAX: usize = 4 * 1024;

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Texts").field("style", &self.style).finish_non_exhaustive()
    }
}

impl Texts {
    pub(crate) fn new(dialect: &Dialect, capacity: usize) -> Self {
        Self {
            lexis: Lexis::from(dialect.grammar),
            style: match dialect.placeholder {
                Placeholder::Dollar => Style::Dollar,
                _ => Style::Question,
            },
            params_max: dialect.params_max,
            queries_may_write: dialect.queries_may_write,
            lost_temporary: AtomicBool::new(false),
            kept: kept(capacity),
            made: kept(capacity),
        }
    }

    /// Called for texts that run on a connection of the pool's.
    #[inline]
    pub(crate) fn lent(&self, text: &Text) {
        if text.temporary {
            self.lost_temporary.store(true, Ordering::Relaxed);
        }
    }

    /// Says where a missing object may have gone.
    #[cold]
    pub(crate) fn explain(&self, error: Error) -> Error {
        let missing = error.kind() == ErrorKind::UndefinedObject && error.hint().is_none();
        if !missing || !self.lost_temporary.load(Ordering::Relaxed) {
            return error;
        }
        error.with_hint(
            "what ATTACH and CREATE TEMPORARY make belongs to one connection, and on a `Db` ends with the call: \
             make and use it on one `acquire`d connection, or make it for all in an `after_connect` hook",
        )
    }

    pub(crate) fn lexis(&self) -> &Lexis {
        &self.lexis
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    pub(crate) fn params_max(&self) -> usize {
        self.params_max
    }

    /// The text of that source, from the cache or worked out now.
    ///
    /// # Errors
    ///
    /// If the text cannot be rewritten; the message names line and column.
    #[inline]
    pub(crate) fn get(&self, source: &str) -> Result<Arc<Text>> {
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(text) = kept.get(source) {
                return Ok(Arc::clone(text));
            }
        }
        self.work_out(source)
    }

    /// The text of that source, worked out and not kept: for what is run once, and may be long.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub(crate) fn once(&self, source: &str) -> Result<Arc<Text>> {
        let rewritten = sql::rewrite(source, &self.lexis, self.style).map_err(refused)?;
        let counted = rewritten.form != Form::Native;
        let params = rewritten.params;
        Ok(Arc::new(self.made(source.into(), rewritten.text, params, counted)))
    }

    #[cold]
    fn work_out(&self, source: &str) -> Result<Arc<Text>> {
        let text = self.once(source)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(Arc::clone(&text.source), Arc::clone(&text));
        Ok(text)
    }

    /// As [`made`](Self::made), for what comes again: the one that an earlier call has made of the same text, with what was
    /// learnt of it.
    pub(crate) fn made_again(&self, source: &str, text: String, params: usize) -> Arc<Text> {
        let keeps = text.len() <= MADE_MAX;
        if keeps {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = made.get(&*text).filter(|known| known.source() == source) {
                return Arc::clone(known);
            }
        }
        let text = Arc::new(self.made(source.into(), text.into(), params, true));
        if keeps {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            made.insert(Arc::clone(&text.sql), Arc::clone(&text));
        }
        text
    }

    /// A text that is already in the engine's form (an expanded list, a named or bulk statement). Not kept here.
    pub(crate) fn made(
        &self,
        source: Arc<str>,
        text: Cow<'_, str>,
        params: usize,
        counted: bool,
    ) -> Text {
        let class = sql::classify(&text, &self.lexis);
        let sql = if *text == *source { Arc::clone(&source) } else { text.into() };
        Text {
            source,
            sql,
            params,
            counted,
            script: class.several,
            controls: class.controls,
            temporary: class.temporary,
            writes: AtomicBool::new(class.access != sql::Access::Read),
            only_reads: class.access == sql::Access::Read && !self.queries_may_write,
            pace: Pace::default(),
            standing: Standing::default(),
        }
    }

    /// Expands the lists among `params`.
    ///
    /// # Errors
    ///
    /// An empty list, a list in a text of the engine's own form, or more arguments than the engine takes.
    pub(crate) fn expand(
        &self,
        source: &str,
        params: &impl Params,
    ) -> Result<(Arc<Text>, ParamBuf)> {
        let lengths = list::lengths(params);
        let args: Vec<_> = lengths.iter().map(|len| len.map_or(Arg::One, Arg::List)).collect();
        let padding = Padding::UpTo(self.params_max);
        let expanded =
            sql::expand(source, &self.lexis, self.style, &args, padding).map_err(refused)?;
        let buf = list::padded(params, &lengths, &expanded.slots)?;
        Ok((self.made_again(source, expanded.text.into_owned(), expanded.params), buf))
    }
}

/// The lexical rules of a driver's grammar: `Lexis::from(db.dialect().grammar)`.
impl From<Grammar> for Lexis {
    fn from(grammar: Grammar) -> Self {
        match grammar {
            Grammar::Postgres => Self::postgres(),
            Grammar::MySql => Self::mysql(),
            Grammar::MariaDb => Self::mariadb(),
            Grammar::Sqlite => Self::sqlite(),
            _ => Self::standard(),
        }
    }
}

/// What [`sql`] says about a text, as an error like any other: `Ident::new(name)?`.
impl From<SqlTextError> for Error {
    #[cold]
    fn from(error: SqlTextError) -> Self {
        refused(error)
    }
}

/// The text layer's error as ours.
#[cold]
pub(crate) fn refused(error: SqlTextError) -> Error {
    let kind = match error.kind() {
        SqlTextErrorKind::ArgumentCount { .. }
        | SqlTextErrorKind::UnknownName { .. }
        | SqlTextErrorKind::ListInNativeForm
        | SqlTextErrorKind::TooManyParams { .. }
        | SqlTextErrorKind::NoRows => ErrorKind::ArgumentMismatch,
        SqlTextErrorKind::EmptyList(_)
        | SqlTextErrorKind::InvalidIdentifier(_)
        | SqlTextErrorKind::InvalidQuote(_)
        | SqlTextErrorKind::NulByte => ErrorKind::Argument,
        _ => ErrorKind::Syntax,
    };
    let out = Error::new(kind, error.to_string()).with_nothing_sent(true);
    match error.offset().and_then(|offset| u32::try_from(offset).ok()) {
        Some(offset) => out.with_position(offset),
        None => out,
    }
}
