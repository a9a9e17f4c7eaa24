//! Commits that nobody answers, where it is not plain who may find out about them: as a role that may do little, behind
//! a pooler, and where the transaction stands on the server, with its locks, until somebody ends it.

use std::net::SocketAddr;
use std::time::Duration;

use aquifer::{Db, Error, ErrorKind, Retry, TxOptions};
use aquifer_reliability::{Engine, settled};
use aquifer_testkit::faults::{Fault, FaultProxy, Protocol, Side, What, When};
use aquifer_testkit::pgbouncer::{Options, PgBouncer, PoolMode};
use aquifer_testkit::{mysql, postgres};

const MARK: &str = "INSERT INTO marks (tag, part) VALUES (?, ?)";
const SILENCE: Duration = Duration::from_secs(300);
const BREAKS: [What; 3] = [What::Cut, What::Reset, What::HalfClose];
const ALL: [What; 4] = [What::Cut, What::Reset, What::HalfClose, What::Delay(SILENCE)];

/// What a commit said, if it could be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Committed,
    Undone,
}

fn told(committed: Result<aquifer::Committed, Error>, what: &str) -> Told {
    match committed {
        Ok(_) => Told::Committed,
        Err(error) => {
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::ConnectionLost | ErrorKind::Timeout),
                "{what}: {error:?}"
            );
            assert_eq!(error.retry(), Retry::Transaction, "{what}: {error:?}");
            Told::Undone
        }
    }
}

/// A network to a server, or to its pooler, and a `Db` behind it.
struct Way {
    proxy: FaultProxy,
    db: Db,
}

impl Way {
    fn to(address: SocketAddr, protocol: Protocol, url: &str) -> Self {
        let proxy = FaultProxy::start(address, protocol).unwrap();
        let url = url.replace(&address.to_string(), &proxy.address().to_string());
        assert!(url.contains(&proxy.address().to_string()), "{url}");
        let builder = Db::builder(&url).unwrap().max_open(2);
        let builder = builder.set("commit_resolve_timeout", "60s").unwrap();
        Self { proxy, db: builder.set("recover_timeout", "100ms").unwrap().open().unwrap() }
    }

    /// Commits under a fault, and compares what is said with what is there.
    async fn strike(&self, options: TxOptions, tag: i64, fault: Fault, savepoints: bool) -> Told {
        let what = format!("{fault:?}, {options:?}");
        let mut tx = self.db.begin_with(options).await.unwrap();
        if savepoints {
            // Whatever is done within has a number of its own.
            let mut undone = tx.savepoint().await.unwrap();
            undone.exec(MARK, (tag, 9)).await.unwrap();
            undone.rollback().await.unwrap();
            let mut kept = tx.savepoint().await.unwrap();
            kept.exec(MARK, (tag, 1)).await.unwrap();
            kept.release().await.unwrap();
        } else {
            tx.exec(MARK, (tag, 1)).await.unwrap();
        }
        tx.exec(MARK, (tag, 2)).await.unwrap();
        if fault.what == What::Delay(SILENCE) {
            tx.set_timeout(Some(Duration::from_secs(4)));
        }
        self.proxy.arm(fault);
        let said = told(tx.commit().await, &what);
        // What was held back may arrive now.
        self.proxy.count();
        while self.db.ping().await.is_err() {}
        let sql = "SELECT part FROM marks WHERE tag = ? ORDER BY part";
        let there: Vec<i64> = self.db.select(sql, (tag,)).await.unwrap();
        match said {
            Told::Committed => assert_eq!(there, [1, 2], "{what}"),
            Told::Undone => assert!(there.is_empty(), "{what}: {there:?}"),
        }
        said
    }

    /// Each fault that a commit may meet; each of them can be told.
    async fn strikes(&self, options: TxOptions, faults: &[What]) {
        let mut tag = self.db.get::<Option<i64>>("SELECT max(tag) FROM marks", ()).await.unwrap();
        let (mut committed, mut undone) = (0, 0);
        for savepoints in [false, true] {
            for side in [Side::Client, Side::Server] {
                for &what in faults {
                    for message in 0..2 {
                        // Each is waited for.
                        let silent = what == What::Delay(SILENCE);
                        if silent && (savepoints || message > 0) {
                            continue;
                        }
                        let next = tag.unwrap_or(0) + 1;
                        tag = Some(next);
                        let fault = Fault::new(side, When::Messages(message), what);
                        match self.strike(options, next, fault, savepoints).await {
                            Told::Committed => committed += 1,
                            Told::Undone => undone += 1,
                        }
                    }
                }
            }
        }
        assert!(committed > 0 && undone > 0, "{committed} committed, {undone} undone");
        // Those that are of an earlier time are as they were told: nothing that was held back came through.
        let twice = "SELECT count(*) FROM (SELECT tag FROM marks GROUP BY tag, part HAVING count(*) > 1) AS twice";
        assert_eq!(self.db.get::<i64>(twice, ()).await.unwrap(), 0);
    }
}

