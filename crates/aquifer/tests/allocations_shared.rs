//! What a call costs that shares a connection (`multiplex`), over PostgreSQL: allocations of what its caller keeps, as with a
//! connection of its own, and no task.
#![cfg(feature = "postgres")]

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock};

use aquifer::Db;
use aquifer_testkit::postgres::{Database, Server, Settings};
use aquifer_testkit::{CountingAllocator, allocations};
use tokio::runtime::Runtime;
use tokio::sync::Barrier;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(Settings::new()).unwrap());

const TASKS: usize = 64;
/// Calls of each task, of the shorter run; long enough for the runtime to have made tasks yield.
const CALLS: usize = 200;

/// How often what calls cost is taken.
const TRIES: usize = 4;

/// A thread's runtime, in which time stands: what looks at the clock now and then is not of the calls.
struct Still {
    _end: Sender<()>,
    runtime: Runtime,
}

impl Still {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (end, ended) = channel::<()>();
        // A clock that is paused does not jump to the next timer while blocking work is under way.
        drop(runtime.spawn_blocking(move || ended.recv().is_ok()));
        runtime.block_on(async { tokio::time::pause() });
        Self { _end: end, runtime }
    }

    /// The number of a task that is made now: they are numbered in sequence, those of all runtimes.
    fn task_number(&self) -> u64 {
        self.runtime.spawn(std::future::ready(())).id().to_string().parse().unwrap()
    }

    fn spent(&self, work: impl Future<Output = ()>) -> Spent {
        let first = self.task_number();
        let ((), spent) = allocations(|| self.runtime.block_on(work));
        (spent.count, self.task_number() - first - 1)
    }

    /// That `CALLS` more of each task cost `each`: of one alone, and of many, all of which share. A machine that is held up may
    /// add to one try or another, and have calls go elsewhere.
    fn assert_costs(&self, db: &Db, work: Work, each: [Spent; 2]) {
        let more = |work: &dyn Fn(usize) -> Spent| {
            let (few, more) = (work(CALLS), work(2 * CALLS));
            (more.0.saturating_sub(few.0), more.1.saturating_sub(few.1))
        };
        let mut tries = Vec::new();
        for _ in 0..TRIES {
            self.spent(alone(db, work, CALLS));
            let alone = more(&|calls| self.spent(alone(db, work, calls)));
            self.spent(together(db, work, CALLS));
            let shared = db.stats().multiplex.shared;
            let together = more(&|calls| self.spent(together(db, work, calls)));
            let all_share = db.stats().multiplex.shared - shared == (3 * TASKS * CALLS) as u64;
            if all_share && [alone, together] == each {
                return;
            }
            tries.push((alone, together, all_share));
        }
        panic!("{work:?} are to cost {each:?}, and all are to share: {tries:?}");
    }
}

/// Allocations of this thread, and tasks spawned.
type Spent = (u64, u64);

fn open(options: &str) -> (Database, Db) {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE TABLE levels (id int8 PRIMARY KEY, level_m int8 NOT NULL)").unwrap();
    database.psql("INSERT INTO levels SELECT i, 0 FROM generate_series(0, 63) i").unwrap();
    let db = Db::open(&format!("{}?pool_max_open=6&{options}", database.url())).unwrap();
    (database, db)
}

/// A row with a text, which is what its caller keeps.
async fn read(db: &Db, n: i64) {
    let (got, _): (i64, String) = db.get("SELECT ?::int8, 'river'", (n,)).await.unwrap();
    assert_eq!(got, n);
}

async fn write(db: &Db, n: i64) {
    let sql = "UPDATE levels SET level_m = level_m + 1 WHERE id = ?";
    db.exec(sql, (n,)).await.unwrap().expect(1).unwrap();
}

/// What a task does again and again.
#[derive(Debug, Clone, Copy)]
enum Work {
    Reads,
    Writes,
}

async fn call(db: &Db, work: Work, n: i64) {
    match work {
        Work::Reads => read(db, n).await,
        Work::Writes => write(db, n).await,
    }
}

async fn alone(db: &Db, work: Work, calls: usize) {
    for n in 0..calls {
        call(db, work, (n % TASKS) as i64).await;
    }
}

/// From many tasks, which begin each round together.
async fn together(db: &Db, work: Work, calls: usize) {
    let start = Arc::new(Barrier::new(TASKS));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (db, start) = (db.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                for _ in 0..calls {
                    start.wait().await;
                    call(&db, work, task as i64).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

// In one test: tasks are numbered for the whole process.
#[test]
fn a_call_that_shares_allocates_what_its_caller_keeps_and_spawns_no_task() {
    let still = Still::new();
    let (_reads, db) = open("pool_multiplex=reads");
    // The text of each row.
    let each = [(CALLS as u64, 0), ((TASKS * CALLS) as u64, 0)];
    still.assert_costs(&db, Work::Reads, each);
    let (_writes, db) = open("pool_multiplex=statements");
    still.assert_costs(&db, Work::Writes, [(0, 0); 2]);
}
