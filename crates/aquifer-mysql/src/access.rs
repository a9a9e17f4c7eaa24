//! [`Access`]: with which configuration a session is opened; [`Source`]: where that comes from, anew for each.

use std::path::Path;
use std::sync::Arc;

use aquifer_driver::{BoxFuture, Error, ErrorKind, Result};
use aquifer_net::SystemFiles;
use aquifer_net::tls::Reload;
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
    config: Config,
    /// What was made of the configuration's files, as they were when they were last looked at.
    loaded: Arc<Reload<Arc<Access>>>,
    before_connect: Option<BeforeConnect>,
}

impl Source {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    ///
    /// `Configuration`, naming the parameter or the file.
    pub(crate) fn new(config: Config) -> Result<Self> {
        let source = Self { config, loaded: Arc::default(), before_connect: None };
        source.ours()?;
        Ok(source)
    }

    pub(crate) fn with_hook(&self, hook: BeforeConnect) -> Self {
        let (config, loaded) = (self.config.clone(), Arc::clone(&self.loaded));
        Self { config, loaded, before_connect: Some(hook) }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The files are read again when one of them has changed.
    fn ours(&self) -> Result<Arc<Access>> {
        let Config { tls_ca, tls_cert, tls_key, server_pub_key, .. } = &self.config;
        let paths = [tls_ca, tls_cert, tls_key, server_pub_key];
        let paths = paths.into_iter().map(|path| path.as_deref().map(Path::new));
        self.loaded.get(&SystemFiles, paths, || Ok(Arc::new(Access::new(self.config.clone())?)))
    }

    /// For a connection that is dialled now.
    pub(crate) async fn next(&self) -> Result<Arc<Access>> {
        let Some(hook) = &self.before_connect else { return self.ours() };
        self.read(hook(self.config.clone()).await?)
    }

    /// For a connection to the server of a session: a password may have expired since that was opened, but the
    /// server is the same.
    pub(crate) async fn same_server(&self, session: &Arc<Access>) -> Result<Arc<Access>> {
        let Some(hook) = &self.before_connect else {
            // Where its files are of no use at present, those that the session was opened with may be.
            return Ok(self.ours().unwrap_or_else(|_| Arc::clone(session)));
        };
        let mut config = hook(self.config.clone()).await?;
        let Config { host, port, socket, .. } = session.config.clone();
        (config.host, config.port, config.socket) = (host, port, socket);
        self.read(config)
    }

    fn read(&self, config: Config) -> Result<Arc<Access>> {
        if config == self.config {
            return self.ours();
        }
        let files = |config: &Config| {
            let key = config.server_pub_key.clone();
            let identity = (config.tls_cert.clone(), config.tls_key.clone());
            (config.tls, config.tls_ca.clone(), identity, key, config.socket.is_some())
        };
        if files(&config) != files(&self.config) {
            return Ok(Arc::new(Access::new(config)?));
        }
        let ours = self.ours()?;
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
        f.debug_struct("Source").field("config", &self.config).finish_non_exhaustive()
    }
}
