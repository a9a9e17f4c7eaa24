//! Compressed sessions: with a real server by zlib, with one of the testkit by Zstandard.

mod support;

use std::time::Duration;

use aquifer_driver::{Batch, Command, ErrorKind, Status, TxOptions, Value, Want};
use aquifer_testkit::mysql::scripted::{
    Account, Answer, Column, Method, Release, Scripted, capability,
};
use aquifer_testkit::mysql::{Certificates, ServerCertificate};

use support::{Mysql as _, SERVER, Session, connect, run, socket_url};

async fn status(session: &mut Session, name: &str) -> String {
    let sql = format!("SHOW SESSION STATUS LIKE '{name}'");
    let rows = session.query(&sql, &()).await.unwrap();
    let Value::Text(value) = &rows[0][1] else { panic!("{rows:?}") };
    value.clone()
}

/// Bytes that hardly compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(step).collect()
}

#[test]
fn a_session_is_compressed_over_every_way_in() {
    run(async {
        let socket = socket_url(&SERVER);
        for (url, encrypted) in [
            (format!("{}?tls=false&compress=true", SERVER.url()), false),
            (format!("{}?compress=zlib:9", SERVER.url()), true),
            (format!("{socket}&compress=zlib"), false),
        ] {
            let mut session = connect(&url).await.unwrap();
            assert_eq!(status(&mut session, "Compression").await, "ON", "{url}");
            assert_eq!(!status(&mut session, "Ssl_cipher").await.is_empty(), encrypted, "{url}");
            // Most of this is never sent.
            let before: u64 = status(&mut session, "Bytes_sent").await.parse().unwrap();
            let rows = session.query("SELECT repeat('a', 1000000)", &()).await.unwrap();
            assert_eq!(rows, [[Value::Text("a".repeat(1_000_000))]]);
            let after: u64 = status(&mut session, "Bytes_sent").await.parse().unwrap();
            assert!(after - before < 100_000, "{}", after - before);
        }
        let mut session = connect(&SERVER.url()).await.unwrap();
        assert_eq!(status(&mut session, "Compression").await, "OFF");
    });
}

#[test]
fn everything_goes_over_a_compressed_session() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let url = format!("{}?tls=false&compress=true", database.url());
        let mut session = connect(&url).await.unwrap();
        session.query("CREATE TABLE t (n INT PRIMARY KEY, b LONGBLOB)", &()).await.unwrap();
        // Long values that compress well and that do not, there and back; more than the server takes at once.
        for blob in [vec![7; 12 << 20], noise(5 << 20), noise(49), noise(0)] {
            let rows = session.query("SELECT ?, 'end'", &(blob.as_slice(),)).await.unwrap();
            assert!(rows[0][0] == Value::Bytes(blob) && rows[0][1] == "end".into());
        }
        let (a, b) = (noise(9 << 20), vec![1; 9 << 20]);
        let sum = session.query("SELECT length(?) + length(?)", &(a, b)).await.unwrap();
        assert_eq!(sum, [[Value::Int(18 << 20)]]);
        // Many rows, and several results, whose packets' numbers the server takes from the compressed ones.
        let rows = session.query("SELECT seq FROM seq_1_to_50000", &()).await.unwrap();
        assert_eq!(rows.len(), 50_000);
        let sql = "SELECT seq FROM seq_1_to_1000; DO 1; SELECT seq FROM seq_1_to_300; SELECT 'end'";
        assert_eq!(session.script(sql).await.unwrap().len(), 1301);
        // Batches in one flight, and as one.
        for begin in [false, true] {
            if begin {
                session.command(Command::Begin(TxOptions::new())).await.unwrap();
            }
            let start = if begin { 1000 } else { 0 };
            let mut batch = Batch::new();
            for n in start..start + 500 {
                let insert = "INSERT INTO t VALUES (?, ?)".into();
                batch.push(&insert, &(n, noise(n as usize)), Want::Outcome).unwrap();
            }
            session.command(Command::Batch(batch.into())).await.unwrap();
        }
        session.command(Command::Commit).await.unwrap();
        assert_eq!(session.scalar("SELECT count(*) FROM t").await.unwrap(), Value::Int(1000));
        // A file of more pieces than there are numbers.
        session.query("CREATE TABLE l (n INT, s VARCHAR(40))", &()).await.unwrap();
        let rows: String = (0..300_000).map(|n| format!("{n}\trow number {n}\n")).collect();
        assert!(rows.len() > 300 * 16 * 1024);
        for _ in 0..2 {
            let sql = "LOAD DATA LOCAL INFILE 'rows' INTO TABLE l";
            let done = session.mysql().load_data(sql, "rows", rows.as_bytes()).await.unwrap();
            assert_eq!(done.rows_affected, 300_000);
        }
        // Errors, resets, and what is stopped.
        let error = session.query("SELECT missing", &()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UndefinedObject);
        session.query("SET @mine = 1", &()).await.unwrap();
        session.command(Command::Reset).await.unwrap();
        let stop = session.connection.canceller();
        let (stopped, ()) =
            tokio::join!(session.query("SELECT sleep(50)", &()), async { stop.cancel().await });
        if let Ok(rows) = stopped {
            assert_eq!(rows, [[Value::Int(1)]]);
        }
        assert_eq!(session.scalar("SELECT 1").await.unwrap(), Value::Int(1));
    });
}

