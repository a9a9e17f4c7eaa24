//! [`Body`]: an answer's body, whole or streamed from the database as the client takes it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Frame, SizeHint};
use tokio::task::AbortHandle;

use crate::observed::Observed;
use crate::problem::{Problem, Situation};
use crate::run::{Feed, Filled};

/// Why a body broke off. The client sees a broken transfer, never a shorter valid body.
#[derive(Debug)]
pub(crate) struct Broken(&'static str);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Broken {}

/// An answer's body.
pub(crate) enum Body {
    /// Nothing, or nothing more.
    Empty,
    /// All of it.
    Whole(Bytes),
    /// Rows as they come.
    Rows(RowBody),
}

type Step = Pin<Box<dyn Future<Output = (Box<Feed>, Vec<u8>, Result<Filled, Problem>)> + Send>>;

enum State {
    /// A chunk that is ready.
    Ready(Box<Feed>, Vec<u8>),
    Filling(Step),
    /// The array is closed; what is left is the trailer.
    Trailer,
    Done,
    /// The deadline passed while the client did not read.
    Expired,
}

/// A stream of rows with a watchman.
///
/// The database's deadline acts when rows are asked for. A client that stops reading does not ask, and
/// would keep a connection of the pool for ever: the watchman takes it back when the deadline passes.
pub(crate) struct RowBody {
    state: Arc<Mutex<State>>,
    watchman: AbortHandle,
    /// Records the request when the body ends.
    observed: Option<Observed>,
}

impl RowBody {
    /// A body that starts with `first`; must be made inside a runtime.
    pub(crate) fn new(
        first: Vec<u8>,
        rest: Box<Feed>,
        timeout: Duration,
        observed: Observed,
    ) -> Self {
        let teller = observed.teller(rest.query_name());
        let state = Arc::new(Mutex::new(State::Ready(rest, first)));
        let watched = Arc::clone(&state);
        let watchman = tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            let expired = {
                let mut state = watched.lock().unwrap_or_else(PoisonError::into_inner);
                match std::mem::replace(&mut *state, State::Expired) {
                    // Dropping the feed or the step drops the rows.
                    State::Ready(..) | State::Filling(_) => true,
                    other => {
                        *state = other;
                        false
                    }
                }
            };
            // Here and not where the body is polled next: a client that does not read has no body polled.
            if expired {
                teller.broken_off(Situation::Deadline);
            }
        })
        .abort_handle();
        Self { state, watchman, observed: Some(observed) }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match std::mem::replace(&mut *state, State::Done) {
                State::Ready(mut feed, chunk) => {
                    let capacity = chunk.len();
                    let next = async move {
                        let mut out = Vec::with_capacity(capacity);
                        let filled = feed.next(&mut out).await;
                        (feed, out, filled)
                    };
                    *state = State::Filling(Box::pin(next));
                    return Poll::Ready(Some(Ok(Frame::data(Bytes::from(chunk)))));
                }
                State::Filling(mut step) => match step.as_mut().poll(cx) {
                    Poll::Pending => {
                        *state = State::Filling(step);
                        return Poll::Pending;
                    }
                    Poll::Ready((feed, chunk, Ok(Filled::Full))) => {
                        *state = State::Ready(feed, chunk);
                    }
                    Poll::Ready((_, chunk, Ok(Filled::End { truncated }))) => {
                        if truncated {
                            *state = State::Trailer;
                        }
                        return Poll::Ready(Some(Ok(Frame::data(Bytes::from(chunk)))));
                    }
                    Poll::Ready((_, _, Err(problem))) => {
                        if let Some(observed) = &self.observed {
                            observed.tell(&problem, true);
                        }
                        return Poll::Ready(Some(Err(Broken("the database failed"))));
                    }
                },
                State::Trailer => {
                    let mut trailers = HeaderMap::new();
                    trailers.insert("aquifer-truncated", HeaderValue::from_static("true"));
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                State::Done => return Poll::Ready(None),
                State::Expired => {
                    return Poll::Ready(Some(Err(Broken("the request's deadline passed"))));
                }
            }
        }
    }
}

impl Drop for RowBody {
    fn drop(&mut self) {
        self.watchman.abort();
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(_) => match std::mem::replace(&mut *self, Self::Empty) {
                Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                _ => Poll::Ready(None),
            },
            Self::Rows(rows) => {
                let frame = rows.poll(cx);
                if let Poll::Ready(None | Some(Err(_))) = &frame
                    && let Some(observed) = rows.observed.take()
                {
                    observed.end();
                }
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Rows(_) => SizeHint::default(),
        }
    }
}
