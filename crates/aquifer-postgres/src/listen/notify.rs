//! NOTIFY.

use aquifer_driver::{Command, Connection, Error, ErrorKind, Result, RowBatch, Step, Want};

use super::channel;
use crate::connection::PostgresConnection;

/// Most bytes of a payload: `NOTIFY_PAYLOAD_MAX_LENGTH` of the server's async.c, less one.
const PAYLOAD_BYTES_MAX: usize = 7999;

impl PostgresConnection {
    /// Notifies everybody who listens to the channel, when the open transaction commits, or at once. Within one
    /// transaction, equal notifications are one.
    ///
    /// Through a `Db`, the same is `db.exec("SELECT pg_notify(?, ?)", (channel, payload))`; `NOTIFY` itself
    /// takes no parameters.
    ///
    /// # Errors
    ///
    /// [`Argument`](ErrorKind::Argument) before anything is sent, if the payload has more than 7999 bytes or
    /// the channel's name not 1 to 63; the server's otherwise.
    pub async fn notify(&mut self, channel: &str, payload: &str) -> Result<()> {
        channel::check(channel)?;
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::Argument,
                format!(
                    "a notification's payload has at most {PAYLOAD_BYTES_MAX} bytes, and this has {}",
                    payload.len()
                ),
            )
            .with_hint("store the data, and send its key")
            .with_nothing_sent(true));
        }
        self.read_off().await?;
        let params = (channel, payload);
        let sql = "SELECT pg_catalog.pg_notify($1, $2)";
        self.start(Command::Execute { sql, params: &params, want: Want::Outcome })?;
        let mut batch = RowBatch::new();
        loop {
            let step = std::future::poll_fn(|cx| self.poll_next(cx, &mut batch)).await?;
            if matches!(step, Step::End(_)) {
                return Ok(());
            }
        }
    }
}
