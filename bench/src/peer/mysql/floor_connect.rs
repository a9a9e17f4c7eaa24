//! The floor of logging in: `mysql_native_password` by hand.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;

use super::floor::{Async, address};
use super::wire::Wire;
use crate::drive::{Client, Request, Sequential, Subject};
use crate::failure::{Result, ensure};
use crate::registry::Setting;
use crate::workload::mysql::HELLO;

struct Connect {
    address: SocketAddr,
    wire: Option<Wire>,
}

impl Client for Connect {
    async fn call(&mut self, request: Request) -> Result<()> {
        for _ in 0..request.count {
            let wire = self.wire.take().unwrap_or_else(Wire::new);
            let mut socket = Async::connect(self.address, wire).await?;
            socket.wire.query(HELLO);
            let mut seven = false;
            socket
                .exchange(|row| {
                    seven = row == b"\x017";
                    Ok(())
                })
                .await?;
            ensure(seven, "the server did not say 7")?;
            let Async { mut wire, mut stream } = socket;
            wire.quit();
            stream.write_all(&wire.out).await?;
            wire.out.clear();
            self.wire = Some(wire);
        }
        Ok(())
    }
}

pub fn connect(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let client = Connect { address: address(setting)?, wire: None };
    Ok(Box::new(Sequential::new(runtime, client, 1)))
}
