//! Calls that share one connection, over an engine in memory that is pending wherever it may be: each of them in turn is
//! dropped at every one of its polls, and the others have their own answers.

use std::time::Duration;

use aquifer::{Builder, Db, ErrorKind, Multiplexing, Result};
use aquifer_testkit::fake::{FakeOptions, FakeServer, Operation};
use aquifer_testkit::{Yielding, at_most};

/// A call that fails must not go on for longer.
const POLLS_MAX: usize = 500;

const SERIES: &str = "SELECT n FROM series(1, ?)";

/// What a caller does; its answer says whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Reads one row.
    Reads,
    /// Reads some, which come in several pieces.
    Selects,
    /// Reads more than is kept for a reader, so that the connection waits for it.
    Collects,
    /// What it calls is not there: in its segment nothing runs behind it.
    Fails,
    /// Adds a row.
    Writes,
}

async fn play(db: &Db, role: Role, tag: i64) -> Result<()> {
    match role {
        Role::Reads => {
            let got: i64 = db.get("SELECT ? AS n", (tag,)).await?;
            assert_eq!(got, tag);
        }
        Role::Selects => {
            let all: Vec<i64> = db.select(SERIES, (20 + tag,)).await?;
            assert!(all.into_iter().eq(1..=20 + tag));
        }
        Role::Collects => {
            let word = char::from(b'a' + u8::try_from(tag).unwrap()).to_string().repeat(64 * 1024);
            let sql = "SELECT ? AS word FROM series(1, 12)";
            let all: Vec<String> = db.select(sql, (&*word,)).await?;
            assert!(all.len() == 12 && all.iter().all(|one| *one == word));
        }
        Role::Fails => {
            let error = db.get::<i64>("SELECT nonsense", ()).await.expect_err("no such column");
            if error.kind() != ErrorKind::UndefinedObject {
                return Err(error);
            }
        }
        Role::Writes => {
            db.exec("INSERT INTO marks (tag) VALUES (?)", (tag,)).await?.expect(1)?;
        }
    }
    Ok(())
}

/// How a round is played.
#[derive(Debug, Clone, Copy)]
struct Setting {
    mode: Multiplexing,
    /// The connection is there, and knows the first text.
    warm: bool,
    /// How long the engine takes for each piece.
    latency: Option<Duration>,
}

/// The calls go one behind the other, and one of them is polled so often at most; whether it has ended.
async fn round(setting: Setting, roles: [Role; 3], victim: usize, polls: usize) -> bool {
    let what = format!("{setting:?}, {roles:?}, number {victim} dropped after {polls} polls");
    let server =
        FakeServer::with_options(FakeOptions::like_postgres().multiplexes(true).batch_rows_max(8));
    let db = Builder::from_connector(Yielding::new(server.connector()))
        .multiplex(setting.mode)
        .multiplex_connections(1)
        .max_open(3)
        .open()
        .unwrap();
    db.exec("CREATE TABLE marks (tag INTEGER)", ()).await.unwrap();
    if setting.warm {
        for _ in 0..2 {
            // Together, so that whoever comes first waits for others the next time, too.
            let three = [0, 1, 2].map(|tag| {
                let db = db.clone();
                tokio::spawn(async move { play(&db, Role::Reads, tag).await })
            });
            for one in three {
                one.await.unwrap().unwrap();
            }
        }
    }
    server.set_latency(Operation::Execute, setting.latency);
    server.set_latency(Operation::Fetch, setting.latency);
    let before = db.stats().multiplex.shared;
    let tasks = [0, 1, 2].map(|n| {
        let (db, role) = (db.clone(), roles[n]);
        let polls = if n == victim { polls } else { usize::MAX };
        tokio::spawn(async move {
            let ended = at_most(polls, play(&db, role, n as i64)).await;
            if ended.is_none() {
                // The next one, at once: it may take the place of the one that was dropped.
                play(&db, Role::Reads, 8).await.expect("the next call");
            }
            ended
        })
    });
    let mut ended = [false; 3];
    for (n, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap_or_else(|error| panic!("{what}: caller {n}: {error}")) {
            Some(Ok(())) => ended[n] = true,
            Some(Err(error)) => panic!("{what}: caller {n}: {error:?}"),
            None => assert_eq!(n, victim, "{what}"),
        }
    }
    let shared = db.stats().multiplex.shared - before;
    assert!(shared >= 3, "{what}: {shared} shared");
    server.set_latency(Operation::Execute, None);
    server.set_latency(Operation::Fetch, None);
    play(&db, Role::Reads, 9).await.unwrap_or_else(|error| panic!("{what}: the next: {error:?}"));
    assert!(db.close().await.is_clean(), "{what}");
    let books = Builder::from_connector(server.connector()).open().unwrap();
    for (n, role) in roles.into_iter().enumerate() {
        let count = "SELECT count(*) FROM marks WHERE tag = ?";
        let marks: i64 = books.get(count, (n as i64,)).await.unwrap();
        let may_be = match (role, ended[n]) {
            (Role::Writes, true) => marks == 1,
            (Role::Writes, false) => marks <= 1,
            _ => marks == 0,
        };
        assert!(may_be, "{what}: {marks} rows of caller {n}");
    }
    assert!(books.close().await.is_clean());
    server.assert_clean();
    ended[victim]
}

/// Every caller, at every place among the others.
async fn dropped_at_every_poll(mode: Multiplexing, roles: [Role; 3]) {
    let mut drops = 0;
    for (warm, ms) in [(false, 0), (true, 0), (false, 2), (true, 2)] {
        let latency = (ms > 0).then(|| Duration::from_millis(ms));
        for turned in 0..3 {
            let mut roles = roles;
            roles.rotate_left(turned);
            for victim in 0..3 {
                let setting = Setting { mode, warm, latency };
                let mut polls = 1;
                while !round(setting, roles, victim, polls).await {
                    polls += 1;
                    assert!(polls < POLLS_MAX, "{setting:?}, {roles:?}: {victim} does not end");
                }
                assert!(polls > 1, "{setting:?}, {roles:?}: {victim} was never dropped");
                drops += polls - 1;
            }
        }
    }
    println!("{mode:?}, {roles:?}: dropped {drops} times");
}

#[tokio::test(start_paused = true)]
async fn reads_that_share_have_their_own_answers_whoever_is_dropped() {
    dropped_at_every_poll(Multiplexing::Reads, [Role::Reads, Role::Selects, Role::Reads]).await;
}

#[tokio::test(start_paused = true)]
async fn neighbours_of_a_failure_have_their_own_answers_whoever_is_dropped() {
    dropped_at_every_poll(Multiplexing::Reads, [Role::Fails, Role::Reads, Role::Selects]).await;
}

#[tokio::test(start_paused = true)]
async fn neighbours_of_a_large_result_have_their_own_answers_whoever_is_dropped() {
    dropped_at_every_poll(Multiplexing::Reads, [Role::Collects, Role::Reads, Role::Selects]).await;
}

#[tokio::test(start_paused = true)]
async fn writes_that_share_are_done_once_whoever_is_dropped() {
    dropped_at_every_poll(Multiplexing::Statements, [Role::Writes, Role::Reads, Role::Writes])
        .await;
}

#[tokio::test(start_paused = true)]
async fn writes_beside_a_failure_are_done_once_whoever_is_dropped() {
    dropped_at_every_poll(Multiplexing::Statements, [Role::Writes, Role::Fails, Role::Selects])
        .await;
}
