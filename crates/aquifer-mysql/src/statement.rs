//! Prepared statements: what the server told of one, and the bounded LRU that one connection keeps.

use std::sync::{Arc, Mutex, PoisonError};

use aquifer_driver::{Description, Error, ErrorKind, Parameter, Result};
use foldhash::fast::RandomState;
use hashlink::LruCache;

use crate::protocol::Agreed;
use crate::types::{Reading, Shape};

/// A statement that the server keeps.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) id: u32,
    pub(crate) text: Arc<str>,
    pub(crate) parameters: u16,
    /// How its rows lie, as the server described them last, and the bytes of that description.
    described: Mutex<Described>,
}

#[derive(Debug, Clone)]
struct Described {
    raw: Box<[u8]>,
    shape: Arc<Shape>,
}

impl Statement {
    pub(crate) fn new(
        id: u32,
        text: Arc<str>,
        parameters: u16,
        raw: Box<[u8]>,
        shape: Arc<Shape>,
    ) -> Self {
        Self { id, text, parameters, described: Mutex::new(Described { raw, shape }) }
    }

    /// How its rows lie.
    #[inline]
    pub(crate) fn shape(&self) -> Arc<Shape> {
        Arc::clone(&self.described.lock().unwrap_or_else(PoisonError::into_inner).shape)
    }

    /// How its rows lie in a session that reads them so: described anew by the same bytes if the session has
    /// changed since.
    ///
    /// # Errors
    ///
    /// If the description is malformed.
    #[inline]
    pub(crate) fn shape_for(&self, reading: Reading, agreed: Agreed) -> Result<Arc<Shape>> {
        let mut described = self.described.lock().unwrap_or_else(PoisonError::into_inner);
        if described.shape.reading != reading {
            described.shape = Arc::new(Shape::parse(&described.raw, agreed, reading)?);
        }
        Ok(Arc::clone(&described.shape))
    }

    /// The shape, if the server has just described the columns by the same bytes as before.
    pub(crate) fn shape_of(&self, raw: &[u8]) -> Option<Arc<Shape>> {
        let described = self.described.lock().unwrap_or_else(PoisonError::into_inner);
        (*described.raw == *raw).then(|| Arc::clone(&described.shape))
    }

    /// The server describes the columns otherwise than before.
    pub(crate) fn describe(&self, raw: &[u8], shape: &Arc<Shape>) {
        let described = Described { raw: raw.into(), shape: Arc::clone(shape) };
        *self.described.lock().unwrap_or_else(PoisonError::into_inner) = described;
    }

    pub(crate) fn description(&self) -> Description {
        // The server does not tell the types of placeholders.
        let parameters = (0..self.parameters).map(|_| Parameter::new(None, ""));
        Description::new(parameters.collect(), Arc::clone(&self.shape().columns), None)
    }

    /// # Errors
    ///
    /// If the number of arguments is another than the statement's.
    #[inline]
    pub(crate) fn check_count(&self, given: usize) -> Result<()> {
        let takes = usize::from(self.parameters);
        if given == takes { Ok(()) } else { Err(wrong_count(given, takes)) }
    }
}

#[cold]
fn wrong_count(given: usize, takes: usize) -> Error {
    Error::new(
        ErrorKind::ArgumentMismatch,
        format!("the statement takes {takes} arguments, {given} were given"),
    )
    .with_nothing_sent(true)
}

/// The statements of one connection, by their full text.
#[derive(Debug)]
pub(crate) struct Cache {
    max: usize,
    statements: LruCache<Arc<str>, Arc<Statement>, RandomState>,
    /// The one found last: callers often run one text again and again.
    last: Option<Arc<Statement>>,
}

impl Cache {
    pub(crate) fn new(max: usize) -> Self {
        let statements = LruCache::with_hasher(usize::MAX, RandomState::default());
        Self { max, statements, last: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.statements.len()
    }

    /// The statement of this text; it becomes the most recently used.
    #[inline]
    pub(crate) fn find(&mut self, sql: &str) -> Option<Arc<Statement>> {
        if let Some(last) = &self.last
            && *last.text == *sql
        {
            return Some(Arc::clone(last));
        }
        let found = Arc::clone(self.statements.get(sql)?);
        self.last = Some(Arc::clone(&found));
        Some(found)
    }

    /// Takes out the least recently used statement if there is no room for so many more.
    pub(crate) fn make_room(&mut self, more: usize) -> Option<Arc<Statement>> {
        if self.statements.len() + more <= self.max {
            return None;
        }
        let (_, evicted) = self.statements.remove_lru()?;
        self.forget_last(&evicted);
        Some(evicted)
    }

    /// Takes the least recently used half out, and at least one if there is any.
    pub(crate) fn give_way(&mut self) -> Vec<Arc<Statement>> {
        let half = self.statements.len().div_ceil(2);
        let mut out = Vec::with_capacity(half);
        for _ in 0..half {
            let Some((_, evicted)) = self.statements.remove_lru() else { break };
            self.forget_last(&evicted);
            out.push(evicted);
        }
        out
    }

    /// Keeps a statement; gives back the one that is no longer kept: an older one of the same text, or the
    /// statement itself if nothing can be kept.
    pub(crate) fn insert(&mut self, statement: &Arc<Statement>) -> Option<Arc<Statement>> {
        if self.statements.len() >= self.max && self.statements.peek(&*statement.text).is_none() {
            return Some(Arc::clone(statement));
        }
        self.last = Some(Arc::clone(statement));
        self.statements.insert(Arc::clone(&statement.text), Arc::clone(statement))
    }

    /// Forgets this very statement; false if it is not the one that is kept for its text.
    pub(crate) fn remove(&mut self, statement: &Arc<Statement>) -> bool {
        self.forget_last(statement);
        let kept = self.statements.peek(&*statement.text);
        if !kept.is_some_and(|kept| Arc::ptr_eq(kept, statement)) {
            return false;
        }
        self.statements.remove(&*statement.text);
        true
    }

    /// Forgets all: the server has dropped them.
    pub(crate) fn clear(&mut self) {
        self.statements.clear();
        self.last = None;
    }

    fn forget_last(&mut self, statement: &Arc<Statement>) {
        if self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, statement)) {
            self.last = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &str) -> Arc<Statement> {
        let shape = Arc::new(Shape::new(&[], Reading::UTC));
        Arc::new(Statement::new(1, text.into(), 0, [].into(), shape))
    }

    #[test]
    fn the_least_recently_used_statement_leaves_a_full_cache() {
        let mut cache = Cache::new(2);
        for text in ["a", "b"] {
            assert!(cache.make_room(1).is_none());
            assert!(cache.insert(&statement(text)).is_none());
        }
        assert!(cache.find("a").is_some());
        assert_eq!(&*cache.make_room(1).unwrap().text, "b");
        cache.insert(&statement("c"));
        assert!(
            cache.find("b").is_none() && cache.find("a").is_some() && cache.find("c").is_some()
        );
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn a_statement_replaced_or_not_kept_is_given_back_to_be_closed() {
        let mut cache = Cache::new(1);
        let old = statement("a");
        cache.insert(&old);
        assert!(Arc::ptr_eq(&cache.insert(&statement("a")).unwrap(), &old));
        assert!(!cache.remove(&old), "another one is kept for the text");
        assert!(cache.find("a").is_some());
        assert!(cache.insert(&statement("b")).is_some(), "it is full");
        assert!(Cache::new(0).insert(&old).is_some());
    }
}
