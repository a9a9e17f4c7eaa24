//! COPY in both directions and all formats, against a real server.

// What the derive macros name.
extern crate aquifer_driver as aquifer;

mod support;

use std::collections::HashMap;

use aquifer_driver::{Command, Error, ErrorKind, Result, Status, TxOptions, Value};
use aquifer_postgres::CopyFormat;
use aquifer_testkit::drop_at_every_poll;
use aquifer_testkit::postgres::{Database, Proxy};

use support::{Postgres, SERVER, Session, connect, run};

const FORMATS: [CopyFormat; 3] = [CopyFormat::Binary, CopyFormat::Text, CopyFormat::Csv];

async fn session() -> (Database, Session) {
    let database = SERVER.fresh_database().unwrap();
    let mut session = connect(database.url()).await.unwrap();
    session
        .script("CREATE TABLE rivers (id int PRIMARY KEY, name text, km float8, data bytea)")
        .await
        .unwrap();
    (database, session)
}

async fn count(session: &mut Session) -> i64 {
    match session.scalar("SELECT count(*) FROM rivers").await.unwrap() {
        Value::Int(count) => count,
        other => panic!("{other:?}"),
    }
}

fn river(id: i32) -> (i32, String, Option<f64>, Vec<u8>) {
    let name = format!("r{id}\t\"\\N\"\\.\n,{}", "x".repeat(id as usize % 7));
    (id, name, (id % 3 > 0).then_some(f64::from(id) / 7.0), vec![id as u8, 0, b'\\', 0xff])
}

#[test]
fn a_hundred_thousand_rows_go_in_and_come_out_in_every_format() {
    run(async {
        let (_database, mut session) = session().await;
        session.script("CREATE TYPE letter AS ENUM ('a')").await.unwrap();
        for format in FORMATS {
            session.script("TRUNCATE rivers").await.unwrap();
            let sent = session
                .postgres()
                .copy_in_rows("rivers", &["id", "name", "km", "data"])
                .format(format)
                .send((0..100_000).map(river))
                .await
                .unwrap();
            assert_eq!(sent, 100_000, "{format:?}");
            assert_eq!(session.status(), Status::Idle);
            // As the server reads them, and as they come back by COPY.
            let sums = session
                .query("SELECT sum(id), sum(length(name)), count(km) FROM rivers", &())
                .await
                .unwrap();
            let lengths: usize = (0..100_000).map(|id| river(id).1.chars().count()).sum();
            assert_eq!(sums[0][0], Value::Int(99_999 * 50_000), "{format:?}");
            assert_eq!(sums[0][1], Value::Int(lengths as i64), "{format:?}");
            assert_eq!(sums[0][2], Value::Int(66_666), "{format:?}");
            // An enum has no binary form that is known: the same rows, as text.
            for cast in ["::text", "::letter"] {
                let sql = format!("SELECT id, name, km, data, 'a'{cast} FROM rivers ORDER BY id;");
                let mut rows = session.postgres().copy_out_rows(&sql).await.unwrap();
                let mut next = 0;
                while let Some(row) = rows.try_next().await.unwrap() {
                    let (id, name, km, data, _): (i32, String, Option<f64>, Vec<u8>, String) = row;
                    assert_eq!((id, name, km, data), river(next));
                    next += 1;
                }
                assert_eq!(next, 100_000);
            }
        }
    });
}

