//! [`Lane`]: reads of one row, from many tasks, in one flight.
//!
//! Opt-in (`coalesce_reads`). Whoever finds no leader leads: it lets the tasks that are ready join, takes
//! a connection, sends everything that is queued as one batch, and hands out the results. Each statement
//! is its own, with its own error; they are reads outside transactions, so what a dropped leader left
//! unanswered is simply sent again by the next one.
//!
//! It never carries writes, scripts, or results of more than one row.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use aquifer_driver::{Access, Error, ErrorKind, ParamBuf, Result, Want};

use crate::batch::{Ready, run};
use crate::db::Db;
use crate::text::Text;

/// Statements in one flight, so that no answer waits for more than these.
const FLIGHT_MAX: usize = 128;

/// Flights that a statement may be part of before a lost connection is its error.
const FLIGHTS_PER_CALL: u32 = 3;

/// The queue in front of the connections that only read.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Call>,
    /// Someone has the duty to send what is queued.
    led: bool,
}

#[derive(Debug)]
struct Call {
    text: Arc<Text>,
    params: ParamBuf,
    ticket: Arc<Ticket>,
    flights: u32,
}

/// Where one caller waits.
#[derive(Debug)]
struct Ticket(Mutex<Stage>);

#[derive(Debug)]
enum Stage {
    Waiting(Option<Waker>),
    /// The caller is to lead the next flight.
    Leading,
    Done(Result<Ready>),
    /// The caller has its answer, or wants none.
    Gone,
}

impl Ticket {
    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves to `next` and wakes the caller; false if nobody waits any more.
    fn tell(&self, next: Stage) -> bool {
        let waker = match &mut *self.lock() {
            Stage::Gone => return false,
            stage => match std::mem::replace(stage, next) {
                Stage::Waiting(waker) => waker,
                _ => None,
            },
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Turn> {
        let mut stage = self.lock();
        match &mut *stage {
            Stage::Waiting(waker) => {
                match waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => *waker = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
            Stage::Leading => {
                *stage = Stage::Waiting(None);
                Poll::Ready(Turn::Lead)
            }
            Stage::Done(_) | Stage::Gone => match std::mem::replace(&mut *stage, Stage::Gone) {
                Stage::Done(result) => Poll::Ready(Turn::Done(result)),
                _ => Poll::Pending,
            },
        }
    }
}

enum Turn {
    Lead,
    Done(Result<Ready>),
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first row of a read.
    ///
    /// # Errors
    ///
    /// The statement's error, a lost connection, or no connection in time.
    pub(crate) async fn first(&self, db: &Db, text: Arc<Text>, params: ParamBuf) -> Result<Ready> {
        let ticket = Arc::new(Ticket(Mutex::new(Stage::Waiting(None))));
        let mut lead = {
            let call = Call { text, params, ticket: Arc::clone(&ticket), flights: 0 };
            let mut state = self.lock();
            state.queue.push_back(call);
            !std::mem::replace(&mut state.led, true)
        };
        let caller = Caller { lane: self, ticket: &ticket };
        loop {
            if std::mem::take(&mut lead) {
                let mut leadership = Leadership { lane: self, flight: Vec::new() };
                // Everyone who is ready now gets into this flight.
                tokio::task::yield_now().await;
                leadership.fly(db).await?;
            }
            match poll_fn(|cx| caller.ticket.poll(cx)).await {
                Turn::Lead => lead = true,
                Turn::Done(result) => return result,
            }
        }
    }

    /// Gives the duty to the next caller who still waits, or to nobody.
    fn pass_on(&self) {
        let mut state = self.lock();
        while let Some(call) = state.queue.front() {
            if call.ticket.tell(Stage::Leading) {
                return;
            }
            state.queue.pop_front();
        }
        state.led = false;
    }
}

/// A caller who waits; one who leaves must not take the duty along.
struct Caller<'a> {
    lane: &'a Lane,
    ticket: &'a Ticket,
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        let was = std::mem::replace(&mut *self.ticket.lock(), Stage::Gone);
        if matches!(was, Stage::Leading) {
            self.lane.pass_on();
        }
    }
}

/// The duty to send what is queued; dropped, it goes to the next caller, with whatever of its flight is
/// unanswered.
struct Leadership<'a> {
    lane: &'a Lane,
    flight: Vec<Call>,
}

impl Leadership<'_> {
    /// Sends what is queued and hands out the results. The leader's own statement is among them.
    async fn fly(&mut self, db: &Db) -> Result<()> {
        let mut lease = db.lease_for(Access::ReadOnly, None).await?;
        {
            let mut state = self.lane.lock();
            while self.flight.len() < FLIGHT_MAX
                && let Some(mut call) = state.queue.pop_front()
            {
                if !matches!(*call.ticket.lock(), Stage::Gone) {
                    call.flights += 1;
                    self.flight.push(call);
                }
            }
        }
        let mut batch = aquifer_driver::Batch::new();
        for call in &self.flight {
            batch.push(call.text.shared_sql(), &call.params, Want::First)?;
        }
        match run(&mut lease, batch.into(), None).await {
            Ok(results) => {
                drop(lease);
                for (call, result) in self.flight.drain(..).zip(results) {
                    call.ticket.tell(Stage::Done(result));
                }
                Ok(())
            }
            Err(error) => {
                self.flight.retain(|call| {
                    let again = call.flights < FLIGHTS_PER_CALL;
                    if !again {
                        call.ticket.tell(Stage::Done(Err(lost(&error))));
                    }
                    again
                });
                if error.is_connection_lost() { Ok(()) } else { Err(error) }
            }
        }
    }
}

impl Drop for Leadership<'_> {
    fn drop(&mut self) {
        if !self.flight.is_empty() {
            let mut state = self.lane.lock();
            for call in self.flight.drain(..).rev() {
                state.queue.push_front(call);
            }
        }
        self.lane.pass_on();
    }
}

#[cold]
fn lost(error: &Error) -> Error {
    Error::new(ErrorKind::ConnectionLost, error.message().to_owned())
}
