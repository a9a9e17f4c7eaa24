//! A session and those who stop its commands, in many orders of their steps, by `shuttle`.
//!
//! The session, its cancellers and the tasks of the requests take turns where `turns.rs` says. A failure prints the seed, which
//! repeats it. A wake-up that is lost ends a model by its bound of steps.

use std::future::poll_fn;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;
use tokio::runtime::{Builder, Runtime};
use tokio::task::coop::unconstrained;

use super::*;
use crate::turns::explore;

/// More than any model takes; what never ends takes for ever.
const ROUNDS_MAX: u32 = 20_000;

/// A server, as far as stopping goes.
#[derive(Debug, Default)]
struct Server {
    state: Mutex<State>,
    requests: AtomicU64,
    /// The request makes itself felt only by the next statement, as MariaDB's may.
    marks: bool,
    /// The connection of the request breaks once it was sent.
    breaks: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// The command that was begun last.
    command: u64,
    /// It was sent, and has not ended.
    runs: bool,
    hit: bool,
}

impl Server {
    fn state(&self) -> MutexGuard<'_, State> {
        turn();
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn a_while() {
    turn();
    tokio::task::yield_now().await;
    turn();
}

struct ToServer(Arc<Server>);

impl SendRequest for ToServer {
    fn send(&self) -> BoxFuture<'static, Request> {
        let server = Arc::clone(&self.0);
        // Whatever runs when it arrives is what it stops.
        let meant = server.state().command;
        Box::pin(async move {
            a_while().await;
            server.requests.fetch_add(1, SeqCst);
            {
                let mut state = server.state();
                assert_eq!(state.command, meant, "a request hits a later command");
                state.hit |= state.runs;
            }
            a_while().await;
            assert_eq!(
                server.state().command,
                meant,
                "a command was sent before the request's end"
            );
            match () {
                () if server.breaks.load(SeqCst) => Request::Uncertain,
                () if server.marks => Request::Marked,
                () => Request::Done,
            }
        })
    }
}

/// What becomes of a command that was begun.
#[derive(Debug, PartialEq, Eq)]
enum Ran {
    Useless,
    Refused,
    ToItsEnd,
}

/// tokio counts how often a thread's tasks have polled without a pause; the threads of a model are one to it.
fn block_on<F: Future>(future: F) -> F::Output {
    shuttle::future::block_on(unconstrained(future))
}

/// A session, and the runtime of its requests.
struct World {
    server: Arc<Server>,
    stop: Arc<Stop>,
    runtime: Arc<Runtime>,
}

impl World {
    fn new(server: Server) -> World {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (server, runtime) = (Arc::new(server), Arc::new(runtime));
        let request = Arc::new(ToServer(Arc::clone(&server)));
        let stop = Stop::new(request, runtime.handle().clone(), 1);
        World { server, stop, runtime }
    }

    /// Runs threads beside the one that drives the requests, for which a moment is now and then a long time.
    fn run(&self, threads: Vec<Box<dyn FnOnce() + Send>>) {
        let inside = self.runtime.enter();
        self.runtime.block_on(async { tokio::time::pause() });
        let done = Arc::new(AtomicBool::new(false));
        let driver = thread::spawn({
            let (done, runtime) = (Arc::clone(&done), Arc::clone(&self.runtime));
            move || {
                let mut rounds = 0;
                while !done.load(SeqCst) {
                    match thread_rng().gen_bool(0.2) {
                        true => runtime.block_on(tokio::time::advance(Duration::from_millis(60))),
                        false => runtime.block_on(tokio::task::yield_now()),
                    }
                    thread::yield_now();
                    rounds += 1;
                    assert!(rounds < ROUNDS_MAX, "somebody waits for ever");
                }
            }
        });
        let threads: Vec<_> = threads.into_iter().map(thread::spawn).collect();
        for thread in threads {
            thread.join().expect("no panic");
        }
        done.store(true, SeqCst);
        driver.join().expect("no panic");
        drop(inside);
        // Requests that nobody needs any more do not begin.
        let before = self.server.requests.load(SeqCst);
        self.runtime.block_on(async { tokio::time::sleep(Duration::from_secs(60)).await });
        assert_eq!(self.server.requests.load(SeqCst), before, "between commands nobody is asked");
        assert!(!self.stop.is_under_way());
    }

    fn session(&self) -> Session {
        Session { server: Arc::clone(&self.server), stop: Arc::clone(&self.stop) }
    }

    fn canceller(&self) -> Box<dyn FnOnce() + Send> {
        let canceller = self.stop.canceller();
        Box::new(move || {
            for _ in 0..thread_rng().gen_range(0..4) {
                turn();
            }
            let asked = canceller.cancel();
            // As often as not nobody waits for it.
            if thread_rng().gen_bool(0.5) {
                block_on(asked);
            }
        })
    }
}

/// Drives commands as a driver does.
struct Session {
    server: Arc<Server>,
    stop: Arc<Stop>,
}

