//! [`Access`]: with which configuration a session is opened; [`Source`]: where that comes from, anew for each.

use std::sync::Arc;

use aquifer_driver::{BoxFuture, Error, ErrorKind, Result};
use zeroize::Zeroizing;

use crate::auth::server_key;
use crate::config::Config;
use crate::tls::Tls;

/// Where, as whom and how; files are read.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) config: Config,
    pub(crate) tls: Tls,
    /// The server's public RSA key, in PEM form.
    pub(crate) server_key: Option<Zeroizing<Vec<u8>>>,
}

impl Access {
    /// # Errors
    ///
    /// `Configuration`, naming the parameter or the file.
    pub(crate) fn new(config: Config) -> Result<Self> {
        config.check()?;
        let tls = Tls::load(&config)?;
        let server_key = match &config.server_pub_key {
            Some(path) => Some(server_key::read(path)?),
            None => None,
        };
        Ok(Self { config, tls, server_key })
    }
}

/// Makes the configuration of one connection.
pub(crate) type BeforeConnect =
    Box<dyn Fn(Config) -> BoxFuture<'static, Result<Config>> + Send + Sync>;

/// Gives each connection its configuration.
pub(crate) struct Source {
    pub(crate) access: Arc<Access>,
    pub(crate) before_connect: Option<BeforeConnect>,
}

impl Source {
    /// For a connection that is dialled now.
    pub(crate) async fn next(&self) -> Result<Arc<Access>> {
        let Some(hook) = &self.before_connect else { return Ok(Arc::clone(&self.access)) };
        self.read(hook(self.access.config.clone()).await?)
    }

    /// For a connection to the server of a session: a password may have expired since that was opened, but the
    /// server is the same.
    pub(crate) async fn same_server(&self, session: &Arc<Access>) -> Result<Arc<Access>> {
        let Some(hook) = &self.before_connect else { return Ok(Arc::clone(session)) };
        let mut config = hook(self.access.config.clone()).await?;
        let Config { host, port, socket, .. } = session.config.clone();
        (config.host, config.port, config.socket) = (host, port, socket);
        self.read(config)
    }

    fn read(&self, config: Config) -> Result<Arc<Access>> {
        let ours = &self.access;
        if config == ours.config {
            return Ok(Arc::clone(ours));
        }
        let files = |config: &Config| {
            let key = config.server_pub_key.clone();
            let identity = (config.tls_cert.clone(), config.tls_key.clone());
            (config.tls, config.tls_ca.clone(), identity, key, config.socket.is_some())
        };
        if files(&config) != files(&ours.config) {
            return Ok(Arc::new(Access::new(config)?));
        }
        config.check().map_err(|error| {
            let message = format!("the hook `before_connect`: {}", error.message());
            Error::new(ErrorKind::Configuration, message).with_source(error)
        })?;
        let (tls, server_key) = (ours.tls.clone(), ours.server_key.clone());
        Ok(Arc::new(Access { config, tls, server_key }))
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("access", &self.access).finish_non_exhaustive()
    }
}
