//! The prepared statements of one connection: a bounded LRU from text to statement.

use std::sync::Arc;

use aquifer_driver::{Column, Columns, Encoding};
use foldhash::fast::RandomState;
use hashlink::LruCache;

use crate::kind::{Kind, changes_session};
use crate::raw::{Handle, Statement, StatementCounter, StatementId};

/// A prepared statement and what is known about it.
#[derive(Debug)]
pub(crate) struct Entry {
    text: Arc<str>,
    pub(crate) id: StatementId,
    pub(crate) columns: Arc<Columns>,
    pub(crate) parameters: usize,
    pub(crate) kind: Kind,
    /// SQLite's own word: it does not change the database.
    pub(crate) reads: bool,
    /// Running it may leave the session different.
    pub(crate) changes_session: bool,
    /// It may run on the calling thread: a query that the budget can stop wherever it is.
    pub(crate) inline: bool,
    /// SQLite's count of the times it prepared the statement anew, when `columns` were read.
    reprepared: u32,
}

impl Entry {
    pub(crate) fn new(
        text: &str,
        id: StatementId,
        statement: &Statement<'_>,
        none: &Arc<Columns>,
    ) -> Self {
        let columns = columns(statement);
        let kind = Kind::of(text);
        Self {
            text: text.into(),
            id,
            columns: if columns.is_empty() { Arc::clone(none) } else { Arc::new(columns) },
            parameters: statement.parameter_count(),
            kind,
            // Asking for the journal mode is setting it to what it is, and SQLite says so.
            reads: statement.readonly() || (kind == Kind::Pragma && asks_journal_mode(text)),
            changes_session: changes_session(text),
            inline: false,
            reprepared: statement.status(StatementCounter::Reprepare, false),
        }
    }

    /// Whether it would change how the file is written.
    #[cold]
    pub(crate) fn sets_journal_mode(&self) -> bool {
        let is_of_mode = || self.text.to_ascii_lowercase().contains("journal_mode");
        self.kind == Kind::Pragma && !self.reads && is_of_mode()
    }

    /// Reads the columns again if the schema has changed under the statement: it was prepared anew by
    /// its first step.
    #[inline]
    pub(crate) fn refresh(&mut self, statement: &Statement<'_>) {
        let reprepared = statement.status(StatementCounter::Reprepare, false);
        if reprepared != self.reprepared {
            self.reprepared = reprepared;
            self.columns = Arc::new(columns(statement));
        }
    }
}

fn asks_journal_mode(pragma: &str) -> bool {
    let pragma = pragma.trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    pragma.to_ascii_lowercase().ends_with("journal_mode")
}

/// The statements, by text and by place.
pub(crate) struct Cache {
    max: usize,
    places: LruCache<Arc<str>, usize, RandomState>,
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
    /// The place found last: callers often run one text again and again.
    last: usize,
}

impl Cache {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            places: LruCache::with_hasher(usize::MAX, RandomState::default()),
            entries: Vec::new(),
            free: Vec::new(),
            last: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The place of the statement with this text; it becomes the most recently used.
    #[inline]
    pub(crate) fn find(&mut self, sql: &str) -> Option<usize> {
        if let Some(Some(entry)) = self.entries.get(self.last)
            && *entry.text == *sql
        {
            return Some(self.last);
        }
        let place = *self.places.get(sql)?;
        self.last = place;
        Some(place)
    }

    /// # Panics
    ///
    /// If the place is empty: places are used only within the command that found them, and only finding
    /// another statement empties one.
    #[inline]
    pub(crate) fn entry(&mut self, place: usize) -> &mut Entry {
        self.entries[place].as_mut().expect("the statement of the command under way is cached")
    }

    /// Keeps a statement; how many had to go for it.
    pub(crate) fn insert(&mut self, entry: Entry, handle: &mut Handle) -> (usize, u64) {
        let mut evicted = 0;
        while self.places.len() >= self.max
            && let Some((_, place)) = self.places.remove_lru()
        {
            if let Some(old) = self.entries[place].take() {
                handle.finalize(old.id);
            }
            self.free.push(place);
            evicted += 1;
        }
        let text = Arc::clone(&entry.text);
        let place = self.adopt(entry);
        self.places.insert(text, place);
        self.last = place;
        (place, evicted)
    }

    /// Gives a statement a place that no text leads to.
    pub(crate) fn adopt(&mut self, entry: Entry) -> usize {
        match self.free.pop() {
            Some(place) => {
                self.entries[place] = Some(entry);
                place
            }
            None => {
                self.entries.push(Some(entry));
                self.entries.len() - 1
            }
        }
    }

    /// Empties such a place.
    pub(crate) fn dismiss(&mut self, place: usize, handle: &mut Handle) {
        if let Some(entry) = self.entries[place].take() {
            handle.finalize(entry.id);
        }
        self.free.push(place);
    }
}

/// What a statement's rows look like. Any cell may hold any type: SQLite's columns do not fix it.
pub(crate) fn columns(statement: &Statement<'_>) -> Columns {
    let column = |index| {
        let name = statement.column_name(index).unwrap_or_default();
        let mut column = Column::new(name, Encoding::Tagged);
        if let Some(declared) = statement.column_decltype(index) {
            column = declare(column, &declared);
        }
        match statement.column_origin(index) {
            Some(origin) => column.with_table(origin.table),
            None => column,
        }
    };
    Columns::new((0..statement.column_count()).map(column).collect::<Vec<_>>())
}

/// `varchar(10)` is `VARCHAR` of length 10; `DECIMAL(10, 2)` has precision and scale.
fn declare(column: Column, declared: &str) -> Column {
    let (name, sizes) = match declared.split_once('(') {
        Some((name, rest)) => (name, rest.split_once(')').map_or(rest, |(sizes, _)| sizes)),
        None => (declared, ""),
    };
    let column = column.with_type_name(name.trim().to_uppercase());
    match sizes.split_once(',') {
        Some((precision, scale)) => match (precision.trim().parse(), scale.trim().parse()) {
            (Ok(precision), Ok(scale)) => column.with_precision_scale(precision, scale),
            _ => column,
        },
        None => match sizes.trim().parse() {
            Ok(length) => column.with_length(length),
            Err(_) => column,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_come_apart_into_name_and_sizes() {
        let of = |declared| declare(Column::new("c", Encoding::Tagged), declared);
        assert_eq!(&*of("varchar(10)").type_name, "VARCHAR");
        assert_eq!(of("varchar(10)").length, Some(10));
        assert_eq!(of("DECIMAL(10, 2)").precision_scale, Some((10, 2)));
        assert_eq!(&*of("double precision").type_name, "DOUBLE PRECISION");
        assert_eq!(&*of("odd(").type_name, "ODD");
        assert_eq!(of("t(x)").length, None);
    }
}
