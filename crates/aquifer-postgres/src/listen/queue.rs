//! What was heard and not taken yet.

use std::collections::VecDeque;
use std::time::Duration;

use aquifer_driver::Error;

use super::Overflow;
use crate::session_observer::Notification;

/// What a [`Listener`](super::Listener) has to say.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection stands for the first time, and listens to all channels asked for so far.
    Connected,
    /// A notification. One's own come, too, and so may some of a channel just after it was left.
    Notification(Notification),
    /// Some notifications did not reach the program.
    Missed(Missed),
    /// The connection was lost; another one is made. Nothing is heard until [`Reconnected`](Self::Reconnected).
    Disconnected(Error),
    /// A connection stands again, and listens to all channels. [`Missed::WhileDisconnected`] follows.
    Reconnected,
    /// A connection could not be made; after the pause it is tried again. Of several in a row that were
    /// not taken, the last one stays.
    ConnectFailed {
        /// Why not.
        error: Error,
        /// How long the pause is.
        retry_in: Duration,
    },
}

/// Why some notifications did not reach the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missed {
    /// Nobody listened between two connections: there may have been some, and nobody knows. Whoever keeps a
    /// copy of something reads it anew now.
    WhileDisconnected,
    /// So many were dropped because the queue was full, at this place among those that were not.
    Dropped(u64),
}

/// Bounded by the number of notifications; other events are few: equal neighbours are one, and those of a
/// connection come at most once until they are taken.
#[derive(Debug)]
pub(super) struct Queue {
    events: VecDeque<Event>,
    notifications: usize,
    max: usize,
    overflow: Overflow,
    /// Notifications from here on are of a connection that does not stand yet.
    fresh: Option<usize>,
}

impl Queue {
    pub(super) fn new(max: usize, overflow: Overflow) -> Self {
        Self { events: VecDeque::new(), notifications: 0, max: max.max(1), overflow, fresh: None }
    }

    /// True if there is something to take.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// True if nothing should be read until something was taken.
    pub(super) fn is_full(&self) -> bool {
        self.overflow == Overflow::Wait && self.notifications >= self.max
    }

    /// True if reading on keeps the queue within its bound.
    pub(super) fn drops(&self) -> bool {
        self.overflow != Overflow::Wait
    }

    pub(super) fn take(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.notifications -= usize::from(matches!(event, Event::Notification(_)));
        self.fresh = self.fresh.map(|fresh| fresh.saturating_sub(1));
        Some(event)
    }

    /// Takes the word of a failed connect, if it is the last one.
    pub(super) fn take_failure(&mut self) -> Option<Error> {
        match self.events.pop_back()? {
            Event::ConnectFailed { error, .. } => Some(error),
            event => {
                self.events.push_back(event);
                None
            }
        }
    }

    pub(super) fn notified(&mut self, notification: Notification) {
        if self.drops() && self.notifications >= self.max {
            match self.overflow {
                Overflow::DropOldest => self.drop_oldest(),
                _ => return self.missed(self.events.len()),
            }
        }
        self.events.push_back(Event::Notification(notification));
        self.notifications += 1;
    }

    fn drop_oldest(&mut self) {
        let oldest = self.events.iter().position(|e| matches!(e, Event::Notification(_)));
        let Some(oldest) = oldest else { return };
        self.events.remove(oldest);
        self.notifications -= 1;
        if let Some(fresh) = self.fresh.filter(|fresh| oldest < *fresh) {
            self.fresh = Some(fresh - 1);
        }
        self.missed(oldest);
    }

    /// One was dropped before the event at this place.
    fn missed(&mut self, at: usize) {
        if let Some(Event::Missed(Missed::Dropped(count))) =
            at.checked_sub(1).and_then(|before| self.events.get_mut(before))
        {
            *count += 1;
            return;
        }
        self.insert(at, Event::Missed(Missed::Dropped(1)));
    }

    fn insert(&mut self, at: usize, event: Event) {
        self.events.insert(at, event);
        if let Some(fresh) = self.fresh.filter(|fresh| at < *fresh) {
            self.fresh = Some(fresh + 1);
        }
    }

