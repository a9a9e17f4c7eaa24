//! What can go wrong in a fake engine, and when.

use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use aquifer_driver::{Error, ErrorKind, Retry};

use crate::clock::{Clock, Timer};
use crate::gate::{Gate, Pass};

/// What the fake engine is asked to do; faults, latencies and the log are by operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// A connection is dialled.
    Connect,
    /// One statement runs.
    Execute,
    /// A text of several statements runs.
    Script,
    /// A statement is checked.
    Prepare,
    /// Many statements run.
    Batch,
    /// A transaction begins (with [`lazy_begin`](super::FakeOptions::lazy_begin): with its first
    /// statement).
    Begin,
    /// A transaction commits.
    Commit,
    /// A transaction is rolled back by command.
    Rollback,
    /// A sign of life.
    Ping,
    /// The session is put back into its first state.
    Reset,
    /// A further batch of rows is asked for.
    Fetch,
    /// A connection recovers.
    Recover,
    /// Someone wants a command stopped.
    Cancel,
    /// A connection says goodbye.
    Close,
}

/// What goes wrong.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// The engine refuses with this kind and has done nothing; the connection stays usable. A refused
    /// [`Connect`](Operation::Connect) may be tried again ([`Retry::Safe`]).
    Fail(ErrorKind),
    /// As [`Fail`](Self::Fail), but trying again is of no use: a permanent connect error.
    FailForGood(ErrorKind),
    /// The engine ends the transaction and says so with this kind, as with a deadlock's victim.
    EndsTransaction(ErrorKind),
    /// The connection breaks before anything was sent.
    LostUnsent,
    /// The connection breaks after the request was sent; the engine has not done it.
    LostUndone,
    /// The connection breaks after the engine has done the work, before its answer.
    LostDone,
    /// The engine's answer cannot be read.
    Protocol,
    /// Goes on after that much time.
    Delay(Duration),
    /// Goes on when the gate opens.
    Hold(Gate),
    /// Never goes on; a cancel ends it.
    Hang,
    /// The driver panics.
    Panic,
}

/// A fault and the occasions on which it strikes. The default is the next time, once.
#[derive(Debug, Clone)]
pub struct Injection {
    operation: Operation,
    fault: Fault,
    first: u64,
    times: u64,
    matching: Option<String>,
    connection: Option<u64>,
    seen: u64,
}

impl Injection {
    /// `fault` strikes the next `operation`.
    pub fn new(operation: Operation, fault: Fault) -> Self {
        Self { operation, fault, first: 1, times: 1, matching: None, connection: None, seen: 0 }
    }

    /// Strikes the `n`-th occasion from now, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.first = n;
        self
    }

    /// Strikes that many times in a row.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Strikes every time from then on.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    /// Only statements whose text contains `part` count as occasions.
    #[must_use]
    pub fn matching(mut self, part: impl Into<String>) -> Self {
        self.matching = Some(part.into());
        self
    }

    /// Only this connection counts; connections are numbered from 1 in the order of their dialling.
    #[must_use]
    pub fn on_connection(mut self, number: u64) -> Self {
        self.connection = Some(number);
        self
    }

    /// Counts the occasion; the fault if it strikes.
    pub(super) fn strikes(&mut self, event: &Event<'_>) -> Option<Fault> {
        let counts = self.operation == event.operation
            && self.connection.is_none_or(|number| number == event.connection)
            && self
                .matching
                .as_ref()
                .is_none_or(|part| event.sql.is_some_and(|sql| sql.contains(part.as_str())));
        if !counts {
            return None;
        }
        self.seen += 1;
        let last = self.first.saturating_add(self.times);
        (self.first..last).contains(&self.seen).then(|| self.fault.clone())
    }

    /// True if it can strike no more.
    pub(super) fn is_spent(&self) -> bool {
        self.seen >= self.first.saturating_add(self.times).saturating_sub(1)
            && self.times != u64::MAX
    }
}

/// Something that reached the fake engine.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The connection's number, from 1.
    pub connection: u64,
    /// What was asked.
    pub operation: Operation,
    /// The text, where there is one; of a batch, its texts with `; ` between.
    pub sql: Option<&'a str>,
}

