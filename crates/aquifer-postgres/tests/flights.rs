//! Round trips, Syncs, writes and allocations of each operation, counted on the wire.

mod support;

use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{Batch, Command, Connection, Params, RowBatch, Step, Value, Want};
use aquifer_testkit::postgres::{Proxy, Traffic};
use aquifer_testkit::{CountingAllocator, Meter, allocations_of, client};

use support::{SERVER, Session, connect, run};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

const POINT: &str = "SELECT $1::int8 + 1, 'river'";

/// A session through a proxy that counts.
struct Watched {
    session: Session,
    proxy: Proxy,
    meter: Meter,
}

impl Watched {
    async fn open(more: &str) -> Self {
        let proxy = Proxy::start(SERVER.address()).unwrap();
        let session = connect(&format!("{}{more}", proxy.url())).await.unwrap();
        proxy.take_only();
        let meter = Meter::start(&*session.connection);
        Self { session, proxy, meter }
    }

    fn connection(&mut self) -> &mut dyn Connection {
        &mut *self.session.connection
    }

    async fn execute(&mut self, sql: &str, params: &dyn Params) -> Vec<Value> {
        client::execute(self.connection(), sql, params).await.unwrap().first_column()
    }

    /// What was sent since the last call; the driver's own count must agree.
    fn traffic(&mut self) -> Traffic {
        let traffic = self.proxy.take().pop().unwrap_or_default();
        assert!(!traffic.truncated && !traffic.opaque);
        let rounds = self.meter.spent(&*self.session.connection).rounds;
        self.meter = Meter::start(&*self.session.connection);
        assert!(rounds <= 1 || rounds == traffic.round_trips() as u64, "{traffic:?}");
        traffic
    }

    /// The client's flights since the last call, each of which was one write.
    fn flights(&mut self) -> Vec<String> {
        let traffic = self.traffic();
        for flight in &traffic.flights {
            assert_eq!(flight.client_reads, 1, "a flight is one write: {flight:?}");
            assert!(flight.server_bytes > 0, "a flight is answered: {flight:?}");
        }
        traffic.client_flights()
    }
}

#[test]
fn the_first_use_of_a_statement_and_every_later_one_are_one_round_trip_with_one_sync() {
    run(async {
        let mut watched = Watched::open("").await;
        for flight in ["PDBES", "BES", "BES"] {
            assert_eq!(watched.execute(POINT, &(6_i64,)).await, [Value::Int(7)]);
            assert_eq!(watched.flights(), [flight]);
        }
    });
}

#[test]
fn without_named_statements_a_use_is_one_round_trip_too() {
    run(async {
        let mut watched = Watched::open("&default_query_exec_mode=cache_describe").await;
        for flight in ["PDBES", "PBDES", "PBDES"] {
            assert_eq!(watched.execute(POINT, &(6_i64,)).await, [Value::Int(7)]);
            assert_eq!(watched.flights(), [flight]);
        }
    });
}

#[test]
fn a_statement_that_was_prepared_is_one_round_trip_and_its_use_another() {
    run(async {
        let mut watched = Watched::open("").await;
        client::command(watched.connection(), Command::Prepare { sql: POINT }).await.unwrap();
        assert_eq!(watched.connection().take_description().unwrap().parameters.len(), 1);
        assert_eq!(watched.flights(), ["PDS"]);
        assert_eq!(watched.execute(POINT, &(6_i64,)).await, [Value::Int(7)]);
        assert_eq!(watched.flights(), ["BES"]);
    });
}

#[test]
fn an_evicted_statement_is_closed_in_the_flight_of_the_one_that_takes_its_place() {
    run(async {
        let mut watched = Watched::open("&statement_cache_capacity=2").await;
        for (sql, flight) in [
            ("SELECT 1", "PDBES"),
            ("SELECT 2", "PDBES"),
            ("SELECT 3", "CPDBES"),
            ("SELECT 1", "CPDBES"),
            ("SELECT 3", "BES"),
        ] {
            watched.execute(sql, &()).await;
            assert_eq!(watched.flights(), [flight], "{sql}");
        }
    });
}

#[test]
fn a_begin_goes_with_the_first_statement_so_a_transaction_of_one_is_two_round_trips() {
    run(async {
        let mut watched = Watched::open("").await;
        client::begin(watched.connection()).await.unwrap();
        assert_eq!(watched.flights(), [""; 0], "BEGIN waits for company");
        watched.execute(POINT, &(1_i64,)).await;
        assert_eq!(watched.flights(), ["PBEPDBES"]);
        client::commit(watched.connection()).await.unwrap();
        assert_eq!(watched.flights(), ["Q"]);

        client::begin(watched.connection()).await.unwrap();
        watched.execute(POINT, &(1_i64,)).await;
        assert_eq!(watched.flights(), ["BEBES"]);
        client::rollback(watched.connection()).await.unwrap();
        assert_eq!(watched.flights(), ["Q"]);

        client::begin(watched.connection()).await.unwrap();
        client::commit(watched.connection()).await.unwrap();
        client::begin(watched.connection()).await.unwrap();
        client::rollback(watched.connection()).await.unwrap();
        assert_eq!(watched.flights(), [""; 0], "an empty transaction costs nothing");
    });
}

