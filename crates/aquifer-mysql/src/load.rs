//! LOAD DATA LOCAL from a reader: [`MysqlConnection::load_data`].

use aquifer_driver::{Command, Connection, Error, ErrorKind, Outcome, Result, RowBatch, Step};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::connection::MysqlConnection;

/// How much is read at a time.
const PIECE_BYTES: usize = 16 * 1024;

impl MysqlConnection {
    /// Runs a `LOAD DATA LOCAL INFILE 'name' …` whose file is `source`, which is read to its end.
    ///
    /// No file is opened, whatever the statement or the server says: the server gets the bytes of `source` if it
    /// asks for exactly `name`, once, during this command, and nothing otherwise. Give a `tokio::fs::File` for a
    /// file. One piece of 16 KiB is held at a time.
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
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let step = std::future::poll_fn(|cx| self.poll_next(cx, &mut batch)).await?;
            if let Step::End(outcome) = step {
                return Ok(outcome);
            }
            if self.wants_contents() {
                let len = match source.read(&mut piece).await {
                    Ok(len) => len,
                    Err(error) => return Err(self.unreadable(error)),
                };
                self.contents(&piece[..len]);
            }
        }
    }

    #[cold]
    fn unreadable(&mut self, error: std::io::Error) -> Error {
        self.give_up(
            Error::new(ErrorKind::Argument, "what was to be loaded cannot be read")
                .with_source(error),
        )
    }
}
