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
    /// Some that were found lately, each in the place of its text: callers often run the same few texts again and
    /// again. Their uses are told to `kept` before anything has to leave it.
    recent: [Recent<S>; PLACES],
    /// How many uses there were.
    uses: u64,
    /// Where something was looked for last.
    last: usize,
}

/// Places for recent statements.
const PLACES: usize = 16;

#[derive(Debug)]
struct Recent<S> {
    statement: Option<Arc<S>>,
    /// The number of its last use, and whether `kept` has been told of that.
    used: u64,
    told: bool,
}

impl<S: ByText> Recent<S> {
    /// It moves up.
    fn tell(&self, kept: &mut LruCache<Arc<str>, Arc<S>, RandomState>) {
        if let Some(statement) = &self.statement {
            kept.get(&**statement.text());
        }
    }
}

impl<S> Default for Recent<S> {
    fn default() -> Self {
        Self { statement: None, used: 0, told: true }
    }
}

/// Where a text's statement is kept while it is a recent one. Most texts differ in their lengths, or where this looks.
#[inline]
fn place(text: &str) -> usize {
    let at = |index: usize| text.as_bytes().get(index).map_or(0, |byte| usize::from(*byte));
    let len = text.len();
    (len + 3 * at(len / 4) + 5 * at(len / 2) + 7 * at(len - len / 4)) % PLACES
}

