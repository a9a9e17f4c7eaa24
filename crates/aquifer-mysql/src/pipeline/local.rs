//! LOAD DATA LOCAL: the server asks for a file of this machine by name, and gets what the owner offered by that
//! name for this very command; anything else it asks for, whenever it does, is empty to it.

use aquifer_driver::{Error, ErrorKind, Result};

use super::Pipeline;
use crate::protocol::frame;

/// What was offered, and how far it is.
#[derive(Debug, Default)]
pub(super) struct Local {
    /// The name of what the owner offers for the command under way; taken by the first request.
    offered: Option<Box<[u8]>>,
    /// The number of the next packet of the contents, while some are due.
    due: Option<u8>,
}

impl Pipeline {
    /// The command that was just started may ask once for a file of this name.
    pub(crate) fn offer(&mut self, name: &str) {
        self.local = Local { offered: Some(name.as_bytes().into()), due: None };
    }

    /// True while the server waits for contents of what was offered.
    #[inline]
    pub(crate) fn wants_contents(&self) -> bool {
        self.local.due.is_some()
    }

    /// The next piece of the contents, shorter than a packet can be; an empty one ends them.
    pub(crate) fn contents(&mut self, piece: &[u8]) {
        let Some(sequence) = self.local.due.take() else { return };
        let next = self.put_piece(piece, sequence);
        if piece.is_empty() {
            self.sequence = next;
        } else {
            self.local.due = Some(next);
        }
    }

    fn put_piece(&mut self, piece: &[u8], sequence: u8) -> u8 {
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
        let start = frame::begin(&mut self.out);
        self.out.extend_from_slice(piece);
        frame::finish(&mut self.out, start, sequence)
    }

    /// The server asks for the file of this name.
    ///
    /// # Errors
    ///
    /// If later commands are on their way, which it would take for the file: the session cannot go on.
    pub(super) fn asked_for_file(&mut self, name: &[u8]) -> Result<()> {
        if self.encoded != 1 || self.sent < self.out.len() {
            return Err(Error::new(
                ErrorKind::Protocol,
                "the server asks for a file of this machine in the middle of a batch",
            ));
        }
        let sequence = self.sequence;
        if self.local.offered.take().is_some_and(|offered| *offered == *name) {
            self.local.due = Some(sequence);
            return Ok(());
        }
        self.sequence = self.put_piece(&[], sequence);
        if let Some(job) = self.jobs.front_mut() {
            job.refused_file = true;
        }
        Ok(())
    }
}

/// What becomes of a command during which the server asked for what was not offered.
#[cold]
pub(super) fn not_offered() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the server asked for a file of this machine that was not offered, and was given nothing",
    )
    .with_hint(
        "`MysqlConnection::load_data` runs LOAD DATA LOCAL with the contents that it is given",
    )
}
