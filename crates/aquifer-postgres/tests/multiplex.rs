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
        Room::Into(self.batches.entry(ticket.0).or_default())
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
        let process = shared.session.postgres().process_id();
        let slow = shared.push("SELECT pg_sleep(3600)", &());
        shared.end();
        let behind = shared.push("SELECT 1", &());
        shared.end();
        let canceller = shared.session.connection.canceller();
        std::future::poll_fn(|cx| {
            let lane = shared.session.connection.multiplex().unwrap();
            assert!(lane.poll_drive(cx, &mut shared.log).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        let active = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = {process} AND wait_event = 'PgSleep'"
        );
        until(|| SERVER.psql(&active).unwrap() == "1\n").await;
        canceller.cancel().await;
        shared.drive().await.unwrap();
        assert_eq!(shared.take(slow).error().kind(), ErrorKind::Cancelled);
        assert_eq!(shared.take(behind).rows(), [[Value::Int(1)]]);
        for _ in 0..20 {
            assert_eq!(shared.one("SELECT 2", &()).await.rows(), [[Value::Int(2)]]);
        }
    });
}
