//! Ours with `multiplex`, as a program calls it that does nothing else: what a call takes without the loops around it
//! that treat all peers alike.

use ::aquifer::Db;
use tokio::runtime::Runtime;

use super::aquifer_shared::{Lane, open};
use crate::drive::Subject;
use crate::failure::Result;
use crate::measure::{Meter, Plan, Slot};
use crate::registry::Setting;
use crate::workload::postgres::POINT;
use crate::workload::sqlite::{Station, key};

struct Plain<const TASKS: u64> {
    db: Db,
    runtime: Runtime,
}

/// One row by its key, from many tasks.
pub fn reads<L: Lane, const TASKS: u64>(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open::<L>(setting))?;
    Ok(Box::new(Plain::<TASKS> { db, runtime }))
}

impl<const TASKS: u64> Subject for Plain<TASKS> {
    fn run(&mut self, plan: &Plan) -> Result<Slot> {
        let work = tasks(self.db.clone(), TASKS, *plan);
        self.runtime.block_on(self.runtime.spawn(work))?
    }
}

async fn tasks(db: Db, tasks: u64, plan: Plan) -> Result<Slot> {
    let meter = Meter::start(&plan);
    let mut handles = Vec::with_capacity(tasks as usize);
    for first in 0..tasks {
        handles.push(tokio::spawn(task(db.clone(), first, tasks, plan)));
    }
    for handle in handles {
        handle.await??;
    }
    Ok(meter.stop(plan.operations, Vec::new()))
}

async fn task(db: Db, first: u64, tasks: u64, plan: Plan) -> Result<()> {
    let mut number = first;
    while number < plan.operations {
        let key = key(plan.first + number);
        let station: Station = db.get(POINT, (key,)).await?;
        station.check(key)?;
        number += tasks;
    }
    Ok(())
}
