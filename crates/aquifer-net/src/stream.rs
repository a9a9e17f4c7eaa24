//! [`Stream`]: a socket, encrypted or not.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::client::TlsStream;

/// A connection's bytes.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP, as it is.
    Tcp(TcpStream),
    /// Over a unix socket: the bytes do not leave the machine.
    #[cfg(unix)]
    Unix(UnixStream),
    /// Encrypted, over TCP. Boxed: its buffers make it 1 kB larger than a socket.
    Tls(Box<TlsStream<TcpStream>>),
    /// Over another one of these, rewritten: compressed, say.
    Layered(Box<dyn Layer>),
}

/// What rewrites a session's bytes, over a [`Stream`] of its own. It may keep what is written until it is flushed.
pub trait Layer: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin {}

impl Stream {
    /// True if the bytes do not leave the machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            #[cfg(unix)]
            Self::Unix(_) => true,
            Self::Tcp(_) | Self::Tls(_) | Self::Layered(_) => false,
        }
    }

    /// True if reading would have to wait; the task is woken when bytes come, or the end. False if it may
    /// be otherwise.
    #[inline]
    pub fn is_silent(&self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx).is_pending(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.poll_read_ready(cx).is_pending(),
            // Bytes may have been deciphered already.
            Self::Tls(_) | Self::Layered(_) => false,
        }
    }

    /// As [`poll_write`](AsyncWrite::poll_write), but a socket that has room is written to without a look at
    /// the task's budget: reading the answer takes from it.
    ///
    /// # Errors
    ///
    /// As `poll_write`.
    #[inline]
    pub fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let tried = match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_write(bytes),
            Self::Tls(_) | Self::Layered(_) => Err(io::ErrorKind::WouldBlock.into()),
        };
        match tried {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Pin::new(self).poll_write(cx, bytes)
            }
            tried => Poll::Ready(tried),
        }
    }

    /// True if what was written may not be on its way before it is flushed.
    #[inline]
    #[must_use]
    pub fn is_layered(&self) -> bool {
        matches!(self, Self::Tls(_) | Self::Layered(_))
    }
}

/// Calls the method on whichever stream it is.
macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $call,
            #[cfg(unix)]
            Stream::Unix($stream) => $call,
            Stream::Tls($stream) => $call,
            Stream::Layered($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Layered(stream) => stream.is_write_vectored(),
        }
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
