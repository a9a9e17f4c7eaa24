//! LOAD DATA LOCAL from a reader, [`MysqlConnection::load_data`], and from files that are allowed.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use aquifer_driver::{
    BoxFuture, Command, Connection, Error, ErrorKind, Outcome, Result, RowBatch, Step,
};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::connection::MysqlConnection;

/// A file that the server is getting.
pub(crate) enum Loading {
    Opening(BoxFuture<'static, std::io::Result<File>>),
    Reading(File, Vec<u8>),
}

impl Loading {
    pub(crate) fn open(path: PathBuf) -> Self {
        Self::Opening(Box::pin(File::open(path)))
    }

    /// The next piece of the file, of at most `max` bytes; an empty one is its end.
    pub(crate) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<std::io::Result<&[u8]>> {
        if let Self::Opening(opening) = self {
            let file = std::task::ready!(opening.as_mut().poll(cx))?;
            *self = Self::Reading(file, vec![0; max]);
        }
        let Self::Reading(file, piece) = self else { return Poll::Ready(Ok(&[])) };
        let mut read = ReadBuf::new(piece);
        std::task::ready!(Pin::new(file).poll_read(cx, &mut read))?;
        let len = read.filled().len();
        Poll::Ready(Ok(&piece[..len]))
    }
}

/// What becomes of a command whose contents cannot be had.
#[cold]
pub(crate) fn unreadable(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Argument, "what was to be loaded cannot be read").with_source(error)
}

impl MysqlConnection {
    /// Runs a `LOAD DATA LOCAL INFILE 'name' …` whose file is `source`, which is read to its end.
    ///
    /// The server gets the bytes of `source` if it asks for exactly `name`, once, during this command, whatever files
    /// are allowed. Give a `tokio::fs::File` for a file. One piece of at most 16 KiB is held at a time.
    ///
    /// # Errors
    ///
    /// Those of the statement. [`Unsupported`](ErrorKind::Unsupported) if the server asked for another name; rows
    /// of it are then none. `Argument`, with the cause, if `source` cannot be read: the connection is then closed, so
    /// that the server does not take a part for the whole.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped while the contents are being sent closes the connection, for the same reason.
    pub async fn load_data(
        &mut self,
        sql: &str,
        name: &str,
        mut source: impl AsyncRead + Unpin + Send,
    ) -> Result<Outcome> {
        self.start(Command::Script { sql })?;
        self.offer(name);
        let mut batch = RowBatch::new();
        let mut piece = vec![0; self.piece_max()];
        loop {
            let step = std::future::poll_fn(|cx| self.poll_next(cx, &mut batch)).await?;
            if let Step::End(outcome) = step {
                return Ok(outcome);
            }
            if self.wants_contents() {
                let len = match source.read(&mut piece).await {
                    Ok(len) => len,
                    Err(error) => return Err(self.give_up(unreadable(error))),
                };
                self.contents(&piece[..len]);
            }
        }
    }
}
