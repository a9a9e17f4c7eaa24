//! What a peer must be able to do for the workloads of many tasks, and who asks it to: the same for all of them.

use std::time::Duration;

use tokio::runtime::Runtime;

use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::{Failure, Result, ensure};
use crate::pace::{Gate, Paced};
use crate::registry::Setting;
use crate::workload::shared::{PAUSE_MS, PER_SECOND, ROWS_BETWEEN_PAUSES, divisor, is_write};
use crate::workload::sqlite::{Station, key};

/// A peer, as each task has it.
pub trait Caller: Clone + Send + Sync + 'static {
    /// Its own: what turns it into ours is not to be counted as its work.
    type Error: Into<Failure> + Send;

    fn open(setting: &Setting) -> impl Future<Output = Result<Self>> + Send;

    /// One row by its key.
    fn select(&self, key: i64) -> impl Future<Output = Result<Station, Self::Error>> + Send;

    /// Changes one row by its key; how many were changed.
    fn raise(&self, key: i64) -> impl Future<Output = Result<u64>> + Send;

    /// The row with the quotient as its key; `None` if the server refuses to divide by zero.
    fn divide(&self, key: i64, by: i64) -> impl Future<Output = Result<Option<Station>>> + Send;
}

/// One that can also read many rows, without keeping others from their calls.
pub trait Streams: Caller {
    /// Reads so many rows as slowly as the reader says.
    fn stream(&self, rows: u64, reader: &mut SlowReader)
    -> impl Future<Output = Result<()>> + Send;
}

fn opened<C: Caller>(setting: &Setting) -> Result<(Runtime, C)> {
    let runtime = setting.threads.runtime()?;
    let caller = runtime.block_on(C::open(setting))?;
    Ok((runtime, caller))
}

#[derive(Clone)]
struct Reads<C>(C);

impl<C: Caller> Client for Reads<C> {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        match self.0.select(key).await {
            Ok(station) => station.check(key),
            Err(error) => Err(error.into()),
        }
    }
}

/// One task.
pub fn alone<C: Caller>(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, caller) = opened::<C>(setting)?;
    Ok(Box::new(Sequential::new(runtime, Reads(caller), 1)))
}

/// Many tasks.
pub fn reads<C: Caller, const TASKS: u64>(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, caller) = opened::<C>(setting)?;
    Ok(Box::new(Tasks::new(runtime, Reads(caller), TASKS)))
}

#[derive(Clone)]
struct Writes<C>(C);

impl<C: Caller> Client for Writes<C> {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        if is_write(request.first) {
            ensure(self.0.raise(key).await? == 1, "an update changed another number of rows")
        } else {
            self.0.select(key).await.map_err(Into::into)?.check(key)
        }
    }
}

/// Many tasks that also write.
pub fn writes<C: Caller, const TASKS: u64>(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, caller) = opened::<C>(setting)?;
    Ok(Box::new(Tasks::new(runtime, Writes(caller), TASKS)))
}

#[derive(Clone)]
struct Errors<C>(C);

impl<C: Caller> Client for Errors<C> {
    async fn call(&mut self, request: Request) -> Result<()> {
        let (key, by) = (key(request.first), divisor(request.first));
        match self.0.divide(key, by).await? {
            Some(station) => {
                ensure(by != 0, "a division by zero gave a row")?;
                station.check(key)
            }
            None => ensure(by == 0, "a division by one was refused"),
        }
    }
}

/// Many tasks, some of whose selects fail.
pub fn errors<C: Caller, const TASKS: u64>(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, caller) = opened::<C>(setting)?;
    Ok(Box::new(Tasks::new(runtime, Errors(caller), TASKS)))
}

/// Selects at their times.
pub fn paced<C: Caller>(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, caller) = opened::<C>(setting)?;
    Ok(Box::new(Paced::new(runtime, Reads(caller), PER_SECOND)))
}

/// The same while a slow reader has its rows streamed, over and over.
pub fn paced_beside_stream<C: Streams>(setting: &Setting) -> Result<Box<dyn Subject>> {
    let rows = crate::workload::postgres::scanned(setting);
    let (runtime, caller) = opened::<C>(setting)?;
    let streamer = caller.clone();
    let calls = Paced::new(runtime, Reads(caller), PER_SECOND).beside(|gate| async move {
        let mut reader = SlowReader { gate, until_pause: ROWS_BETWEEN_PAUSES };
        loop {
            streamer.stream(rows, &mut reader).await?;
        }
    });
    Ok(Box::new(calls))
}

/// Takes its time with rows.
#[derive(Debug)]
pub struct SlowReader {
    gate: Gate,
    until_pause: u64,
}

impl SlowReader {
    /// To be called for each row.
    ///
    /// # Errors
    ///
    /// When nobody measures any more.
    #[inline]
    pub async fn row(&mut self) -> Result<()> {
        self.until_pause -= 1;
        if self.until_pause == 0 {
            self.until_pause = ROWS_BETWEEN_PAUSES;
            self.gate.pass().await?;
            tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
        }
        Ok(())
    }
}
