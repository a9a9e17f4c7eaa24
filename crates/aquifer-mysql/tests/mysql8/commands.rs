//! What only MySQL says after the log-in, and what only a hostile server does.

use std::num::NonZeroU32;
use std::time::Duration;

use aquifer_driver::{Command, ErrorKind, Retry, Status, Step, TxOptions, Value, Want};
use aquifer_testkit::mysql::scripted::{
    Account, Answer, Cell, Column, Done, Failure, Method, Release, Rows, Running, Scripted,
    TRACK_GTIDS, TRACK_SCHEMA, TRACK_STATE, TRACK_VARIABLES, capability,
};

use crate::support::{Mysql, Session, connect, run};

fn server(release: Release) -> Scripted {
    Scripted::new(release).account(Account::new("app").method(Method::Native("secret".into())))
}

async fn session(server: &Running) -> Session {
    let session = connect(&server.url("app:secret", "")).await.unwrap();
    server.forget_commands();
    session
}

fn one(value: i64) -> Answer {
    Answer::rows(vec![Column::bigint("n")], vec![vec![value.into()]])
}

/// The session goes on as if nothing had happened.
async fn goes_on(session: &mut Session) {
    assert_eq!(session.status(), Status::Idle);
    assert_eq!(session.scalar("SELECT 7").await.unwrap(), Value::Int(7));
}

#[test]
fn the_log_in_asks_for_what_mysql_tells_of_a_session() {
    run(async {
        let server = server(Release::Mysql84).start().await.unwrap();
        connect(&server.url("app:secret", "")).await.unwrap();
        let commands = server.commands();
        assert_eq!(commands.len(), 1, "one round trip: {commands:?}");
        for part in [
            "SET NAMES utf8mb4",
            "time_zone = '+00:00'",
            "session_track_state_change = ON",
            "session_track_gtids = 'OWN_GTID'",
            "SELECT @@max_allowed_packet",
        ] {
            assert!(commands[0].contains(part), "{commands:?}");
        }
    });
}

#[test]
fn of_several_character_sets_the_first_is_taken_that_the_server_has() {
    run(async {
        let names = |charset: &str| {
            format!(
                "SET NAMES {charset}, time_zone = '+00:00', session_track_state_change = ON, \
                 session_track_gtids = 'OWN_GTID'"
            )
        };
        let unknown = |_| Answer::failed(1115, "42000", "Unknown character set");
        let server = server(Release::Mysql80).on(names("utf8mb4"), unknown);
        let server = server.start().await.unwrap();
        let url = |charsets: &str| server.url("app:secret", &format!("charset={charsets}"));
        connect(&url("utf8mb4,utf8mb3")).await.unwrap();
        let taken = format!("Query {}", names("utf8mb3"));
        assert!(server.commands().iter().any(|command| command.starts_with(&taken)));
        let error = connect(&url("utf8mb4")).await.err().unwrap();
        assert_eq!(error.code(), Some("1115"), "{error}");
    });
}

#[test]
fn the_number_of_the_last_write_comes_with_its_ok() {
    run(async {
        let gtid = |set: &str| [&[0, set.len() as u8], set.as_bytes()].concat();
        let first = "3e11fa47-71ca-11e1-9e33-c80aa9429562:23";
        let second = "3e11fa47-71ca-11e1-9e33-c80aa9429562:24";
        let server = server(Release::Mysql84)
            .on("INSERT INTO t VALUES (1)", move |_| Answer::tracked(TRACK_GTIDS, &gtid(first)))
            .on("INSERT INTO t VALUES (?)", move |_| {
                Answer::Done(Done {
                    affected: 1,
                    insert_id: 9,
                    tracked: vec![(TRACK_GTIDS, gtid(second))],
                    ..Done::default()
                })
            })
            .on("SELECT 7", |_| one(7));
        let server = server.start().await.unwrap();
        let mut session = session(&server).await;
        assert_eq!(session.mysql().last_gtid(), None);
        session.query("INSERT INTO t VALUES (1)", &()).await.unwrap();
        assert_eq!(session.mysql().last_gtid(), Some(first));
        let sql = "INSERT INTO t VALUES (?)";
        session.connection.start(Command::Execute { sql, params: &(1,), want: Want::All }).unwrap();
        let step = session.step().await.unwrap();
        let Step::End(outcome) = step else { panic!("{step:?}") };
        assert_eq!((outcome.rows_affected, outcome.last_insert_id), (1, Some(9)));
        assert_eq!(session.mysql().last_gtid(), Some(second));
        goes_on(&mut session).await;
        assert_eq!(session.mysql().last_gtid(), Some(second));
        assert!(!session.connection.session_changed(), "a write is no change of the session");
    });
}

