//! [`Stop`]: asks the server to stop a session's command, and never the next one.
//!
//! A request to stop goes over a connection of its own and names the session, not the command. So a session's next
//! command may be sent only when no request is on its way: the end of a command waits for the end of the request that
//! was made during it. What a request leaves behind differs from server to server, and [`Request`] says it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aquifer_driver::{BoxFuture, Cancel, Canceller, Error, ErrorKind, Result, Retry, Status};
use tokio::runtime::Handle;

use crate::turns::turn;

#[cfg(test)]
mod models;

/// How a request ended, and what it leaves on the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Nothing was sent: the server could not be reached.
    NotSent,
    /// The server has acted on it, and it cannot hit what comes later. PostgreSQL sends its signal before it hangs up.
    Done,
    /// The server has acted on it, and the session may see that only with its next command: whoever drives the session
    /// takes the [mark](Stop::take_mark) away first, by a statement that harms nobody. MySQL and MariaDB.
    Marked,
    /// It was sent, and nobody knows whether it was acted on, or on which session: this one is given up.
    Uncertain,
}

/// Asks the server to stop what one session is doing.
pub trait SendRequest: Send + Sync + 'static {
    /// Dials, sends, and waits for the server's word; within a budget of its own. Called for one request at a time.
    fn send(&self) -> BoxFuture<'static, Request>;
}

/// What a session and its cancellers share.
///
/// The session passes here three times per command, its cancellers hardly ever: all but the waker is one
/// word. While no command runs and no request is under way, only the session changes it.
pub struct Stop {
    /// Flags, and above them the number that tells one command from the next.
    word: AtomicU64,
    /// Whom the end of a request wakes.
    waker: Mutex<Option<Waker>>,
    request: Arc<dyn SendRequest>,
    /// Where requests run: the runtime that the session was opened in.
    runtime: Handle,
    session: u32,
}

/// A command is under way.
const RUNNING: u64 = 1;
/// Some of its flight was written.
const SENT: u64 = 1 << 1;
/// It is to be stopped before it is sent.
const REFUSED: u64 = 1 << 2;
/// Somebody sees to it that it stops.
const STOPPING: u64 = 1 << 3;
/// A request is under way.
const UNDER_WAY: u64 = 1 << 4;
/// A request may still hit, whatever is run.
const TAINTED: u64 = 1 << 5;
/// A request was acted on, and the session may see that later.
const MARKED: u64 = 1 << 6;
/// What outlives a command.
const KEPT: u64 = UNDER_WAY | TAINTED | MARKED;
/// The first bit of the command's number.
const COMMAND_SHIFT: u32 = 8;

/// How long to wait before a command that has not ended is asked to stop again. A request that
/// comes before the server has begun with the command is lost, which a busy machine makes likely enough.
const AGAIN: [Duration; 8] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
    Duration::from_millis(3200),
    Duration::from_millis(6400),
];

impl Stop {
    /// For the session of this number, whose commands `request` has stopped in tasks of `runtime`.
    #[must_use]
    pub fn new(request: Arc<dyn SendRequest>, runtime: Handle, session: u32) -> Arc<Self> {
        let (word, waker) = (AtomicU64::new(0), Mutex::default());
        Arc::new(Self { word, waker, request, runtime, session })
    }

    /// The session's number, as it was given.
    #[must_use]
    pub fn session(&self) -> u32 {
        self.session
    }

    /// What stops the command that runs when it is used, if one does.
    #[must_use]
    pub fn canceller(self: &Arc<Self>) -> Canceller {
        Canceller::new(Arc::new(Handed(Arc::clone(self))))
    }

