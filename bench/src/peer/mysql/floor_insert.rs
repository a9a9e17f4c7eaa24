//! The floor of inserting: one prepared statement of a thousand VALUES, its arguments written into a buffer that is
//! used again.

use super::floor::{Async, no_rows};
use crate::drive::{Client, Request, Sequential, Subject};
use crate::failure::{Result, ensure};
use crate::registry::Setting;
use crate::workload::mysql::{GIVEN, INSERTS, insert_values, row};

struct Values(Async);

impl Client for Values {
    async fn prepare(&mut self) -> Result<()> {
        self.0.wire.query(GIVEN.empty);
        self.0.exchange(no_rows).await
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        let rows = (request.first..request.first + request.count).map(row);
        self.0.wire.execute_rows(request.count as usize, rows);
        self.0.exchange(no_rows).await?;
        ensure(self.0.wire.affected == request.count, "another number of rows was inserted")
    }
}

pub fn values(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, socket) = Async::open(setting, &insert_values(INSERTS))?;
    Ok(Box::new(Sequential::new(runtime, Values(socket), INSERTS)))
}
