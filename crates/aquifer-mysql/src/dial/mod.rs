//! Reaching a server: names, TCP, unix sockets.

use std::io;

use aquifer_driver::{Error, ErrorKind, Result, Retry};
use aquifer_net::Stream;
use socket2::{SockRef, TcpKeepalive};
use std::time::Duration;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::config::Config;

/// Idleness before TCP probes whether the server is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Reaches the server of the configuration: its socket, or the first of its addresses that answers.
///
/// # Errors
///
/// `Connect`, naming the place, with [`Retry::Safe`] unless waiting cannot help.
pub(crate) async fn dial(config: &Config) -> Result<Stream> {
    let place = config.place();
    if let Some(path) = &config.socket {
        #[cfg(unix)]
        {
            let stream = UnixStream::connect(path).await;
            return stream.map(Stream::Unix).map_err(|error| unreached(&place, error));
        }
        #[cfg(not(unix))]
        {
            let _ = path;
            return Err(Error::new(
                ErrorKind::Configuration,
                "this system has no unix sockets: name a host instead of a socket",
            ));
        }
    }
    // Tries the addresses of a name one after the other.
    let stream = TcpStream::connect((config.host.as_str(), config.port))
        .await
        .map_err(|error| unreached(&place, error))?;
    stream.set_nodelay(true).map_err(|error| unreached(&place, error))?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    SockRef::from(&stream)
        .set_tcp_keepalive(&keepalive)
        .map_err(|error| unreached(&place, error))?;
    Ok(Stream::Tcp(stream))
}

#[cold]
fn unreached(place: &str, error: io::Error) -> Error {
    let retry = match error.kind() {
        io::ErrorKind::PermissionDenied => Retry::Never,
        _ => Retry::Safe,
    };
    Error::new(ErrorKind::Connect, format!("no connection to {place}: {error}"))
        .with_retry(retry)
        .with_nothing_sent(true)
        .with_source(error)
}