#[test]
fn what_the_server_says_has_changed_is_undone_or_reset() {
    run(async {
        let variable = b"\x08sql_mode\x04ANSI";
        let undone = ["Query SET sql_mode = DEFAULT", "Execute SELECT 7"].as_slice();
        let reset = ["Reset", "Query SET NAMES", "Prepare SELECT 7", "Execute SELECT 7"].as_slice();
        let unchanged = ["Execute SELECT 7"].as_slice();
        for (sql, answer, expected) in [
            ("CALL changes()", Answer::tracked(TRACK_STATE, b"\x011"), reset),
            ("DO changes()", Answer::tracked(TRACK_STATE, b"\x010"), unchanged),
            ("CALL changes()", Answer::tracked(TRACK_SCHEMA, b"\x05other"), reset),
            ("CALL changes()", Answer::tracked(TRACK_VARIABLES, variable), reset),
            ("CALL changes()", Answer::tracked(77, b"what nobody knows yet"), reset),
            ("SET sql_mode = 'ANSI'", Answer::tracked(TRACK_VARIABLES, variable), undone),
            ("DO changes()", Answer::done(), unchanged),
            // What a procedure does beyond that, no server tells.
            ("CALL changes()", Answer::done(), reset),
        ] {
            let server = server(Release::Mysql84)
                .on(sql, move |_| answer.clone())
                .on("SELECT 7", |_| one(7))
                .start()
                .await
                .unwrap();
            let mut session = session(&server).await;
            goes_on(&mut session).await;
            session.query(sql, &()).await.unwrap();
            server.forget_commands();
            if session.connection.session_changed() {
                session.command(Command::Reset).await.unwrap();
            }
            goes_on(&mut session).await;
            let commands = server.commands();
            let as_expected =
                commands.iter().zip(expected).all(|(is, begins)| is.starts_with(begins));
            assert!(as_expected && commands.len() == expected.len(), "{sql}: {commands:?}");
        }
    });
}

#[test]
fn json_and_vectors_are_read_by_both_protocols() {
    run(async {
        let floats: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let bytes = floats.clone();
        let sql = "SELECT doc, embedding, nothing FROM docs";
        let server = server(Release::Mysql9).on(sql, move |_| {
            let columns =
                vec![Column::json("doc"), Column::vector("embedding"), Column::vector("nothing")];
            let row = vec!["{\"a\": [1]}".into(), bytes.clone().into(), Cell::Null];
            Answer::rows(columns, vec![row])
        });
        let server = server.start().await.unwrap();
        let mut session = session(&server).await;
        let expected =
            [vec![Value::Json("{\"a\": [1]}".into()), Value::Bytes(floats), Value::Null]];
        for _ in 0..2 {
            assert_eq!(session.query(sql, &()).await.unwrap(), expected);
            assert_eq!(session.script(sql).await.unwrap(), expected);
        }
        let columns = session.batch.columns();
        let names: Vec<_> = columns.iter().map(|column| &*column.type_name).collect();
        assert_eq!(names, ["JSON", "VECTOR", "VECTOR"]);
    });
}

