//! Whether commits wait for a standby.
//!
//! A statement that holds up others is stopped only if it then has had no effect. One that waits for its standby is committed
//! already: a stop ends that wait, and nothing else.

use std::time::Duration;

use aquifer_driver::{Command, Result, Step};
use tokio::time::Instant;

use crate::deadline::{During, before};
use crate::link::DriverConn;

/// Asks the server of a connection whether commits may wait for a standby. A server that does not know the question
/// is not known to have none.
///
/// # Errors
///
/// The connection is of no further use.
pub(super) async fn is_waited_for(link: &mut DriverConn, budget: Duration) -> Result<bool> {
    let deadline = Instant::now().checked_add(budget);
    match before(deadline, During::Check, standbys(link)).await {
        Ok(names) => Ok(!names.trim().is_empty()),
        Err(error) if error.is_connection_lost() || error.is_timeout() => Err(error),
        Err(_) => Ok(true),
    }
}

/// `synchronous_standby_names`, which is empty if there are none.
async fn standbys(link: &mut DriverConn) -> Result<String> {
    link.start(Command::Script { sql: "SHOW synchronous_standby_names" })?;
    let mut names = String::new();
    loop {
        let step = link.step().await?;
        for row in link.batch().rows() {
            names.push_str(row.get::<Option<&str>>(0)?.unwrap_or_default());
        }
        if let Step::End(_) = step {
            return Ok(names);
        }
    }
}