    /// A command is encoded; none of it is sent. False if the session is of no further use.
    #[inline]
    pub fn command_begins(&self) -> bool {
        let next = |word: u64| {
            let number = (word >> COMMAND_SHIFT).wrapping_add(1) << COMMAND_SHIFT;
            number | RUNNING | (word & KEPT)
        };
        turn();
        let word = self.word.load(Ordering::Acquire);
        if word & (RUNNING | UNDER_WAY) == 0 {
            // Nobody else changes it now.
            turn();
            self.word.store(next(word), Ordering::Release);
        } else {
            let _ = self
                .word
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| Some(next(word)));
        }
        word & TAINTED == 0
    }

    /// The first byte is about to be written; false if the command was stopped before.
    #[inline]
    #[must_use]
    pub fn may_send(&self) -> bool {
        turn();
        self.word.fetch_or(SENT, Ordering::AcqRel) & REFUSED == 0
    }

    /// The command is over; pending while a request is on its way.
    #[inline]
    pub fn poll_command_ends(&self, cx: &mut Context<'_>) -> Poll<()> {
        turn();
        if self.word.fetch_and(!RUNNING, Ordering::AcqRel) & UNDER_WAY == 0 {
            return Poll::Ready(());
        }
        self.poll_request_ends(cx)
    }

    #[cold]
    fn poll_request_ends(&self, cx: &mut Context<'_>) -> Poll<()> {
        turn();
        *self.waker() = Some(cx.waker().clone());
        turn();
        // It may have ended before it could see the waker.
        if self.is_under_way() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// The server has stopped one statement of the several that are this command: the request has hit. What goes on is
    /// another command to those who stop things: nobody asks for the first one's sake any more, and it can be stopped
    /// in its turn.
    #[cold]
    pub fn command_was_hit(&self) {
        turn();
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let number = (word >> COMMAND_SHIFT).wrapping_add(1) << COMMAND_SHIFT;
            (word & RUNNING != 0).then_some(number | RUNNING | (word & (SENT | KEPT)))
        });
    }

    /// Whether the session may still be marked; true once per mark.
    #[inline]
    #[must_use]
    pub fn take_mark(&self) -> bool {
        turn();
        self.word.load(Ordering::Acquire) & MARKED != 0
            && self.word.fetch_and(!MARKED, Ordering::AcqRel) & MARKED != 0
    }

    fn is_under_way(&self) -> bool {
        turn();
        self.word.load(Ordering::Acquire) & UNDER_WAY != 0
    }

    /// Whether a request may still hit this session, whatever it runs: it cannot be used any more.
    #[inline]
    #[must_use]
    pub fn is_tainted(&self) -> bool {
        turn();
        self.word.load(Ordering::Acquire) & TAINTED != 0
    }

    /// The status of a connection, from that of its pipeline and whether its last command has an end that was not
    /// told yet (`held`).
    #[inline]
    #[must_use]
    pub fn status(&self, pipeline: Status, held: bool) -> Status {
        let word = self.word.load(Ordering::Acquire);
        match pipeline {
            Status::Broken => Status::Broken,
            _ if held => Status::Busy,
            Status::Busy => Status::Busy,
            _ if word & TAINTED != 0 => Status::Broken,
            _ if word & UNDER_WAY != 0 => Status::Busy,
            status => status,
        }
    }

    /// # Errors
    ///
    /// `ConnectionLost` if the session [cannot be used any more](Self::is_tainted).
    pub fn check(&self) -> Result<()> {
        match self.is_tainted() {
            false => Ok(()),
            true => Err(Error::new(
                ErrorKind::ConnectionLost,
                "a request to stop this session may still be on its way",
            )),
        }
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody wants the command to stop: its number, if a request is to be made.
    fn asked(&self) -> Option<u64> {
        turn();
        let asked = |word: u64| match word {
            word if word & RUNNING == 0 || word & (TAINTED | STOPPING) != 0 => None,
            word if word & SENT == 0 => Some(word | REFUSED),
            // The last request has hit, and has not ended: the ends of two could not be told apart.
            word if word & UNDER_WAY != 0 => None,
            word => Some(word | STOPPING | UNDER_WAY),
        };
        let word = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, asked).ok()?;
        (word & SENT != 0).then_some(word >> COMMAND_SHIFT)
    }

    /// A request for this command may begin now.
    fn request_begins(&self, command: u64) -> bool {
        turn();
        let begins = |word: u64| {
            let wanted = word & RUNNING != 0 && word >> COMMAND_SHIFT == command;
            (wanted && word & TAINTED == 0).then_some(word | UNDER_WAY)
        };
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, begins).is_ok()
    }

    fn request_ended(&self, request: Request) {
        turn();
        let leaves = match request {
            Request::NotSent | Request::Done => 0,
            Request::Marked => MARKED,
            Request::Uncertain => TAINTED,
        };
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            Some((word & !UNDER_WAY) | leaves)
        });
        turn();
        let waker = self.waker().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("session", &self.session).finish_non_exhaustive()
    }
}

/// The error of a command that was stopped before any of it was sent.
#[cold]
#[must_use]
pub fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "the command was stopped before it was sent")
        .with_nothing_sent(true)
}

/// The error of a command for which the session is of no further use.
#[cold]
#[must_use]
pub fn useless() -> Error {
    Error::new(ErrorKind::ConnectionLost, "the connection is of no further use")
        .with_nothing_sent(true)
        .with_retry(Retry::Safe)
}

struct Handed(Arc<Stop>);

impl Cancel for Handed {
    /// Requests run in a task of the session's runtime, so that each ends whatever becomes of the future: a
    /// session waits for it. The future is ready when the first one has ended; if the command then goes on,
    /// it is asked again, a few times, with growing pauses.
    fn cancel(&self) -> BoxFuture<'static, ()> {
        let stop = Arc::clone(&self.0);
        let Some(command) = stop.asked() else {
            return Box::pin(std::future::ready(()));
        };
        // If the task is never run or is dropped, nobody knows what it did.
        let first = EndOfRequest { stop: Arc::clone(&stop), request: Request::Uncertain };
        let (ended, first_ended) = tokio::sync::oneshot::channel();
        let runtime = stop.runtime.clone();
        drop(runtime.spawn(async move {
            let mut end = first;
            end.request = stop.request.send().await;
            drop(end);
            // Nobody may be waiting.
            let _ = ended.send(());
            for pause in AGAIN {
                tokio::time::sleep(pause).await;
                if !stop.request_begins(command) {
                    return;
                }
                let mut end = EndOfRequest { stop: Arc::clone(&stop), request: Request::Uncertain };
                end.request = stop.request.send().await;
            }
        }));
        Box::pin(async move {
            // A task that was dropped has told its end all the same.
            let _ = first_ended.await;
        })
    }
}