#[test]
fn raw_bytes_go_through_unchanged_in_every_format() {
    run(async {
        let (_database, mut session) = session().await;
        session.script("CREATE TABLE copied (LIKE rivers)").await.unwrap();
        let all = (0..5_000).map(river);
        session.postgres().copy_rows("rivers", &[], all).await.unwrap();
        for format in ["binary", "text", "csv"] {
            session.script("TRUNCATE copied").await.unwrap();
            let postgres = session.postgres();
            let sql = format!("COPY rivers TO STDOUT (FORMAT {format})");
            let mut bytes = Vec::new();
            let copy = postgres.copy_out(&sql).await.unwrap();
            assert_eq!((copy.is_binary(), copy.columns()), (format == "binary", 4));
            assert_eq!(copy.write_to(&mut bytes).await.unwrap(), 5_000);
            let sql = format!("COPY copied FROM STDIN (FORMAT {format})");
            for piece in [1, 7, 100_000] {
                let mut copy = postgres.copy_in(&sql).await.unwrap();
                assert_eq!((copy.is_binary(), copy.columns()), (format == "binary", 4));
                for piece in bytes.chunks(piece) {
                    copy.send(piece).await.unwrap();
                }
                assert_eq!(copy.finish().await.unwrap(), 5_000);
            }
            let mut copy = postgres.copy_in(&sql).await.unwrap();
            let read = copy.read_from(&mut bytes.as_slice()).await.unwrap();
            assert_eq!(read, bytes.len() as u64);
            assert_eq!(copy.finish().await.unwrap(), 5_000);
            let same = "SELECT count(*) FROM copied NATURAL JOIN rivers
                        WHERE copied.km IS NOT NULL";
            let with_km = (0..5_000).filter(|id| id % 3 > 0).count() as i64;
            assert_eq!(session.scalar(same).await.unwrap(), Value::Int(4 * with_km));
        }
    });
}

