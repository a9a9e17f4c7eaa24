//! [`CopyIn`]: bytes into a table.

use std::fmt;
use std::future::poll_fn;
use std::task::Poll;

use aquifer_driver::{Error, ErrorKind, Outcome, Result};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::connection::PostgresConnection;
use crate::pipeline::{CopyStep, Direction};
use crate::protocol::frame::{HEADER, LARGE_MAX};
use crate::protocol::{backend, frontend};

/// A message is sent when it has grown to this size.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// How much of a larger message's memory is kept for the next one.
const KEPT_BYTES: usize = 2 * CHUNK_BYTES;

impl PostgresConnection {
    /// Starts a `COPY ... FROM STDIN`; the data follows through the writer that this returns.
    ///
    /// It takes part in the transaction that is open, and is one of its own otherwise. One round trip.
    /// Give the SQL no part that comes from outside: it is not a statement with parameters.
    ///
    /// ```no_run
    /// # async fn f(connection: &mut aquifer_postgres::PostgresConnection) -> aquifer_driver::Result<()> {
    /// let mut copy = connection.copy_in("COPY rivers (name, km) FROM STDIN (FORMAT csv)").await?;
    /// copy.send(b"Elbe,1094\nOder,840\n").await?;
    /// assert_eq!(copy.finish().await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server's, or [`Unsupported`](ErrorKind::Unsupported) if the text is another kind of statement;
    /// one that ran before that was found out has taken effect.
    pub async fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>> {
        self.read_off().await?;
        self.start_copy(sql, Direction::In)?;
        // From here on, being dropped gives the COPY up.
        let mut copy = CopyIn::new(self);
        match copy.step().await? {
            CopyStep::Started(format) => {
                copy.format = format;
                Ok(copy)
            }
            CopyStep::Data | CopyStep::End(_) => Err(not_copy("FROM STDIN", "copy_out")),
        }
    }
}

#[cold]
pub(super) fn not_copy(wanted: &str, other: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the statement is no COPY ... {wanted}"))
        .with_hint(format!("run it as an ordinary statement, or with {other}"))
}

/// A COPY that takes data; made by [`PostgresConnection::copy_in`].
///
/// What is sent is gathered into messages of 64 KiB, and a call waits while the server is behind with
/// reading. The rows are there when [`finish`](Self::finish) has returned. A writer that is dropped before
/// gives the COPY up: none of its rows stay, an open transaction fails, and the connection goes on after
/// the server has said so, which whoever uses it next waits for.
#[must_use = "dropping it gives the COPY up"]
pub struct CopyIn<'c> {
    connection: &'c mut PostgresConnection,
    format: backend::CopyFormat,
    /// The message that is being filled, behind its header.
    message: Vec<u8>,
    /// A call was dropped when part of its data was taken.
    torn: bool,
    over: bool,
}

impl<'c> CopyIn<'c> {
    fn new(connection: &'c mut PostgresConnection) -> Self {
        let mut message = Vec::with_capacity(CHUNK_BYTES + HEADER);
        frontend::begin_copy_data(&mut message);
        let format = backend::CopyFormat { binary: false, columns: 0 };
        Self { connection, format, message, torn: false, over: false }
    }

