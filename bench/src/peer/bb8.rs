//! bb8, without its check on every acquire: nobody else checks either.

use bb8::{ManageConnection, Pool};
use tokio::task::yield_now;

use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::Result;
use crate::registry::Setting;
use crate::workload::pool::{CONNECTIONS, Connection, Maker, Never, TASKS, full};

pub fn alone(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let lender = runtime.block_on(Lender::<false>::new())?;
    Ok(Box::new(Sequential::new(runtime, lender, 1)))
}

pub fn crowd(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let lender = runtime.block_on(Lender::<true>::new())?;
    Ok(Box::new(Tasks::new(runtime, lender, TASKS)))
}

impl ManageConnection for Maker {
    type Connection = Connection;
    type Error = Never;

    async fn connect(&self) -> Result<Connection, Never> {
        Ok(self.make())
    }

    async fn is_valid(&self, _: &mut Connection) -> Result<(), Never> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }
}

#[derive(Clone)]
struct Lender<const HOLD: bool>(Pool<Maker>);

impl<const HOLD: bool> Lender<HOLD> {
    async fn new() -> Result<Self> {
        let pool = Pool::builder()
            .max_size(CONNECTIONS)
            .min_idle(CONNECTIONS)
            .test_on_check_out(false)
            .build(Maker::default())
            .await?;
        full(pool.state().connections as usize)?;
        Ok(Self(pool))
    }
}

impl<const HOLD: bool> Client for Lender<HOLD> {
    async fn call(&mut self, _: Request) -> Result<()> {
        let mut connection = self.0.get().await?;
        connection.take()?;
        if HOLD {
            yield_now().await;
        }
        connection.give_back();
        Ok(())
    }
}
