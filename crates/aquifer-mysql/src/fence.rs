//! Which session this is on which server, so that another one can end it and no other in its place: [`Standing`].
//!
//! A session's number is its own for as long as its server runs, and is given again after a restart. What tells one run
//! of a server from the next are the last two parts of its `UUID()`: a number that it chooses at random when it starts
//! (14 bits; anew, too, when its clock goes back), and the machine's network address or another random number. Both are
//! asked at the log-in, along with what is asked there anyway.

use aquifer_driver::Fence;

/// Asked at the log-in: the session's number as the server knows it, and which run of which server it is.
pub(crate) const QUESTION: &str = "CONCAT_WS(' ', CONNECTION_ID(), RIGHT(UUID(), 17))";

/// A session as its server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    session: u64,
    /// As in the server's UUIDs, `b2fa-02420a000005`.
    run: String,
}

impl Standing {
    /// Reads the answer to [`QUESTION`]. `None` if it is none, and behind a proxy that numbers sessions itself: what
    /// it greets with is not what the server says, and KILL may mean either.
    pub(crate) fn parse(cell: &str, greeted: u32) -> Option<Self> {
        let (session, run) = cell.split_once(' ')?;
        let session: u64 = session.parse().ok()?;
        let plain = |letter: char| letter.is_ascii_hexdigit() || letter == '-';
        // The greeting has the number's lower half only.
        (session & u64::from(u32::MAX) == u64::from(greeted)
            && run.len() == 17
            && run.chars().all(plain))
        .then(|| Self { session, run: run.to_owned() })
    }

    /// Each account sees its own sessions, and may end them.
    pub(crate) fn fence(&self) -> Fence {
        let Self { session, run } = self;
        let look = format!(
            "SELECT IF(RIGHT(UUID(), 17) <> '{run}', 'the server was started again, or is another one', \
             COALESCE((SELECT CASE p.COMMAND WHEN 'Sleep' THEN '{idle}' WHEN 'Killed' THEN '{ending}' \
             ELSE '{running}' END FROM information_schema.PROCESSLIST p WHERE p.ID = {session}), '{gone}'))",
            idle = Fence::IDLE,
            ending = Fence::ENDING,
            running = Fence::RUNNING,
            gone = Fence::GONE,
        );
        Fence::new(look, format!("KILL CONNECTION {session}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_by_its_number_and_its_servers_run() {
        let standing = Standing::parse("4294967303 b2fa-02420a000005", 7).unwrap();
        let fence = standing.fence();
        assert_eq!(fence.end(), "KILL CONNECTION 4294967303");
        assert!(fence.look().contains("'b2fa-02420a000005'"), "{}", fence.look());
        assert!(fence.look().contains("= 4294967303)"), "{}", fence.look());
    }

    #[test]
    fn what_may_be_another_session_has_no_fence() {
        let behind_a_proxy = "12 b2fa-02420a000005";
        let wrong =
            ["", "7", "7 ", "x b2fa-02420a000005", "7 b2fa-02420a00000", "7 b2fa-' OR 1 -- x"];
        for cell in wrong.into_iter().chain([behind_a_proxy]) {
            assert_eq!(Standing::parse(cell, 7), None, "{cell}");
        }
    }
}
