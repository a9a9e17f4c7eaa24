//! A connection and its owner, for tests of drivers of servers: what [`client`](crate::client) does, kept together, and
//! the runtime around it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{
    Access, Command, Connection, Connector, Params, Result, RowBatch, Status, Step, Value, Want,
};

/// How long a test may take: long, since a machine that runs tests is busy.
const SECONDS_MAX: u64 = 60;

/// Runs a future to its end on a runtime of one thread, with the runtime's I/O and time.
///
/// # Panics
///
/// If it takes a minute: it hangs.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let limit = Duration::from_secs(SECONDS_MAX);
        tokio::time::timeout(limit, future).await.expect("it hangs")
    })
}

/// Waits for a state that another process reaches soon; [`run`] bounds the wait.
pub async fn until(mut reached: impl FnMut() -> bool) {
    while !reached() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The runtime hears of what sockets have got meanwhile.
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// A connection and its owner.
#[derive(Debug)]
pub struct Session {
    /// The connection.
    pub connection: Box<dyn Connection>,
    /// What its rows were read into last.
    pub batch: RowBatch,
}

impl Session {
    /// Opens a session.
    ///
    /// # Errors
    ///
    /// The connector's.
    pub async fn open(connector: impl Connector) -> Result<Self> {
        let connector: Arc<dyn Connector> = Arc::new(connector);
        Ok(Self { connection: connector.connect(Access::ReadWrite).await?, batch: RowBatch::new() })
    }

    /// The connection of this driver.
    ///
    /// # Panics
    ///
    /// If it is another driver's.
    pub fn driver<C: Connection>(&mut self) -> &mut C {
        self.connection.as_any_mut().downcast_mut().expect("another driver's connection")
    }

    /// The next step of the command under way; its rows are in the batch.
    ///
    /// # Errors
    ///
    /// The command's.
    pub async fn step(&mut self) -> Result<Step> {
        crate::client::step(&mut *self.connection, &mut self.batch).await
    }

    /// Runs a command; all rows of all its result sets.
    ///
    /// # Errors
    ///
    /// The command's.
    pub async fn command(&mut self, command: Command<'_>) -> Result<Vec<Vec<Value>>> {
        self.connection.start(command)?;
        let mut rows = Vec::new();
        loop {
            let step = self.step().await?;
            for row in self.batch.rows() {
                rows.push((0..row.len()).map(|n| row.get(n)).collect::<Result<_>>()?);
            }
            if matches!(step, Step::End(_)) {
                return Ok(rows);
            }
        }
    }

    /// Runs a statement; all its rows.
    ///
    /// # Errors
    ///
    /// The statement's.
    pub async fn query(&mut self, sql: &str, params: &dyn Params) -> Result<Vec<Vec<Value>>> {
        self.command(Command::Execute { sql, params, want: Want::All }).await
    }

    /// The one value of a query without arguments.
    ///
    /// # Errors
    ///
    /// The statement's.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn scalar(&mut self, sql: &str) -> Result<Value> {
        let mut rows = self.query(sql, &()).await?;
        Ok(rows.pop().and_then(|mut row| row.pop()).expect("one value"))
    }

    /// Runs a text of several statements; all rows of all their result sets.
    ///
    /// # Errors
    ///
    /// The first that a statement gives.
    pub async fn script(&mut self, sql: &str) -> Result<Vec<Vec<Value>>> {
        self.command(Command::Script { sql }).await
    }

    /// Waits for the recovery of a connection whose command was abandoned.
    ///
    /// # Errors
    ///
    /// If the connection cannot be saved.
    pub async fn recover(&mut self) -> Result<()> {
        std::future::poll_fn(|cx| self.connection.poll_recover(cx)).await
    }

    /// The connection's status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.connection.status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeServer;

    #[test]
    fn a_session_is_driven_by_hand() {
        run(async {
            let connection =
                FakeServer::new().connector().connect(Access::ReadWrite).await.unwrap();
            let mut session = Session { connection, batch: RowBatch::new() };
            let rows = session.query("SELECT n FROM series(1, ?)", &(2,)).await.unwrap();
            assert_eq!(rows, [[Value::Int(1)], [Value::Int(2)]]);
            assert_eq!(session.scalar("SELECT 7").await.unwrap(), Value::Int(7));
            assert_eq!(session.status(), Status::Idle);
            let mut turns = 0;
            until(|| {
                turns += 1;
                turns == 3
            })
            .await;
            assert_eq!(turns, 3);
        });
    }
}
