//! [`Compressed`]: a session's bytes over compressed packets, from the end of the log-in on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aquifer_net::{Layer, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::protocol::compressed::{Codec, PIECE, Packer, Unpacker, broken};

/// A stream that packs what is written and unpacks what is read.
#[derive(Debug)]
pub(crate) struct Compressed {
    stream: Stream,
    packer: Packer,
    unpacker: Unpacker,
    /// What was unpacked, and how much of it was read.
    plain: Vec<u8>,
    read: usize,
    /// What was packed, and how much of it was written.
    packed: Vec<u8>,
    written: usize,
    /// Where bytes are read to.
    room: Box<[u8]>,
}

impl Compressed {
    pub(crate) fn new(stream: Stream, codec: Codec) -> Self {
        Self {
            stream,
            packer: Packer::new(codec),
            unpacker: Unpacker::new(codec),
            plain: Vec::new(),
            read: 0,
            packed: Vec::new(),
            written: 0,
            room: vec![0; PIECE].into(),
        }
    }

    /// Writes what is packed.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.packed.len() {
            let rest = &self.packed[self.written..];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => self.written += len,
            }
        }
        self.packed.clear();
        self.packed.shrink_to(2 * PIECE);
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Compressed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.read == this.plain.len() {
            this.plain.clear();
            this.plain.shrink_to(4 * PIECE);
            this.read = 0;
            let mut room = ReadBuf::new(&mut this.room);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut room))?;
            if room.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            let last = this.unpacker.unpack(room.filled(), &mut this.plain).map_err(broken)?;
            if let Some(number) = last {
                this.packer.heard(number);
            }
        }
        let rest = &this.plain[this.read..];
        let len = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..len]);
        this.read += len;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Compressed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(cx))?;
        let piece = &bytes[..bytes.len().min(PIECE)];
        let this = &mut *self;
        this.packer.pack(piece, &mut this.packed)?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Layer for Compressed {}
