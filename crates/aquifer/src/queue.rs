//! [`Queue`]: the statements of a transaction that go out with its next call.
//!
//! It only keeps them: a [`Session`](crate::session::Session) sends them, and knows what became of them.

use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{Batch, Error, ErrorKind, ParamBuf, Params, Result, Want};
use tokio::time::Instant;

use crate::db::Db;
use crate::observe::{Call, Counts};
use crate::text::{Text, Texts};

/// So many statements wait at most.
const STATEMENTS_MAX: usize = 1024;
/// So many bytes of arguments wait at most, or those of the one that has reached this.
const BYTES_MAX: usize = 256 * 1024;
/// So much of a statement's text is shown in its error.
const SHOWN_MAX: usize = 200;

/// How far queued statements have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// They wait.
    Here,
    /// They are under way along with a command.
    Along,
    /// They are under way by themselves, one result each.
    Apart,
}

/// Statements, their arguments, and the texts that they were given by.
#[derive(Debug)]
pub(crate) struct Queue {
    statements: Arc<Batch>,
    /// Each text with how many in a row have it.
    texts: Vec<(Arc<Text>, usize)>,
    /// The last text was made for its call (of lists, of names): its source alone may give another.
    made: bool,
    way: Way,
    sent_at: Option<Instant>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            statements: Arc::default(),
            texts: Vec::new(),
            made: false,
            way: Way::Here,
            sent_at: None,
        }
    }
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.statements.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// True if it is to be sent before it takes more.
    pub(crate) fn is_full(&self) -> bool {
        self.statements.len() >= STATEMENTS_MAX || self.statements.size() >= BYTES_MAX
    }

    pub(crate) fn statements(&self) -> &Arc<Batch> {
        &self.statements
    }

    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// They are under way.
    pub(crate) fn left(&mut self, way: Way) {
        self.way = way;
        self.sent_at = Some(Instant::now());
    }

    /// Adds a statement, whose arguments are copied. On an error it is as it was.
    #[inline]
    pub(crate) fn push(&mut self, texts: &Texts, sql: &str, params: &impl Params) -> Result<()> {
        if params.has_lists() {
            let (text, buf) = texts.expand(sql, params)?;
            self.add(text, &buf)?;
            self.made = true;
            return Ok(());
        }
        match self.texts.last_mut() {
            // What was checked of the text then need not be checked again.
            Some((text, count)) if !self.made && text.source() == sql => {
                text.check(params.count())?;
                own(&mut self.statements)?.push(text.shared_sql(), params, Want::Outcome)?;
                *count += 1;
                Ok(())
            }
            _ => {
                let text = texts.get(sql)?;
                text.check(params.count())?;
                self.add(text, params)?;
                self.made = false;
                Ok(())
            }
        }
    }

    /// As [`push`](Self::push), for a text that is known to be what its source gives, and arguments without lists.
    pub(crate) fn push_text(&mut self, text: &Arc<Text>, params: &impl Params) -> Result<()> {
        text.check(params.count())?;
        self.add(Arc::clone(text), params)?;
        self.made = false;
        Ok(())
    }

    /// Adds the statements that one call was made into: all of them, or none.
    pub(crate) fn push_made(&mut self, statements: &[(Arc<Text>, ParamBuf)]) -> Result<()> {
        // What a text can have against it is said before there is any of them; arguments that were copied once
        // can be copied again.
        statements.iter().try_for_each(|(text, _)| takes(text))?;
        for (text, buf) in statements {
            self.add(Arc::clone(text), buf)?;
        }
        self.made = true;
        Ok(())
    }

    fn add(&mut self, text: Arc<Text>, params: &(impl Params + ?Sized)) -> Result<()> {
        takes(&text)?;
        own(&mut self.statements)?.push(text.shared_sql(), params, Want::Outcome)?;
        match self.texts.last_mut() {
            Some((last, count)) if Arc::ptr_eq(last, &text) => *count += 1,
            _ => self.texts.push((text, 1)),
        }
        Ok(())
    }

    /// Empties it, and keeps its memory if that is not much and nobody else has it.
    pub(crate) fn clear(&mut self) {
        match Arc::get_mut(&mut self.statements) {
            Some(statements) if statements.size() <= 2 * BYTES_MAX => statements.clear(),
            _ => self.statements = Arc::default(),
        }
        self.texts.clear();
        (self.made, self.way, self.sent_at) = (false, Way::Here, None);
    }

    /// The text of each statement.
    fn sources(&self) -> impl Iterator<Item = &Arc<Text>> {
        self.texts.iter().flat_map(|(text, count)| std::iter::repeat_n(text, *count))
    }

    /// The error of the statement with that number, with its text.
    #[cold]
    pub(crate) fn named(&self, number: u32, error: Error) -> Error {
        let index = (number as usize).saturating_sub(1);
        let Some(text) = self.sources().nth(index) else { return error };
        let source = text.source();
        let shown = &source[..source.floor_char_boundary(SHOWN_MAX)];
        let cut = if shown.len() < source.len() { "..." } else { "" };
        let hint = match error.hint() {
            Some(hint) => format!("{hint}; it was queued before this call: {shown}{cut}"),
            None => format!("it was queued before this call: {shown}{cut}"),
        };
        error.with_hint(hint)
    }

    /// Counts them all: as done, or up to the one with the number that `failed` has.
    pub(crate) fn record(&self, db: &Db, failed: Option<(u32, &Error)>) {
        let elapsed = self.sent_at.map_or(Duration::ZERO, |sent| sent.elapsed());
        let calls = self.len() as u64;
        let done = failed.map_or(calls, |(number, _)| u64::from(number.saturating_sub(1)));
        let counts = Counts { calls, failures: calls.saturating_sub(done), ..Counts::default() };
        let label = db.label_entry();
        let name = label.as_ref().map(|label| &*label.name);
        let calls = self.sources().zip(0_u64..).map(|(text, index)| Call {
            label: name,
            sql: text.source(),
            waited: Duration::ZERO,
            first_row: elapsed,
            elapsed,
            rows: 0,
            error: failed.filter(|_| index >= done).map(|(_, error)| error),
            text: None,
        });
        db.book().record_all(label.as_deref(), elapsed, &counts, calls);
    }
}

/// An error for a text that cannot be queued.
fn takes(text: &Text) -> Result<()> {
    if text.is_script() {
        return Err(several());
    }
    if text.controls() {
        return Err(crate::session::controls());
    }
    Ok(())
}

/// What waits is nobody else's.
fn own(statements: &mut Arc<Batch>) -> Result<&mut Batch> {
    Arc::get_mut(statements)
        .ok_or_else(|| Error::new(ErrorKind::Protocol, "the driver still has what it was given"))
}

#[cold]
fn several() -> Error {
    Error::new(
        ErrorKind::ArgumentMismatch,
        "the queue takes one statement at a time, this text has several",
    )
}
