//! What the server itself knows of the sessions under test.

use std::time::{Duration, Instant};

use aquifer::{Builder, Db, FromRow};

use crate::Engine;

/// A session as its server sees it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Session {
    /// The server's number for it.
    pub id: i64,
    /// Whether it runs a statement.
    pub running: bool,
    /// Whether a transaction is open in it.
    pub in_transaction: bool,
    /// Statements that the server keeps prepared for it; -1 where only the session itself can tell.
    pub prepared: i64,
}

/// A session of its own beside those under test, in the same database.
#[derive(Debug)]
pub struct Books {
    engine: Engine,
    db: Db,
}

impl Books {
    pub(crate) async fn open(engine: Engine, builder: Builder) -> Self {
        let db = builder.max_open(1).open().expect("it opens");
        db.ping().await.expect("the server answers");
        Self { engine, db }
    }

    /// The sessions in the database, but for this one. Over SQLite there is one that is in a transaction if somebody
    /// keeps others from writing.
    pub async fn sessions(&self) -> Vec<Session> {
        let sql = match self.engine {
            Engine::Sqlite => return self.writers().await,
            Engine::Postgres => {
                "SELECT pid::bigint AS id, state = 'active' AS running, \
                        state LIKE 'idle in%' OR backend_xid IS NOT NULL AS in_transaction, \
                        (-1)::bigint AS prepared \
                 FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            }
            Engine::Mysql => {
                "SELECT p.id, p.command <> 'Sleep' AS running, \
                        EXISTS (SELECT 1 FROM information_schema.innodb_trx t WHERE t.trx_mysql_thread_id = p.id) \
                            AS in_transaction, \
                        (SELECT count(*) FROM performance_schema.prepared_statements_instances i \
                         JOIN performance_schema.threads t ON t.thread_id = i.owner_thread_id \
                         WHERE t.processlist_id = p.id) AS prepared \
                 FROM information_schema.processlist p WHERE p.db = DATABASE() AND p.id <> CONNECTION_ID()"
            }
        };
        self.db.select(sql, ()).await.expect("the server shows its books")
    }

    async fn writers(&self) -> Vec<Session> {
        let probe = self.db.timeout(Duration::from_secs(30));
        let free = probe.exec("UPDATE accounts SET balance = balance WHERE id = 1", ()).await;
        match free {
            Ok(_) => Vec::new(),
            Err(_) => vec![Session { id: 0, running: false, in_transaction: true, prepared: -1 }],
        }
    }

    /// Waits until no session runs anything or has a transaction open; the sessions that there are then.
    ///
    /// # Panics
    ///
    /// If that has not come to pass within `grace`.
    #[track_caller]
    pub fn at_rest(&self, grace: Duration) -> impl Future<Output = Vec<Session>> {
        let caller = std::panic::Location::caller();
        async move {
            let until = Instant::now() + grace;
            loop {
                let sessions = self.sessions().await;
                let busy = |session: &Session| session.running || session.in_transaction;
                if !sessions.iter().any(busy) {
                    return sessions;
                }
                assert!(
                    Instant::now() < until,
                    "{}: not at rest within {grace:?}, asked at {caller}: {sessions:?}",
                    self.engine
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// Waits until there are no more than so many sessions: whoever asks another to stop has one of his own for a while.
    ///
    /// # Panics
    ///
    /// If that has not come to pass within `grace`.
    pub async fn at_most(&self, sessions: usize, grace: Duration) {
        let until = Instant::now() + grace;
        loop {
            let there = self.sessions().await;
            if there.len() <= sessions {
                return;
            }
            assert!(
                Instant::now() < until,
                "{}: more than {sessions} sessions after {grace:?}: {there:?}",
                self.engine
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until there are no more than so many sessions, and none of them runs anything or has a transaction open.
    /// A server may begin with what a lost connection has brought long after that was lost: a session that looks idle
    /// then tells nothing, but one that is gone does.
    ///
    /// With `forsaken`, those that run the [endless](Engine::endless) statement are ended meanwhile: a server need not
    /// notice that nobody waits for it any more.
    ///
    /// # Panics
    ///
    /// If that has not come to pass within `grace`, after `what`.
    pub async fn at_rest_after(
        &self,
        what: &str,
        sessions: usize,
        forsaken: bool,
        grace: Duration,
    ) {
        let until = Instant::now() + grace;
        loop {
            let there = self.sessions().await;
            let busy = |session: &Session| session.running || session.in_transaction;
            if there.len() <= sessions && !there.iter().any(busy) {
                return;
            }
            let late = Instant::now() >= until;
            assert!(!late, "{what}: not {sessions} sessions at rest after {grace:?}: {there:?}");
            if forsaken {
                self.end_endless().await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends the sessions that run the endless statement.
    async fn end_endless(&self) {
        let sql = match self.engine {
            Engine::Sqlite => return,
            Engine::Postgres => {
                "SELECT pid::bigint FROM pg_stat_activity \
                 WHERE datname = current_database() AND state = 'active' AND query = ?"
            }
            Engine::Mysql => {
                "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND info = ?"
            }
        };
        let running = self.db.select::<i64>(sql, (self.engine.endless(),)).await;
        for id in running.expect("the server shows its books") {
            let sql = match self.engine {
                Engine::Mysql => format!("KILL {id}"),
                _ => format!("SELECT pg_terminate_backend({id})"),
            };
            // It may have ended by itself.
            let _ = self.db.exec(&sql, ()).await;
        }
    }

    /// How many statements the server keeps for the only session of `db`.
    pub async fn prepared(&self, db: &Db) -> Option<i64> {
        match self.engine {
            Engine::Sqlite => None,
            Engine::Postgres => {
                let asked =
                    db.get("SELECT count(*) FROM pg_prepared_statements WHERE NOT from_sql", ());
                Some(asked.await.expect("the session tells"))
            }
            Engine::Mysql => {
                let all = self.sessions().await;
                Some(all.iter().map(|session| session.prepared).sum())
            }
        }
    }

    /// What `tag` has left in the table `marks`: how often each part is there.
    pub async fn marks(&self, tag: i64) -> Vec<(i64, i64)> {
        let sql = "SELECT part, count(*) FROM marks WHERE tag = ? GROUP BY part ORDER BY part";
        self.db.select(sql, (tag,)).await.expect("the table is there")
    }

    /// The sum of all accounts, which no operation changes.
    pub async fn money(&self) -> i64 {
        let sum = self.db.get("SELECT CAST(sum(balance) AS SIGNED) FROM accounts", ());
        match self.engine {
            Engine::Mysql => sum.await,
            _ => self.db.get("SELECT CAST(sum(balance) AS BIGINT) FROM accounts", ()).await,
        }
        .expect("the table is there")
    }
}