#[test]
fn a_ping_is_one_round_trip_of_one_message() {
    run(async {
        let mut watched = Watched::open("").await;
        client::command(watched.connection(), Command::Ping).await.unwrap();
        assert_eq!(watched.flights(), ["S"]);
    });
}

fn hundred() -> Batch {
    let mut batch = Batch::new();
    let sql: Arc<str> = POINT.into();
    for n in 0..100_i64 {
        batch.push(&sql, &(n,), Want::All).unwrap();
    }
    batch
}

async fn send_hundred(watched: &mut Watched) {
    let sets = client::batch(watched.connection(), hundred()).await.unwrap();
    for (n, set) in sets.into_iter().enumerate() {
        assert_eq!(set.unwrap().scalar(), Some(&Value::Int(n as i64 + 1)));
    }
}

#[test]
fn a_batch_in_a_transaction_has_one_sync() {
    run(async {
        let mut watched = Watched::open("").await;
        // The BEGIN is kept, as the statement is.
        for parses in [2, 0] {
            client::begin(watched.connection()).await.unwrap();
            send_hundred(&mut watched).await;
            let begin = 1;
            let traffic = watched.traffic();
            assert_eq!(traffic.count_client(b'S'), 1);
            assert_eq!(traffic.count_client(b'P'), parses);
            assert_eq!(traffic.count_client(b'E'), 100 + begin);
            assert_eq!(traffic.round_trips(), 1);
            client::rollback(watched.connection()).await.unwrap();
            watched.traffic();
        }
    });
}

#[test]
fn a_batch_outside_a_transaction_is_one_flight_with_a_sync_for_each_statement() {
    run(async {
        let mut watched = Watched::open("").await;
        for parses in [1, 0] {
            let meter = Meter::start(&*watched.session.connection);
            let Watched { session, proxy, .. } = &mut watched;
            // No answer comes before all is sent: nothing may wait for one.
            proxy.hold_answers();
            let sent = async {
                let (mut syncs, mut parses, mut reads) = (0, 0, 0);
                while syncs < 100 {
                    for traffic in proxy.take() {
                        syncs += traffic.count_client(b'S');
                        parses += traffic.count_client(b'P');
                        reads += traffic.flights.iter().map(|f| f.client_reads).sum::<usize>();
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                proxy.release_answers();
                (syncs, parses, reads)
            };
            let sending = client::batch(&mut *session.connection, hundred());
            let (sets, sent) = tokio::join!(sending, sent);
            assert_eq!(sets.unwrap().len(), 100);
            assert_eq!(sent, (100, parses, 1), "Syncs, Parses, writes");
            assert_eq!(proxy.take_only().count_server(b'Z'), 100);
            assert_eq!(meter.spent(&*watched.session.connection).rounds, 1);
        }
    });
}

#[test]
fn a_batch_of_many_texts_leaves_no_more_statements_than_the_cache_takes() {
    run(async {
        let mut watched = Watched::open("&statement_cache_capacity=10").await;
        for round in 0..3 {
            let mut batch = Batch::new();
            for n in 0..300 {
                let sql: Arc<str> = format!("SELECT {n} + {round}").into();
                batch.push(&sql, &(), Want::All).unwrap();
            }
            let sets = client::batch(&mut *watched.session.connection, batch).await.unwrap();
            for (n, set) in sets.into_iter().enumerate() {
                assert_eq!(set.unwrap().scalar(), Some(&Value::Int(n as i64 + round)));
            }
            let kept = "SELECT count(*) FROM pg_prepared_statements";
            let kept = watched.session.scalar(kept).await.unwrap();
            assert!(matches!(kept, Value::Int(1..=11)), "{kept:?}");
        }
    });
}

#[test]
fn a_large_result_is_one_flight() {
    run(async {
        let mut watched = Watched::open("").await;
        let sql = "SELECT n FROM generate_series(1, 50000) AS n";
        for flight in ["PDBES", "BES"] {
            assert_eq!(watched.execute(sql, &()).await.len(), 50_000);
            assert_eq!(watched.flights(), [flight]);
        }
    });
}

/// Runs a command whose rows are in `batch` afterwards; no values are made of them.
async fn point(session: &mut Session, batch: &mut RowBatch, n: i64) -> i64 {
    let params = (n,);
    let command = Command::Execute { sql: POINT, params: &params, want: Want::All };
    session.connection.start(command).unwrap();
    let mut found = 0;
    loop {
        let step = std::future::poll_fn(|cx| session.connection.poll_next(cx, batch)).await;
        for row in batch.rows() {
            found = row.get::<i64>(0).unwrap();
        }
        if matches!(step.unwrap(), Step::End(_)) {
            return found;
        }
    }
}

#[test]
fn a_cached_query_allocates_nothing() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        let mut batch = RowBatch::new();
        for n in 0..20 {
            point(&mut session, &mut batch, n).await;
        }
        let (sum, spent) = allocations_of(async {
            let mut sum = 0;
            for n in 0..100 {
                sum += point(&mut session, &mut batch, n).await;
            }
            sum
        })
        .await;
        assert_eq!(sum, 5050);
        assert_eq!(spent.count, 0, "{} bytes for 100 queries", spent.bytes);
    });
}
