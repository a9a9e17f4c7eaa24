//! `Db` over what MySQL 8 does and MariaDB does not: sessions that are ended with a word, servers that are full, a
//! primary that only reads.

use std::time::Duration;

use aquifer::{Db, ErrorKind, Result, Retry};
use aquifer_testkit::mysql::scripted::{
    Account, Answer, Cell, Column, Done, Failure, Method, Release, Running, Scripted, Stage,
};

fn server() -> Scripted {
    Scripted::new(Release::Mysql84)
        .account(Account::new("app").method(Method::Native("secret".into())))
        .on("SELECT n FROM t WHERE n > ?", |_| {
            Answer::rows(vec![Column::bigint("n")], vec![vec![Cell::Int(7)]])
        })
}

fn open(server: &Running, parameters: &str) -> Result<Db> {
    Db::open(&server.url("app:secret", parameters))
}

#[tokio::test]
async fn a_session_that_the_server_ended_for_its_idleness_is_replaced_unseen() -> Result<()> {
    let server = server().start().await.unwrap();
    let db = open(&server, "pool_max_open=1")?;
    let sql = "SELECT n FROM t WHERE n > ?";
    for round in 1..=3 {
        assert_eq!(db.get::<i64>(sql, (1,)).await?, 7);
        assert_eq!(server.opened(), round);
        let reason = "The client was disconnected by the server because of inactivity.";
        assert_eq!(server.end_sessions(Failure::new(4031, "HY000", reason)), 1);
        while server.sessions() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_call_waits_for_a_place_at_a_server_that_is_full() -> Result<()> {
    let full = Failure::new(1040, "08004", "Too many connections");
    let server = server().refuse(Stage::Greeting, full).start().await.unwrap();
    let db = open(&server, "pool_acquire_timeout=1s")?;
    let sql = "SELECT n FROM t WHERE n > ?";
    let error = db.get::<i64>(sql, (1,)).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Safe, "{error}");
    assert!(error.to_string().contains("Too many connections"), "it says why: {error}");
    assert!(server.opened() > 1, "it is tried again");
    let db = open(&server, "pool_acquire_timeout=30s")?;
    let waits = tokio::spawn(async move { db.get::<i64>(sql, (1,)).await });
    let before = server.opened();
    while server.opened() == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.admit();
    assert_eq!(waits.await.unwrap()?, 7);
    Ok(())
}

#[tokio::test]
async fn a_write_that_a_former_primary_refuses_is_run_on_a_new_connection() -> Result<()> {
    let refuses = |runs| match runs {
        0 => Answer::failed(1290, "HY000", "running with the --super-read-only option"),
        _ => Answer::Done(Done { affected: 1, insert_id: 5, ..Done::default() }),
    };
    let sql = "INSERT INTO t (n) VALUES (?)";
    let server = server().on(sql, refuses).start().await.unwrap();
    let db = open(&server, "rejectReadOnly=true")?;
    let done = db.exec(sql, (1,)).await?;
    assert_eq!((done.rows_affected(), done.last_insert_id()), (1, Some(5)));
    assert_eq!(server.opened(), 2);

    let server = self::server().on(sql, refuses).start().await.unwrap();
    let db = open(&server, "")?;
    let error = db.exec(sql, (1,)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::ReadOnly, Some("1290")), "{error}");
    assert_eq!(server.opened(), 1);
    Ok(())
}