impl Session {
    /// A command that ends by itself, or else only when a request hits it.
    fn command(&self, endless: bool) -> Ran {
        if !self.stop.command_begins() {
            return Ran::Useless;
        }
        assert!(!self.stop.is_under_way(), "begun while a request is on its way");
        assert!(!self.stop.is_tainted(), "begun on a session that is given up");
        self.server.state().command += 1;
        if !self.stop.may_send() {
            self.ends();
            return Ran::Refused;
        }
        {
            let mut state = self.server.state();
            (state.runs, state.hit) = (true, false);
        }
        for _ in 0..thread_rng().gen_range(0..4) {
            turn();
        }
        while endless && !self.server.state().hit {
            thread::yield_now();
        }
        self.server.state().runs = false;
        self.ends();
        Ran::ToItsEnd
    }

    /// A command of several statements, each of which ends only when a request hits it.
    fn statements(&self, count: usize) {
        assert!(self.stop.command_begins());
        self.server.state().command += 1;
        assert!(self.stop.may_send());
        for _ in 0..count {
            {
                let mut state = self.server.state();
                (state.runs, state.hit) = (true, false);
            }
            while !self.server.state().hit {
                thread::yield_now();
            }
            self.server.state().runs = false;
            self.stop.command_was_hit();
        }
        self.ends();
    }

    fn ends(&self) {
        block_on(poll_fn(|cx| self.stop.poll_command_ends(cx)));
    }
}

#[test]
fn a_request_hits_the_command_it_was_made_for_or_none() {
    explore(4_000, || {
        let world = World::new(Server::default());
        let session = world.session();
        world.run(vec![
            Box::new(move || {
                for _ in 0..3 {
                    assert_ne!(session.command(false), Ran::Useless);
                }
            }),
            world.canceller(),
            world.canceller(),
        ]);
    });
}

#[test]
fn a_command_that_does_not_end_by_itself_is_ended_by_whoever_asks() {
    explore(2_000, || {
        let world = World::new(Server::default());
        let (session, stop) = (world.session(), Arc::clone(&world.stop));
        world.run(vec![
            Box::new(move || {
                session.command(true);
                // What comes after it is another one.
                assert_eq!(session.command(false), Ran::ToItsEnd);
            }),
            Box::new(move || {
                // Before it has begun there is nothing to stop.
                while stop.word.load(SeqCst) & RUNNING == 0 {
                    thread::yield_now();
                }
                block_on(stop.canceller().cancel());
            }),
        ]);
    });
}

#[test]
fn statements_of_one_command_are_stopped_one_by_one() {
    explore(1_000, || {
        let world = World::new(Server::default());
        let (session, stop) = (world.session(), Arc::clone(&world.stop));
        let over = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&over);
        world.run(vec![
            Box::new(move || {
                session.statements(3);
                assert_ne!(session.command(false), Ran::Useless);
                done.store(true, SeqCst);
            }),
            Box::new(move || {
                while stop.word.load(SeqCst) & SENT == 0 {
                    thread::yield_now();
                }
                while !over.load(SeqCst) {
                    block_on(stop.canceller().cancel());
                    thread::yield_now();
                }
            }),
        ]);
    });
}

#[test]
fn a_mark_is_seen_by_the_command_after_the_one_it_was_made_for() {
    explore(2_000, || {
        let world = World::new(Server { marks: true, ..Server::default() });
        let (session, server) = (world.session(), Arc::clone(&world.server));
        world.run(vec![
            Box::new(move || {
                for _ in 0..3 {
                    let before = server.requests.load(SeqCst);
                    assert_ne!(session.command(false), Ran::Useless);
                    // Each request that was sent ended before the command did.
                    let asked = server.requests.load(SeqCst) > before;
                    assert_eq!(session.stop.take_mark(), asked);
                    assert!(!session.stop.take_mark(), "it is taken away once");
                }
            }),
            world.canceller(),
            world.canceller(),
        ]);
    });
}

#[test]
fn nothing_is_sent_on_a_session_whose_request_may_still_hit() {
    explore(2_000, || {
        let world = World::new(Server { breaks: AtomicBool::new(true), ..Server::default() });
        let (session, server) = (world.session(), Arc::clone(&world.server));
        world.run(vec![
            Box::new(move || {
                let mut useless = false;
                for _ in 0..4 {
                    let is_useless = session.command(false) == Ran::Useless;
                    assert!(is_useless || !useless, "it is of use again");
                    useless |= is_useless;
                    assert_eq!(session.stop.is_tainted(), server.requests.load(SeqCst) > 0);
                }
            }),
            world.canceller(),
        ]);
    });
}

#[test]
fn a_runtime_that_ends_under_a_request_makes_the_session_useless_and_keeps_nobody_waiting() {
    explore(1_000, || {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let server = Arc::<Server>::default();
        let request = Arc::new(ToServer(Arc::clone(&server)));
        let stop = Stop::new(request, runtime.handle().clone(), 1);
        let session = Session { server, stop: Arc::clone(&stop) };
        let asks = thread::spawn(move || {
            block_on(stop.canceller().cancel());
        });
        let ends = thread::spawn(move || {
            turn();
            drop(runtime);
        });
        session.command(false);
        session.command(false);
        asks.join().expect("no panic");
        ends.join().expect("no panic");
    });
}