#[test]
fn the_error_of_a_row_names_it() {
    run(async {
        let (_database, mut session) = session().await;
        let postgres = session.postgres();
        // By the server: a key that is there already, in the seventh row.
        let rows = (1..20).map(|id| (if id == 7 { 3 } else { id }, "x"));
        for format in FORMATS {
            let copy = postgres.copy_in_rows("rivers", &["id", "name"]).format(format);
            let error = copy.send(rows.clone()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UniqueViolation);
            assert_eq!(error.constraint(), Some("rivers_pkey"));
            assert!(error.message().ends_with("(COPY rivers, line 7)"), "{error}");
        }
        // By the server: data that is none. The message does not quote it, and says where it is.
        let mut copy = postgres.copy_in("COPY rivers (id) FROM STDIN").await.unwrap();
        copy.send(b"1\n2\n3\n4\n5\n6\nsecret\n8\n").await.unwrap();
        let error = copy.finish().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.message().ends_with("(COPY rivers, line 7, column id)"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        // By us: a value that does not fit.
        let rows = (1..20).map(|id| (if id == 7 { 1i64 << 40 } else { id }, "x"));
        let error = postgres.copy_rows("rivers", &["id", "name"], rows.clone()).await.unwrap_err();
        assert!(error.message().starts_with("row 7, column `id`: "), "{error}");
        let text = postgres.copy_in_rows("rivers", &["id"]).format(CopyFormat::Text);
        let error = text.send(rows.map(|(id, _)| (id,))).await.unwrap_err();
        assert!(error.message().ends_with("(COPY rivers, line 7, column id)"), "{error}");
        assert_eq!(session.status(), Status::Idle);
        assert_eq!(count(&mut session).await, 0);
    });
}

#[test]
fn a_refused_row_can_be_left_out() {
    run(async {
        let (_database, mut session) = session().await;
        let copy = session.postgres().copy_in_rows("rivers", &["id", "name"]);
        let mut writer = copy.start().await.unwrap();
        writer.send((1, "Elbe")).await.unwrap();
        assert_eq!(
            writer.send((1i64 << 40, "Oder")).await.unwrap_err().kind(),
            ErrorKind::Argument
        );
        writer.send((3, "Panke")).await.unwrap();
        assert_eq!(writer.finish().await.unwrap(), 2);
        assert_eq!(count(&mut session).await, 2);
    });
}

#[test]
fn types_that_only_the_server_can_read_go_as_text() {
    run(async {
        let (_database, mut session) = session().await;
        session
            .script(
                "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE SCHEMA \"My data\";
                 CREATE TABLE \"My data\".\"T\" (\"A b\" mood, d date, n numeric, j jsonb, a text[])",
            )
            .await
            .unwrap();
        let columns = ["A b", "d", "n", "j", "a"];
        let row = ("ok", "2024-02-29", 5, "{}", "{a,NULL}");
        let postgres = session.postgres();
        assert_eq!(postgres.copy_rows("My data.T", &columns, [row]).await.unwrap(), 1);
        let row = (None::<&str>, Value::Null, 1.5, None::<&str>, Value::Array(vec!["\"".into()]));
        assert_eq!(postgres.copy_rows("My data.T", &columns, [&row]).await.unwrap(), 1);
        // In binary, where all of these have a form.
        let row = (7, 1.5f64, "{}", Value::Array(vec!["\"".into(), Value::Null]));
        let narrow = ["n", "n", "j", "a"];
        let twice = postgres.copy_rows("My data.T", &narrow, [row]).await.unwrap_err();
        assert_eq!(twice.sqlstate(), Some("42701"), "a column is named twice");
        let row = (1.5f64, "{}", Value::Array(vec!["\"".into(), Value::Null]));
        let copy = postgres.copy_in_rows("My data.T", &narrow[1..]).format(CopyFormat::Binary);
        assert_eq!(copy.send([row]).await.unwrap(), 1);
        let query = "SELECT \"A b\", d, n, j, a FROM \"My data\".\"T\" ORDER BY 1, 2 -- all";
        let rows: Vec<(Option<String>, Value, Value, Value, Value)> =
            postgres.copy_out_rows(query).await.unwrap().collect().await.unwrap();
        let array = |items: &[Value]| Value::Array(items.to_vec());
        assert_eq!(rows[0].0.as_deref(), Some("ok"));
        assert_eq!(rows[0].2, Value::Decimal("5".into()));
        assert_eq!(rows[0].4, array(&["a".into(), Value::Null]));
        assert_eq!(rows[1].2, Value::Decimal("1.5".into()));
        let arrays: Vec<_> = rows[1..].iter().map(|row| row.4.clone()).collect();
        assert!(arrays.contains(&array(&["\"".into()])), "{arrays:?}");
        assert!(arrays.contains(&array(&["\"".into(), Value::Null])), "{arrays:?}");
    });
}

#[test]
fn named_rows_go_into_the_columns_of_their_names() {
    run(async {
        let (_database, mut session) = session().await;
        let row = |id: i64, name: &str| {
            HashMap::from([("name", Value::from(name)), ("id", Value::Int(id)), ("x", Value::Null)])
        };
        let postgres = session.postgres();
        let rows = [row(1, "Elbe"), row(2, "Oder")];
        let copy = postgres.copy_in_rows("rivers", &["id", "name"]);
        assert_eq!(copy.send_named(&rows).await.unwrap(), 2);
        let copy = postgres.copy_in_rows("rivers", &["id", "km"]);
        let error = copy.send_named(&rows).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
        assert!(error.message().starts_with("row 1, column `km`: "), "{error}");
        assert_eq!(count(&mut session).await, 2);
    });
}

#[test]
fn a_copy_is_part_of_the_transaction_that_is_open() {
    run(async {
        let (_database, mut session) = session().await;
        for (end, expected) in [(Command::Rollback, 0), (Command::Commit, 2)] {
            session.command(Command::Begin(TxOptions::new())).await.unwrap();
            let rows = [(1, "Elbe"), (2, "Oder")];
            let sent = session.postgres().copy_rows("rivers", &["id", "name"], rows).await;
            assert_eq!(sent.unwrap(), 2);
            assert_eq!(session.status(), Status::Transaction);
            session.command(end).await.unwrap();
            assert_eq!(count(&mut session).await, expected);
        }
        // The BEGIN that was held back goes with a COPY that is the first statement, and errors find it.
        session.command(Command::Begin(TxOptions::new())).await.unwrap();
        let error = session.postgres().copy_in("COPY rivers FROM STDINN").await.unwrap_err();
        assert_eq!((error.kind(), error.position()), (ErrorKind::Syntax, Some(17)));
        assert_eq!(session.status(), Status::Idle, "one text with the BEGIN, of which nothing ran");
        session.command(Command::Begin(TxOptions::new())).await.unwrap();
        let error = session.postgres().copy_in("COPY lakes FROM STDIN").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UndefinedObject);
        assert_eq!(session.status(), Status::FailedTransaction);
        session.command(Command::Rollback).await.unwrap();
        session.command(Command::Begin(TxOptions::new())).await.unwrap();
        let mut copy = session.postgres().copy_in("COPY rivers (id) FROM STDIN").await.unwrap();
        copy.send(b"9\n").await.unwrap();
        copy.finish().await.unwrap();
        assert_eq!(session.status(), Status::Transaction);
        assert_eq!(count(&mut session).await, 3);
        session.command(Command::Rollback).await.unwrap();
        assert_eq!(count(&mut session).await, 2);
    });
}

