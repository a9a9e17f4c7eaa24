//! Codecs that an application registers for types of extensions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aquifer_driver::{
    Access, Connector, Encoding, ErrorKind, Result, RowBatch, Status, Value, ValueRef,
};
use aquifer_postgres::TypeCodec;
use aquifer_testkit::client;
use aquifer_testkit::postgres::Database;

use crate::support::{SERVER, Session, connector, run};

/// How often a codec was called.
#[derive(Default)]
struct Calls {
    text: AtomicUsize,
    binary: AtomicUsize,
    written: AtomicUsize,
}

impl Calls {
    fn take(&self) -> [usize; 3] {
        [&self.text, &self.binary, &self.written].map(|count| count.swap(0, Ordering::Relaxed))
    }
}

/// The points among the values of the extension `cube`, as arrays of their coordinates. A word with the
/// number of dimensions and the sign bit set, then the coordinates (f64).
struct Points(Arc<Calls>);

const POINT: u32 = 1 << 31;

impl Points {
    fn read(cell: &[u8], out: &mut Vec<u8>) -> bool {
        let Some((word, rest)) = cell.split_first_chunk() else { return false };
        let word = u32::from_be_bytes(*word);
        let (coordinates, []) = rest.as_chunks::<8>() else { return false };
        if word & POINT == 0 || coordinates.len() != (word & !POINT) as usize {
            return false;
        }
        out.extend_from_slice(&u32::from(Encoding::F64Be as u8).to_be_bytes());
        out.extend_from_slice(&(word & !POINT).to_be_bytes());
        for coordinate in coordinates {
            out.extend_from_slice(&8u32.to_be_bytes());
            out.extend_from_slice(coordinate);
        }
        true
    }

    fn write(text: &str, out: &mut Vec<u8>) -> bool {
        let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let Some(inner) = inner else { return false };
        let Ok(floats) =
            inner.split(',').map(|f| f.trim().parse()).collect::<Result<Vec<f64>, _>>()
        else {
            return false;
        };
        out.extend_from_slice(&(POINT | floats.len() as u32).to_be_bytes());
        floats.iter().for_each(|float| out.extend_from_slice(&float.to_be_bytes()));
        true
    }
}

impl TypeCodec for Points {
    fn encoding(&self) -> Encoding {
        Encoding::Array
    }

    fn read_binary(&self, cell: &[u8], out: &mut Vec<u8>) -> bool {
        self.0.binary.fetch_add(1, Ordering::Relaxed);
        Self::read(cell, out)
    }

    fn read_text(&self, text: &str, out: &mut Vec<u8>) -> bool {
        self.0.text.fetch_add(1, Ordering::Relaxed);
        let mut cell = Vec::new();
        Self::write(text, &mut cell) && Self::read(&cell, out)
    }

    fn write_binary(&self, value: ValueRef<'_>, out: &mut Vec<u8>) -> bool {
        let ValueRef::Text(text) = value else { return false };
        self.0.written.fetch_add(1, Ordering::Relaxed);
        Self::write(text, out)
    }
}

async fn open(url: &str, name: &str, calls: &Arc<Calls>) -> Result<Session> {
    Session::open(connector(url).with_codec(name, Points(Arc::clone(calls)))).await
}

fn with_cube() -> Database {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE EXTENSION cube").unwrap();
    database
}

fn point(coordinates: &[f64]) -> Value {
    Value::Array(coordinates.iter().map(|v| Value::Float(*v)).collect())
}

#[test]
fn a_registered_codec_reads_text_at_the_first_use_and_binary_both_ways_afterwards() {
    run(async {
        let (database, calls) = (with_cube(), Arc::new(Calls::default()));
        let sql = "SELECT $1::cube AS it, ($1::cube)::text AS said";
        let expected = [vec![point(&[1.0, -2.5]), "(1, -2.5)".into()]];
        for (mode, [first, later]) in [
            ("cache_statement", [[1, 0, 0], [0, 1, 1]]),
            ("cache_describe", [[1, 0, 0], [0, 1, 1]]),
            ("simple_protocol", [[1, 0, 0], [1, 0, 0]]),
        ] {
            let url = format!("{}?default_query_exec_mode={mode}", database.url());
            let mut session = open(&url, "cube", &calls).await.unwrap();
            for called in [first, later, later] {
                let got = session.query(sql, &("(1,-2.5)",)).await.unwrap();
                assert_eq!(got, expected, "{mode}");
                assert_eq!(calls.take(), called, "{mode}: text, binary, written");
                assert_eq!(&*session.batch.columns()[0].type_name, "CUBE");
            }
            for _ in 0..2 {
                let null = session.query("SELECT $1::cube", &(None::<&str>,)).await.unwrap();
                assert_eq!(null, [[Value::Null]]);
            }
            assert_eq!(calls.take(), [0, 0, 0], "{mode}: NULL is no codec's");
        }
    });
}

