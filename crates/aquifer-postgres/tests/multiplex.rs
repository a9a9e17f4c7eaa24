//! Statements of several callers over one session.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use aquifer_driver::multiplex::{Answers, Room, Ticket};
use aquifer_driver::{
    Access, Connector, Counters, Error, ErrorKind, Outcome, Params, Result, RowBatch, Status,
    Value, Want,
};
use aquifer_testkit::Meter;

use support::{Postgres, SERVER, Session, connect, connector, run, until};

/// What became of the tickets.
#[derive(Debug, Default)]
struct Log {
    batches: BTreeMap<u32, RowBatch>,
    ended: BTreeMap<u32, Ended>,
    /// Most bytes of rows that there is room for, if that is bounded, and how many were taken away.
    room: Option<usize>,
    taken: usize,
    was_full: bool,
}

#[derive(Debug)]
enum Ended {
    Rows(Vec<Vec<Value>>),
    Failed(Error),
    NotRun,
}

impl Ended {
    fn rows(&self) -> &[Vec<Value>] {
        match self {
            Self::Rows(rows) => rows,
            other => panic!("{other:?}"),
        }
    }

    fn error(&self) -> &Error {
        match self {
            Self::Failed(error) => error,
            other => panic!("{other:?}"),
        }
    }

    fn not_run(&self) -> bool {
        matches!(self, Self::NotRun)
    }
}

impl Answers for Log {
    fn room(&mut self, ticket: Ticket) -> Room<'_> {
        let batch = self.batches.entry(ticket.0).or_default();
        if self.room.is_some_and(|room| batch.byte_len() >= room) {
            self.was_full = true;
            return Room::Full;
        }
        Room::Into(batch)
    }

    fn answered(&mut self, ticket: Ticket, answer: Result<Outcome>) {
        let batch = self.batches.remove(&ticket.0).unwrap_or_default();
        let values = |row: aquifer_driver::Row<'_>| {
            (0..row.len()).map(|n| row.get::<Value>(n)).collect::<Result<_>>()
        };
        let ended = match answer {
            Ok(outcome) => {
                assert!(outcome.rows_affected as usize >= batch.len());
                let rows = batch.rows().map(values).collect::<Result<_>>();
                rows.map_or_else(Ended::Failed, Ended::Rows)
            }
            Err(error) => Ended::Failed(error),
        };
        assert!(self.ended.insert(ticket.0, ended).is_none(), "{ticket:?} is answered twice");
    }

    fn not_run(&mut self, ticket: Ticket) {
        assert!(self.ended.insert(ticket.0, Ended::NotRun).is_none(), "{ticket:?}");
    }
}

/// A session that several callers share.
struct Shared {
    session: Session,
    log: Log,
    tickets: u32,
}

impl Shared {
    async fn open() -> Self {
        Self::of(connect(&SERVER.url()).await.unwrap())
    }

    async fn reading(url: &str) -> Self {
        let connector: Arc<dyn Connector> = Arc::new(connector(url));
        assert!(connector.dialect().multiplexes);
        let connection = connector.connect(Access::ReadOnly).await.unwrap();
        Self::of(Session { connection, batch: RowBatch::new() })
    }

    fn of(session: Session) -> Self {
        Self { session, log: Log::default(), tickets: 0 }
    }

    fn push(&mut self, sql: &str, params: &dyn Params) -> u32 {
        self.try_push(sql, params, Want::All).unwrap()
    }

    fn try_push(&mut self, sql: &str, params: &dyn Params, want: Want) -> Result<u32> {
        let ticket = self.tickets;
        let lane = self.session.connection.multiplex().unwrap();
        lane.push(Ticket(ticket), &Arc::from(sql), params, want)?;
        self.tickets += 1;
        Ok(ticket)
    }

    fn end(&mut self) {
        self.session.connection.multiplex().unwrap().end_segment();
    }

    async fn drive(&mut self) -> Result<()> {
        std::future::poll_fn(|cx| {
            let lane = self.session.connection.multiplex().unwrap();
            lane.poll_drive(cx, &mut self.log)
        })
        .await
    }