#[test]
fn giving_up_leaves_nothing_and_a_connection_that_goes_on() {
    run(async {
        let (_database, mut session) = session().await;
        let sql = "COPY rivers (id) FROM STDIN";
        for data in [b"".as_slice(), b"1\n", &b"1\n".repeat(100_000)] {
            let mut copy = session.postgres().copy_in(sql).await.unwrap();
            copy.send(data).await.unwrap();
            copy.fail("changed my mind").await.unwrap();
            assert_eq!(session.status(), Status::Idle);
            // Dropped, and then used again at once, for a COPY, or recovered as the pool does it.
            for again in [false, true] {
                let mut copy = session.postgres().copy_in(sql).await.unwrap();
                copy.send(data).await.unwrap();
                drop(copy);
                assert_eq!(session.status(), Status::Busy);
                if again {
                    let copy = session.postgres().copy_in(sql).await.unwrap();
                    assert_eq!(copy.finish().await.unwrap(), 0);
                } else {
                    session.connection.abandon();
                    session.recover().await.unwrap();
                }
                assert_eq!(session.status(), Status::Idle);
                assert_eq!(count(&mut session).await, 0);
            }
        }
        session.command(Command::Begin(TxOptions::new())).await.unwrap();
        drop(session.postgres().copy_in(sql).await.unwrap());
        session.connection.abandon();
        while let Ok(step) = session.step().await {
            assert!(!matches!(step, aquifer_driver::Step::End(_)), "giving up is an error");
        }
        assert_eq!(session.status(), Status::FailedTransaction);
        session.command(Command::Rollback).await.unwrap();
        assert_eq!(count(&mut session).await, 0);
    });
}

#[test]
fn a_text_that_is_another_statement_is_refused_and_the_connection_goes_on() {
    run(async {
        let (_database, mut session) = session().await;
        let postgres = session.postgres();
        for (text, message) in [
            ("SELECT 1", "the statement is no COPY ... FROM STDIN"),
            ("SELECT generate_series(1, 1000)", "the statement is no COPY ... FROM STDIN"),
            ("", "the statement is no COPY ... FROM STDIN"),
            ("COPY rivers TO STDOUT", "this COPY gives data"),
        ] {
            let error = postgres.copy_in(text).await.unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Unsupported, message));
        }
        for (text, message) in [
            ("SELECT 1", "the statement is no COPY ... TO STDOUT"),
            ("COPY rivers FROM STDIN", "this COPY takes data"),
        ] {
            let error = postgres.copy_out(text).await.unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Unsupported, message));
        }
        let two = "COPY rivers (id) FROM STDIN; COPY rivers (id) FROM STDIN";
        let copy = postgres.copy_in(two).await.unwrap();
        let error = copy.finish().await.unwrap_err();
        assert_eq!(error.message(), "a text with more than one COPY cannot run");
        let copy = postgres.copy_in("SET work_mem = '1MB'; COPY rivers (id) FROM STDIN; SELECT 1");
        let mut copy = copy.await.unwrap();
        copy.send(b"1\n2\n").await.unwrap();
        assert_eq!(copy.finish().await.unwrap(), 2, "of all counts the COPY's");
        let error = session.script("COPY rivers TO STDOUT").await.unwrap_err();
        assert_eq!(error.message(), "COPY cannot run as an ordinary statement");
        assert_eq!(session.status(), Status::Idle);
        assert_eq!(count(&mut session).await, 2);
        let query = "SELECT id FROM rivers WHERE id > $1";
        let error = session.postgres().copy_out_rows(query).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
    });
}