#[test]
fn a_cell_that_its_codec_cannot_read_fails_the_statement_and_not_the_session() {
    run(async {
        let (database, calls) = (with_cube(), Arc::new(Calls::default()));
        let mut session = open(database.url(), "public.cube", &calls).await.unwrap();
        let sql = "SELECT '(1,2),(3,4)'::cube";
        for _ in 0..2 {
            let error = session.query(sql, &()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conversion);
            assert!(error.message().contains("public.cube"), "{error}");
            assert_eq!(session.status(), Status::Idle);
        }
        assert_eq!(calls.take(), [1, 1, 0]);
        // Arrays and composites of the type are nobody's: text.
        let text = session.scalar("SELECT ARRAY['(1,2)'::cube]").await.unwrap();
        assert_eq!(text, "{\"(1, 2)\"}".into());
    });
}

#[test]
fn the_numbers_of_types_are_those_of_each_sessions_own_database() {
    run(async {
        let (database, calls) = (SERVER.fresh_database().unwrap(), Arc::new(Calls::default()));
        let mut without = open(database.url(), "cube", &calls).await.unwrap();
        without.script("CREATE EXTENSION cube").await.unwrap();
        let sql = "SELECT '(1)'::cube";
        assert_eq!(without.scalar(sql).await.unwrap(), "(1)".into());
        for _ in 0..2 {
            let mut with = open(database.url(), "cube", &calls).await.unwrap();
            assert_eq!(with.scalar(sql).await.unwrap(), point(&[1.0]));
            // Created again it has another number.
            with.script("DROP EXTENSION cube; CREATE EXTENSION cube").await.unwrap();
        }
    });
}

#[test]
fn a_name_that_is_none_fails_the_connect() {
    run(async {
        let calls = Arc::new(Calls::default());
        let error = open(&SERVER.url(), "no type (", &calls).await.expect_err("a refusal");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.message().contains("no type ("), "{error}");
    });
}

#[test]
fn codecs_cost_a_session_one_round_trip_and_leave_no_statement() {
    run(async {
        let calls = Arc::new(Calls::default());
        let mut session = open(&SERVER.url(), "cube", &calls).await.unwrap();
        let counters = session.connection.counters();
        assert_eq!((counters.rounds, counters.prepared, counters.cached), (1, 0, 0));
        assert!(!session.connection.session_changed());
        let sql = "SELECT count(*) FROM pg_prepared_statements";
        let count = client::execute(&mut *session.connection, sql, &()).await.unwrap();
        assert_eq!(count.scalar(), Some(&Value::Int(1)), "this one");
    });
}

#[test]
fn sessions_that_follow_to_the_same_database_ask_no_more() {
    run(async {
        let calls = Arc::new(Calls::default());
        let (first, second) = (with_cube(), with_cube());
        for database in [&first, &second] {
            let codec = Points(Arc::clone(&calls));
            let connector: Arc<dyn Connector> =
                Arc::new(connector(database.url()).with_codec("cube", codec));
            for rounds in [1, 0, 0] {
                let connection = Arc::clone(&connector).connect(Access::ReadWrite).await.unwrap();
                assert_eq!(connection.counters().rounds, rounds);
                let mut session = Session { connection, batch: RowBatch::new() };
                let read = session.scalar("SELECT '(1)'::cube").await.unwrap();
                assert_eq!(read, point(&[1.0]));
            }
        }
    });
}

#[test]
fn a_type_that_is_made_after_a_session_asked_is_known_to_the_next() {
    run(async {
        let (database, calls) = (SERVER.fresh_database().unwrap(), Arc::new(Calls::default()));
        let codec = Points(Arc::clone(&calls));
        let connector: Arc<dyn Connector> =
            Arc::new(connector(database.url()).with_codec("cube", codec));
        let sessions = async || {
            let connection = Arc::clone(&connector).connect(Access::ReadWrite).await.unwrap();
            Session { connection, batch: RowBatch::new() }
        };
        sessions().await.script("CREATE EXTENSION cube").await.unwrap();
        let read = sessions().await.scalar("SELECT '(1)'::cube").await.unwrap();
        assert_eq!(read, point(&[1.0]));
    });
}
