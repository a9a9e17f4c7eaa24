//! The place in what was read: packets are found and taken there, each by its number.

use aquifer_driver::Result;

use super::Pipeline;
use crate::protocol::frame::{self, Found, Packet};

impl Pipeline {
    /// The payload at the cursor, if all of it is there, and whether it came in several packets.
    ///
    /// # Errors
    ///
    /// If the packet's number is not the one that is due.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<Option<(Packet, bool)>> {
        if self.settings.agreed.compresses() {
            self.sequence = number_at(&self.input.bytes, self.input.at);
        }
        let input = &mut self.input;
        let mut found = frame::find(&input.bytes, input.at, self.sequence)?;
        let split = found == Found::Split;
        if split {
            found = frame::join(&mut input.bytes, input.at, self.sequence)?;
        }
        Ok(match found {
            Found::Whole(packet) => Some((packet, split)),
            Found::Part(len) => {
                input.frame = len;
                None
            }
            Found::Split => None,
        })
    }

    /// Moves the cursor behind a packet.
    #[inline]
    pub(super) fn take(&mut self, packet: Packet) {
        self.input.at = packet.end;
        self.sequence = packet.next;
    }
}

/// The number of the packet at this place, for those of which none is due.
pub(super) fn number_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at + frame::HEADER - 1).copied().unwrap_or_default()
}
