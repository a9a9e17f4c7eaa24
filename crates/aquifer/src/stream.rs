//! [`RowStream`]: a query's rows as a `futures::Stream` of owned values.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aquifer_driver::{BoxFuture, FromRow, Result};
use futures_core::Stream;

use crate::rows::Rows;

/// The rows of a query as owned values. Lazy: nothing is sent before the first poll.
///
/// After an error the stream ends. Dropping it early is safe and cheap, as with [`Rows`].
pub struct RowStream<'c, T> {
    state: State<'c>,
    row: std::marker::PhantomData<fn() -> T>,
}

enum State<'c> {
    Opening(BoxFuture<'c, Result<Rows<'c>>>),
    // Boxed: a stream that has not begun, or has ended, need not be as large as its rows.
    Reading(Box<Rows<'c>>),
    Ended,
}

impl<'c, T> RowStream<'c, T> {
    pub(crate) fn new(opening: BoxFuture<'c, Result<Rows<'c>>>) -> Self {
        Self { state: State::Opening(opening), row: std::marker::PhantomData }
    }
}

impl<T: for<'r> FromRow<'r>> RowStream<'_, T> {
    /// The next row, without the `futures` crate; named as in its `TryStreamExt`.
    ///
    /// # Errors
    ///
    /// The engine's error, the deadline, or a row that does not convert.
    pub async fn try_next(&mut self) -> Result<Option<T>> {
        std::future::poll_fn(|cx| self.poll_row(cx)).await.transpose()
    }

    fn poll_row(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let result = loop {
            match &mut self.state {
                State::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(rows) => self.state = State::Reading(Box::new(rows)),
                    Err(error) => break Err(error),
                },
                State::Reading(rows) => match ready!(rows.poll_advance(cx)) {
                    Ok(true) => break rows.read(),
                    Ok(false) => {
                        self.state = State::Ended;
                        return Poll::Ready(None);
                    }
                    Err(error) => break Err(error),
                },
                State::Ended => return Poll::Ready(None),
            }
        };
        if result.is_err() {
            self.state = State::Ended;
        }
        Poll::Ready(Some(result))
    }
}

impl<T: for<'r> FromRow<'r>> Stream for RowStream<'_, T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        self.poll_row(cx)
    }
}

impl<T> fmt::Debug for RowStream<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Opening(_) => "RowStream(opening)",
            State::Reading(_) => "RowStream(reading)",
            State::Ended => "RowStream(ended)",
        })
    }
}
