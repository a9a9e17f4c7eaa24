//! What tells afterwards whether a transaction took effect: its number, and which server gave it.
//!
//! A number means something only on the server that gave it, for as long as that has not crashed: a number
//! that no record of the log had reached the disk with is given again. So a session asks once who its server
//! is, before its first transaction that is tracked; that tells a failover (the timeline) and a crash (which
//! throws the server's statistics away) from a restart that loses nothing. The number is asked for along with
//! the statements, until there is one, and before the COMMIT if nobody has asked after the last statement.

use aquifer_driver::CommitTrace;

/// Asked once per session, outside a transaction: all that [`Trace`] needs is there, if it succeeds. NULL on a
/// standby, where nothing is written.
pub(super) const SERVER: &str = "\
    SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() AND pg_catalog.pg_current_xact_id_if_assigned() IS NULL \
    THEN pg_catalog.concat_ws(' ', \
    (SELECT s.system_identifier FROM pg_catalog.pg_control_system() s), \
    pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8), \
    (EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::int8, \
    COALESCE((SELECT (EXTRACT(epoch FROM a.stats_reset) * 1000000)::int8 FROM pg_catalog.pg_stat_archiver a), 0)) \
    END";

/// Asked within a transaction: nothing here can fail.
pub(super) const TRANSACTION: &str = "\
    SELECT pg_catalog.concat_ws(' ', \
    (EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::int8, \
    pg_catalog.pg_current_xact_id_if_assigned())";

/// The first version with these functions.
const VERSION_MIN: u32 = 13;

/// Whether a server of that version, as it says itself, can be asked.
pub(super) fn is_told_by(version: Option<&str>) -> bool {
    let digits = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text[..end].parse::<u32>().ok()
    };
    version.and_then(digits).is_some_and(|version| version >= VERSION_MIN)
}

/// What is known of the session's server.
#[derive(Debug, Clone, Default)]
pub(super) enum Known {
    #[default]
    Unasked,
    /// It does not say.
    Refused,
    Server(Server),
}

/// Which server it is, and since when it runs without a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    system: u64,
    timeline: u32,
    started: i64,
    /// When its statistics were begun, which a crash does.
    counts_from: i64,
}

impl Server {
    /// Reads the answer to [`SERVER`].
    pub(super) fn parse(cell: &str) -> Option<Self> {
        let mut words = cell.split(' ');
        let server = Self {
            // As the server shows it, it has a sign.
            system: words.next().and_then(|word| {
                word.parse::<i64>().map(i64::cast_unsigned).or_else(|_| word.parse()).ok()
            })?,
            timeline: u32::from_str_radix(words.next()?, 16).ok()?,
            started: words.next()?.parse().ok()?,
            counts_from: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(server)
    }
}

/// A transaction that is tracked.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    server: Server,
    number: Option<u64>,
    /// Another server than the session's first serves it, behind a pooler.
    elsewhere: bool,
    /// Nothing has run since the server was asked for the number.
    pub(super) is_fresh: bool,
    /// The session broke while the server was asked before the COMMIT, which was not sent.
    pub(super) is_without_commit: bool,
}

impl Trace {
    pub(super) fn new(server: Server) -> Self {
        // As long as nothing has run there is no number.
        Self { server, number: None, elsewhere: false, is_fresh: true, is_without_commit: false }
    }

    /// True until the transaction has a number.
    #[inline]
    pub(super) fn lacks_number(&self) -> bool {
        self.number.is_none()
    }

    /// Takes the answer to [`TRANSACTION`].
    pub(super) fn told(&mut self, cell: &str) {
        let (started, number) = match cell.split_once(' ') {
            Some((started, number)) => (started, number.parse().ok()),
            None => (cell, None),
        };
        self.elsewhere = started.parse() != Ok(self.server.started);
        self.number = number;
        self.is_fresh = true;
    }

    pub(super) fn tell(&self) -> CommitTrace {
        match self.number {
            _ if self.is_without_commit => CommitTrace::Unchanged,
            Some(_) if self.elsewhere => CommitTrace::Untold(
                "a pooler gave the transaction to another server than the one that was asked who it is",
            ),
            Some(number) => CommitTrace::Query(self.query(number)),
            None if self.is_fresh => CommitTrace::Unchanged,
            None => CommitTrace::Untold("the transaction's number was not asked for in time"),
        }
    }

