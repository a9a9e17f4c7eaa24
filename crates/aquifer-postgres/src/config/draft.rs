//! [`Draft`]: what is known of a configuration while its parameters are read one by one.

use std::path::PathBuf;

use super::Config;
use super::modes::{Pooler, ProtocolVersion, QueryMode, SslMode};

/// A configuration of which some parts can be worked out only when all parameters are known.
pub(crate) struct Draft {
    pub(crate) config: Config,
    pub(crate) host: String,
    pub(crate) hostaddr: String,
    pub(crate) port: String,
    pub(crate) user: Option<String>,
    pub(crate) passfile: Option<PathBuf>,
    pub(crate) application_name: Option<String>,
    pub(crate) fallback_application_name: Option<String>,
    pub(crate) sslmode: Option<SslMode>,
    pub(crate) sslcert: Option<String>,
    pub(crate) sslkey: Option<String>,
    pub(crate) sslrootcert: Option<String>,
    pub(crate) sslcrl: Option<String>,
    pub(crate) sslinline: bool,
    pub(crate) max_protocol_version: Option<ProtocolVersion>,
    pub(crate) query_mode: Option<QueryMode>,
    pub(crate) pooler: Option<Pooler>,
}

impl Draft {
    pub(crate) fn new() -> Self {
        Self {
            config: Config::blank(),
            host: String::new(),
            hostaddr: String::new(),
            port: String::new(),
            user: None,
            passfile: None,
            application_name: None,
            fallback_application_name: None,
            sslmode: None,
            sslcert: None,
            sslkey: None,
            sslrootcert: None,
            sslcrl: None,
            sslinline: false,
            max_protocol_version: None,
            query_mode: None,
            pooler: None,
        }
    }

    /// A setting for the startup packet; nothing if it is empty.
    pub(crate) fn run_time(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.config.run_time.push((name.to_owned(), value.to_owned()));
        }
    }
}
