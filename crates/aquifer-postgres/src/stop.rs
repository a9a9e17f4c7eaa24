//! [`Stop`]: asks the server to stop a session's command, and never the next one.
//!
//! A CancelRequest goes over a connection of its own and names the session, not the command. The server
//! acts on it before it closes that connection. So a session's next command may be sent only when no
//! request is on its way: the end of a command waits for the end of the request that was made during it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aquifer_driver::{BoxFuture, Cancel, Canceller};
use tokio::runtime::Handle;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// Nothing was sent: the server could not be reached.
    NotSent,
    /// The server has closed the request's connection: the request was acted on.
    Done,
    /// It was sent, and nobody knows whether it was acted on.
    Uncertain,
}

/// Makes a CancelRequest for one session.
pub(crate) trait SendRequest: Send + Sync + 'static {
    /// Dials, sends, and waits until the server hangs up; within a budget of its own.
    fn send(&self) -> BoxFuture<'static, Request>;
}

/// What a session and its cancellers share.
pub(crate) struct Stop {
    state: Mutex<State>,
    request: Arc<dyn SendRequest>,
    /// Where requests run: the runtime that the session was opened in.
    runtime: Handle,
    process: u32,
    /// A request may reach another session than the one it was made for: after it, this one is given up.
    behind_pooler: bool,
}

#[derive(Default)]
struct State {
    /// Tells one command from the next.
    command: u64,
    /// A command is under way.
    running: bool,
    /// Some of its flight was written.
    sent: bool,
    /// It is to be stopped before it is sent.
    refused: bool,
    /// Somebody sees to it that it stops.
    stopping: bool,
    /// A request is under way.
    under_way: bool,
    /// A request may still hit, whatever is run.
    tainted: bool,
    waker: Option<Waker>,
}

/// How long to wait before a command that has not ended is asked to stop again. The server drops a request
/// that comes before it has begun with the command, which a busy machine makes likely enough.
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
    pub(crate) fn new(
        request: Arc<dyn SendRequest>,
        runtime: Handle,
        process: u32,
        behind_pooler: bool,
    ) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), request, runtime, process, behind_pooler })
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process
    }

    pub(crate) fn canceller(self: &Arc<Self>) -> Canceller {
        Canceller::new(Arc::new(Handed(Arc::clone(self))))
    }

    /// A command is encoded; none of it is sent. False if the session is of no further use.
    pub(crate) fn command_begins(&self) -> bool {
        let mut state = self.lock();
        state.command += 1;
        state.running = true;
        (state.sent, state.refused, state.stopping) = (false, false, false);
        !state.tainted
    }

    /// The first byte is about to be written; false if the command was stopped before.
    pub(crate) fn may_send(&self) -> bool {
        let mut state = self.lock();
        state.sent = true;
        !state.refused
    }

    /// The command is over; pending while a request is on its way.
    pub(crate) fn poll_command_ends(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        state.running = false;
        if !state.under_way {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.lock().under_way
    }

    pub(crate) fn is_tainted(&self) -> bool {
        self.lock().tainted
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request for this command may begin now.
    fn request_begins(&self, command: u64) -> bool {
        let mut state = self.lock();
        let wanted = state.running && state.command == command && !state.tainted;
        state.under_way |= wanted;
        wanted
    }

    fn request_ended(&self, request: Request) {
        let waker = {
            let mut state = self.lock();
            state.under_way = false;
            state.tainted |= match request {
                Request::NotSent => false,
                Request::Done => self.behind_pooler,
                Request::Uncertain => true,
            };
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("process", &self.process).finish_non_exhaustive()
    }
}

struct Handed(Arc<Stop>);

impl Cancel for Handed {
    /// Requests run in a task of the session's runtime, so that each ends whatever becomes of the future: a
    /// session waits for it. The future is ready when the first one has ended; if the command then goes on,
    /// it is asked again, a few times, with growing pauses.
    fn cancel(&self) -> BoxFuture<'static, ()> {
        let stop = Arc::clone(&self.0);
        let command = {
            let mut state = stop.lock();
            if !state.running || state.tainted || state.stopping {
                return Box::pin(std::future::ready(()));
            }
            if !state.sent {
                state.refused = true;
                return Box::pin(std::future::ready(()));
            }
            state.stopping = true;
            state.under_way = true;
            state.command
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
    use std::sync::atomic::{AtomicUsize, Ordering};
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
        (Stop::new(Arc::new(script), Handle::current(), 1, false), sent, answer)
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

    #[tokio::test]
    async fn a_request_of_unknown_end_makes_the_session_useless() {
        let (stop, _, answer) = stop(Request::Uncertain);
        sending(&stop);
        answer.notify_one();
        stop.canceller().cancel().await;
        assert!(stop.is_tainted());
    }

    async fn futures_poll<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
        std::future::poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut future).poll(cx))).await
    }
}
