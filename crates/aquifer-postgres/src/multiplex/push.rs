//! Statements become messages, behind those that are under way.

use std::sync::Arc;

use aquifer_driver::multiplex::Ticket;
use aquifer_driver::{Error, ErrorKind, Params, Result, Want};

use super::{First, Known, Owed, What};
use crate::pipeline::{Pipeline, copy_in_a_batch, declared};
use crate::protocol::backend::Ready;
use crate::protocol::frontend::{self, Object};
use crate::statement::{self, Statement};

impl Pipeline {
    /// Statements of several callers can be under way: their names last as long as the session.
    pub(crate) fn multiplexes(&self) -> bool {
        self.settings.names_last()
    }

    /// Makes ready for the first statement of many.
    ///
    /// # Errors
    ///
    /// If a command is under way or a transaction is open.
    pub(crate) fn begin_lane(&mut self) -> Result<()> {
        self.check_free()?;
        if self.ready != Ready::Idle || self.holds_begin() {
            return Err(Error::new(ErrorKind::TxOpen, "a transaction is open on this connection")
                .with_hint("end it before statements of several callers share the connection")
                .with_nothing_sent(true));
        }
        self.begin_flight();
        Ok(())
    }

    /// Encodes a statement behind those under way.
    ///
    /// # Errors
    ///
    /// If it cannot be sent as it is; nothing of it is encoded then.
    pub(crate) fn push(
        &mut self,
        ticket: Ticket,
        sql: &Arc<str>,
        params: &dyn Params,
        want: Want,
    ) -> Result<()> {
        if self.broken || self.lane.abandoned {
            return Err(useless());
        }
        let at = self.out.len();
        let what = match self.encode_push(sql, params) {
            Ok(what) => what,
            Err(error) => {
                self.out.truncate(at);
                return Err(error.with_nothing_sent(true));
            }
        };
        let mut closes = 0;
        if !self.closing.is_empty() {
            closes = self.closing.len() as u32;
            self.lane.closing.extend(self.closing.drain(..));
        }
        let start = self.lane.written + at as u64;
        self.lane.owed.push_back(Owed { ticket, want, ends_segment: false, closes, start, what });
        Ok(())
    }

    /// Ends the segment of those that were pushed since the last one ended.
    pub(crate) fn end_lane_segment(&mut self) {
        if let Some(last) = self.lane.owed.back_mut()
            && !last.ends_segment
        {
            last.ends_segment = true;
            self.counters.syncs += 1;
            frontend::sync(&mut self.out);
        }
    }

    fn encode_push(&mut self, sql: &Arc<str>, params: &dyn Params) -> Result<What> {
        if !self.closing.is_empty() {
            self.encode_closes(0);
        }
        if let Some(statement) = self.cache.find(sql)
            && self.encode_kept(&statement, params)?
        {
            self.counters.cache_hits += 1;
            return Ok(What::Kept(statement));
        }
        self.encode_new(sql, params)
    }

    /// Closes the statements that the server need not keep any more, from this place in the list on.
    fn encode_closes(&mut self, from: usize) {
        for name in self.closing.iter().skip(from) {
            frontend::close(&mut self.out, Object::Statement, name);
        }
    }

    /// Bind and Execute. False, and nothing was added, if the arguments declare other types than those it was
    /// learnt with: that is another statement.
    fn encode_kept(&mut self, statement: &Statement, params: &dyn Params) -> Result<bool> {
        if statement.copies {
            return Err(copy_in_a_batch());
        }
        if let Some(flight) = statement.flight() {
            return self.append_flight(statement, flight, params);
        }
        statement.check_count(params.count())?;
        let bound = self.bind(&statement.name, Some(statement), params)?;
        if bound.is_some() {
            frontend::execute(&mut self.out, "", 0);
        }
        Ok(bound.is_some())
    }

    /// A text that is not kept: by the name that one under way gives it, or prepared by this one. The types
    /// are not known, so arguments and results go as text.
    fn encode_new(&mut self, sql: &Arc<str>, params: &dyn Params) -> Result<What> {
        let declared = declared(params)?;
        let count = params.count();
        let shared = self.lane.firsts.iter().position(|first| first.is_for(sql, &declared));
        if let Some(place) = shared {
            let first = &self.lane.firsts[place];
            // The name is copied out: it is short, and this is no hot path.
            let name = first.name.clone();
            self.encode_text_bind(&name, params)?;
            self.lane.firsts[place].users += 1;
            return Ok(What::Follower(self.lane.firsts_gone + place, count));
        }
        if statement::copies(sql) {
            return Err(copy_in_a_batch());
        }
        frontend::check_sql(sql)?;
        // What the cache cannot take is not named.
        let asked = |first: &&First| !first.name.is_empty() && matches!(first.state, Known::Asked);
        let named = self.lane.firsts.iter().filter(asked).count() < self.cache.max();
        let name = if named { self.next_name() } else { "".into() };
        if named {
            let closed = self.closing.len();
            while let Some(evicted) = self.cache.make_room(1) {
                self.counters.evicted += 1;
                self.close_later(&evicted);
            }
            self.encode_closes(closed);
        }
        frontend::parse(&mut self.out, &name, sql, &declared);
        frontend::describe(&mut self.out, Object::Statement, &name);
        self.encode_text_bind(&name, params)?;
        self.counters.prepared += 1;
        let number = self.lane.firsts_gone + self.lane.firsts.len();
        self.lane.firsts.push_back(First {
            name,
            text: Arc::clone(sql),
            declared: declared.into(),
            parameters: [].into(),
            state: Known::Asked,
            users: 1,
        });
        Ok(What::First(number, count))
    }

    fn encode_text_bind(&mut self, name: &str, params: &dyn Params) -> Result<()> {
        self.bind(name, None, params)?;
        frontend::execute(&mut self.out, "", 0);
        Ok(())
    }
}

impl First {
    /// Another use of the same text with the same types can go by its name.
    fn is_for(&self, sql: &str, declared: &[u32]) -> bool {
        matches!(self.state, Known::Asked)
            && !self.name.is_empty()
            && *self.text == *sql
            && *self.declared == *declared
    }
}

#[cold]
fn useless() -> Error {
    Error::new(ErrorKind::ConnectionLost, "the connection is of no further use")
        .with_nothing_sent(true)
}
