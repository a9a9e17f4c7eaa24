//! The floor's sockets, over TCP or on a path.

use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::failure::{Failure, Result};
use crate::registry::Setting;
use crate::server::url;

#[derive(Debug, Clone)]
pub(super) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Address {
    pub(super) fn of(setting: &Setting) -> Result<Self> {
        Self::parse(url(setting)?)
    }

    fn parse(url: &str) -> Result<Self> {
        let host = url.split('@').nth(1).and_then(|rest| rest.split('/').next());
        let host = host.ok_or_else(|| Failure::new("the URL has no host"))?;
        match host.rsplit_once(':') {
            Some((folder, port)) if folder.starts_with("%2F") => {
                let folder = PathBuf::from(folder.replace("%2F", "/"));
                Ok(Self::Unix(folder.join(format!(".s.PGSQL.{port}"))))
            }
            _ => Ok(Self::Tcp(host.parse()?)),
        }
    }

    /// A socket that blocks; the system reads and writes it as any file.
    pub(super) fn connect_blocking(&self) -> Result<File> {
        let socket: OwnedFd = match self {
            Self::Tcp(address) => {
                let stream = std::net::TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.into()
            }
            Self::Unix(path) => BlockingUnixStream::connect(path)?.into(),
        };
        Ok(socket.into())
    }

    pub(super) async fn connect(&self) -> Result<Stream> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
        }
    }
}

pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    #[inline]
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer).await,
            Self::Unix(stream) => stream.read(buffer).await,
        }
    }

    #[inline]
    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes).await,
            Self::Unix(stream) => stream.write_all(bytes).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_from_either_form_of_the_url() {
        let tcp = Address::parse("postgres://a:b@127.0.0.1:5/c?sslmode=disable").unwrap();
        assert_eq!(format!("{tcp:?}"), "Tcp(127.0.0.1:5)");
        let unix = Address::parse("postgres://a:b@%2Ftmp%2Fx:5/c?sslmode=disable").unwrap();
        assert_eq!(format!("{unix:?}"), r#"Unix("/tmp/x/.s.PGSQL.5")"#);
    }
}
