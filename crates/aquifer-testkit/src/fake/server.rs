//! [`FakeServer`]: the tables, the books, and the test's handle on both.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use aquifer_driver::{Access, Connector};

use super::connector::{FakeConnector, FakeDriver};
use super::fault::{Event, Fault, Injection, Operation, Ordeal};
use super::options::FakeOptions;
use super::table::Data;
use crate::clock::Clock;

/// How many entries the log keeps; the oldest leave.
const LOG_MAX: usize = 10_000;
/// How many violations are kept; a test that has seen so many has failed anyway.
const VIOLATIONS_MAX: usize = 100;

type Hook = Arc<dyn Fn(&Event<'_>) -> Option<Fault> + Send + Sync>;

/// A fake engine and everything that a test wants to know about it. Clones are the same engine.
///
/// It keeps its own books: what it says about connections and prepared statements is what really
/// happened, whatever the code under test believes.
#[derive(Clone)]
pub struct FakeServer(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) options: FakeOptions,
    pub(super) clock: Clock,
    state: Mutex<State>,
    hook: Mutex<Option<Hook>>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) committed: Arc<Data>,
    /// The connection whose transaction has written.
    lock: Option<u64>,
    lock_waiters: BTreeMap<u64, Waker>,
    pub(super) books: BTreeMap<u64, ConnectionBook>,
    pub(super) counters: ServerCounters,
    pub(super) connectors_closed: u64,
    injections: Vec<Injection>,
    latencies: BTreeMap<Operation, Duration>,
    log: VecDeque<LogEntry>,
    violations: Vec<String>,
    last_connection: u64,
}

/// What a fake server has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerCounters {
    /// Dials, successful or not.
    pub dials: u64,
    /// Connections that were made.
    pub connects: u64,
    /// Connections that said goodbye.
    pub closes: u64,
    /// Connections that were dropped without a goodbye.
    pub drops: u64,
    /// Connections that are open now.
    pub open: u64,
    /// The most connections that were ever open at once.
    pub open_peak: u64,
    /// Statements that ran, those of scripts and batches counted one by one.
    pub statements: u64,
    /// Statements that were prepared.
    pub prepares: u64,
    /// Flights: requests for whose answer the driver had to wait.
    pub rounds: u64,
    /// Segments of statements of several callers.
    pub segments: u64,
    /// Transactions begun.
    pub begins: u64,
    /// Transactions committed.
    pub commits: u64,
    /// Transactions rolled back, whoever asked.
    pub rollbacks: u64,
    /// Cancel requests.
    pub cancels: u64,
    /// Cancel requests that met a command under way.
    pub cancels_hit: u64,
    /// Recoveries of abandoned connections.
    pub recoveries: u64,
    /// Signs of life.
    pub pings: u64,
    /// Sessions put back into their first state.
    pub resets: u64,
    /// Rows given.
    pub rows: u64,
}

/// The server's own books on one open connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionBook {
    /// Its number, from 1, in the order of dialling.
    pub number: u64,
    /// What it was opened for.
    pub access: Access,
    /// Statements that are prepared now.
    pub prepared: usize,
    /// The most statements that were ever prepared at once.
    pub prepared_peak: usize,
    /// Whether a transaction is open.
    pub in_transaction: bool,
}

/// One thing that reached the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEntry {
    /// The connection's number.
    pub connection: u64,
    /// What was asked.
    pub operation: Operation,
    /// The text, where there is one.
    pub sql: Option<String>,
}

impl Default for FakeServer {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeServer {
    /// An empty engine with default behaviour, on tokio's clock.
    pub fn new() -> Self {
        Self::with(FakeOptions::default(), Clock::Tokio)
    }

    /// An empty engine that behaves as `options` say, on tokio's clock.
    pub fn with_options(options: FakeOptions) -> Self {
        Self::with(options, Clock::Tokio)
    }

    /// An empty engine with this behaviour and clock.
    pub fn with(options: FakeOptions, clock: Clock) -> Self {
        Self(Arc::new(Shared { options, clock, state: Mutex::default(), hook: Mutex::default() }))
    }

    /// A driver whose every URL (`fake://anything`) leads to this engine.
    pub fn driver(&self) -> FakeDriver {
        FakeDriver::new(self.clone())
    }

    /// A connector to this engine.
    pub fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(FakeConnector::new(Arc::clone(&self.0), "fake", Access::ReadWrite))
    }

    /// How the engine behaves.
    pub fn options(&self) -> &FakeOptions {
        &self.0.options
    }

    /// What has been counted so far.
    pub fn counters(&self) -> ServerCounters {
        self.0.state().counters
    }

    /// The open connections, by number.
    pub fn connections(&self) -> Vec<ConnectionBook> {
        self.0.state().books.values().copied().collect()
    }

    /// Statements that are prepared now, on all connections.
    pub fn prepared(&self) -> usize {
        self.0.state().books.values().map(|book| book.prepared).sum()
    }

    /// How often [`Connector::closed`] was called.
    pub fn connectors_closed(&self) -> u64 {
        self.0.state().connectors_closed
    }

    /// What reached the engine, the newest 10 000 entries in order.
    pub fn log(&self) -> Vec<LogEntry> {
        self.0.state().log.iter().cloned().collect()
    }

    /// The texts that reached the engine, in order.
    pub fn texts(&self) -> Vec<String> {
        self.0.state().log.iter().filter_map(|entry| entry.sql.clone()).collect()
    }

