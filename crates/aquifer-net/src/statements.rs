//! [`Statements`]: the bounded LRU of prepared statements that one connection keeps.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashlink::LruCache;

/// What is found by its text.
pub trait ByText {
    /// The full text, as it was prepared.
    fn text(&self) -> &Arc<str>;
}

/// The statements of one connection, by their full text. Whatever leaves it is given back, to be closed at the server.
#[derive(Debug)]
pub struct Statements<S> {
    max: usize,
    kept: LruCache<Arc<str>, Arc<S>, RandomState>,
    /// The one found last: callers often run one text again and again.
    last: Option<Arc<S>>,
}

impl<S: ByText> Statements<S> {
    /// Of at most `max` statements; none is kept with 0.
    #[must_use]
    pub fn new(max: usize) -> Self {
        // The bound is kept here, so that nothing leaves unseen.
        Self { max, kept: LruCache::with_hasher(usize::MAX, RandomState::default()), last: None }
    }

    /// How many it may hold.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    /// How many it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// True if it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// As [`find`](Self::find), of a statement that is [given back](Self::give_back) when it was used: that
    /// spares two atomic steps. Without that it is as well kept, and found a little later.
    #[inline]
    pub fn lend(&mut self, sql: &str) -> Option<Arc<S>> {
        self.last.take_if(|last| is_same(last.text(), sql)).or_else(|| self.kept.get(sql).cloned())
    }

    /// See [`lend`](Self::lend). Not for a statement that was removed meanwhile.
    #[inline]
    pub fn give_back(&mut self, lent: Arc<S>) {
        self.last = Some(lent);
    }

    /// The statement of this text; it becomes the most recently used.
    #[inline]
    pub fn find(&mut self, sql: &str) -> Option<Arc<S>> {
        if let Some(last) = &self.last
            && is_same(last.text(), sql)
        {
            return Some(Arc::clone(last));
        }
        let found = Arc::clone(self.kept.get(sql)?);
        self.last = Some(Arc::clone(&found));
        Some(found)
    }

    /// The statement of that text, which is not used by that.
    #[must_use]
    pub fn peek(&self, sql: &str) -> Option<&Arc<S>> {
        self.kept.peek(sql)
    }

    /// Takes out the least recently used statement if there is no room for so many more. `None` if there is, or
    /// nothing is left to take out.
    pub fn make_room(&mut self, more: usize) -> Option<Arc<S>> {
        if self.kept.len() + more <= self.max { None } else { self.remove_oldest() }
    }

    /// Takes the least recently used half out, and at least one if there is any.
    #[must_use]
    pub fn give_way(&mut self) -> Vec<Arc<S>> {
        let half = self.kept.len().div_ceil(2);
        std::iter::from_fn(|| self.remove_oldest()).take(half).collect()
    }

    /// Keeps a statement. Gives back the one that is not kept any more: an older one of the same text, the least
    /// recently used one if it was full, or the statement itself if nothing can be kept.
    pub fn insert(&mut self, statement: &Arc<S>) -> Option<Arc<S>> {
        if self.max == 0 {
            return Some(Arc::clone(statement));
        }
        // The newest was used last, whatever found others in between.
        self.last = Some(Arc::clone(statement));
        match self.kept.insert(Arc::clone(statement.text()), Arc::clone(statement)) {
            Some(replaced) => (!Arc::ptr_eq(&replaced, statement)).then_some(replaced),
            None => self.make_room(0),
        }
    }

    /// Forgets this very statement; false if it is not the one that is kept for its text.
    pub fn remove(&mut self, statement: &Arc<S>) -> bool {
        self.forget_last(statement);
        let kept = self.kept.peek(&**statement.text());
        if !kept.is_some_and(|kept| Arc::ptr_eq(kept, statement)) {
            return false;
        }
        self.kept.remove(&**statement.text());
        true
    }

    /// Forgets all: the server has dropped them.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.last = None;
    }

    fn remove_oldest(&mut self) -> Option<Arc<S>> {
        let (_, oldest) = self.kept.remove_lru()?;
        self.forget_last(&oldest);
        Some(oldest)
    }

    fn forget_last(&mut self, statement: &Arc<S>) {
        if self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, statement)) {
            self.last = None;
        }
    }
}

/// Nearly always it is the very text that the statement was prepared with, and there is nothing to compare.
#[inline]
fn is_same(text: &str, sql: &str) -> bool {
    std::ptr::eq(text, sql) || text == sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Statement(Arc<str>);

    impl ByText for Statement {
        fn text(&self) -> &Arc<str> {
            &self.0
        }
    }

    fn statement(text: &str) -> Arc<Statement> {
        Arc::new(Statement(text.into()))
    }

    fn filled(max: usize, texts: &[&str]) -> Statements<Statement> {
        let mut statements = Statements::new(max);
        for text in texts {
            assert!(statements.make_room(1).is_none());
            assert!(statements.insert(&statement(text)).is_none());
        }
        statements
    }

    #[test]
    fn the_least_recently_used_statement_makes_room() {
        let mut statements = filled(2, &["a", "b"]);
        assert!(statements.find("a").is_some());
        assert_eq!(&**statements.make_room(1).unwrap().text(), "b");
        statements.insert(&statement("c"));
        assert!(statements.peek("b").is_none());
        assert!(statements.find("a").is_some() && statements.find("c").is_some());
        assert_eq!(statements.len(), 2);
        let left: Vec<_> = std::iter::from_fn(|| statements.make_room(2)).collect();
        assert_eq!((left.len(), statements.is_empty()), (2, true));
        assert!(statements.make_room(3).is_none(), "nothing is left");
    }

    #[test]
    fn a_statement_that_leaves_is_given_back_to_be_closed() {
        let mut statements = filled(1, &[]);
        let old = statement("a");
        assert!(statements.insert(&old).is_none());
        assert!(statements.insert(&old).is_none(), "it is the one that is kept");
        let new = statement("a");
        assert!(Arc::ptr_eq(&statements.insert(&new).unwrap(), &old));
        assert!(!statements.remove(&old), "another one is kept for the text");
        assert!(Arc::ptr_eq(&statements.insert(&statement("b")).unwrap(), &new), "it was full");
        assert_eq!(statements.len(), 1);
        assert!(Statements::new(0).insert(&old).is_some());
    }

    #[test]
    fn half_gives_way_the_least_recently_used_first() {
        let mut statements = filled(5, &["a", "b", "c", "d", "e"]);
        assert!(statements.find("a").is_some());
        let out: Vec<_> = statements.give_way().iter().map(|out| out.text().to_string()).collect();
        assert_eq!(out, ["b", "c", "d"]);
        assert_eq!(statements.len(), 2);
        assert_eq!(filled(1, &["a"]).give_way().len(), 1);
        assert!(filled(1, &[]).give_way().is_empty());
    }

    #[test]
    fn what_was_removed_is_not_found_though_it_was_found_last() {
        let mut statements = filled(2, &["a", "b"]);
        let found = statements.find("a").unwrap();
        assert!(statements.remove(&found));
        assert!(statements.find("a").is_none());
        let lent = statements.lend("b").unwrap();
        assert!(statements.peek("b").is_some(), "what is lent is kept");
        statements.give_back(lent);
        statements.clear();
        assert!(statements.find("b").is_none() && statements.lend("b").is_none());
    }
}
