//! When a listener dials, and when it asks for a sign of life. Pure: all times are since it was made.

use std::time::Duration;

use super::ListenOptions;

/// What there is to do next, in time.
#[derive(Debug)]
pub(super) struct Schedule {
    min: Duration,
    max: Duration,
    ping_every: Option<Duration>,
    answer_within: Duration,
    /// The next pause after a failure.
    pause: Duration,
    /// Before this the next dial may not begin.
    dial_at: Duration,
    connected_at: Duration,
    heard_at: Duration,
    /// When the command under way was sent.
    asked_at: Option<Duration>,
}

impl Schedule {
    pub(super) fn new(options: &ListenOptions) -> Self {
        let max = options.reconnect_max.max(options.reconnect_min);
        Self {
            min: options.reconnect_min,
            max,
            ping_every: options.ping_every,
            answer_within: options.answer_within,
            pause: options.reconnect_min,
            dial_at: Duration::ZERO,
            connected_at: Duration::ZERO,
            heard_at: Duration::ZERO,
            asked_at: None,
        }
    }

    pub(super) fn dial_at(&self) -> Duration {
        self.dial_at
    }

    /// A dial or what follows it has failed; how long the pause is.
    pub(super) fn failed(&mut self, now: Duration) -> Duration {
        let pause = self.pause;
        self.dial_at = now + pause;
        self.pause = (pause * 2).min(self.max);
        self.asked_at = None;
        pause
    }

    /// A connection stands and listens.
    pub(super) fn connected(&mut self, now: Duration) {
        self.pause = self.min;
        self.connected_at = now;
        self.heard(now);
    }

    /// The connection that stood is lost.
    pub(super) fn lost(&mut self, now: Duration) {
        self.dial_at = now.max(self.connected_at + self.min);
        self.asked_at = None;
    }

    /// A command was sent.
    pub(super) fn asked(&mut self, now: Duration) {
        self.asked_at = Some(now);
    }

    /// The server has answered, or said anything at all.
    pub(super) fn heard(&mut self, now: Duration) {
        self.heard_at = now;
        self.asked_at = None;
    }

    /// When the server's answer is overdue, if one is owed.
    pub(super) fn overdue_at(&self) -> Option<Duration> {
        self.asked_at.map(|asked| asked + self.answer_within)
    }

    /// When the server is to be asked for a sign of life.
    pub(super) fn ping_at(&self) -> Option<Duration> {
        self.ping_every.map(|every| self.heard_at + every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn schedule() -> Schedule {
        Schedule::new(&ListenOptions {
            reconnect_min: s(1),
            reconnect_max: s(5),
            ..ListenOptions::default()
        })
    }

    #[test]
    fn pauses_double_to_the_longest_and_begin_anew_after_success() {
        let mut schedule = schedule();
        assert_eq!(schedule.dial_at(), s(0), "the first dial is at once");
        let mut pauses = Vec::new();
        for now in [0, 10, 20, 30, 40] {
            pauses.push(schedule.failed(s(now)));
            assert_eq!(schedule.dial_at(), s(now) + pauses[pauses.len() - 1]);
        }
        assert_eq!(pauses, [s(1), s(2), s(4), s(5), s(5)]);
        schedule.connected(s(50));
        assert_eq!(schedule.failed(s(60)), s(1));
    }

    #[test]
    fn a_connection_lost_soon_is_not_replaced_at_once() {
        let mut schedule = schedule();
        schedule.connected(s(100));
        schedule.lost(s(100));
        assert_eq!(schedule.dial_at(), s(101));
        schedule.connected(s(200));
        schedule.lost(s(300));
        assert_eq!(schedule.dial_at(), s(300));
    }

    #[test]
    fn silence_leads_to_a_question_and_no_answer_to_the_end() {
        let mut schedule = schedule();
        schedule.connected(s(10));
        assert_eq!((schedule.ping_at(), schedule.overdue_at()), (Some(s(100)), None));
        schedule.heard(s(50));
        assert_eq!(schedule.ping_at(), Some(s(140)));
        schedule.asked(s(140));
        assert_eq!(schedule.overdue_at(), Some(s(150)));
        schedule.heard(s(141));
        assert_eq!((schedule.ping_at(), schedule.overdue_at()), (Some(s(231)), None));
    }
}
