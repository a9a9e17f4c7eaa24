//! COPY: data instead of rows, in either direction.
//!
//! A COPY is a simple query, so that its end and its errors are followed by ReadyForQuery without a Sync of
//! ours. While data goes in, [`Pipeline::output`] holds one message of it at a time; a message that was
//! begun is written to its end whatever the server says meanwhile, because it would take the next command
//! for the rest of it.

use aquifer_driver::{Error, ErrorKind, Outcome, Result, Step};
use aquifer_net::Flow;

use super::work::{Expect, Role};
use super::{Failure, Pipeline};
use crate::pooler;
use crate::protocol::backend::{self, CopyFormat};
use crate::protocol::frame::{self, Found};
use crate::protocol::frontend;

/// Data out is handed over when this much has come together.
const HANDED_BYTES: usize = 64 * 1024;

/// What the server quotes when a COPY is given up before its end.
const GIVEN_UP: &str = "the client gave it up";

/// Which way the data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the server.
    In,
    /// From it.
    Out,
}

/// Where the COPY under way stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    /// The command under way is no COPY.
    #[default]
    None,
    /// The server has not answered yet.
    Asked(Direction),
    /// The server waits for data.
    In,
    /// CopyDone is on its way.
    Finishing,
    /// The server sends data.
    Out,
    /// No data goes either way any more.
    Over,
}

/// How far a COPY has come.
#[derive(Debug)]
pub(crate) enum CopyStep {
    /// Data can go.
    Started(CopyFormat),
    /// Data has come.
    Data,
    /// It is over, and the connection is ready.
    End(Outcome),
}