    /// See [`CommitTrace::Query`]. Everything in it is a number.
    ///
    /// A transaction that is in progress and idle will hear of no COMMIT any more, or of one that is still
    /// under way: its session is ended. So is one that has part of a flight and waits for the rest, or for somebody to
    /// read its answers. One that is committing is waited for. It is told by its number, not by
    /// its process, which may be somebody else's by now, and is the pooler's invention where there is one.
    ///
    /// The end of a session breaks off its wait for a standby, too, if the COMMIT came in between.
    fn query(&self, number: u64) -> String {
        let Server { system, timeline, counts_from, .. } = &self.server;
        let system = system.cast_signed();
        format!(
            "SELECT CASE \
             WHEN pg_catalog.pg_is_in_recovery() THEN 'the server that was asked is a standby' \
             WHEN (SELECT s.system_identifier FROM pg_catalog.pg_control_system() s) <> {system} \
             THEN 'the server that was asked is another one' \
             WHEN pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8) \
             <> '{timeline:08X}' THEN 'there was a failover: the server that was asked goes on from another one' \
             WHEN {counts_from} <> COALESCE((SELECT (EXTRACT(epoch FROM a.stats_reset) * 1000000)::int8 \
             FROM pg_catalog.pg_stat_archiver a), 0) THEN \
             CASE WHEN '{number}'::pg_catalog.xid8 >= pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) \
             THEN '{rolled_back}' \
             ELSE CASE pg_catalog.pg_xact_status('{number}'::pg_catalog.xid8) \
             WHEN 'committed' THEN 'the server has crashed since, and may have given the number to another transaction' \
             WHEN 'aborted' THEN '{rolled_back}' WHEN 'in progress' THEN '{rolled_back}' \
             ELSE 'the server remembers it no more' END END \
             ELSE CASE pg_catalog.pg_xact_status('{number}'::pg_catalog.xid8) \
             WHEN 'committed' THEN '{committed}' WHEN 'aborted' THEN '{rolled_back}' \
             WHEN 'in progress' THEN CASE WHEN (SELECT count(*) FILTER (WHERE pg_catalog.pg_terminate_backend(a.pid)) \
             FROM pg_catalog.pg_stat_activity a WHERE a.backend_xid = '{number}'::pg_catalog.xid8::pg_catalog.xid \
             AND (a.state LIKE 'idle in transaction%' OR a.wait_event_type = 'Client')) >= 0 THEN '{in_progress}' END \
             ELSE 'the server remembers it no more' END END",
            committed = CommitTrace::COMMITTED,
            rolled_back = CommitTrace::ROLLED_BACK,
            in_progress = CommitTrace::IN_PROGRESS,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server::parse("-7 0000000A 1700000000000001 1600000000000002").unwrap()
    }

    #[test]
    fn a_server_is_told_by_four_numbers() {
        let server = server();
        assert_eq!((server.system.cast_signed(), server.timeline), (-7, 10));
        assert_eq!((server.started, server.counts_from), (1700000000000001, 1600000000000002));
        for wrong in ["", "1 2 3", "1 0000000G 3 4", "1 00000001 3 4 5", "1 00000001 3 '; DROP"] {
            assert_eq!(Server::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_has_no_number_has_changed_nothing_if_it_was_asked_last() {
        let mut trace = Trace::new(server());
        assert_eq!(trace.tell(), CommitTrace::Unchanged);
        trace.is_fresh = false;
        assert!(matches!(trace.tell(), CommitTrace::Untold(_)));
        trace.told("1700000000000001");
        assert_eq!(trace.tell(), CommitTrace::Unchanged);
        trace.is_fresh = false;
        trace.told("1700000000000001 4294967299");
        let CommitTrace::Query(sql) = trace.tell() else { panic!("it has a number") };
        assert!(sql.contains("pg_xact_status('4294967299'") && sql.contains("'0000000A'"), "{sql}");
    }

    #[test]
    fn a_number_of_another_server_tells_nothing() {
        let mut trace = Trace::new(server());
        trace.told("1700000000000009 77");
        assert!(matches!(trace.tell(), CommitTrace::Untold(_)));
    }

    #[test]
    fn servers_that_cannot_tell_are_not_asked() {
        assert!(is_told_by(Some("13.1")) && is_told_by(Some("18beta1")));
        assert!(!is_told_by(Some("12.20")) && !is_told_by(Some("")) && !is_told_by(None));
    }
}