/// What an operation has to live through: waits first, then at most one blow.
pub(super) struct Ordeal {
    waits: VecDeque<Wait>,
    pub(super) blow: Option<Fault>,
}

enum Wait {
    Timer(Timer),
    Gate(Pass),
    Ever,
}

impl Ordeal {
    /// From a latency and the faults that struck.
    pub(super) fn new(latency: Option<Duration>, faults: Vec<Fault>, clock: &Clock) -> Self {
        let mut ordeal = Self { waits: VecDeque::new(), blow: None };
        if let Some(latency) = latency {
            ordeal.waits.push_back(Wait::Timer(clock.timer(latency)));
        }
        for fault in faults {
            match fault {
                Fault::Delay(time) => ordeal.waits.push_back(Wait::Timer(clock.timer(time))),
                Fault::Hold(gate) => ordeal.waits.push_back(Wait::Gate(gate.enter())),
                Fault::Hang => ordeal.waits.push_back(Wait::Ever),
                blow => {
                    ordeal.blow.get_or_insert(blow);
                }
            }
        }
        ordeal
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(wait) = self.waits.front_mut() {
            let done = match wait {
                Wait::Timer(timer) => timer.poll(cx).is_ready(),
                Wait::Gate(pass) => pass.poll(cx).is_ready(),
                Wait::Ever => false,
            };
            if !done {
                return Poll::Pending;
            }
            self.waits.pop_front();
        }
        Poll::Ready(())
    }

    /// Waits, then gives the blow.
    pub(super) async fn endure(mut self) -> Option<Fault> {
        std::future::poll_fn(|cx| self.poll(cx)).await;
        self.blow
    }

    /// Puts what came before in front.
    pub(super) fn prepend(&mut self, earlier: Self) {
        let later = std::mem::replace(&mut self.waits, earlier.waits);
        self.waits.extend(later);
        self.blow = earlier.blow.or(self.blow.take());
    }

    /// True if nothing stands in the way.
    pub(super) fn is_nothing(&self) -> bool {
        self.waits.is_empty() && self.blow.is_none()
    }
}

impl fmt::Debug for Ordeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ordeal")
            .field("waits", &self.waits.len())
            .field("blow", &self.blow)
            .finish()
    }
}

impl Fault {
    /// The error of a fault that strikes `operation`, and whether it ends the connection.
    ///
    /// # Panics
    ///
    /// If the fault is [`Panic`](Self::Panic): that is what was asked for.
    pub(super) fn error(&self, operation: Operation) -> (Error, bool) {
        let unknown = operation == Operation::Commit;
        let lost = |nothing_sent: bool| {
            let kind = if unknown && !nothing_sent {
                ErrorKind::CommitUnknown
            } else {
                ErrorKind::ConnectionLost
            };
            Error::new(kind, format!("injected: the connection broke during {operation:?}"))
                .with_nothing_sent(nothing_sent)
        };
        match self {
            Self::Fail(kind) if operation == Operation::Connect => {
                let retry = match kind {
                    ErrorKind::Authentication | ErrorKind::Configuration => Retry::Never,
                    _ => Retry::Safe,
                };
                (Error::new(*kind, "injected: the dial failed").with_retry(retry), false)
            }
            Self::Fail(kind) => {
                (Error::new(*kind, format!("injected: {operation:?} was refused")), false)
            }
            Self::FailForGood(kind) => (
                Error::new(*kind, format!("injected: {operation:?} was refused for good"))
                    .with_retry(Retry::Never),
                false,
            ),
            Self::EndsTransaction(kind) => {
                (Error::new(*kind, "injected: the engine ended the transaction"), false)
            }
            Self::LostUnsent => (lost(true), true),
            Self::Protocol => (
                Error::new(ErrorKind::Protocol, "injected: the answer cannot be read")
                    .with_retry(Retry::Unknown),
                true,
            ),
            Self::Panic => panic!("injected: the fake driver panics in {operation:?}"),
            _ => (lost(false), true),
        }
    }
}