#[test]
fn mysql_s_own_numbers_are_the_kinds_that_mariadb_s_are() {
    run(async {
        for (number, state, message, kind, retry) in [
            (
                3819,
                "HY000",
                "Check constraint 'positive' is violated.",
                ErrorKind::CheckViolation,
                Retry::Never,
            ),
            (
                4025,
                "23000",
                "CONSTRAINT `positive` failed for `d`.`t`",
                ErrorKind::CheckViolation,
                Retry::Never,
            ),
            (
                3572,
                "HY000",
                "Statement aborted because lock(s) could not be acquired immediately and NOWAIT is set.",
                ErrorKind::LockTimeout,
                Retry::Transaction,
            ),
            (
                1205,
                "HY000",
                "Lock wait timeout exceeded; try restarting transaction",
                ErrorKind::LockTimeout,
                Retry::Transaction,
            ),
            (
                1213,
                "40001",
                "Deadlock found when trying to get lock; try restarting transaction",
                ErrorKind::Deadlock,
                Retry::Transaction,
            ),
            (
                3024,
                "HY000",
                "Query execution was interrupted, maximum statement execution time exceeded",
                ErrorKind::Timeout,
                Retry::Never,
            ),
            (
                1969,
                "70100",
                "Query execution was interrupted (max_statement_time exceeded)",
                ErrorKind::Timeout,
                Retry::Never,
            ),
            (
                3101,
                "40000",
                "Plugin instructed the server to rollback the current transaction.",
                ErrorKind::Serialization,
                Retry::Transaction,
            ),
            (
                1062,
                "23000",
                "Duplicate entry '1' for key 't.PRIMARY'",
                ErrorKind::UniqueViolation,
                Retry::Never,
            ),
            (
                1792,
                "25006",
                "Cannot execute statement in a READ ONLY transaction.",
                ErrorKind::ReadOnly,
                Retry::Never,
            ),
            (
                1290,
                "HY000",
                "The MySQL server is running with the --super-read-only option so it cannot execute this statement",
                ErrorKind::ReadOnly,
                Retry::Never,
            ),
            (
                3948,
                "42000",
                "Loading local data is disabled; this must be enabled on both the client and server sides",
                ErrorKind::Unsupported,
                Retry::Never,
            ),
            (
                3140,
                "22032",
                "Invalid JSON text: \"Invalid value.\" at position 0 in value for column 't.doc'.",
                ErrorKind::Data,
                Retry::Never,
            ),
        ] {
            let sql = "UPDATE t SET n = ?";
            let server = server(Release::Mysql84)
                .on(sql, move |_| Answer::failed(number, state, message))
                .on("SELECT 7", |_| one(7))
                .start()
                .await
                .unwrap();
            let mut session = session(&server).await;
            let error = session.query(sql, &(1,)).await.unwrap_err();
            assert_eq!((error.kind(), error.retry()), (kind, retry), "{number}: {error}");
            assert_eq!(error.code(), Some(number.to_string().as_str()));
            assert_eq!(error.sqlstate(), Some(state));
            if kind == ErrorKind::CheckViolation {
                assert_eq!(error.constraint(), Some("positive"));
            }
            goes_on(&mut session).await;
            // In a transaction: a deadlock has ended it, all else has not.
            session.command(Command::Begin(TxOptions::new())).await.unwrap();
            session.query(sql, &(1,)).await.unwrap_err();
            let ended = number == 1213;
            let status = if ended { Status::Idle } else { Status::Transaction };
            assert_eq!(session.status(), status, "{number}");
        }
    });
}

#[test]
fn a_session_that_the_server_ends_is_lost_with_the_server_s_reason() {
    run(async {
        for (number, state) in [(4031, "HY000"), (1053, "08S01"), (3168, "HY000"), (1159, "08S01")]
        {
            let server = server(Release::Mysql84)
                .on("SELECT 1", move |_| {
                    Answer::failed(
                        number,
                        state,
                        "The client was disconnected by the server because of inactivity.",
                    )
                })
                .start()
                .await
                .unwrap();
            let mut session = session(&server).await;
            let error = session.scalar("SELECT 1").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{number}: {error}");
            assert_eq!(error.code(), Some(number.to_string().as_str()));
            assert_eq!(session.status(), Status::Broken);
        }
    });
}

#[test]
fn a_statement_is_stopped_by_a_kill_over_a_second_connection() {
    run(async {
        let server = server(Release::Mysql84)
            .on("SELECT SLEEP(?)", |_| Answer::Waits)
            .on("SELECT 7", |_| one(7))
            .start()
            .await
            .unwrap();
        let mut session = session(&server).await;
        let cancel = session.connection.canceller();
        let stopped = async {
            // Before it has begun there is nothing to stop.
            while !server.commands().iter().any(|command| command.starts_with("Execute")) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            cancel.cancel().await
        };
        let (ended, ()) = tokio::join!(session.query("SELECT SLEEP(?)", &(60,)), stopped);
        let error = ended.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Cancelled, Some("1317")), "{error}");
        goes_on(&mut session).await;
        let commands = server.commands();
        let number = session.mysql().connection_id();
        assert!(commands.contains(&format!("Query KILL QUERY {number}")), "{commands:?}");
        assert_eq!(server.opened(), 2);
    });
}