    /// Polls once; the answers are still to come.
    async fn drive_once(&mut self) {
        std::future::poll_fn(|cx| {
            let lane = self.session.connection.multiplex().unwrap();
            assert!(lane.poll_drive(cx, &mut self.log).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
    }

    /// Waits until the server runs this session's `pg_sleep`.
    async fn until_it_sleeps(&mut self) {
        let process = self.session.postgres().process_id();
        let sleeps = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = {process} AND wait_event = 'PgSleep'"
        );
        until(|| SERVER.psql(&sleeps).unwrap() == "1\n").await;
    }

    /// Has the server end this session, and waits until it has.
    async fn terminate(&mut self) {
        let process = self.session.postgres().process_id();
        SERVER.psql(&format!("SELECT pg_terminate_backend({process})")).unwrap();
        let there = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {process}");
        until(|| SERVER.psql(&there).unwrap() == "0\n").await;
    }

    /// Runs one statement to its end.
    async fn one(&mut self, sql: &str, params: &dyn Params) -> Ended {
        let ticket = self.push(sql, params);
        self.end();
        self.drive().await.unwrap();
        self.log.ended.remove(&ticket).unwrap()
    }

    fn take(&mut self, ticket: u32) -> Ended {
        self.log.ended.remove(&ticket).unwrap()
    }

    fn meter(&self) -> Meter {
        Meter::start(&*self.session.connection)
    }

    fn spent(&self, meter: Meter) -> Counters {
        meter.spent(&*self.session.connection)
    }
}

const DOUBLE: &str = "SELECT $1::int8 * 2, 'river'";

#[test]
fn sixty_four_statements_take_one_write_and_one_sync() {
    run(async {
        let mut shared = Shared::open().await;
        // Once to learn it, together with those that use the name at once.
        for round in 0..2 {
            let meter = shared.meter();
            let tickets: Vec<u32> = (0..64_i64).map(|n| shared.push(DOUBLE, &(n,))).collect();
            assert_eq!(shared.session.status(), Status::Busy);
            assert_eq!(shared.session.connection.multiplex().unwrap().owed(), 64);
            shared.end();
            shared.drive().await.unwrap();
            for (n, ticket) in tickets.into_iter().enumerate() {
                let expected = [[Value::Int(n as i64 * 2), "river".into()]];
                assert_eq!(shared.take(ticket).rows(), expected);
            }
            let spent = shared.spent(meter);
            assert_eq!((spent.rounds, spent.syncs), (1, 1));
            assert_eq!(
                (spent.prepared, spent.cache_hits),
                if round == 0 { (1, 0) } else { (0, 64) }
            );
            assert_eq!(shared.session.status(), Status::Idle);
        }
        // An exclusive command goes on where they ended.
        assert_eq!(shared.session.query(DOUBLE, &(4,)).await.unwrap()[0][0], Value::Int(8));
        assert_eq!(shared.session.connection.counters().prepared, 1);
    });
}

#[test]
fn an_error_is_its_own_statements_and_those_behind_it_can_be_pushed_again() {
    run(async {
        let mut shared = Shared::open().await;
        let sql = "SELECT 100 / $1::int4";
        assert_eq!(shared.one(sql, &(5,)).await.rows(), [[Value::Int(20)]]);
        let args = [1, 0, 2, 4];
        let tickets = args.map(|n| shared.push(sql, &(n,)));
        shared.end();
        let later = shared.push(sql, &(10,));
        shared.end();
        shared.drive().await.unwrap();
        assert_eq!(shared.take(tickets[0]).rows(), [[Value::Int(100)]]);
        let failed = shared.take(tickets[1]);
        assert_eq!(failed.error().sqlstate(), Some("22012"));
        assert!(shared.take(tickets[2]).not_run() && shared.take(tickets[3]).not_run());
        assert_eq!(shared.take(later).rows(), [[Value::Int(10)]]);
        assert_eq!(shared.one(sql, &(4,)).await.rows(), [[Value::Int(25)]]);
        let wrong = shared.one("SELECT  nothing FROM pg_class", &()).await;
        assert_eq!(wrong.error().position(), Some(8));
        assert_eq!(shared.session.status(), Status::Idle);
    });
}

#[test]
fn a_session_for_reading_refuses_writes_also_after_a_reset() {
    run(async {
        let url = format!("{}?options=-c%20default_transaction_read_only%3Doff", SERVER.url());
        let mut shared = Shared::reading(&url).await;
        let sql = "CREATE TABLE never (id int)";
        for _ in 0..2 {
            let refused = shared.one(sql, &()).await;
            assert_eq!(refused.error().kind(), ErrorKind::ReadOnly);
            assert_eq!(refused.error().sqlstate(), Some("25006"));
            assert_eq!(shared.one("SELECT 1", &()).await.rows(), [[Value::Int(1)]]);
            shared.session.command(aquifer_driver::Command::Reset).await.unwrap();
        }
        let mut writer = connect(&SERVER.url()).await.unwrap();
        writer.script("CREATE TEMP TABLE mine (id int)").await.unwrap();
    });
}

#[test]
fn a_request_to_stop_hits_what_runs_and_nothing_after_it() {
    run(async {
        let mut shared = Shared::open().await;
        let slow = shared.push("SELECT pg_sleep(3600)", &());
        shared.end();
        let behind = shared.push("SELECT 1", &());
        shared.end();
        let canceller = shared.session.connection.canceller();
        shared.drive_once().await;
        shared.until_it_sleeps().await;
        canceller.cancel().await;
        shared.drive().await.unwrap();
        assert_eq!(shared.take(slow).error().kind(), ErrorKind::Cancelled);
        assert_eq!(shared.take(behind).rows(), [[Value::Int(1)]]);
        for _ in 0..20 {
            assert_eq!(shared.one("SELECT 2", &()).await.rows(), [[Value::Int(2)]]);
        }
    });
}

#[test]
fn what_is_stopped_before_it_is_sent_is_not_run() {
    run(async {
        let mut shared = Shared::open().await;
        let tickets = [0, 1].map(|n| shared.push(DOUBLE, &(n,)));
        shared.session.connection.canceller().cancel().await;
        let meter = shared.meter();
        shared.drive().await.unwrap();
        assert!(tickets.into_iter().all(|ticket| shared.take(ticket).not_run()));
        assert_eq!(shared.spent(meter).rounds, 0);
        assert_eq!(shared.session.status(), Status::Idle);
        assert_eq!(shared.one(DOUBLE, &(2,)).await.rows()[0][0], Value::Int(4));
    });
}

#[test]
fn what_is_abandoned_is_stopped_and_read_off() {
    run(async {
        let mut shared = Shared::open().await;
        // Nothing was sent: there is nothing to read.
        shared.push(DOUBLE, &(2,));
        assert_eq!(shared.session.connection.abandon(), Status::Idle);
        assert_eq!(shared.session.connection.multiplex().unwrap().owed(), 0);
        shared.push("SELECT pg_sleep(3600)", &());
        shared.end();
        shared.push("SELECT generate_series(1, 100000)", &());
        shared.end();
        shared.drive_once().await;
        shared.until_it_sleeps().await;
        let canceller = shared.session.connection.canceller();
        assert_eq!(shared.session.connection.abandon(), Status::Busy);
        assert!(shared.session.connection.start(aquifer_driver::Command::Ping).is_err());
        assert!(shared.try_push(DOUBLE, &(2,), Want::All).is_err());
        canceller.cancel().await;
        shared.session.recover().await.unwrap();
        assert_eq!(shared.session.status(), Status::Idle);
        assert!(shared.log.ended.is_empty() && shared.log.batches.is_empty());
        assert_eq!(shared.one(DOUBLE, &(2,)).await.rows()[0][0], Value::Int(4));
        assert_eq!(shared.session.query(DOUBLE, &(3,)).await.unwrap()[0][0], Value::Int(6));
    });
}

#[test]
fn a_large_result_waits_for_room_and_is_whole_in_the_end() {
    const ROWS: i64 = 200_000;
    run(async {
        let mut shared = Shared::open().await;
        let sql = "SELECT n, repeat('x', 50) FROM generate_series(1::int8, $1) n";
        shared.one(sql, &(1,)).await;
        shared.log.room = Some(100_000);
        let before = shared.push(DOUBLE, &(1,));
        let large = shared.push(sql, &(ROWS,));
        let behind = shared.push(DOUBLE, &(2,));
        shared.end();
        let mut next = 1;
        std::future::poll_fn(|cx| {
            loop {
                let lane = shared.session.connection.multiplex().unwrap();
                let polled = lane.poll_drive(cx, &mut shared.log);
                if polled.is_ready() || !std::mem::take(&mut shared.log.was_full) {
                    return polled;
                }
                assert!(!shared.log.ended.contains_key(&behind));
                let batch = shared.log.batches.get_mut(&large).unwrap();
                assert!(batch.byte_len() < 600_000, "{}", batch.byte_len());
                for row in batch.rows() {
                    assert_eq!(row.get::<i64>(0).unwrap(), next);
                    next += 1;
                }
                batch.clear();
                shared.log.taken += 1;
            }
        })
        .await
        .unwrap();
        let rest = shared.take(large);
        assert_eq!(rest.rows().len() as i64 + next - 1, ROWS);
        assert_eq!(rest.rows().last().unwrap()[0], Value::Int(ROWS));
        assert!(shared.log.taken > 50, "{}", shared.log.taken);
        assert_eq!(shared.take(before).rows()[0][0], Value::Int(2));
        assert_eq!(shared.take(behind).rows()[0][0], Value::Int(4));
    });
}

#[test]
fn a_statement_that_a_change_made_useless_is_prepared_anew_when_it_is_pushed_again() {
    run(async {
        let mut shared = Shared::open().await;
        shared.session.script("CREATE TABLE healed (id int, name text)").await.unwrap();
        shared.session.script("INSERT INTO healed VALUES (1, 'Nera')").await.unwrap();
        let sql = "SELECT * FROM healed WHERE id = $1";
        assert_eq!(shared.one(sql, &(1,)).await.rows(), [[Value::Int(1), "Nera".into()]]);
        let mut other = connect(&SERVER.url()).await.unwrap();
        // Other columns, and then a name that is gone.
        for change in [
            Some("ALTER TABLE healed ADD COLUMN more int"),
            Some("ALTER TABLE healed ALTER COLUMN id TYPE bigint"),
            None,
        ] {
            match change {
                Some(change) => drop(other.script(change).await.unwrap()),
                None => {
                    let gone = "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$";
                    shared.session.script(gone).await.unwrap();
                }
            }
            let tickets = [1, 2, 3].map(|n| shared.push(sql, &(n,)));
            shared.end();
            let last = shared.push(sql, &(1,));
            shared.end();
            shared.drive().await.unwrap();
            for ticket in tickets.into_iter().chain([last]) {
                assert!(shared.take(ticket).not_run(), "{change:?}");
            }
            let rows = shared.one(sql, &(1,)).await;
            assert_eq!(rows.rows()[0][..2], [Value::Int(1), "Nera".into()], "{change:?}");
            assert_eq!(rows.rows()[0].len(), 3);
        }
    });
}

#[test]
fn those_who_used_the_name_of_a_text_that_could_not_be_prepared_are_not_run() {
    run(async {
        let mut shared = Shared::open().await;
        let sql = "SELECT id FROM not_yet WHERE id = $1";
        let first = shared.push(sql, &(1,));
        shared.end();
        let second = shared.push(sql, &(2,));
        shared.end();
        shared.drive().await.unwrap();
        assert_eq!(shared.take(first).error().kind(), ErrorKind::UndefinedObject);
        assert!(shared.take(second).not_run());
        shared.session.script("CREATE TABLE not_yet (id int)").await.unwrap();
        assert!(shared.one(sql, &(2,)).await.rows().is_empty());
    });
}

#[test]
fn what_fails_as_it_is_committed_is_that_statements_error() {
    run(async {
        let mut shared = Shared::open().await;
        let table = "CREATE TABLE deferred (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)";
        shared.session.script(table).await.unwrap();
        let sql = "INSERT INTO deferred VALUES ($1)";
        let mut tickets = Vec::new();
        for n in [1, 1, 2] {
            tickets.push(shared.push(sql, &(n,)));
            shared.end();
        }
        shared.drive().await.unwrap();
        assert!(shared.take(tickets[0]).rows().is_empty());
        let failed = shared.take(tickets[1]);
        assert_eq!(failed.error().kind(), ErrorKind::UniqueViolation);
        assert_eq!(failed.error().constraint(), Some("deferred_id_key"));
        assert!(shared.take(tickets[2]).rows().is_empty());
        assert_eq!(
            shared.session.scalar("SELECT count(*) FROM deferred").await.unwrap(),
            Value::Int(2)
        );
    });
}

#[test]
fn a_session_that_ended_while_it_was_idle_is_found_before_anything_is_sent() {
    run(async {
        let mut shared = Shared::open().await;
        shared.one(DOUBLE, &(1,)).await;
        shared.terminate().await;
        shared.push(DOUBLE, &(1,));
        let error = shared.drive().await.unwrap_err();
        assert!(error.is_connection_lost() && error.nothing_sent(), "{error:?}");
        assert_eq!(error.sqlstate(), Some("57P01"));
        assert_eq!(shared.session.status(), Status::Broken);
        assert!(shared.try_push(DOUBLE, &(1,), Want::All).is_err());
        assert!(shared.drive().await.is_err());
    });
}

#[test]
fn a_session_that_ends_under_way_says_why_and_keeps_what_was_answered() {
    run(async {
        let mut shared = Shared::open().await;
        let answered = shared.push(DOUBLE, &(1,));
        shared.end();
        shared.push("SELECT pg_sleep(3600)", &());
        shared.end();
        shared.drive_once().await;
        shared.until_it_sleeps().await;
        shared.terminate().await;
        let error = shared.drive().await.unwrap_err();
        assert!(error.is_connection_lost() && !error.nothing_sent(), "{error:?}");
        assert_eq!(error.sqlstate(), Some("57P01"));
        assert_eq!(shared.take(answered).rows()[0][0], Value::Int(2));
        assert_eq!(shared.session.status(), Status::Broken);
    });
}

#[test]
fn a_transaction_that_is_begun_and_a_copy_end_the_connection_or_are_refused() {
    run(async {
        let mut shared = Shared::open().await;
        let refused = shared.try_push("COPY pg_class TO STDOUT", &(), Want::All).unwrap_err();
        assert_eq!((refused.kind(), refused.nothing_sent()), (ErrorKind::Unsupported, true));
        assert_eq!(shared.session.status(), Status::Idle);
        shared.push("BEGIN", &());
        let error = shared.drive().await.unwrap_err();
        assert!(error.message().contains("transaction"), "{error}");
        assert_eq!(shared.session.status(), Status::Broken);
        // Nor can they be pushed where one is open.
        let mut shared = Shared::open().await;
        shared.session.script("BEGIN").await.unwrap();
        let error = shared.try_push(DOUBLE, &(1,), Want::All).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TxOpen);
    });
}

#[test]
fn sessions_whose_statements_have_no_lasting_names_are_not_shared() {
    run(async {
        for parameter in [
            "default_query_exec_mode=cache_describe",
            "default_query_exec_mode=simple_protocol",
            "pooler=transaction",
        ] {
            let connector: Arc<dyn Connector> =
                Arc::new(connector(&format!("{}?{parameter}", SERVER.url())));
            assert!(!connector.dialect().multiplexes);
            let mut connection = connector.connect(Access::ReadWrite).await.unwrap();
            assert!(connection.multiplex().is_none(), "{parameter}");
        }
    });
}

#[test]
fn a_session_for_reading_goes_where_the_role_is_wanted_and_is_for_reading_all_the_same() {
    run(async {
        for (wanted, suits) in [("read-write", true), ("primary", true), ("read-only", false)] {
            let url = format!("{}?target_session_attrs={wanted}", SERVER.url());
            if !suits {
                let connector: Arc<dyn Connector> = Arc::new(connector(&url));
                let refused = connector.connect(Access::ReadOnly).await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Connect);
                continue;
            }
            let mut shared = Shared::reading(&url).await;
            assert!(!shared.session.connection.session_changed());
            for _ in 0..2 {
                let refused = shared.one("CREATE TABLE never (id int)", &()).await;
                assert_eq!(refused.error().kind(), ErrorKind::ReadOnly);
                shared.session.command(aquifer_driver::Command::Reset).await.unwrap();
            }
        }
    });
}

#[test]
fn statements_share_an_encrypted_session_as_well() {
    let settings = aquifer_testkit::postgres::Settings::new().tls_required();
    let server = aquifer_testkit::postgres::Server::start(settings).unwrap();
    run(async {
        let root = server.ca_path().display().to_string();
        let url = format!("{}?sslmode=verify-full&sslrootcert={root}", server.url());
        let mut shared = Shared::of(connect(&url).await.unwrap());
        for _ in 0..3 {
            let meter = shared.meter();
            let tickets: Vec<u32> = (0..64_i64).map(|n| shared.push(DOUBLE, &(n,))).collect();
            shared.end();
            shared.drive().await.unwrap();
            for (n, ticket) in tickets.into_iter().enumerate() {
                assert_eq!(shared.take(ticket).rows()[0][0], Value::Int(n as i64 * 2));
            }
            assert_eq!((shared.spent(meter).rounds, shared.spent(meter).syncs), (1, 1));
        }
    });
}
