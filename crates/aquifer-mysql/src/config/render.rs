//! A configuration as a URL.

use std::fmt::Write;

use super::parameters::PARAMETERS;
use super::{Config, Secret};

impl Config {
    /// The URL that reads as this configuration, whatever the environment says; only what differs from the
    /// defaults is in it. It has the password in it.
    ///
    /// [`from_dsn`](Self::from_dsn) of it gives an equal configuration, if every field holds what its parameter
    /// takes.
    #[must_use]
    pub fn to_url(&self) -> Secret {
        let mut url = String::from("mysql://");
        url.push_str(&escaped(&self.user));
        if let Some(password) = &self.password {
            url.push(':');
            url.push_str(&escaped(password.expose()));
        }
        url.push('@');
        if self.host.parse::<std::net::Ipv6Addr>().is_ok() {
            let _ = write!(url, "[{}]", self.host);
        } else {
            url.push_str(&escaped(&self.host));
        }
        let _ = write!(url, ":{}/", self.port);
        url.push_str(&escaped(self.database.as_deref().unwrap_or_default()));
        // The option file's part is in the fields.
        url.push_str("?defaultsFile=");
        let authority = ["host", "port", "user", "password", "database", "tls"];
        let pairs = self.changed().filter(|(name, _)| !authority.contains(name));
        // Written in any case: without a word of it, `tlsCa` would change it.
        let tls = std::iter::once(("tls", self.tls.word().to_owned()));
        for (name, value) in tls.chain(pairs) {
            let _ = write!(url, "&{name}={}", escaped(&value));
        }
        for (name, value) in &self.system_variables {
            let _ = write!(url, "&{name}={}", escaped(value));
        }
        Secret::new(url)
    }

    /// The parameters that differ from their defaults, and their texts.
    pub(super) fn changed(&self) -> impl Iterator<Item = (&'static str, String)> + use<'_> {
        let default = Self::default();
        PARAMETERS.iter().filter_map(move |parameter| {
            let shown = (parameter.show)(self);
            (shown != (parameter.show)(&default)).then_some((parameter.option.name, shown))
        })
    }
}

/// Percent-encoded, but for what is safe everywhere.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