#[test]
fn results_end_as_was_agreed_on_and_errors_come_in_their_middle() {
    run(async {
        let sql = "SELECT id, name FROM rivers WHERE id > ?";
        for without in [0, capability::DEPRECATE_EOF, capability::SESSION_TRACK] {
            for release in [Release::Mysql80, Release::MariaDb118] {
                let server = server(release)
                    .without(without)
                    .on(sql, |runs| {
                        let columns = vec![Column::bigint("id"), Column::text("name")];
                        let rows = (1..=500).map(|id| vec![Cell::Int(id), "Rhine".into()]);
                        let failure = || Failure::new(1030, "HY000", "Got error 28");
                        let then = (runs % 2 == 1).then(failure);
                        Answer::Rows(Rows { columns, rows: rows.collect(), then })
                    })
                    .on("SELECT 7", |_| one(7));
                let server = server.start().await.unwrap();
                let mut session = session(&server).await;
                for round in 0..2 {
                    assert_eq!(session.query(sql, &(0,)).await.unwrap().len(), 500);
                    let (mut rows, params) = (0, (0,));
                    let command = Command::Execute { sql, params: &params, want: Want::All };
                    session.connection.start(command).unwrap();
                    let error = loop {
                        match session.step().await {
                            Ok(step) => {
                                assert!(!matches!(step, Step::End(_)), "{round}");
                                rows += session.batch.rows().count();
                            }
                            Err(error) => break error,
                        }
                    };
                    assert_eq!(error.code(), Some("1030"), "{error}");
                    assert!(rows <= 500, "{rows}");
                    goes_on(&mut session).await;
                }
            }
        }
    });
}

#[test]
fn what_a_server_has_forgotten_or_wants_anew_is_prepared_again_once() {
    run(async {
        let sql = "SELECT n FROM t WHERE n = ?";
        let server = server(Release::Mysql84)
            .on(sql, |runs| match runs {
                1 | 3 | 4 => {
                    Answer::failed(1615, "HY000", "Prepared statement needs to be re-prepared")
                }
                _ => one(5),
            })
            .start()
            .await
            .unwrap();
        let mut session = session(&server).await;
        for _ in 0..2 {
            assert_eq!(session.query(sql, &(5,)).await.unwrap(), [[Value::Int(5)]]);
        }
        let prepared = server.commands().iter().filter(|c| c.starts_with("Prepare")).count();
        assert_eq!(prepared, 2);
        let error = session.query(sql, &(5,)).await.unwrap_err();
        assert_eq!(error.code(), Some("1615"), "twice is enough: {error}");
        assert_eq!(session.query(sql, &(5,)).await.unwrap(), [[Value::Int(5)]]);
    });
}

#[test]
fn what_cannot_be_prepared_is_run_as_text_if_it_has_no_arguments() {
    run(async {
        let refuses = |_| {
            Answer::failed(
                1295,
                "HY000",
                "This command is not supported in the prepared statement protocol yet",
            )
        };
        let server = server(Release::Mysql84)
            .on("LOAD DATA INFILE 'x' INTO TABLE t", refuses)
            .on("CREATE TRIGGER ?", refuses)
            .on("SELECT 7", |_| one(7))
            .start()
            .await
            .unwrap();
        let mut session = session(&server).await;
        session.query("LOAD DATA INFILE 'x' INTO TABLE t", &()).await.unwrap_err();
        let commands = server.commands();
        assert!(commands.iter().any(|command| command.starts_with("Query LOAD DATA")));
        let error = session.query("CREATE TRIGGER ?", &(1,)).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, Some("1295")), "{error}");
        goes_on(&mut session).await;
    });
}

