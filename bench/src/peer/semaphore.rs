//! The floor for pools: tokio's semaphore alone, which hands out permits in order and nothing else.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::yield_now;

use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::Result;
use crate::registry::Setting;
use crate::workload::pool::{CONNECTIONS, TASKS};

pub fn alone(setting: &Setting) -> Result<Box<dyn Subject>> {
    Ok(Box::new(Sequential::new(setting.threads.runtime()?, Permits::<false>::new(), 1)))
}

pub fn crowd(setting: &Setting) -> Result<Box<dyn Subject>> {
    Ok(Box::new(Tasks::new(setting.threads.runtime()?, Permits::<true>::new(), TASKS)))
}

#[derive(Clone)]
struct Permits<const HOLD: bool>(Arc<Semaphore>);

impl<const HOLD: bool> Permits<HOLD> {
    fn new() -> Self {
        Self(Arc::new(Semaphore::new(CONNECTIONS as usize)))
    }
}

impl<const HOLD: bool> Client for Permits<HOLD> {
    async fn call(&mut self, _: Request) -> Result<()> {
        let permit = self.0.acquire().await?;
        if HOLD {
            yield_now().await;
        }
        drop(permit);
        Ok(())
    }
}