/// Tells the session how its request ended, even if its task is dropped.
struct EndOfRequest {
    stop: Arc<Stop>,
    request: Request,
}

impl Drop for EndOfRequest {
    fn drop(&mut self) {
        self.stop.request_ended(self.request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::Notify;

    struct Script {
        sent: Arc<AtomicUsize>,
        answer: Arc<Notify>,
        request: Request,
    }

    impl SendRequest for Script {
        fn send(&self) -> BoxFuture<'static, Request> {
            let (answer, request) = (Arc::clone(&self.answer), self.request);
            self.sent.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                answer.notified().await;
                request
            })
        }
    }

    fn stop(request: Request) -> (Arc<Stop>, Arc<AtomicUsize>, Arc<Notify>) {
        let (sent, answer) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let script = Script { sent: Arc::clone(&sent), answer: Arc::clone(&answer), request };
        (Stop::new(Arc::new(script), Handle::current(), 1), sent, answer)
    }

    fn sending(stop: &Arc<Stop>) {
        assert!(stop.command_begins());
        assert!(stop.may_send());
    }

    #[tokio::test]
    async fn a_command_of_which_nothing_was_sent_is_not_sent() {
        let (stop, sent, _) = stop(Request::Done);
        assert!(stop.command_begins());
        stop.canceller().cancel().await;
        assert!(!stop.may_send());
        assert_eq!(sent.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_goes_on_is_asked_again_and_one_that_ended_is_not() {
        let (stop, sent, answer) = stop(Request::Done);
        sending(&stop);
        answer.notify_one();
        stop.canceller().cancel().await;
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(sent.load(Ordering::Relaxed), 2);
        assert!(stop.is_under_way());
        answer.notify_one();
        std::future::poll_fn(|cx| stop.poll_command_ends(cx)).await;
        // The next command is another one.
        sending(&stop);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(sent.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_command_ends_only_after_the_request_that_was_made_during_it() {
        let (stop, sent, answer) = stop(Request::Done);
        sending(&stop);
        let asked = stop.canceller().cancel();
        tokio::task::yield_now().await;
        let ends = std::future::poll_fn(|cx| stop.poll_command_ends(cx));
        tokio::pin!(ends);
        assert!(futures_poll(ends.as_mut()).await.is_pending());
        answer.notify_one();
        ends.await;
        asked.await;
        assert_eq!(sent.load(Ordering::Relaxed), 1);
        assert!(!stop.is_tainted() && !stop.is_under_way());
    }

    #[tokio::test]
    async fn between_commands_and_twice_during_one_nothing_is_sent() {
        let (stop, sent, answer) = stop(Request::Done);
        stop.canceller().cancel().await;
        assert_eq!(sent.load(Ordering::Relaxed), 0);
        sending(&stop);
        drop(stop.canceller().cancel());
        stop.canceller().cancel().await;
        tokio::task::yield_now().await;
        assert_eq!(sent.load(Ordering::Relaxed), 1, "a dropped future's request goes on");
        answer.notify_one();
        std::future::poll_fn(|cx| stop.poll_command_ends(cx)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_after_a_hit_is_stopped_in_its_turn_and_not_for_the_first_ones_sake() {
        let (stop, sent, answer) = stop(Request::Done);
        sending(&stop);
        let first = stop.canceller().cancel();
        tokio::task::yield_now().await;
        stop.command_was_hit();
        // The first request is still on its way.
        stop.canceller().cancel().await;
        answer.notify_one();
        first.await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(sent.load(Ordering::Relaxed), 1);
        answer.notify_one();
        stop.canceller().cancel().await;
        assert_eq!(sent.load(Ordering::Relaxed), 2);
        std::future::poll_fn(|cx| stop.poll_command_ends(cx)).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(sent.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_mark_outlives_its_command_and_is_taken_away_once() {
        let (stop, _, answer) = stop(Request::Marked);
        sending(&stop);
        answer.notify_one();
        stop.canceller().cancel().await;
        std::future::poll_fn(|cx| stop.poll_command_ends(cx)).await;
        sending(&stop);
        assert!(stop.take_mark() && !stop.take_mark());
        assert!(!stop.is_tainted());
    }

    #[tokio::test]
    async fn a_request_of_unknown_end_makes_the_session_useless() {
        let (stop, _, answer) = stop(Request::Uncertain);
        sending(&stop);
        answer.notify_one();
        stop.canceller().cancel().await;
        assert!(stop.is_tainted() && stop.check().is_err());
        assert_eq!(stop.status(Status::Idle, false), Status::Broken);
        assert!(!stop.command_begins());
    }

    async fn futures_poll<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
        std::future::poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut future).poll(cx))).await
    }
}
