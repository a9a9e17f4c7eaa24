//! The owner's side of the driver contract in its plainest form, for tests of drivers.

use std::future::Future;
use std::sync::Arc;

use aquifer_driver::{
    Batch, Columns, Command, Connection, Error, Outcome, Params, Result, RowBatch, Step, TxOptions,
    Value, Want,
};

/// One result set, read to its end.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Set {
    /// Its columns.
    pub columns: Arc<Columns>,
    /// Its rows.
    pub rows: Vec<Vec<Value>>,
    /// What the statement did.
    pub outcome: Outcome,
    /// How many batches with rows it took.
    pub batches: usize,
    /// The most rows in one batch.
    pub rows_max: usize,
    /// The most bytes in one batch.
    pub bytes_max: usize,
}

impl Set {
    /// The first column of the first row.
    pub fn scalar(&self) -> Option<&Value> {
        self.rows.first()?.first()
    }

    /// The first column of every row.
    pub fn first_column(&self) -> Vec<Value> {
        self.rows.iter().filter_map(|row| row.first().cloned()).collect()
    }

    fn take_in(&mut self, batch: &RowBatch) -> Result<()> {
        self.columns = Arc::clone(batch.columns());
        if batch.is_empty() {
            return Ok(());
        }
        self.batches += 1;
        self.rows_max = self.rows_max.max(batch.len());
        self.bytes_max = self.bytes_max.max(batch.byte_len());
        for row in batch.rows() {
            let mut values = Vec::with_capacity(row.len());
            for index in 0..row.len() {
                values.push(row.decode::<Value>(index)?);
            }
            self.rows.push(values);
        }
        Ok(())
    }
}

/// The next step of the command under way.
///
/// # Errors
///
/// The command's.
pub async fn step(connection: &mut dyn Connection, batch: &mut RowBatch) -> Result<Step> {
    std::future::poll_fn(|cx| connection.poll_next(cx, batch)).await
}

/// Reads the command under way to its end: one entry per result set or failed statement of a batch.
///
/// A step that ends the command after its last statement failed belongs to no statement and gives no
/// entry; `expected` says how many statements there are, where that is known.
///
/// # Errors
///
/// The command's.
pub async fn read(
    connection: &mut dyn Connection,
    expected: Option<usize>,
) -> Result<Vec<Result<Set>>> {
    let mut batch = RowBatch::new();
    let mut sets = Vec::new();
    let mut set = Set::default();
    loop {
        match step(connection, &mut batch).await? {
            Step::Rows => set.take_in(&batch)?,
            Step::EndOfSet(outcome) => {
                set.take_in(&batch)?;
                set.outcome = outcome;
                sets.push(Ok(std::mem::take(&mut set)));
            }
            Step::Failed(error) => {
                set = Set::default();
                sets.push(Err(error));
            }
            Step::End(outcome) => {
                if expected.is_none_or(|expected| sets.len() < expected) {
                    set.take_in(&batch)?;
                    set.outcome = outcome;
                    sets.push(Ok(set));
                }
                return Ok(sets);
            }
            other => {
                return Err(Error::new(
                    aquifer_driver::ErrorKind::Protocol,
                    format!("an unknown step: {other:?}"),
                ));
            }
        }
    }
}

/// Runs one statement and reads all its rows. It is started at once, even if the future is not polled.
///
/// # Errors
///
/// The statement's.
pub fn execute<'c>(
    connection: &'c mut dyn Connection,
    sql: &str,
    params: &dyn Params,
) -> impl Future<Output = Result<Set>> + Send + use<'c> {
    execute_for(connection, sql, params, Want::All)
}

/// Runs one statement and reads what is wanted. It is started at once.
///
/// # Errors
///
/// The statement's.
pub fn execute_for<'c>(
    connection: &'c mut dyn Connection,
    sql: &str,
    params: &dyn Params,
    want: Want,
) -> impl Future<Output = Result<Set>> + Send + use<'c> {
    let started = connection.start(Command::Execute { sql, params, want });
    async move {
        started?;
        let mut sets = read(connection, None).await?;
        sets.pop().unwrap_or_else(|| Ok(Set::default()))
    }
}

/// Runs a text of several statements. It is started at once.
///
/// # Errors
///
/// The first that a statement gives.
pub fn script<'c>(
    connection: &'c mut dyn Connection,
    sql: &str,
) -> impl Future<Output = Result<Vec<Set>>> + Send + use<'c> {
    let started = connection.start(Command::Script { sql });
    async move {
        started?;
        read(connection, None).await?.into_iter().collect()
    }
}

/// Runs a batch: one entry per statement. It is started at once.
///
/// # Errors
///
/// The batch's as a whole; a statement's own error is its entry.
pub fn batch(
    connection: &mut dyn Connection,
    batch: Batch,
) -> impl Future<Output = Result<Vec<Result<Set>>>> + Send {
    let expected = batch.len();
    let started = connection.start(Command::Batch(batch.into()));
    async move {
        started?;
        read(connection, Some(expected)).await
    }
}

/// Runs a command whose rows nobody wants. It is started at once.
///
/// # Errors
///
/// The command's.
pub fn command<'c>(
    connection: &'c mut dyn Connection,
    command: Command<'_>,
) -> impl Future<Output = Result<()>> + Send + use<'c> {
    let started = connection.start(command);
    async move {
        started?;
        read(connection, None).await.map(drop)
    }
}

/// Begins a transaction with the engine's defaults.
///
/// # Errors
///
/// The engine's.
pub async fn begin(connection: &mut dyn Connection) -> Result<()> {
    command(connection, Command::Begin(TxOptions::new())).await
}

/// Commits.
///
/// # Errors
///
/// The engine's.
pub async fn commit(connection: &mut dyn Connection) -> Result<()> {
    command(connection, Command::Commit).await
}

/// Rolls back.
///
/// # Errors
///
/// The engine's.
pub async fn rollback(connection: &mut dyn Connection) -> Result<()> {
    command(connection, Command::Rollback).await
}

/// Abandons the command under way and recovers, as a pool does.
///
/// # Errors
///
/// If the connection cannot be saved.
pub async fn recover(connection: &mut dyn Connection) -> Result<()> {
    connection.abandon();
    std::future::poll_fn(|cx| connection.poll_recover(cx)).await
}