/// A statement that a dropped COPY may leave behind only as a whole.
async fn settle(session: &mut Session) {
    if session.status() == Status::Busy {
        session.connection.abandon();
        session.recover().await.unwrap();
    }
    assert_eq!(session.status(), Status::Idle);
}

#[test]
fn a_copy_in_that_is_dropped_anywhere_takes_all_or_nothing() {
    run(async {
        let (_database, mut session) = session().await;
        // More than the socket's buffers hold, so that writing waits, too.
        let data = "1234567\t\n".repeat(200_000);
        session.script("CREATE TABLE sink (id int, name text)").await.unwrap();
        let dropped = drop_at_every_poll(
            10_000,
            &mut session,
            async |session: &mut Session| -> Result<u64> {
                let mut copy = session.postgres().copy_in("COPY sink FROM STDIN").await?;
                copy.send(data.as_bytes()).await?;
                copy.finish().await
            },
            async |session: &mut Session, _| {
                settle(session).await;
                let count = session.scalar("SELECT count(*) FROM sink").await.unwrap();
                assert!(count == Value::Int(0) || count == Value::Int(200_000), "{count:?}");
                session.script("TRUNCATE sink").await.unwrap();
            },
        )
        .await;
        assert!(dropped > 0, "it waits for the server at least");
    });
}

#[test]
fn typed_rows_that_are_dropped_anywhere_leave_a_connection_that_goes_on() {
    run(async {
        let (_database, mut session) = session().await;
        let dropped = drop_at_every_poll(
            10_000,
            &mut session,
            async |session: &mut Session| -> Result<usize> {
                let postgres = session.postgres();
                let rows = (0..10_000).map(river);
                postgres.copy_rows("rivers", &["id", "name", "km", "data"], rows).await?;
                let rows = postgres.copy_out_rows("SELECT id, name FROM rivers").await?;
                Ok(rows.collect::<(i32, String)>().await?.len())
            },
            async |session: &mut Session, ended| {
                settle(session).await;
                let count = count(session).await;
                assert!(count == 0 || count == 10_000, "{count}");
                if let aquifer_testkit::Ended::Done(rows) = ended {
                    assert_eq!(rows.unwrap(), 10_000);
                }
                session.script("TRUNCATE rivers").await.unwrap();
            },
        )
        .await;
        assert!(dropped > 0, "it waits for the server at least");
    });
}

#[test]
fn a_copy_out_that_is_dropped_half_way_is_read_off() {
    run(async {
        let (_database, mut session) = session().await;
        session
            .script("CREATE TABLE big AS SELECT g FROM generate_series(1, 200000) g")
            .await
            .unwrap();
        for chunks in [0, 1, 3] {
            let mut copy = session.postgres().copy_out("COPY big TO STDOUT").await.unwrap();
            for _ in 0..chunks {
                assert!(copy.try_next().await.unwrap().is_some_and(|chunk| !chunk.is_empty()));
            }
            drop(copy);
            settle(&mut session).await;
            assert_eq!(count(&mut session).await, 0);
        }
    });
}

