//! Which addresses to listen on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::failure::Failure;

/// The API's port when nobody says otherwise; the admin port is one above.
pub(crate) const API_PORT: u16 = 8080;
/// The admin listener's port when nobody says otherwise.
pub(crate) const ADMIN_PORT: u16 = 8081;
/// Ports that are tried, from the default on.
const PORTS_TRIED: u16 = 20;

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Here and nowhere else: somebody relies on it.
    Exactly(SocketAddr),
    /// On loopback at this port, or at the next free one.
    From(u16),
}

impl Wish {
    /// The API's: `--listen`, else `PORT` as hosting platforms set it, else the default. A platform
    /// reaches its services from outside, so `PORT` means all interfaces; a demo, which anyone may write
    /// to, stays on loopback.
    pub(crate) fn api(
        listen: Option<SocketAddr>,
        port: Option<&str>,
        is_demo: bool,
    ) -> Result<Self, Failure> {
        if let Some(addr) = listen {
            return Ok(Self::Exactly(addr));
        }
        let Some(port) = port.filter(|port| !port.is_empty()) else {
            return Ok(Self::From(API_PORT));
        };
        let Ok(port) = port.parse::<u16>() else {
            return Err(Failure::usage("PORT is not a port; it must be a number up to 65535"));
        };
        let ip = if is_demo { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        Ok(Self::Exactly(SocketAddr::new(IpAddr::V4(ip), port)))
    }

    /// Binds.
    pub(crate) async fn bind(self, option: &str) -> Result<TcpListener, Failure> {
        match self {
            Self::Exactly(addr) => TcpListener::bind(addr).await.map_err(|error| {
                let hint = if error.kind() == io::ErrorKind::AddrInUse {
                    format!("; something else listens there: choose another with {option}")
                } else {
                    String::new()
                };
                Failure::failed(format!("cannot listen on {addr}: {error}{hint}"))
            }),
            Self::From(first) => {
                for port in first..first.saturating_add(PORTS_TRIED) {
                    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                        Ok(listener) => return Ok(listener),
                        Err(error) => {
                            return Err(Failure::failed(format!(
                                "cannot listen on 127.0.0.1:{port}: {error}"
                            )));
                        }
                    }
                }
                Err(Failure::failed(format!(
                    "the ports {first} to {} are all busy; choose another with {option}",
                    first.saturating_add(PORTS_TRIED - 1)
                )))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_the_environment_and_a_demo_stays_on_loopback() {
        let addr: SocketAddr = "10.0.0.1:9".parse().unwrap();
        assert_eq!(Wish::api(Some(addr), Some("1"), false).unwrap(), Wish::Exactly(addr));
        let all = Wish::api(None, Some("8000"), false).unwrap();
        assert_eq!(all, Wish::Exactly("0.0.0.0:8000".parse().unwrap()));
        let demo = Wish::api(None, Some("8000"), true).unwrap();
        assert_eq!(demo, Wish::Exactly("127.0.0.1:8000".parse().unwrap()));
        assert_eq!(Wish::api(None, None, false).unwrap(), Wish::From(API_PORT));
        assert_eq!(Wish::api(None, Some("x"), false).unwrap_err().code(), 2);
    }

    #[tokio::test]
    async fn a_busy_default_port_gives_the_next_free_one() {
        let busy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = busy.local_addr().unwrap().port();
        if port < u16::MAX - PORTS_TRIED {
            let next = Wish::From(port).bind("--listen").await.unwrap();
            assert!(next.local_addr().unwrap().port() > port);
        }
        let taken = Wish::Exactly(busy.local_addr().unwrap()).bind("--listen").await.unwrap_err();
        assert!(taken.to_string().contains("choose another with --listen"), "{taken}");
    }
}
