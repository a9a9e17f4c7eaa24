//! LOAD DATA LOCAL from readers, against a real server.

mod support;

use aquifer_driver::{ErrorKind, Status, Value};

use support::{Mysql, SERVER, connect, run};

#[test]
fn a_reader_is_loaded_and_nothing_else_is_given() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session.query("CREATE TABLE t (n INT, s VARCHAR(20))", &()).await.unwrap();
        let rows: String = (0..50_000).map(|n| format!("{n}\tit's {n}\n")).collect();
        let sql = "LOAD DATA LOCAL INFILE 'rows' INTO TABLE t";
        let done = session.mysql().load_data(sql, "rows", rows.as_bytes()).await.unwrap();
        assert_eq!(done.rows_affected, 50_000);
        let sum = session.query("SELECT count(*), max(s), sum(n) FROM t", &()).await.unwrap();
        let expected =
            [Value::Int(50_000), "it's 9999".into(), Value::Decimal("1249975000".into())];
        assert_eq!(sum, [expected]);
        let done = session.mysql().load_data(sql, "rows", tokio::io::empty()).await.unwrap();
        assert_eq!(done.rows_affected, 0);
        // By another name, and without an offer: refused, and the session goes on.
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let sql = format!("LOAD DATA LOCAL INFILE '{path}' INTO TABLE t");
        let error = session.mysql().load_data(&sql, "rows", rows.as_bytes()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        let error = session.query(&sql, &()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        let count = session.scalar("SELECT count(*) FROM t").await.unwrap();
        assert_eq!(count, Value::Int(50_000));
        // A statement that fails on the server's side leaves the session as it was.
        let sql = "LOAD DATA LOCAL INFILE 'rows' INTO TABLE missing";
        let error = session.mysql().load_data(sql, "rows", rows.as_bytes()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{error}");
        assert_eq!(session.status(), Status::Idle);
    });
}

#[test]
fn a_reader_that_fails_keeps_nothing() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session.query("CREATE TABLE t (n INT)", &()).await.unwrap();
        let broken = tokio::io::AsyncReadExt::chain(&b"1\n2\n"[..], Broken);
        let sql = "LOAD DATA LOCAL INFILE 'rows' INTO TABLE t";
        let error = session.mysql().load_data(sql, "rows", broken).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
        assert_eq!(session.status(), Status::Broken);
        drop(session);
        let mut other = connect(database.url()).await.unwrap();
        assert_eq!(other.scalar("SELECT count(*) FROM t").await.unwrap(), Value::Int(0));
    });
}

struct Broken;

impl tokio::io::AsyncRead for Broken {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Err(std::io::ErrorKind::InvalidData.into()))
    }
}
