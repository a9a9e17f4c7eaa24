//! [`Wire`]: the one place that reads and writes a session's socket, in the task of whoever polls.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use aquifer_driver::{Error, ErrorKind, Result};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_util::io::poll_read_buf;

use crate::{Input, Stream};

/// What decides, without I/O, what is written and what was read: a driver's pipeline.
pub trait Flow {
    /// Bytes that wait to be written.
    fn output(&self) -> &[u8];

    /// So many bytes of the output were written.
    fn wrote(&mut self, len: usize);

    /// Where bytes that were read go.
    fn input(&mut self) -> &mut Input;

    /// Takes what the server has said while nothing was owed.
    ///
    /// # Errors
    ///
    /// If it says that the session is over, or anything that it may not say now. The session is broken then.
    fn receive_unasked(&mut self) -> Result<()>;

    /// The session is of no more use, for this reason; the error of what was under way, which may know better.
    fn broke(&mut self, error: Error) -> Error;
}

/// A session's socket, and whether all that was written is on its way.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    /// Written bytes may still be in a TLS layer.
    unflushed: bool,
}

impl Wire {
    /// Of a stream over which the session was opened.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self { stream, unflushed: false }
    }

    /// True if written bytes may still be on this side: [`poll_write`](Self::poll_write) goes on with them.
    #[inline]
    #[must_use]
    pub fn is_unflushed(&self) -> bool {
        self.unflushed
    }

    /// Writes what waits; ready when all of it is on its way.
    ///
    /// # Errors
    ///
    /// What the server said last if it has closed the session, or that the connection broke.
    #[inline]
    pub fn poll_write(&mut self, cx: &mut Context<'_>, flow: &mut impl Flow) -> Result<Poll<()>> {
        while !flow.output().is_empty() {
            match self.stream.poll_send(cx, flow.output()) {
                Poll::Ready(Ok(0)) => return Err(lost(flow, io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(len)) => {
                    flow.wrote(len);
                    self.unflushed = self.stream.is_layered();
                }
                Poll::Ready(Err(error)) => return Err(self.last_words(cx, flow, error)),
                Poll::Pending => return Ok(Poll::Pending),
            }
        }
        // Only a layer of TLS keeps what was written.
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => return Err(self.last_words(cx, flow, error)),
                Poll::Pending => return Ok(Poll::Pending),
            }
        }
        Ok(Poll::Ready(()))
    }

    /// Reads once. Pending if nothing has come; the task is woken when something does.
    ///
    /// # Errors
    ///
    /// If the connection has ended or broken.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, flow: &mut impl Flow) -> Result<Poll<()>> {
        let room = flow.input().room();
        match poll_read_buf(Pin::new(&mut self.stream), cx, room) {
            Poll::Ready(Ok(0)) => Err(lost(flow, io::ErrorKind::UnexpectedEof.into())),
            Poll::Ready(Ok(len)) => {
                flow.input().filled(len);
                Ok(Poll::Ready(()))
            }
            Poll::Ready(Err(error)) => Err(lost(flow, error)),
            Poll::Pending => Ok(Poll::Pending),
        }
    }

    /// Before the first byte of a flight: whether the server has said goodbye meanwhile. Costs a system call only if
    /// something has come. Ends only when reading would have to wait, so that the task is woken by what comes next.
    ///
    /// # Errors
    ///
    /// The goodbye, or that the connection has ended.
    #[inline]
    pub fn poll_liveness(&mut self, cx: &mut Context<'_>, flow: &mut impl Flow) -> Result<()> {
        if !self.stream.is_silent(cx) {
            while self.poll_fill(cx, flow)?.is_ready() {
                flow.receive_unasked()?;
            }
        }
        // What stands behind the last answer has nobody who asked for it, either.
        if flow.input().is_drained() { Ok(()) } else { flow.receive_unasked() }
    }

    /// Says this farewell and closes. The server needs no farewell, and a session that breaks now has ended as well.
    pub async fn close(mut self, farewell: &[u8]) {
        let _ = self.stream.write_all(farewell).await;
        // Closing a socket says the same; TLS has a goodbye of its own.
        if let Stream::Tls(stream) = &mut self.stream {
            let _ = stream.shutdown().await;
        }
    }

    /// A server that closes a session says why before: what it said is still there to be read when
    /// writing fails.
    #[cold]
    fn last_words(
        &mut self,
        cx: &mut Context<'_>,
        flow: &mut impl Flow,
        error: io::Error,
    ) -> Error {
        while let Ok(Poll::Ready(())) = self.poll_fill(cx, flow) {
            if let Err(said) = flow.receive_unasked() {
                return said;
            }
        }
        lost(flow, error)
    }
}

#[cold]
fn lost(flow: &mut impl Flow, error: io::Error) -> Error {
    let closed = error.kind() == io::ErrorKind::UnexpectedEof;
    let message = if closed {
        "the server closed the connection"
    } else {
        "the connection to the server broke"
    };
    let lost = Error::new(ErrorKind::ConnectionLost, message);
    flow.broke(if closed { lost } else { lost.with_source(error) })
}