#[test]
fn an_error_of_the_server_ends_a_copy_while_data_is_still_being_sent() {
    run(async {
        let (_database, mut session) = session().await;
        let mut copy = session.postgres().copy_in("COPY rivers (id) FROM STDIN").await.unwrap();
        copy.send(b"x\n").await.unwrap();
        let piece = b"7\n".repeat(100_000);
        let mut sent = 0;
        let error: Error = loop {
            match copy.send(&piece).await {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 10_000, "the error is heard while sending");
        };
        assert!(error.message().ends_with("(COPY rivers, line 1, column id)"), "{error}");
        assert_eq!(copy.send(b"1\n").await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(copy.finish().await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(session.status(), Status::Idle);
        assert_eq!(count(&mut session).await, 0);
    });
}

#[test]
fn small_rows_travel_together() {
    run(async {
        let proxy = Proxy::start(SERVER.address()).unwrap();
        let mut session = connect(&proxy.url()).await.unwrap();
        session.script("CREATE TEMP TABLE t (id int, name text)").await.unwrap();
        let sql = "SELECT \"id\", \"name\" FROM \"t\"";
        session.command(Command::Prepare { sql }).await.unwrap();
        proxy.take();
        let rows = (0..10_000).map(|id| (id, "0123456789"));
        assert_eq!(session.postgres().copy_rows("t", &["id", "name"], rows).await.unwrap(), 10_000);
        let traffic = proxy.take_only();
        // 24 bytes a row: four messages, a round trip each for the types, the beginning and the end.
        assert_eq!(traffic.count_client(b'd'), 4);
        assert_eq!(traffic.round_trips(), 3, "{:?}", traffic.client_flights());
    });
}

#[test]
fn a_connection_that_breaks_during_a_copy_says_so() {
    run(async {
        let proxy = Proxy::start(SERVER.address()).unwrap();
        let mut session = connect(&proxy.url()).await.unwrap();
        session.script("CREATE TEMP TABLE t (id int)").await.unwrap();
        let mut copy = session.postgres().copy_in("COPY t FROM STDIN").await.unwrap();
        proxy.cut();
        let piece = b"7\n".repeat(100_000);
        let error = loop {
            if let Err(error) = copy.send(&piece).await {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionLost);
        assert!(!error.nothing_sent());
        drop(copy);
        assert_eq!(session.status(), Status::Broken);
    });
}

#[derive(aquifer_derive::ToParams)]
struct River<'a> {
    id: i32,
    name: &'a str,
}

#[derive(aquifer_derive::ToParams)]
struct Named {
    km: Option<f64>,
    name: String,
    id: i64,
}

#[test]
fn rows_of_different_types_find_their_columns_in_one_copy() {
    run(async {
        let (_database, mut session) = session().await;
        let mut writer =
            session.postgres().copy_in_rows("rivers", &["id", "name"]).start().await.unwrap();
        writer.send_named(River { id: 1, name: "Elbe" }).await.unwrap();
        writer.send_named(Named { km: None, name: "Oder".into(), id: 2 }).await.unwrap();
        writer.send((3, "Rhein")).await.unwrap();
        writer.send_named(&River { id: 4, name: "Main" }).await.unwrap();
        let pairs: [(&str, &dyn aquifer_driver::ToValue); 2] = [("name", &"Nahe"), ("id", &5)];
        writer.send_named(pairs).await.unwrap();
        let either: [&dyn aquifer_driver::ToParams; 3] = [
            &Named { km: Some(1.0), name: "Isar".into(), id: 6 },
            &River { id: 7, name: "Ilm" },
            &Named { km: None, name: "Inn".into(), id: 8 },
        ];
        for row in either {
            writer.send_named(row).await.unwrap();
        }
        assert_eq!(writer.finish().await.unwrap(), 8);
        let names = session.scalar("SELECT string_agg(name, ' ' ORDER BY id) FROM rivers");
        let expected = "Elbe Oder Rhein Main Nahe Isar Ilm Inn";
        assert_eq!(names.await.unwrap(), Value::Text(expected.into()));
        let both = [River { id: 9, name: "Ems" }, River { id: 10, name: "Eder" }];
        let copy = session.postgres().copy_in_rows("rivers", &["km", "id"]);
        let error = copy.send_named(&both).await.unwrap_err();
        assert!(error.message().contains("row 1, column `km`"), "{error}");
    });
}
