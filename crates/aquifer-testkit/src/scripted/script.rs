//! What a server is to do, step by step.

use crate::postgres::{Certificates, Frame};
use std::fmt;
use std::time::Duration;

/// How long one step waits for the client unless [`Script::patience`] says otherwise. Long: it only bounds a
/// test that has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The steps of one connection.
///
/// A step that waits fails when the client closes instead, sends something else, or is silent for longer than
/// the script's patience; then the connection is closed and the rest of the script not played. At its end the
/// connection is closed.
#[derive(Debug)]
pub struct Script {
    pub(super) steps: Vec<Step>,
    pub(super) patience: Duration,
}

pub(super) type Answer = Box<dyn FnOnce(&[Frame]) -> Vec<u8> + Send>;

pub(super) enum Step {
    Startup,
    Expect(String),
    AwaitBytes(usize),
    AwaitClose,
    Send { bytes: Vec<u8>, piece_bytes: usize, pause: Duration },
    Answer(Answer),
    Pause(Duration),
    Tls(Certificates),
    HalfClose,
    Reset,
}

impl Default for Script {
    fn default() -> Self {
        Self { steps: Vec::new(), patience: PATIENCE }
    }
}

impl Script {
    /// A script without steps: accepts, and closes.
    pub fn new() -> Self {
        Self::default()
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// How long each step waits for the client; 20 s by default.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Waits for a startup packet; requests for encryption before it are declined.
    #[must_use]
    pub fn startup(self) -> Self {
        self.step(Step::Startup)
    }

    /// Waits for messages with exactly these tags: `"PBDES"`. For messages without a tag see
    /// [`frame`](crate::postgres::frame).
    #[must_use]
    pub fn expect(self, tags: impl Into<String>) -> Self {
        self.step(Step::Expect(tags.into()))
    }

    /// Waits until the client has sent this many bytes more than the steps before have waited for: for
    /// protocols that [`Script::expect`] does not know. Do not mix the two in one script.
    #[must_use]
    pub fn await_bytes(self, bytes: usize) -> Self {
        self.step(Step::AwaitBytes(bytes))
    }

    /// Waits until the client closes or resets the connection, and writes down what it sends until then.
    #[must_use]
    pub fn await_close(self) -> Self {
        self.step(Step::AwaitClose)
    }

    /// Sends these bytes.
    #[must_use]
    pub fn send(self, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        self.step(Step::Send { piece_bytes: bytes.len().max(1), bytes, pause: Duration::ZERO })
    }

    /// Sends these bytes in pieces of that many, each in a segment of its own unless the system joins them.
    ///
    /// # Panics
    ///
    /// If a piece has no bytes.
    #[must_use]
    pub fn send_in_pieces(self, bytes: impl Into<Vec<u8>>, piece_bytes: usize) -> Self {
        self.send_slowly(bytes, piece_bytes, Duration::ZERO)
    }

    /// Sends these bytes in pieces of that many, and pauses before each.
    ///
    /// # Panics
    ///
    /// If a piece has no bytes.
    #[must_use]
    pub fn send_slowly(
        self,
        bytes: impl Into<Vec<u8>>,
        piece_bytes: usize,
        pause: Duration,
    ) -> Self {
        assert!(piece_bytes > 0, "a piece has at least one byte");
        self.step(Step::Send { bytes: bytes.into(), piece_bytes, pause })
    }

    /// Sends what this function makes of the messages that the latest [`Script::expect`] or
    /// [`Script::startup`] waited for: for answers that depend on the client, such as a nonce.
    #[must_use]
    pub fn answer(self, answer: impl FnOnce(&[Frame]) -> Vec<u8> + Send + 'static) -> Self {
        self.step(Step::Answer(Box::new(answer)))
    }

    /// Plays the server's part of a TLS handshake, without asking for a client certificate; everything after it
    /// is encrypted. As the first step it is what a client meets that negotiates directly; else the steps
    /// before are `.expect("!").send("S")`. The server knows the application protocol `postgresql`, see
    /// [`Played::application_protocol`](super::Played::application_protocol).
    #[must_use]
    pub fn tls(self, certificates: Certificates) -> Self {
        self.step(Step::Tls(certificates))
    }

    /// Does nothing for that long.
    #[must_use]
    pub fn pause(self, pause: Duration) -> Self {
        self.step(Step::Pause(pause))
    }

    /// Ends the server's direction; the client may still send.
    #[must_use]
    pub fn half_close(self) -> Self {
        self.step(Step::HalfClose)
    }

    /// Resets the connection (RST), and ends the script.
    #[must_use]
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Startup => f.write_str("startup"),
            Self::Expect(tags) => write!(f, "expect({tags:?})"),
            Self::AwaitBytes(bytes) => write!(f, "await_bytes({bytes})"),
            Self::AwaitClose => f.write_str("await_close"),
            Self::Send { bytes, .. } => write!(f, "send({} bytes)", bytes.len()),
            Self::Answer(_) => f.write_str("answer"),
            Self::Pause(pause) => write!(f, "pause({pause:?})"),
            Self::Tls(_) => f.write_str("tls"),
            Self::HalfClose => f.write_str("half_close"),
            Self::Reset => f.write_str("reset"),
        }
    }
}