    /// Forgets the log.
    pub fn clear_log(&self) {
        self.0.state().log.clear();
    }

    /// What the code under test did against the contract, in words. Tests assert that it is empty.
    pub fn violations(&self) -> Vec<String> {
        self.0.state().violations.clone()
    }

    /// Fails the test if the contract was violated.
    ///
    /// # Panics
    ///
    /// If there are violations; the message lists them.
    #[track_caller]
    pub fn assert_no_violations(&self) {
        let violations = self.violations();
        assert!(violations.is_empty(), "the driver contract was violated: {violations:#?}");
    }

    /// Fails the test if the contract was violated or a connection is still open.
    ///
    /// # Panics
    ///
    /// If so; the message says what.
    #[track_caller]
    pub fn assert_clean(&self) {
        self.assert_no_violations();
        let open = self.connections();
        assert!(open.is_empty(), "connections are still open: {open:#?}");
    }

    /// Adds a fault.
    pub fn inject(&self, injection: Injection) {
        self.0.state().injections.push(injection);
    }

    /// Adds a fault that strikes the next `operation`, once.
    pub fn fail_next(&self, operation: Operation, fault: Fault) {
        self.inject(Injection::new(operation, fault));
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        self.0.state().injections.clear();
    }

    /// Makes every `operation` take that long, or no time again.
    pub fn set_latency(&self, operation: Operation, latency: Option<Duration>) {
        let mut state = self.0.state();
        match latency {
            Some(latency) => state.latencies.insert(operation, latency),
            None => state.latencies.remove(&operation),
        };
    }

    /// Calls `hook` for everything that reaches the engine, before it is done; what it returns strikes.
    /// One hook at a time. It runs in the task that polls and must not call the connection.
    pub fn set_hook(&self, hook: impl Fn(&Event<'_>) -> Option<Fault> + Send + Sync + 'static) {
        *self.0.hook() = Some(Arc::new(hook));
    }

    /// Takes the hook away.
    pub fn clear_hook(&self) {
        *self.0.hook() = None;
    }
}

impl fmt::Debug for FakeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state();
        f.debug_struct("FakeServer")
            .field("counters", &state.counters)
            .field("violations", &state.violations)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hook(&self) -> MutexGuard<'_, Option<Hook>> {
        self.hook.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn violate(&self, what: impl Into<String>) {
        let mut state = self.state();
        if state.violations.len() < VIOLATIONS_MAX {
            state.violations.push(what.into());
        }
    }

    /// Notes that something has reached the server, and finds out what it has to live through.
    pub(super) fn arrive(&self, event: &Event<'_>) -> Ordeal {
        let (latency, mut faults) = {
            let mut state = self.state();
            if state.log.len() == LOG_MAX {
                state.log.pop_front();
            }
            if event.operation != Operation::Fetch {
                state.log.push_back(LogEntry {
                    connection: event.connection,
                    operation: event.operation,
                    sql: event.sql.map(str::to_owned),
                });
            }
            let faults: Vec<Fault> =
                state.injections.iter_mut().filter_map(|rule| rule.strikes(event)).collect();
            state.injections.retain(|rule| !rule.is_spent());
            (state.latencies.get(&event.operation).copied(), faults)
        };
        let hook = self.hook().clone();
        faults.extend(hook.and_then(|hook| hook(event)));
        Ordeal::new(latency, faults, &self.clock)
    }
}

impl State {
    /// Opens a connection's book; `None` if the server is full.
    pub(super) fn open(&mut self, access: Access, max: usize) -> Option<u64> {
        if self.books.len() >= max {
            return None;
        }
        let number = self.next_number();
        self.books.insert(
            number,
            ConnectionBook { number, access, prepared: 0, prepared_peak: 0, in_transaction: false },
        );
        self.counters.connects += 1;
        self.counters.open += 1;
        self.counters.open_peak = self.counters.open_peak.max(self.counters.open);
        Some(number)
    }

    /// The number of the connection that is opened next.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last_connection += 1;
        self.last_connection
    }

    /// Closes a connection's book.
    pub(super) fn close(&mut self, number: u64) {
        if self.books.remove(&number).is_some() {
            self.counters.open -= 1;
        }
    }

    pub(super) fn set_prepared(&mut self, number: u64, prepared: usize) {
        if let Some(book) = self.books.get_mut(&number) {
            book.prepared = prepared;
            book.prepared_peak = book.prepared_peak.max(prepared);
        }
    }

    pub(super) fn set_in_transaction(&mut self, number: u64, in_transaction: bool) {
        if let Some(book) = self.books.get_mut(&number) {
            book.in_transaction = in_transaction;
        }
    }

    /// Takes the write lock, to keep it if `keep`; false if another connection has it.
    pub(super) fn lock_for(&mut self, number: u64, keep: bool) -> bool {
        let free = self.lock.is_none_or(|owner| owner == number);
        if free && keep {
            self.lock = Some(number);
        }
        free
    }

    pub(super) fn wait_for_lock(&mut self, number: u64, waker: &Waker) {
        self.lock_waiters.insert(number, waker.clone());
    }

    pub(super) fn forget_waiter(&mut self, number: u64) {
        self.lock_waiters.remove(&number);
    }

    /// Frees the write lock; the wakers are to be called without the state's lock.
    #[must_use]
    pub(super) fn unlock(&mut self, number: u64) -> Vec<Waker> {
        if self.lock != Some(number) {
            return Vec::new();
        }
        self.lock = None;
        std::mem::take(&mut self.lock_waiters).into_values().collect()
    }
}
