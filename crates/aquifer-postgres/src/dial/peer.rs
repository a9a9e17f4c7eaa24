//! Who serves a unix socket.
//!
//! As `requirepeer` in libpq: anybody can put a socket into a directory that everybody can write to, and the
//! file's permissions say nothing. The kernel knows who listens.

use aquifer_driver::{Error, ErrorKind, Result, Retry};
use nix::unistd::{Uid, User};
use tokio::net::UnixStream;

use super::{connect, failed};
use crate::config::HostSpec;

/// # Errors
///
/// `Connect`, never to be repeated, if the process at the other end is not the user's, or if that cannot be
/// found out.
pub(super) async fn check(stream: &UnixStream, host: &HostSpec, wanted: &str) -> Result<()> {
    let never = |error: Error| error.with_retry(Retry::Never);
    let served = stream
        .peer_cred()
        .map_err(|error| never(failed(host, "nobody says who serves its socket", error)))?
        .uid();
    // The user database may be across a network.
    let looked_up = tokio::task::spawn_blocking(move || User::from_uid(Uid::from_raw(served)))
        .await
        .map_err(|error| {
            Error::new(ErrorKind::Runtime, "the user database could not be asked")
                .with_source(error)
        })?;
    let name = match looked_up {
        Ok(Some(user)) => user.name,
        Ok(None) => {
            return Err(never(connect(
                host,
                &format!("the user {served} that serves its socket has no name"),
            )));
        }
        Err(error) => {
            return Err(never(failed(
                host,
                "the user that serves its socket could not be looked up",
                error.into(),
            )));
        }
    };
    if name == wanted {
        return Ok(());
    }
    Err(never(connect(
        host,
        &format!("its socket is served by `{name}`, and `requirepeer` wants another user"),
    ))
    .with_hint("somebody else may have put a socket there"))
}
