//! How many dials a queue is worth.
//!
//! A connection that takes 150 ms to make does not help callers who are served after 20 ms by the connections there are. So,
//! while a queue is young, only those callers count who would still be waiting when the dial is done. Once a queue has stood for as
//! long as a connect takes, it is no burst, and everyone in it counts.

/// What the decision looks at. Times in nanoseconds; `None`: never measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    pub(crate) enabled: bool,
    /// Callers waiting.
    pub(crate) waiting: u32,
    /// Dials in progress.
    pub(crate) connecting: u32,
    /// Connections being checked: about to be handed to a waiter, most likely.
    pub(crate) checking: u32,
    /// Connections that will come back: in use or recovering.
    pub(crate) busy: u32,
    /// How long a connection is usually held.
    pub(crate) hold: Option<u64>,
    /// How long those in use have been held on average so far.
    pub(crate) held: u64,
    /// How long a dial usually takes.
    pub(crate) connect: Option<u64>,
    /// For how long somebody has been waiting without a break.
    pub(crate) pressed: u64,
}

/// Patience with a queue before any dial has been measured.
const CONNECT_GUESS: u64 = 100_000_000;
const PATIENCE_MIN: u64 = 1_000_000;

/// For how long a queue may stand before it stops being a burst.
pub(crate) fn patience(connect: Option<u64>) -> u64 {
    connect.unwrap_or(CONNECT_GUESS).max(PATIENCE_MIN)
}

/// How many dials should start now, limits aside.
pub(crate) fn dials(demand: &Demand) -> u32 {
    let Demand { enabled, waiting, connecting, checking, busy, hold, held, connect, pressed } =
        *demand;
    if !enabled || pressed >= patience(connect) {
        // Checks no longer count as help: one that hangs would hold up the whole queue.
        return waiting.saturating_sub(connecting);
    }
    let help = connecting + checking;
    if busy == 0 {
        return waiting.saturating_sub(help);
    }
    let Some(hold) = hold else {
        // Nobody has come back yet: try with one, its connect time is also the time to learn more.
        return u32::from(waiting > checking && connecting == 0);
    };
    let connect = connect.unwrap_or(CONNECT_GUESS);
    let hold = hold.max(held).max(1);
    let served = u128::from(busy) * u128::from(connect) / u128::from(hold);
    let left = u128::from(waiting).saturating_sub(served);
    // `left` is at most `waiting`, which is a u32.
    (left as u32).saturating_sub(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn spike() -> Demand {
        Demand {
            enabled: true,
            waiting: 45,
            connecting: 0,
            checking: 0,
            busy: 5,
            hold: Some(2 * MS),
            held: 0,
            connect: Some(150 * MS),
            pressed: 0,
        }
    }

    #[test]
    fn a_burst_that_is_over_before_a_dial_would_be_needs_none() {
        assert_eq!(dials(&spike()), 0);
    }

    #[test]
    fn only_callers_who_would_still_wait_when_the_dial_is_done_count() {
        // 5 connections serve 5 * 150 / 2 = 375 callers meanwhile.
        assert_eq!(dials(&Demand { waiting: 375, ..spike() }), 0);
        assert_eq!(dials(&Demand { waiting: 380, ..spike() }), 5);
        assert_eq!(dials(&Demand { waiting: 380, connecting: 3, ..spike() }), 2);
    }

    #[test]
    fn long_holds_make_a_dial_for_each_waiter() {
        assert_eq!(dials(&Demand { hold: Some(60_000 * MS), waiting: 7, ..spike() }), 7);
        assert_eq!(dials(&Demand { held: 60_000 * MS, waiting: 7, ..spike() }), 7);
    }

    #[test]
    fn without_a_measured_hold_one_dial_is_tried() {
        let unknown = Demand { hold: None, ..spike() };
        assert_eq!(dials(&unknown), 1);
        assert_eq!(dials(&Demand { connecting: 1, ..unknown }), 0);
        assert_eq!(dials(&Demand { waiting: 1, checking: 1, ..unknown }), 0);
    }

    #[test]
    fn with_nothing_to_come_back_every_waiter_counts() {
        let cold = Demand { busy: 0, connect: None, hold: None, ..spike() };
        assert_eq!(dials(&cold), 45);
        assert_eq!(dials(&Demand { connecting: 4, checking: 1, ..cold }), 40);
    }

    #[test]
    fn a_queue_that_stands_as_long_as_a_connect_takes_is_no_burst() {
        assert_eq!(dials(&Demand { pressed: 150 * MS, ..spike() }), 45);
        assert_eq!(dials(&Demand { pressed: 150 * MS, connecting: 4, checking: 9, ..spike() }), 41);
    }

    #[test]
    fn turned_off_every_waiter_counts() {
        assert_eq!(dials(&Demand { enabled: false, ..spike() }), 45);
    }
}
