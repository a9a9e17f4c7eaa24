//! [`Stall`]: a socket whose peer may not keep it waiting for ever.
//!
//! Two waits are bounded that hyper does not bound: for the first bytes that tell HTTP/1 from HTTP/2, and
//! for a peer that does not read what was sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How an HTTP/2 connection starts; anything else is HTTP/1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A socket with bounds on waiting.
#[derive(Debug)]
pub(crate) struct Stall<S> {
    inner: S,
    /// Bytes of the preface seen so far; `None` once the protocol is known.
    opening: Option<usize>,
    opening_timer: Pin<Box<Sleep>>,
    write_timeout: Duration,
    write_timer: Pin<Box<Sleep>>,
    writing: bool,
}

impl<S> Stall<S> {
    /// A socket whose peer has `opening` to say what it speaks, and `write` to take what it is sent.
    pub(crate) fn new(inner: S, opening: Duration, write: Duration) -> Self {
        Self {
            inner,
            opening: Some(0),
            opening_timer: Box::pin(sleep(opening)),
            write_timeout: write,
            write_timer: Box::pin(sleep(write)),
            writing: false,
        }
    }

    /// Bounds a write's wait: what was ready starts the clock anew the next time.
    fn watch<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.writing = false;
            return poll;
        }
        if !std::mem::replace(&mut self.writing, true) {
            self.write_timer.as_mut().reset(Instant::now() + self.write_timeout);
        }
        ready!(self.write_timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stall<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.inner).poll_read(cx, buf);
        let Some(seen) = self.opening else { return poll };
        match poll {
            Poll::Ready(result) => {
                let new = &buf.filled()[before..];
                let expected = &PREFACE[seen..(seen + new.len()).min(PREFACE.len())];
                let seen = seen + new.len();
                self.opening = (new.starts_with(expected) && seen < PREFACE.len()).then_some(seen);
                Poll::Ready(result)
            }
            Poll::Pending => {
                ready!(self.opening_timer.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer says nothing")))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stall<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.watch(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.watch(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.inner).poll_flush(cx);
        self.watch(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.watch(cx, poll)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_says_nothing_is_given_up() {
        let (client, server) = duplex(64);
        let mut server = Stall::new(server, SOON, SOON);
        let error = server.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_preface_is_nothing_and_another_first_byte_is_http_1() {
        let (mut client, server) = duplex(64);
        let mut server = Stall::new(server, SOON, SOON);
        client.write_all(b"PRI ").await.unwrap();
        let mut four = [0; 4];
        server.read_exact(&mut four).await.unwrap();
        assert_eq!(server.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);

        let (mut client, server) = duplex(64);
        let mut server = Stall::new(server, SOON, SOON);
        client.write_all(b"G").await.unwrap();
        server.read_u8().await.unwrap();
        let waited = tokio::time::timeout(SOON * 100, server.read_u8()).await;
        assert!(waited.is_err(), "hyper bounds the rest of the head itself");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_is_given_up_and_a_slow_one_is_not() {
        let (mut client, server) = duplex(4);
        let mut server = Stall::new(server, SOON, SOON);
        let reader = tokio::spawn(async move {
            let mut read = 0;
            for _ in 0..10 {
                tokio::time::sleep(SOON / 2).await;
                read += client.read(&mut [0; 4]).await.unwrap();
            }
            tokio::time::sleep(SOON * 100).await;
            read
        });
        server.write_all(&[7; 40]).await.unwrap();
        let error = server.write_all(&[7; 40]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(reader.await.unwrap(), 40);
    }
}