    /// A new connection is about to listen: what it hears comes after the word that it stands.
    pub(super) fn listening(&mut self) {
        self.fresh = Some(self.events.len());
    }

    /// It listens.
    pub(super) fn stands(&mut self, again: bool) {
        let at = self.fresh.take().unwrap_or(self.events.len());
        if again {
            self.events.insert(at, Event::Reconnected);
            self.events.insert(at + 1, Event::Missed(Missed::WhileDisconnected));
        } else {
            self.events.insert(at, Event::Connected);
        }
    }

    pub(super) fn lost(&mut self, error: Error) {
        self.events.push_back(Event::Disconnected(error));
    }

    pub(super) fn failed(&mut self, error: Error, retry_in: Duration) {
        self.fresh = None;
        if let Some(Event::ConnectFailed { .. }) = self.events.back() {
            self.events.pop_back();
        }
        self.events.push_back(Event::ConnectFailed { error, retry_in });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquifer_driver::ErrorKind;

    fn note(queue: &mut Queue, payloads: impl IntoIterator<Item = u32>) {
        for payload in payloads {
            queue.notified(Notification {
                channel: "c".into(),
                payload: payload.to_string(),
                process_id: 1,
            });
        }
    }

    fn drain(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.take())
            .map(|event| match event {
                Event::Notification(notification) => notification.payload,
                Event::Missed(missed) => format!("{missed:?}"),
                Event::Connected => "up".into(),
                Event::Reconnected => "up again".into(),
                Event::Disconnected(_) => "down".into(),
                Event::ConnectFailed { retry_in, .. } => format!("failed {retry_in:?}"),
            })
            .collect()
    }

    fn error() -> Error {
        Error::new(ErrorKind::Connect, "no")
    }

    #[test]
    fn the_policy_says_what_a_full_queue_drops_and_a_marker_where() {
        let mut queue = Queue::new(3, Overflow::DropOldest);
        note(&mut queue, 1..=5);
        assert_eq!(drain(&mut queue), ["Dropped(2)", "3", "4", "5"]);
        let mut queue = Queue::new(3, Overflow::DropNewest);
        note(&mut queue, 1..=5);
        assert_eq!(queue.take().map(|_| ()), Some(()));
        note(&mut queue, 6..=7);
        assert_eq!(drain(&mut queue), ["2", "3", "Dropped(2)", "6", "Dropped(1)"]);
        let mut queue = Queue::new(3, Overflow::Wait);
        note(&mut queue, 1..=2);
        assert!(!queue.is_full());
        note(&mut queue, 3..=4);
        assert!(queue.is_full());
        assert_eq!(drain(&mut queue), ["1", "2", "3", "4"], "what was read is kept");
    }

    #[test]
    fn what_a_new_connection_hears_comes_after_the_word_that_it_stands() {
        for overflow in [Overflow::Wait, Overflow::DropOldest, Overflow::DropNewest] {
            let mut queue = Queue::new(3, overflow);
            queue.listening();
            queue.stands(false);
            note(&mut queue, [1]);
            queue.lost(error());
            queue.listening();
            note(&mut queue, [2]);
            queue.stands(true);
            note(&mut queue, [3]);
            let expected = ["up", "1", "down", "up again", "WhileDisconnected", "2", "3"];
            assert_eq!(drain(&mut queue), expected);
        }
        let mut queue = Queue::new(2, Overflow::DropOldest);
        note(&mut queue, [1, 2]);
        queue.listening();
        note(&mut queue, [3, 4]);
        queue.stands(true);
        assert_eq!(drain(&mut queue), ["Dropped(2)", "up again", "WhileDisconnected", "3", "4"]);
    }

    #[test]
    fn failures_that_nobody_took_are_one() {
        let mut queue = Queue::new(3, Overflow::Wait);
        for seconds in [1, 2, 4] {
            queue.failed(error(), Duration::from_secs(seconds));
        }
        assert_eq!(drain(&mut queue), ["failed 4s"]);
    }
}