impl Pipeline {
    /// Encodes a COPY.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub(crate) fn start_copy(&mut self, sql: &str, direction: Direction) -> Result<()> {
        self.check_free()?;
        if self.is_pooled_now() {
            pooler::check_text(sql)?;
        }
        self.begin_flight();
        if let Some(trace) = &mut self.trace {
            trace.is_fresh = false;
        }
        let role = match direction {
            Direction::In => Role::CopyIn,
            Direction::Out => Role::CopyOut,
        };
        self.simple_query(role, sql).inspect_err(|_| self.take_back())?;
        self.copy = Phase::Asked(direction);
        self.running = true;
        self.counters.rounds += 1;
        Ok(())
    }

    /// As [`advance`](Self::advance), for a COPY. Data that has come is appended to `data`, which must be
    /// empty.
    ///
    /// # Errors
    ///
    /// The command's error, or one that ends the connection.
    pub(crate) fn advance_copy(&mut self, data: &mut Vec<u8>) -> Result<Option<CopyStep>> {
        loop {
            if let Some(settled) = self.steps.front() {
                let over = !matches!(settled.step, Ok(Step::Rows | Step::EndOfSet(_)));
                if over && !self.output().is_empty() {
                    return Ok(None);
                }
                let step = self.steps.pop_front().map(|settled| settled.step);
                let open = matches!(self.copy, Phase::In | Phase::Finishing | Phase::Out);
                if open && matches!(step, Some(Ok(Step::End(_)))) {
                    return Err(self.broke(without_end()));
                }
                if over {
                    self.finish_command();
                }
                match step {
                    Some(Ok(Step::End(outcome))) => return Ok(Some(CopyStep::End(outcome))),
                    Some(Err(error)) => return Err(error),
                    _ => continue,
                }
            }
            if self.expected.is_empty() {
                self.finish_command();
                return Ok(Some(CopyStep::End(Outcome::default())));
            }
            let frame = match frame::find(&self.input.bytes, self.input.at) {
                Ok(Found::Whole(frame)) => frame,
                Ok(Found::Part(len)) => {
                    self.input.frame = len;
                    return Ok(if data.is_empty() { None } else { Some(CopyStep::Data) });
                }
                Err(error) => return Err(self.broke(error)),
            };
            let is_data = frame.tag == b'd' && self.copy == Phase::Out;
            if data.len() >= HANDED_BYTES || (!data.is_empty() && !is_data) {
                return Ok(Some(CopyStep::Data));
            }
            self.input.at = frame.end;
            if is_data {
                data.extend_from_slice(&self.input.bytes[frame.body..frame.end]);
                continue;
            }
            let is_query = self.expected.front() == Some(&Expect::Query);
            if frame.tag == b'D' && is_query && self.copy != Phase::Out {
                // Rows of another statement in the same text.
                continue;
            }
            // Taken out for the moment: what receives the message changes everything else.
            let bytes = std::mem::take(&mut self.input.bytes);
            let received = self.receive(frame.tag, &bytes[frame.body..frame.end]);
            self.input.bytes = bytes;
            if let Err(error) = received {
                return Err(self.broke(error));
            }
            if let Some(format) = self.copy_begun.take() {
                return Ok(Some(CopyStep::Started(format)));
            }
        }
    }

    /// CopyInResponse, CopyOutResponse or CopyBothResponse.
    pub(super) fn copy_begins(&mut self, tag: u8, body: &[u8], expect: Expect) -> Result<()> {
        match (tag, self.copy) {
            (b'G', Phase::Asked(Direction::In)) if self.discarding => {
                frontend::copy_fail(&mut self.out, GIVEN_UP);
                self.copy = Phase::Over;
            }
            (b'G', Phase::Asked(Direction::In)) => {
                self.copy = Phase::In;
                self.copy_begun = Some(backend::copy_response(body)?);
            }
            (b'H', Phase::Asked(Direction::Out)) => {
                self.copy = Phase::Out;
                self.copy_begun = Some(backend::copy_response(body)?);
            }
            _ => {
                self.refuse_copy(tag, expect)?;
                // It was refused along with the one under way, which takes no more data.
                if self.copy == Phase::In {
                    self.copy = Phase::Over;
                }
            }
        }
        Ok(())
    }

    /// True if the server still takes data.
    pub(crate) fn takes_data(&self) -> bool {
        self.copy == Phase::In
    }

    /// Sends a message of data, which is exchanged for an empty buffer. Nothing may wait to be written.
    pub(crate) fn copy_data(&mut self, message: &mut Vec<u8>) {
        debug_assert!(self.copy == Phase::In && self.output().is_empty());
        self.out.clear();
        self.sent = 0;
        std::mem::swap(&mut self.out, message);
    }

    /// Says that all data was sent.
    pub(crate) fn copy_done(&mut self) {
        if self.copy == Phase::In {
            frontend::copy_done(&mut self.out);
            self.copy = Phase::Finishing;
            self.counters.rounds += 1;
        }
    }

    /// Has the server undo what was sent; its error will quote the reason.
    pub(crate) fn copy_fail(&mut self, reason: &str) {
        if self.copy == Phase::In {
            frontend::copy_fail(&mut self.out, reason);
            self.copy = Phase::Over;
            self.counters.rounds += 1;
        }
    }

    /// The owner is gone: data that it did not finish must not be taken for all of it.
    pub(super) fn abandon_copy(&mut self) {
        if self.copy == Phase::Finishing && self.output().len() >= frontend::COPY_DONE.len() {
            // The end was not written yet: taken back.
            self.out.truncate(self.out.len() - frontend::COPY_DONE.len());
            self.copy = Phase::In;
        }
        self.copy_fail(GIVEN_UP);
        self.copy_begun = None;
    }

    /// The server has ended the COPY, with success or an error.
    pub(super) fn copy_ended(&mut self) {
        if self.copy != Phase::None {
            self.copy = Phase::Over;
        }
    }
}

/// What came so far may not be all.
#[cold]
fn without_end() -> Error {
    Error::new(ErrorKind::Protocol, "the server was ready again without having ended its COPY")
}

impl Failure {
    /// A COPY of the other direction than its call's, or as no call at all.
    pub(super) fn stray_copy(tag: u8, asked: Phase) -> Self {
        let (message, hint) = match (asked, tag) {
            (Phase::None, _) => (
                "COPY cannot run as an ordinary statement",
                "use the driver's copy_in and copy_out",
            ),
            (Phase::Asked(_), b'G') => ("this COPY takes data", "use copy_in for it"),
            (Phase::Asked(_), _) => ("this COPY gives data", "use copy_out for it"),
            _ => ("a text with more than one COPY cannot run", "run one after the other"),
        };
        Self {
            error: Error::new(ErrorKind::Unsupported, message).with_hint(hint),
            server: None,
            planning: false,
        }
    }
}
