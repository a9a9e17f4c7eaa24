//! Commands beyond a packet, and beyond what the server takes at once.

mod support;

use aquifer_driver::{Batch, Command, ErrorKind, Status, Value, Want};
use aquifer_testkit::mysql::{Server, Settings};

use support::{SERVER, Session, connect, run};

/// Most bytes of one packet's payload.
const FULL: usize = 0xff_ffff;

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    // What is out of its place shows: no piece is a multiple of its length.
    let piece: Vec<u8> = (0..4099).map(|n| ((n * 7 + seed) % 251) as u8).collect();
    let mut bytes = piece.repeat(len / piece.len() + 1);
    bytes.truncate(len);
    bytes
}

fn text(len: usize) -> String {
    "größe 😀 ".chars().cycle().take(len).collect()
}

async fn table(session: &mut Session) {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, a LONGBLOB, s LONGTEXT, b LONGBLOB, n INT)";
    session.query(sql, &()).await.unwrap();
}

const INSERT: &str = "INSERT INTO t VALUES (?, ?, ?, ?, ?)";

fn row(id: i64) -> Vec<Value> {
    let seed = id as usize;
    let (a, b) = (bytes(9 << 20, seed), bytes(8 << 20, seed + 1));
    vec![id.into(), Value::Bytes(a), Value::Text(text(5 << 18)), Value::Bytes(b), Value::Null]
}

async fn check(session: &mut Session, row: &[Value]) {
    // One column at a time: the server sends no more either.
    for (index, column) in ["id", "a", "s", "b", "n"].iter().enumerate() {
        let sql = format!("SELECT {column} FROM t WHERE id = ?");
        let found = session.query(&sql, &row[..1].to_vec()).await.unwrap();
        assert!(found[0][0] == row[index], "{column}");
    }
}

#[test]
fn arguments_that_do_not_fit_together_are_sent_before() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        table(&mut session).await;
        // Unknown, known, and in a batch.
        for id in [1, 2] {
            session.query(INSERT, &row(id)).await.unwrap();
            check(&mut session, &row(id)).await;
        }
        let mut batch = Batch::new();
        for id in [3, 4] {
            batch.push(&INSERT.into(), &row(id), Want::Outcome).unwrap();
        }
        session.command(Command::Batch(batch.into())).await.unwrap();
        check(&mut session, &row(3)).await;
        check(&mut session, &row(4)).await;
        // Nothing of them is left for those who follow.
        let short = vec![5.into(), Value::Bytes(vec![1]), "s".into(), Value::Null, 7.into()];
        session.query(INSERT, &short).await.unwrap();
        check(&mut session, &short).await;
    });
}

#[test]
fn a_failure_leaves_nothing_for_the_next_execution() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        table(&mut session).await;
        session.query(INSERT, &row(1)).await.unwrap();
        for _ in 0..2 {
            let error = session.query(INSERT, &row(1)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UniqueViolation);
            let short = vec![2.into(), Value::Null, Value::Null, Value::Null, Value::Null];
            session.query(INSERT, &short).await.unwrap();
            check(&mut session, &short).await;
            session.query("DELETE FROM t WHERE id = 2", &()).await.unwrap();
        }
    });
}

#[test]
fn an_argument_that_the_server_never_takes_is_refused_before_anything_is_sent() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        table(&mut session).await;
        let max = 16 << 20;
        for known in [false, true] {
            let mut row = row(1);
            row[3] = Value::Bytes(bytes(max, 0));
            let error = session.query(INSERT, &row).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Argument, "{known}: {error}");
            assert!(error.nothing_sent() && error.to_string().contains("argument 4"), "{error}");
            assert_eq!(session.status(), Status::Idle);
            // The longest that it takes.
            row[3] = Value::Bytes(bytes(max - 1, 0));
            session.query(INSERT, &row).await.unwrap();
            let length = session.scalar("SELECT length(b) FROM t").await.unwrap();
            assert_eq!(length, Value::Int(max as i64 - 1));
            session.query("DELETE FROM t", &()).await.unwrap();
        }
        let error = session.script(&format!("DO '{}'", "x".repeat(max))).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Argument && error.nothing_sent(), "{error}");
        // A command of exactly as many bytes as it takes, its number included.
        session.script(&format!("DO '{}'", "x".repeat(max - 7))).await.unwrap();
        let error = session.script(&format!("DO '{}'", "x".repeat(max - 6))).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Argument && error.nothing_sent(), "{error}");
        assert_eq!(session.scalar("SELECT 1").await.unwrap(), Value::Int(1));
    });
}

#[test]
fn commands_and_rows_of_exactly_one_packet_or_several_arrive() {
    run(async {
        let server = Server::start(Settings::new()).unwrap();
        let url = format!("{}?tls=false", server.url());
        let mut session = connect(&url).await.unwrap();
        session.script("SET GLOBAL max_allowed_packet = 67108864").await.unwrap();
        let mut session = connect(&url).await.unwrap();
        for (full, length) in [(FULL, 4), (2 * FULL, 9)] {
            // Before the argument: the command's head, the NULL bits, a flag, its type, its length. Before the cell: a
            // zero, the NULL bits, its length.
            let (sent, received) = (full - 10 - 1 - 1 - 2 - length, full - 1 - 1 - length);
            for len in [sent - 1, sent, sent + 1, received - 1, received, received + 1] {
                let blob = bytes(len, 0);
                let rows = session.query("SELECT ?", &(blob.as_slice(),)).await.unwrap();
                assert!(rows[0][0] == Value::Bytes(blob), "{len}");
            }
            // As text, both ways.
            let len = full - 1 - "SELECT ''".len();
            let rows = session.script(&format!("SELECT '{}'", "x".repeat(len))).await.unwrap();
            assert!(matches!(&rows[0][0], Value::Text(text) if text.len() == len), "{len}");
        }
    });
}
