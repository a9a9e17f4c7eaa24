//! [`ListenOptions`].

use std::time::Duration;

/// What becomes of notifications when the queue of a [`Listener`](super::Listener) is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// Nothing is read until some were taken. The server then holds notifications back, for all listeners of
    /// all its databases, in a queue of 8 GB; when that is full, commits that notify fail.
    #[default]
    Wait,
    /// The oldest one is dropped, and [`Missed::Dropped`](super::Missed::Dropped) says how many were.
    DropOldest,
    /// The one that has come is dropped, and [`Missed::Dropped`](super::Missed::Dropped) says how many were.
    DropNewest,
}

/// How a [`Listener`](super::Listener) goes about it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ListenOptions {
    /// The pause after a connect that has failed; each failure in a row doubles it. Also the least time
    /// between a connect and the next, so that a server that hangs up at once is not stormed. 1 s.
    pub reconnect_min: Duration,
    /// The longest such pause. 60 s.
    pub reconnect_max: Duration,
    /// After this long without a word the server is asked for a sign of life. 90 s; `None` never asks, and then a
    /// connection that a firewall has forgotten can stay silent for ever.
    pub ping_every: Option<Duration>,
    /// How long a connect may take, over all hosts, before it counts as failed. 10 s.
    pub connect_within: Duration,
    /// How long the server may take to answer that, or a LISTEN, before the connection is given up. 10 s.
    pub answer_within: Duration,
    /// How many notifications wait to be taken, at most; with [`Overflow::Wait`], as many more as one read
    /// from the network brings (128 KiB), or come while a call waits for its answer. 1024; at least 1.
    pub queue_max: usize,
    /// What becomes of more.
    pub overflow: Overflow,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            reconnect_min: Duration::from_secs(1),
            reconnect_max: Duration::from_secs(60),
            ping_every: Some(Duration::from_secs(90)),
            connect_within: Duration::from_secs(10),
            answer_within: Duration::from_secs(10),
            queue_max: 1024,
            overflow: Overflow::Wait,
        }
    }
}
