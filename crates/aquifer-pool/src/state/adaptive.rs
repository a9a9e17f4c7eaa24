//! A limit that follows what is measured.
//!
//! Grows by a step when callers queue although the limit is in full use and holds are as short as ever; shrinks when holds grow
//! longer than usual, because then the server is the one that queues. Does nothing when the application is the limit. Between moves it
//! rests for an interval, so that it judges the effect of the last one and not its echo.
//!
//! Hold time includes what the application does between statements, and a change of workload looks like a slow server until the
//! long-term value has followed, over some twenty intervals. That is why it is an opt-in.

use std::{collections::VecDeque, time::Duration};

use crate::{
    clock::Nanos,
    stats::{Move, MoveReason},
};

/// Moves remembered.
const LOG_MAX: usize = 32;
/// How far one interval moves the long-term hold time.
const FOLLOW: f64 = 0.05;
/// When holds are this much shorter than usual, the long-term value belongs to another workload.
const STALE: f64 = 2.0;
const STALE_DECAY: f64 = 0.9;
const STEEPEST: f64 = 0.5;
const SMOOTHING: f64 = 0.5;

#[derive(Clone, Debug)]
pub(crate) struct Adaptive {
    usual: Option<f64>,
    rest: bool,
    log: VecDeque<Move>,
}

/// What one interval showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    pub(crate) now: Nanos,
    pub(crate) limit: u32,
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) tolerance: f64,
    /// Releases, and how long they had been held in total.
    pub(crate) holds: u64,
    pub(crate) held: u64,
    /// Acquires that began to wait.
    pub(crate) waits: u64,
    pub(crate) in_use_peak: u32,
}

impl Adaptive {
    pub(crate) fn new() -> Adaptive {
        Adaptive { usual: None, rest: false, log: VecDeque::new() }
    }

    pub(crate) fn log(&self) -> Vec<Move> {
        self.log.iter().copied().collect()
    }

    /// Judges one interval; a move if the limit should change.
    pub(crate) fn judge(&mut self, interval: &Interval) -> Option<Move> {
        let Interval { limit, min, max, tolerance, holds, held, waits, in_use_peak, .. } =
            *interval;
        if !(min..=max).contains(&limit) {
            return Some(self.record(interval, limit.clamp(min, max), MoveReason::Bounds, 0.0));
        }
        if holds == 0 {
            return None;
        }
        let hold = held as f64 / holds as f64;
        let usual = self.usual.unwrap_or(hold).max(1.0);
        let followed = usual + (hold - usual) * FOLLOW;
        self.usual = Some(if usual > hold * STALE { followed * STALE_DECAY } else { followed });
        if std::mem::take(&mut self.rest) {
            return None;
        }
        if in_use_peak < limit.div_ceil(2) && waits == 0 {
            return None;
        }
        let gradient = (usual * tolerance / hold.max(1.0)).clamp(STEEPEST, 1.0);
        let (to, why) = if gradient < 1.0 {
            let target = f64::from(limit) * gradient;
            let smoothed = f64::from(limit) * (1.0 - SMOOTHING) + target * SMOOTHING;
            ((smoothed.floor() as u32).min(limit - 1), MoveReason::SlowServer)
        } else if waits > 0 && in_use_peak >= limit {
            (limit.saturating_add((f64::from(limit).sqrt() as u32).max(1)), MoveReason::Queueing)
        } else {
            return None;
        };
        let to = to.clamp(min, max);
        (to != limit).then(|| self.record(interval, to, why, hold))
    }

    fn record(&mut self, interval: &Interval, to: u32, why: MoveReason, hold: f64) -> Move {
        let made = Move {
            at: Duration::from_nanos(interval.now.0),
            from: interval.limit,
            to,
            why,
            hold: Duration::from_nanos(hold as u64),
            hold_usual: Duration::from_nanos(self.usual.unwrap_or(0.0) as u64),
            waits: interval.waits,
            in_use_peak: interval.in_use_peak,
        };
        if self.log.len() == LOG_MAX {
            self.log.pop_front();
        }
        self.log.push_back(made);
        self.rest = true;
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn busy(limit: u32) -> Interval {
        Interval {
            now: Nanos(0),
            limit,
            min: 2,
            max: 50,
            tolerance: 1.5,
            holds: 1_000,
            held: 1_000 * 2 * MS,
            waits: 100,
            in_use_peak: limit,
        }
    }

    #[test]
    fn queueing_grows_the_limit_by_a_step_then_rests() {
        let mut adaptive = Adaptive::new();
        let first = adaptive.judge(&busy(9)).unwrap();
        assert_eq!((first.from, first.to, first.why), (9, 12, MoveReason::Queueing));
        assert_eq!(adaptive.judge(&busy(12)), None);
        assert_eq!(adaptive.judge(&busy(12)).unwrap().to, 15);
    }

    #[test]
    fn one_step_is_at_least_one() {
        assert_eq!(Adaptive::new().judge(&busy(2)).unwrap().to, 3);
    }

    #[test]
    fn it_never_leaves_its_bounds() {
        let mut adaptive = Adaptive::new();
        let mut limit = 2;
        for _ in 0..100 {
            if let Some(made) = adaptive.judge(&busy(limit)) {
                limit = made.to;
            }
            assert!((2..=50).contains(&limit));
        }
        assert_eq!(limit, 50);
    }

    #[test]
    fn an_idle_application_never_grows_it() {
        let mut adaptive = Adaptive::new();
        let slack = Interval { waits: 0, in_use_peak: 4, ..busy(10) };
        assert!((0..20).all(|_| adaptive.judge(&slack).is_none()));
        let used_but_no_queue = Interval { waits: 0, in_use_peak: 9, ..busy(10) };
        assert!((0..20).all(|_| adaptive.judge(&used_but_no_queue).is_none()));
    }

    #[test]
    fn a_slow_server_shrinks_it_by_at_least_one_and_at_most_a_quarter() {
        let mut adaptive = Adaptive::new();
        let calm = Interval { waits: 0, ..busy(40) };
        (0..10).for_each(|_| assert_eq!(adaptive.judge(&calm), None));
        let slow = Interval { held: 1_000 * 20 * MS, ..busy(40) };
        let made = adaptive.judge(&slow).unwrap();
        assert_eq!((made.to, made.why), (30, MoveReason::SlowServer));
        let barely = Interval { held: 1_000 * 5 * MS, ..busy(30) };
        assert_eq!(adaptive.judge(&barely), None);
        assert!(adaptive.judge(&barely).unwrap().to < 30);
    }

    #[test]
    fn another_workload_becomes_the_usual_one() {
        let mut adaptive = Adaptive::new();
        let mut limit = 20;
        let mut moves = 0;
        for _ in 0..400 {
            let slow = Interval { held: 1_000 * 20 * MS, ..busy(limit) };
            let _ = adaptive.judge(&Interval { waits: 0, in_use_peak: 1, ..slow });
            if let Some(made) = adaptive.judge(&slow) {
                limit = made.to;
                moves += 1;
            }
        }
        assert_eq!(limit, 50, "after {moves} moves");
    }

    #[test]
    fn changed_bounds_apply_at_once_and_the_log_is_bounded() {
        let mut adaptive = Adaptive::new();
        for n in 0..100 {
            let (min, max) = if n % 2 == 0 { (2, 5) } else { (8, 50) };
            let limit = if n % 2 == 0 { 8 } else { 5 };
            let made = adaptive.judge(&Interval { min, max, ..busy(limit) }).unwrap();
            assert_eq!(made.why, MoveReason::Bounds);
        }
        assert_eq!(adaptive.log().len(), LOG_MAX);
    }
}