    /// True if the server expects the binary format.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.format.binary
    }

    /// How many columns the server expects.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.format.columns
    }

    /// Sends data. Where it is cut makes no difference to the server.
    ///
    /// Returns when the data is in the buffer; waits while that is full. If the future is dropped, part of
    /// the data may have been taken: the COPY can then only be given up.
    ///
    /// # Errors
    ///
    /// The server's, as soon as it is known, which may be calls after the data that it is about. The COPY
    /// is over then.
    pub async fn send(&mut self, mut data: &[u8]) -> Result<()> {
        self.check_whole()?;
        self.torn = true;
        while !data.is_empty() {
            self.make_room().await?;
            let room = (CHUNK_BYTES + HEADER).saturating_sub(self.message.len());
            let (now, later) = data.split_at(room.min(data.len()));
            self.message.extend_from_slice(now);
            data = later;
        }
        self.torn = false;
        Ok(())
    }

    /// Sends everything that the reader gives; how many bytes that was.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and [`Io`](ErrorKind::Io) if reading fails; the COPY is then still open.
    pub async fn read_from(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin + ?Sized),
    ) -> Result<u64> {
        let mut total = 0;
        loop {
            self.check_whole()?;
            self.torn = true;
            self.make_room().await?;
            self.torn = false;
            let room = (CHUNK_BYTES + HEADER).saturating_sub(self.message.len());
            let mut limited = (&mut *reader).take(room as u64);
            // Taken as it comes: a reader that is dropped half-way has lost nothing.
            let read = limited.read_buf(&mut self.message).await.map_err(|error| {
                Error::new(ErrorKind::Io, "the source of a COPY cannot be read").with_source(error)
            })?;
            if read == 0 {
                return Ok(total);
            }
            total += read as u64;
        }
    }

    /// Sends what is left, ends the COPY, and waits until the server has taken all of it; how many rows it
    /// has taken.
    ///
    /// If the future is dropped, the COPY is given up if its end was not written yet; after that the rows
    /// may be there.
    ///
    /// # Errors
    ///
    /// The server's; none of the rows stay then. Its message says which line it is about: `(COPY rivers,
    /// line 7, column km)`.
    pub async fn finish(mut self) -> Result<u64> {
        self.check_whole()?;
        self.flush().await?;
        self.written().await?;
        self.connection.pipeline().copy_done();
        self.end().await.map(|outcome| outcome.rows_affected)
    }

    /// Gives the COPY up: none of its rows stay, and an open transaction fails. The server's log quotes the
    /// reason.
    ///
    /// # Errors
    ///
    /// If the connection breaks.
    pub async fn fail(mut self, reason: &str) -> Result<()> {
        if self.over {
            return Ok(());
        }
        // What it quotes ends at a NUL.
        let reason = reason.replace('\0', " ");
        self.connection.pipeline().copy_fail(&reason);
        match self.end().await {
            Err(error) if error.is_connection_lost() => Err(error),
            _ => Ok(()),
        }
    }

    /// The buffer, for rows that are encoded in place. Its beginning is not the caller's.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.message
    }

    /// True if the buffer should be [flushed](Self::flush).
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.message.len() >= CHUNK_BYTES
    }

    async fn make_room(&mut self) -> Result<()> {
        if self.message.len() >= CHUNK_BYTES + HEADER { self.flush().await } else { Ok(()) }
    }

    /// Has what was gathered written, as far as that needs no waiting, after what was gathered before.
    pub(super) async fn flush(&mut self) -> Result<()> {
        if self.message.len() <= HEADER {
            return Ok(());
        }
        if self.message.len() > LARGE_MAX {
            return Err(Error::new(ErrorKind::Argument, "a row of a COPY passes 1 GiB"));
        }
        self.written().await?;
        frontend::end_copy_data(&mut self.message);
        self.connection.pipeline().copy_data(&mut self.message);
        self.message.clear();
        self.message.shrink_to(KEPT_BYTES);
        frontend::begin_copy_data(&mut self.message);
        // On its way while the next message is being filled.
        let begun = poll_fn(|cx| Poll::Ready(self.connection.poll_copy_written(cx))).await;
        match begun {
            Poll::Ready(step) => self.heard(step),
            Poll::Pending => Ok(()),
        }
    }

    /// Waits until what was sent is written.
    async fn written(&mut self) -> Result<()> {
        let step = poll_fn(|cx| self.connection.poll_copy_written(cx)).await;
        self.heard(step)?;
        if self.connection.pipeline().takes_data() {
            return Ok(());
        }
        // The server has said why; its last word is still to come.
        let ended = self.end().await.map(|_| ());
        ended.and_then(|()| Err(self.connection.pipeline().broke(ended_early())))
    }

    /// What the server said while it was still being told.
    fn heard(&mut self, step: Result<Option<CopyStep>>) -> Result<()> {
        let said = match step {
            Ok(None) => return Ok(()),
            Ok(Some(_)) => self.connection.pipeline().broke(ended_early()),
            Err(error) => error,
        };
        self.over = true;
        Err(said)
    }

    async fn step(&mut self) -> Result<CopyStep> {
        let mut data = Vec::new();
        let step = poll_fn(|cx| self.connection.poll_copy(cx, &mut data)).await;
        self.over = !matches!(step, Ok(CopyStep::Started(_) | CopyStep::Data));
        step
    }

    async fn end(&mut self) -> Result<Outcome> {
        loop {
            if let CopyStep::End(outcome) = self.step().await? {
                return Ok(outcome);
            }
        }
    }

    fn check_whole(&self) -> Result<()> {
        if self.over {
            return Err(Error::new(ErrorKind::Closed, "the COPY is over, by an earlier error"));
        }
        if self.torn {
            return Err(Error::new(
                ErrorKind::Cancelled,
                "a call that sent data of the COPY was dropped half-way, so its data is not whole",
            )
            .with_hint("give the COPY up, and start another"));
        }
        Ok(())
    }
}

#[cold]
fn ended_early() -> Error {
    Error::new(ErrorKind::Protocol, "the server ended a COPY before all of its data was sent")
}

impl Drop for CopyIn<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.connection.give_up();
        }
    }
}

impl fmt::Debug for CopyIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyIn")
            .field("binary", &self.format.binary)
            .field("columns", &self.format.columns)
            .finish_non_exhaustive()
    }
}