#[test]
fn packets_of_any_size_come_and_go() {
    run(async {
        const PAYLOAD_MAX: usize = 0xff_ffff;
        let sizes = [0, 250, 251, 65_535, 65_536, PAYLOAD_MAX - 9, PAYLOAD_MAX, 2 * PAYLOAD_MAX];
        let server = server(Release::Mysql84)
            .on("SELECT big", move |runs| {
                let size = sizes[(runs / 2) as usize];
                Answer::rows(vec![Column::text("big")], vec![vec![vec![b'x'; size].into()]])
            })
            .on("SELECT 7", |_| one(7))
            .on("INSERT INTO t VALUES (?)", |_| Answer::done());
        let server = server.start().await.unwrap();
        let mut session = session(&server).await;
        for size in sizes {
            for text in [false, true] {
                let mut rows = match text {
                    true => session.script("SELECT big").await.unwrap(),
                    false => session.query("SELECT big", &()).await.unwrap(),
                };
                let Some(Value::Text(found)) = rows.pop().and_then(|mut row| row.pop()) else {
                    panic!("no text of {size} bytes");
                };
                assert!(found.len() == size && found.bytes().all(|byte| byte == b'x'));
            }
            let argument = "y".repeat(size);
            session.query("INSERT INTO t VALUES (?)", &(argument.as_str(),)).await.unwrap();
            goes_on(&mut session).await;
        }
        // What the server would not take is not sent.
        let argument = "y".repeat(65 << 20);
        server.forget_commands();
        let error = session.query("INSERT INTO t VALUES (?)", &(argument.as_str(),)).await;
        let error = error.unwrap_err();
        assert!(error.nothing_sent(), "{error}");
        assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
        assert_eq!(server.commands(), Vec::<String>::new());
        goes_on(&mut session).await;
    });
}

#[test]
fn answers_that_are_none_end_the_session_with_a_protocol_error() {
    run(async {
        let column = b"\x03def\0\0\0\x01n\0\x0c\x3f\0\x14\0\0\0\x08\0\0\0\0\0".to_vec();
        let numbered = |number: u8| vec![7, 0, 0, number, 0, 0, 0, 2, 0, 0, 0];
        let answers = [
            ("a number too many", Answer::Raw(numbered(2))),
            ("the command's own number", Answer::Raw(numbered(0))),
            ("no payload", Answer::Payloads(vec![vec![]])),
            ("half an OK", Answer::Payloads(vec![vec![0, 0, 0, 2]])),
            ("half an error", Answer::Payloads(vec![vec![0xff, 1]])),
            ("no columns at all", Answer::Payloads(vec![vec![0xfc, 0, 0]])),
            ("more columns than tables have", Answer::Payloads(vec![vec![0xfd, 0, 0, 1]])),
            ("half a column", Answer::Payloads(vec![vec![1], column[..9].to_vec()])),
            ("a cell that is longer than its row", {
                Answer::Payloads(vec![vec![1], column.clone(), vec![9, b'1']])
            }),
            ("a row of more cells than columns", {
                Answer::Payloads(vec![vec![1], column.clone(), b"\x011\x012".to_vec()])
            }),
            ("text where a number is due", {
                Answer::Payloads(vec![vec![1], column.clone(), b"\x03abc".to_vec()])
            }),
            ("a file that nobody offers", Answer::Payloads(vec![vec![1], vec![0xfb, b'x']])),
            ("two answers", Answer::Payloads(vec![vec![0, 0, 0, 2, 0, 0, 0]; 2])),
        ];
        for (what, answer) in answers {
            let server = server(Release::Mysql84)
                .on("SELECT 1", move |_| answer.clone())
                .on("SELECT 7", |_| one(7));
            let server = server.start().await.unwrap();
            let parameters = "readTimeout=5s";
            let mut session = connect(&server.url("app:secret", parameters)).await.unwrap();
            let ended = match session.script("SELECT 1").await {
                Err(error) => error,
                // It shows at the next command at the latest.
                Ok(rows) => match session.script("SELECT 7").await {
                    Err(error) => error,
                    Ok(more) => panic!("{what}: {rows:?} {more:?}"),
                },
            };
            let kinds = [ErrorKind::Protocol, ErrorKind::ConnectionLost, ErrorKind::Data];
            assert!(kinds.contains(&ended.kind()), "{what}: {ended:?}");
            if ended.kind() != ErrorKind::Data {
                assert_eq!(session.status(), Status::Broken, "{what}");
            }
        }
    });
}

#[test]
fn pages_are_asked_for_and_a_server_without_cursors_gives_all_at_once() {
    run(async {
        let sql = "SELECT n FROM t";
        let server = server(Release::Mysql84).on(sql, |_| {
            Answer::rows(vec![Column::bigint("n")], (0..20).map(|n| vec![n.into()]).collect())
        });
        let server = server.start().await.unwrap();
        let mut session = session(&server).await;
        let want = Want::Paged(NonZeroU32::new(5).unwrap());
        let rows = session.command(Command::Execute { sql, params: &(), want }).await.unwrap();
        assert_eq!(rows.len(), 20);
    });
}
