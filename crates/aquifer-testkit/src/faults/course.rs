//! What passes and what happens to it: one direction of one connection, without I/O.

use super::messages::Messages;
use super::{Fault, Protocol, Side, What, When};

/// What to do with the next bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// So many pass as they are.
    Pass(usize),
    /// The fault happens here, before anything else passes.
    Happens(What),
}

/// Follows one direction.
#[derive(Debug)]
pub(super) struct Course {
    side: Side,
    messages: Messages,
    /// Since when is counted: the number of the last arming.
    epoch: u64,
    pub(super) bytes: u64,
    pub(super) whole: u64,
}

impl Course {
    pub(super) fn new(protocol: Protocol, side: Side, epoch: u64) -> Self {
        Self { side, messages: Messages::new(protocol, side), epoch, bytes: 0, whole: 0 }
    }

    /// Counts from the start again, if that was asked for.
    pub(super) fn follow(&mut self, epoch: u64) {
        if self.epoch != epoch {
            (self.epoch, self.bytes, self.whole) = (epoch, 0, 0);
        }
    }

    /// Where in its messages it stands.
    pub(super) fn messages(&self) -> Messages {
        self.messages.clone()
    }

    /// What to do with `bytes`, of which there is at least one. What passes is counted.
    pub(super) fn next(&mut self, bytes: &[u8], armed: Option<Fault>) -> Next {
        let armed = armed.filter(|fault| fault.side == self.side);
        let left = match armed.map(|fault| (fault.when, fault.what)) {
            Some((When::Bytes(at), what)) if self.bytes >= at => return Next::Happens(what),
            Some((When::Messages(at), what)) if self.whole >= at => return Next::Happens(what),
            Some((When::Bytes(at), _)) => usize::try_from(at - self.bytes).unwrap_or(usize::MAX),
            _ => bytes.len(),
        };
        let counts = matches!(armed, Some(Fault { when: When::Messages(_), .. }));
        let most = &bytes[..left.min(bytes.len())];
        let mut passed = 0;
        while passed < most.len() {
            let (used, ended) = self.messages.next(&most[passed..]);
            passed += used;
            self.whole += u64::from(ended);
            if counts && ended {
                break;
            }
        }
        self.bytes += passed as u64;
        Next::Pass(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAFFIC: &[u8] = b"Z\0\0\0\x05IZ\0\0\0\x05TZ\0\0\0\x05E";

    /// What passes before the fault.
    fn passes(when: When, size: usize) -> usize {
        let fault = Fault::new(Side::Server, when, What::Cut);
        let mut course = Course::new(Protocol::Postgres, Side::Server, 0);
        let mut passed = 0;
        for mut piece in TRAFFIC.chunks(size) {
            while !piece.is_empty() {
                match course.next(piece, Some(fault)) {
                    Next::Pass(len) => {
                        passed += len;
                        piece = &piece[len..];
                    }
                    Next::Happens(_) => return passed,
                }
            }
        }
        passed
    }

    #[test]
    fn a_fault_happens_exactly_where_it_was_placed() {
        for size in 1..TRAFFIC.len() {
            assert_eq!(passes(When::Messages(0), size), 0);
            assert_eq!(passes(When::Messages(2), size), 12);
            assert_eq!(passes(When::Bytes(8), size), 8);
            assert_eq!(passes(When::Messages(9), size), 18, "it never comes to it");
        }
    }

    #[test]
    fn counting_begins_anew_with_each_arming() {
        let mut course = Course::new(Protocol::Postgres, Side::Server, 0);
        assert_eq!(course.next(TRAFFIC, None), Next::Pass(18));
        assert_eq!((course.bytes, course.whole), (18, 3));
        course.follow(1);
        assert_eq!((course.bytes, course.whole), (0, 0));
    }
}