fn tables() -> [&'static str; 2] {
    ["CREATE TABLE marks (tag BIGINT, part BIGINT)", TxOptions::MARKS_TABLE]
}

#[tokio::test]
async fn a_role_that_may_do_little_ends_its_own_sessions_and_learns_what_became_of_them() {
    let server = postgres::Server::start(postgres::Settings::new()).unwrap();
    let database = server.fresh_database().unwrap();
    for sql in tables() {
        database.psql(sql).unwrap();
    }
    database
        .psql(
            "CREATE ROLE narrow LOGIN PASSWORD 'narrow'; \
             GRANT SELECT, INSERT, DELETE ON marks, aquifer_commits TO narrow",
        )
        .unwrap();
    let url = database.url().replacen("aquifer:aquifer@", "narrow:narrow@", 1);
    let way = Way::to(server.address(), Protocol::Postgres, &url);
    let superuser = "SELECT rolsuper::int FROM pg_roles WHERE rolname = current_user";
    assert_eq!(way.db.get::<i64>(superuser, ()).await.unwrap(), 0);
    way.strikes(TxOptions::new().track_commit(), &ALL).await;
    way.strikes(TxOptions::new().mark_commit(), &ALL).await;
}

#[tokio::test]
async fn behind_a_pooler_a_commit_that_is_tracked_learns_what_became_of_it() {
    let server = postgres::Server::start(postgres::Settings::new()).unwrap();
    for mode in [PoolMode::Transaction, PoolMode::Session] {
        let bouncer = PgBouncer::start(&server, Options::new(mode).pool_size(4)).unwrap();
        let pooler = if mode == PoolMode::Transaction { "?pooler=transaction" } else { "" };
        let url = format!("{}{pooler}", bouncer.url());
        for sql in ["DROP TABLE IF EXISTS marks, aquifer_commits"].iter().chain(&tables()) {
            server.psql(sql).unwrap();
        }
        let way = Way::to(bouncer.address(), Protocol::Postgres, &url);
        way.strikes(TxOptions::new().track_commit(), &ALL).await;
        way.strikes(TxOptions::new().mark_commit(), &ALL).await;
    }
}

#[tokio::test]
async fn a_mark_is_as_good_where_tables_are_not_made_transactional_by_default() {
    let settings = mysql::Settings::new().option("default-storage-engine=Aria");
    let server = mysql::Server::start(settings).unwrap();
    let database = server.fresh_database().unwrap();
    let url = format!("{}?tls=false", database.url());
    let setup = Db::open(&url).unwrap();
    setup.exec("CREATE TABLE marks (tag BIGINT, part BIGINT) ENGINE = InnoDB", ()).await.unwrap();
    setup.exec(TxOptions::MARKS_TABLE, ()).await.unwrap();
    let sql = "SELECT engine FROM information_schema.tables WHERE table_name = 'aquifer_commits'";
    assert_eq!(setup.get::<String>(sql, ()).await.unwrap(), "InnoDB");
    let way = Way::to(server.address(), Engine::Mysql.protocol(), &url);
    way.strikes(TxOptions::new().mark_commit(), &BREAKS).await;
}

/// A database whose accounts are locked by transactions that update them, and a role of little power.
struct Locks {
    setup: Db,
    way: Way,
    /// Dropped with this.
    _database: Box<dyn std::fmt::Debug>,
}

impl Locks {
    async fn new(
        engine: Engine,
        (setup, narrow): (&str, &str),
        address: SocketAddr,
        database: impl std::fmt::Debug + 'static,
    ) -> Self {
        let setup = Db::open(setup).unwrap();
        for sql in tables() {
            setup.exec(sql, ()).await.unwrap();
        }
        setup.exec("CREATE TABLE accounts (id INT PRIMARY KEY, n INT NOT NULL)", ()).await.unwrap();
        setup.exec("INSERT INTO accounts VALUES (1, 0)", ()).await.unwrap();
        let way = Way::to(address, engine.protocol(), narrow);
        Self { setup, way, _database: Box::new(database) }
    }

    async fn on_mariadb(server: &mysql::Server) -> Self {
        let database = server.fresh_database().unwrap();
        server
            .sql(
                "CREATE USER narrow IDENTIFIED BY 'narrow'; \
                 GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO narrow",
            )
            .unwrap();
        let url = format!("{}?tls=false", database.url());
        let narrow = url.replacen("aquifer:aquifer@", "narrow:narrow@", 1);
        assert_ne!(url, narrow);
        let locks = Self::new(Engine::Mysql, (&url, &narrow), server.address(), database).await;
        let grants: Vec<String> = locks.way.db.select("SHOW GRANTS", ()).await.unwrap();
        assert!(!grants.iter().any(|it| it.contains("ADMIN") || it.contains("PROCESS")));
        locks
    }