impl<S: ByText> Statements<S> {
    /// Of at most `max` statements; none is kept with 0.
    #[must_use]
    pub fn new(max: usize) -> Self {
        // The bound is kept here, so that nothing leaves unseen.
        let kept = LruCache::with_hasher(usize::MAX, RandomState::default());
        Self { max, kept, recent: Default::default(), uses: 0, last: 0 }
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
    /// spares two atomic steps. Without that it is as well kept, found a little later, and not counted as used.
    #[inline]
    pub fn lend(&mut self, sql: &str) -> Option<Arc<S>> {
        let recent = &mut self.recent[place(sql)].statement;
        recent.take_if(|recent| is_same(recent.text(), sql)).or_else(|| self.kept.get(sql).cloned())
    }

    /// See [`lend`](Self::lend). Not for a statement that was removed meanwhile.
    #[inline]
    pub fn give_back(&mut self, lent: Arc<S>) {
        let place = place(lent.text());
        self.put(place, lent, false);
    }

    /// The statement of this text; it becomes the most recently used, or one of those.
    #[inline]
    pub fn find(&mut self, sql: &str) -> Option<Arc<S>> {
        let last = &mut self.recent[self.last % PLACES];
        if let Some(statement) = &last.statement
            && is_same(statement.text(), sql)
        {
            // Nothing to count if nothing else was used since.
            if last.used != self.uses {
                self.uses += 1;
                (last.used, last.told) = (self.uses, false);
            }
            return Some(Arc::clone(statement));
        }
        self.find_another(sql)
    }

    // On its own, so that what comes before is small where it is inlined.
    #[inline(never)]
    fn find_another(&mut self, sql: &str) -> Option<Arc<S>> {
        self.last = place(sql);
        let recent = &mut self.recent[self.last];
        if let Some(statement) = &recent.statement
            && is_same(statement.text(), sql)
        {
            self.uses += 1;
            (recent.used, recent.told) = (self.uses, false);
            return Some(Arc::clone(statement));
        }
        let found = Arc::clone(self.kept.get(sql)?);
        self.put(self.last, Arc::clone(&found), true);
        Some(found)
    }

    /// A statement that is used now, in its place. `told`: `kept` knows of that.
    #[inline]
    fn put(&mut self, place: usize, statement: Arc<S>, told: bool) {
        self.uses += 1;
        let recent = Recent { statement: Some(statement), used: self.uses, told };
        let before = std::mem::replace(&mut self.recent[place], recent);
        if !before.told {
            before.tell(&mut self.kept);
        }
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
        // In the place of an older one of the same text, if that was a recent one.
        self.put(place(statement.text()), Arc::clone(statement), true);
        match self.kept.insert(Arc::clone(statement.text()), Arc::clone(statement)) {
            Some(replaced) => (!Arc::ptr_eq(&replaced, statement)).then_some(replaced),
            None => self.make_room(0),
        }
    }

    /// Forgets this very statement; false if it is not the one that is kept for its text.
    pub fn remove(&mut self, statement: &Arc<S>) -> bool {
        self.forget_recent(statement);
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
        self.recent = Default::default();
    }

    fn remove_oldest(&mut self) -> Option<Arc<S>> {
        self.tell_uses();
        let (_, oldest) = self.kept.remove_lru()?;
        self.forget_recent(&oldest);
        Some(oldest)
    }

    /// In their order. Whoever moves up passes those that were used later, so that they have to follow.
    #[cold]
    fn tell_uses(&mut self) {
        let mut places: [usize; PLACES] = std::array::from_fn(|place| place);
        places.sort_unstable_by_key(|place| self.recent[*place].used);
        let first = places.iter().position(|place| !self.recent[*place].told);
        for place in first.map_or(&[][..], |first| &places[first..]) {
            let recent = &mut self.recent[*place];
            recent.tell(&mut self.kept);
            recent.told = true;
        }
    }

    fn forget_recent(&mut self, statement: &Arc<S>) {
        let recent = &mut self.recent[place(statement.text())].statement;
        if recent.as_ref().is_some_and(|recent| Arc::ptr_eq(recent, statement)) {
            *recent = None;
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
    use proptest::prelude::*;

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
    fn a_statement_that_is_found_again_and_again_is_not_the_least_recently_used() {
        let texts: Vec<String> = (0..40).map(|number| format!("SELECT {number}")).collect();
        let mut statements = filled(30, &["hot", "warm"]);
        let mut gone = Vec::new();
        for text in &texts {
            assert!(statements.find("warm").is_some());
            for _ in 0..3 {
                let hot = statements.lend("hot").unwrap();
                statements.give_back(hot);
            }
            gone.extend(statements.make_room(1).map(|out| out.text().to_string()));
            assert!(statements.insert(&statement(text)).is_none());
        }
        assert_eq!(gone, texts[..12], "the oldest of those that nobody looked for");
        assert!(statements.peek("hot").is_some() && statements.peek("warm").is_some());
    }

    #[test]
    fn the_newest_statement_is_not_what_leaves_however_much_the_others_are_used() {
        let mut statements = filled(2, &["a", "b"]);
        for text in ["a", "b", "a"] {
            assert!(statements.find(text).is_some());
        }
        assert_eq!(&**statements.insert(&statement("new")).unwrap().text(), "b");
        assert!(statements.find("new").is_some() && statements.find("a").is_some());
    }

    #[test]
    fn uses_are_not_forgotten_when_another_one_takes_the_place() {
        let texts = ["0xxx", "1xxx", "a", "ab", "old", "older"];
        assert_eq!(place(texts[0]), place(texts[1]));
        let mut statements = filled(6, &texts);
        for text in ["0xxx", "a", "ab", "0xxx", "1xxx"] {
            assert!(statements.find(text).is_some());
        }
        let left: Vec<_> = std::iter::from_fn(|| statements.make_room(6)).collect();
        let left: Vec<&str> = left.iter().map(|out| &**out.text()).collect();
        assert_eq!(left[..2], ["old", "older"]);
        assert_eq!(left[5], "1xxx");
    }

    #[test]
    fn a_newer_statement_is_found_in_the_place_of_an_older_one_of_its_text() {
        let mut statements = filled(2, &["a"]);
        let old = statements.find("a").unwrap();
        let new = statement("a");
        assert!(Arc::ptr_eq(&statements.insert(&new).unwrap(), &old));
        for _ in 0..2 {
            assert!(Arc::ptr_eq(&statements.find("a").unwrap(), &new));
        }
        assert!(statements.remove(&new) && statements.find("a").is_none());
    }

    #[test]
    fn statements_of_one_place_are_all_found() {
        let texts: Vec<String> = (0..8).map(|letter| format!("{letter}xxx")).collect();
        assert!(texts.iter().all(|text| place(text) == place(&texts[0])));
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut statements = filled(8, &texts);
        for text in texts.iter().chain(&texts) {
            assert_eq!(&**statements.find(text).unwrap().text(), *text);
        }
        assert_eq!(&**statements.make_room(1).unwrap().text(), texts[0]);
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

    #[derive(Debug, Clone)]
    enum Step {
        Find(usize),
        Lend(usize),
        Insert(usize),
        Remove(usize),
        MakeRoom(usize),
        GiveWay,
        Clear,
    }

    /// Of few texts, some of which have a place in common.
    const TEXTS: [&str; 6] = ["0xxx", "1xxx", "2xxx", "BEGIN", "COMMIT", "SELECT 1"];

    fn step() -> impl Strategy<Value = Step> {
        let text = || 0..TEXTS.len();
        prop_oneof![
            8 => text().prop_map(Step::Find),
            4 => text().prop_map(Step::Lend),
            4 => text().prop_map(Step::Insert),
            1 => text().prop_map(Step::Remove),
            2 => (1..3_usize).prop_map(Step::MakeRoom),
            1 => Just(Step::GiveWay),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_is_kept_and_what_leaves_is_given_back_once(
            max in 1..6_usize,
            steps in prop::collection::vec(step(), 0..80),
        ) {
            let mut statements = Statements::new(max);
            let mut kept: Vec<Arc<Statement>> = Vec::new();
            let leave = |kept: &mut Vec<Arc<Statement>>, gone: &Arc<Statement>| {
                let place = kept.iter().position(|one| Arc::ptr_eq(one, gone));
                kept.remove(place.expect("it was kept"));
            };
            for step in steps {
                match step {
                    Step::Find(text) | Step::Lend(text) => {
                        let found = match step {
                            Step::Find(_) => statements.find(TEXTS[text]),
                            _ => statements.lend(TEXTS[text]),
                        };
                        let there = kept.iter().find(|one| &*one.0 == TEXTS[text]);
                        prop_assert_eq!(found.as_ref().map(Arc::as_ptr), there.map(Arc::as_ptr));
                        if let (Step::Lend(_), Some(lent)) = (step, found) {
                            statements.give_back(lent);
                        }
                    }
                    Step::Insert(text) => {
                        let new = statement(TEXTS[text]);
                        let gone = statements.insert(&new);
                        kept.push(Arc::clone(&new));
                        if let Some(gone) = gone {
                            prop_assert!(!Arc::ptr_eq(&gone, &new), "the newest stays");
                            leave(&mut kept, &gone);
                        }
                    }
                    Step::Remove(text) => {
                        let one = kept.iter().find(|one| &*one.0 == TEXTS[text]).cloned();
                        if let Some(one) = one {
                            prop_assert!(statements.remove(&one) && !statements.remove(&one));
                            leave(&mut kept, &one);
                        }
                    }
                    Step::MakeRoom(more) => {
                        while let Some(gone) = statements.make_room(more) {
                            leave(&mut kept, &gone);
                        }
                        prop_assert!(kept.is_empty() || kept.len() + more <= max);
                    }
                    Step::GiveWay => {
                        statements.give_way().iter().for_each(|gone| leave(&mut kept, gone));
                    }
                    Step::Clear => {
                        statements.clear();
                        kept.clear();
                    }
                }
                prop_assert_eq!(statements.len(), kept.len());
                prop_assert!(kept.len() <= max);
            }
        }
    }
}