#[test]
fn the_longest_command_is_taken_and_a_longer_one_is_refused_before_it_is_sent() {
    run(async {
        let url = format!("{}?tls=false&compress=true", SERVER.url());
        let mut session = connect(&url).await.unwrap();
        // Less one, the heads of two packets, the command's number and `DO ''`.
        let most = (16 << 20) - 1 - 8 - 1 - 5;
        // What cannot be compressed is as long as ever.
        let text: String = noise(4099).iter().map(|n| char::from(b'a' + n % 26)).collect();
        let text = text.repeat(most / text.len() + 1);
        session.script(&format!("DO '{}'", &text[..most])).await.unwrap();
        let error = session.script(&format!("DO '{}'", &text[..most + 1])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
        assert!(error.nothing_sent(), "{error}");
        assert_eq!(session.scalar("SELECT 1").await.unwrap(), Value::Int(1));
    });
}

#[test]
fn a_server_that_cannot_compress_so_is_spoken_to_without() {
    run(async {
        let mut session = connect(&format!("{}?compress=zstd", SERVER.url())).await.unwrap();
        assert_eq!(status(&mut session, "Compression").await, "OFF");
        let rows = session.query("SELECT repeat('a', 100000)", &()).await.unwrap();
        assert_eq!(rows, [[Value::Text("a".repeat(100_000))]]);
    });
}

fn scripted(release: Release) -> Scripted {
    Scripted::new(release).account(Account::new("app").method(Method::Native("secret".into()))).on(
        "SELECT long",
        |_| {
            let row = |n: i64| vec![n.into(), "text ".repeat(2000).as_str().into()];
            let columns = vec![Column::bigint("n"), Column::text("s")];
            Answer::rows(columns, (0..300).map(row).collect())
        },
    )
}

#[test]
fn mysql_compresses_by_zstandard_and_by_zlib() {
    run(async {
        let certificates = Certificates::new(ServerCertificate::Good).unwrap();
        for (compress, flag) in [
            ("zstd", capability::ZSTD_COMPRESSION_ALGORITHM),
            ("zstd:19", capability::ZSTD_COMPRESSION_ALGORITHM),
            ("zlib", capability::COMPRESS),
        ] {
            for tls in [false, true] {
                let server = match tls {
                    true => scripted(Release::Mysql84).tls(certificates.clone()),
                    false => scripted(Release::Mysql84),
                };
                let server = server.start().await.unwrap();
                let parameters = format!("compress={compress}");
                let mut session = connect(&server.url("app:secret", &parameters)).await.unwrap();
                let hello = &server.hellos()[0];
                let both = capability::ZSTD_COMPRESSION_ALGORITHM | capability::COMPRESS;
                assert_eq!((hello.flags & both, hello.encrypted), (flag, tls));
                for _ in 0..2 {
                    let rows = session.query("SELECT long", &()).await.unwrap();
                    assert_eq!(rows.len(), 300);
                    assert!(rows.iter().all(|row| row[1] == Value::Text("text ".repeat(2000))));
                }
            }
        }
    });
}

#[test]
fn a_server_without_it_gets_nothing_compressed() {
    run(async {
        let both = capability::ZSTD_COMPRESSION_ALGORITHM | capability::COMPRESS;
        for compress in ["zstd", "zlib"] {
            let server = scripted(Release::Mysql84).without(both).start().await.unwrap();
            let parameters = format!("compress={compress}");
            let mut session = connect(&server.url("app:secret", &parameters)).await.unwrap();
            assert_eq!(server.hellos()[0].flags & both, 0);
            assert_eq!(session.query("SELECT long", &()).await.unwrap().len(), 300);
        }
    });
}

#[test]
fn a_compressed_session_that_is_damaged_is_lost_and_nothing_worse() {
    run(async {
        for compress in ["zstd", "zlib"] {
            let server = scripted(Release::Mysql84).start().await.unwrap();
            let url = server.url("app:secret", &format!("compress={compress}"));
            for at in [0, 1, 2, 4, 5, 6, 9, 20, 60] {
                server.behave();
                let mut session = connect(&url).await.unwrap();
                session.query("SELECT long", &()).await.unwrap();
                server.damage(server.said() + at);
                let asked = session.query("SELECT long", &());
                // A length that grew waits for bytes that do not come.
                let answer = tokio::time::timeout(Duration::from_secs(1), asked).await;
                if let Ok(Err(error)) = answer {
                    assert!(
                        error.is_connection_lost() || error.kind() == ErrorKind::Protocol,
                        "{error}"
                    );
                    assert_eq!(session.status(), Status::Broken);
                }
            }
        }
    });
}