    async fn on_postgres(server: &postgres::Server) -> Self {
        let database = server.fresh_database().unwrap();
        database.psql("CREATE ROLE narrow LOGIN PASSWORD 'narrow' IN ROLE pg_read_all_data, pg_write_all_data").unwrap();
        let url = database.url().to_owned();
        let narrow = url.replacen("aquifer:aquifer@", "narrow:narrow@", 1);
        Self::new(Engine::Postgres, (&url, &narrow), server.address(), database).await
    }

    /// A transaction that has locked the account, and is about to commit.
    async fn begun(&self, options: TxOptions) -> aquifer::Tx {
        let mut tx = self.way.db.begin_with(options).await.unwrap();
        tx.exec("UPDATE accounts SET n = n + 1 WHERE id = 1", ()).await.unwrap();
        tx
    }

    /// The next one does not wait for it, although nobody else has told the server that it is over.
    async fn goes_on(&self, told: Told, before: i64) {
        let db = self.way.db.timeout(Duration::from_secs(20));
        let n: i64 = db.get("SELECT n FROM accounts", ()).await.unwrap();
        assert_eq!(n, before + i64::from(told == Told::Committed), "{told:?}");
        db.exec("UPDATE accounts SET n = ? WHERE id = 1", (before,)).await.unwrap();
    }

    /// Silence at the COMMIT, and at its answer, of which the server hears nothing.
    async fn vanish(&self, options: TxOptions) {
        for what in [What::Vanish, What::Strand] {
            for (side, expected) in [(Side::Client, Told::Undone), (Side::Server, Told::Committed)]
            {
                // Whoever has to do with the one before is not to meet the fault of this one.
                settled(&self.way.db, "the next one").await;
                let mut tx = self.begun(options).await;
                if what == What::Vanish {
                    tx.set_timeout(Some(Duration::from_secs(6)));
                }
                self.way.proxy.arm(Fault::new(side, When::Messages(0), what));
                let told = told(tx.commit().await, &format!("{what:?} of {side:?}"));
                assert_eq!(told, expected, "{what:?} of {side:?}");
                self.goes_on(told, 0).await;
            }
        }
    }
}

#[tokio::test]
async fn a_session_that_nobody_tells_of_the_end_is_ended_and_its_locks_with_it() {
    let server = mysql::Server::start(mysql::Settings::new()).unwrap();
    Locks::on_mariadb(&server).await.vanish(TxOptions::new().mark_commit()).await;
    let server = postgres::Server::start(postgres::Settings::new()).unwrap();
    Locks::on_postgres(&server).await.vanish(TxOptions::new().track_commit()).await;
}

/// Has the COMMIT of a transaction that is marked take so long, once its mark is there.
async fn slow_marks(locks: &Locks, seconds: u32) {
    let sql = format!(
        "CREATE TRIGGER slow AFTER INSERT ON aquifer_commits FOR EACH ROW \
         IF NEW.done = 1 THEN DO SLEEP({seconds}); END IF"
    );
    locks.setup.exec(&sql, ()).await.unwrap();
}

/// Waits for that; who it is.
async fn sleeper(locks: &Locks) -> i64 {
    let sql = "SELECT id FROM information_schema.processlist WHERE state = 'User sleep'";
    loop {
        if let Some(id) = locks.setup.get_optional::<i64>(sql, ()).await.unwrap() {
            return id;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_session_that_is_committing_is_waited_for() {
    let server = mysql::Server::start(mysql::Settings::new()).unwrap();
    let locks = Locks::on_mariadb(&server).await;
    slow_marks(&locks, 3).await;
    let tx = locks.begun(TxOptions::new().mark_commit()).await;
    let stranding = async {
        sleeper(&locks).await;
        locks.way.proxy.arm(Fault::new(Side::Client, When::Elapsed(Duration::ZERO), What::Strand));
    };
    let (committed, ()) = tokio::join!(tx.commit(), stranding);
    assert!(committed.unwrap().found_out);
    locks.goes_on(Told::Committed, 0).await;
}

#[tokio::test]
async fn a_session_whose_commit_fails_unheard_is_ended_and_its_locks_with_it() {
    let server = mysql::Server::start(mysql::Settings::new()).unwrap();
    let locks = Locks::on_mariadb(&server).await;
    slow_marks(&locks, 600).await;
    let tx = locks.begun(TxOptions::new().mark_commit()).await;
    let failing = async {
        let session = sleeper(&locks).await;
        locks.way.proxy.arm(Fault::new(Side::Client, When::Elapsed(Duration::ZERO), What::Strand));
        // While the other session that writes its mark waits for it.
        let writing = "SELECT count(*) FROM information_schema.processlist \
                       WHERE command = 'Query' AND info LIKE 'INSERT INTO aquifer_commits%'";
        while locks.setup.get::<i64>(writing, ()).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        locks.setup.exec(&format!("KILL QUERY {session}"), ()).await.unwrap();
    };
    let (committed, ()) = tokio::join!(tx.commit(), failing);
    assert_eq!(told(committed, "a mark that fails"), Told::Undone);
    locks.goes_on(Told::Undone, 0).await;
}
