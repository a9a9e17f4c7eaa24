//! [`HostSpec`]: one of the servers to try.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// A server: a name, an address or a socket directory, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostSpec {
    /// A name or address; a directory that begins with `/`, or a name that begins with `@` in the
    /// abstract namespace, is a socket's. Empty if only `hostaddr` was given.
    pub host: String,
    /// The address to dial instead of resolving `host`, which is then only what the certificate is
    /// checked against.
    pub hostaddr: Option<IpAddr>,
    /// The port, or the number in the socket's name.
    pub port: u16,
}

impl HostSpec {
    /// A server by name, address or socket directory.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), hostaddr: None, port }
    }

    /// The path of the socket, if it is one: `<directory>/.s.PGSQL.<port>`.
    #[must_use]
    pub fn socket(&self) -> Option<PathBuf> {
        (self.hostaddr.is_none() && self.host.starts_with(['/', '@']))
            .then(|| PathBuf::from(format!("{}/.s.PGSQL.{}", self.host, self.port)))
    }
}

/// As in messages: `db1:5432`, `[::1]:5432`, `/run/postgresql:5432`.
impl fmt::Display for HostSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host.as_str(), self.hostaddr) {
            ("", Some(IpAddr::V6(address))) => write!(f, "[{address}]:{}", self.port),
            ("", Some(address)) => write!(f, "{address}:{}", self.port),
            (host, _) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            (host, _) => write!(f, "{host}:{}", self.port),
        }
    }
}

/// Puts the lists of `host`, `hostaddr` and `port` together.
///
/// # Errors
///
/// What is wrong with which parameter.
pub(crate) fn hosts(
    host: &str,
    hostaddr: &str,
    port: &str,
) -> Result<Vec<HostSpec>, (&'static str, String)> {
    let names: Vec<&str> = host.split(',').collect();
    let addresses: Vec<&str> = hostaddr.split(',').collect();
    let count = match (host.is_empty(), hostaddr.is_empty()) {
        (_, true) => names.len(),
        (true, false) => addresses.len(),
        (false, false) if names.len() == addresses.len() => names.len(),
        (false, false) => {
            return Err((
                "hostaddr",
                format!("has {} items for {} in `host`", addresses.len(), names.len()),
            ));
        }
    };
    if count > HOSTS_MAX {
        return Err(("host", format!("has more than {HOSTS_MAX} items")));
    }
    let ports: Vec<&str> = port.split(',').collect();
    if ports.len() != 1 && ports.len() != count {
        return Err(("port", format!("has {} items for {count} hosts", ports.len())));
    }
    (0..count)
        .map(|index| {
            let address = match addresses.get(index).copied().unwrap_or_default() {
                "" => None,
                text => Some(
                    text.parse()
                        .map_err(|_| ("hostaddr", "takes IP addresses, not names".to_owned()))?,
                ),
            };
            let name = names.get(index).copied().unwrap_or_default();
            let name = if name.is_empty() && address.is_none() { "localhost" } else { name };
            let port = match ports[if ports.len() == 1 { 0 } else { index }] {
                "" => PORT,
                text => text
                    .parse()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or_else(|| ("port", "takes numbers from 1 to 65535".to_owned()))?,
            };
            Ok(HostSpec { host: name.to_owned(), hostaddr: address, port })
        })
        .collect()
}

/// More servers than any list has.
const HOSTS_MAX: usize = 256;

const PORT: u16 = 5432;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(host: &str, hostaddr: &str, port: &str) -> Vec<String> {
        let hosts = hosts(host, hostaddr, port).unwrap();
        hosts
            .iter()
            .map(|host| match host.hostaddr {
                Some(address) if !host.host.is_empty() => format!("{host}@{address}"),
                _ => host.to_string(),
            })
            .collect()
    }

    #[test]
    fn lists_are_put_together() {
        assert_eq!(shown("", "", ""), ["localhost:5432"]);
        assert_eq!(shown("a,,c", "", ""), ["a:5432", "localhost:5432", "c:5432"]);
        assert_eq!(shown("a,b", "", "6000"), ["a:6000", "b:6000"]);
        assert_eq!(shown("a,b,c", "", "1,,3"), ["a:1", "b:5432", "c:3"]);
        assert_eq!(shown("a,b", "10.0.0.1,::1", ""), ["a:5432@10.0.0.1", "b:5432@::1"]);
        assert_eq!(shown("", "10.0.0.1,::1", "1,2"), ["10.0.0.1:1", "[::1]:2"]);
        assert_eq!(shown("a,b", ",::1", "7"), ["a:7", "b:7@::1"]);
        assert_eq!(shown("/tmp,::1", "", ""), ["/tmp:5432", "[::1]:5432"]);
    }

    #[test]
    fn lists_that_do_not_fit_are_refused() {
        for (host, hostaddr, port, parameter) in [
            ("a,b", "10.0.0.1", "", "hostaddr"),
            ("a", "", "1,2", "port"),
            ("a,b,c", "", "1,2", "port"),
            ("a", "", "x", "port"),
            ("a", "", "0", "port"),
            ("a", "", "65536", "port"),
            ("a", "", "-1", "port"),
            ("a", "db1", "", "hostaddr"),
        ] {
            let (found, _) = hosts(host, hostaddr, port).unwrap_err();
            assert_eq!(found, parameter, "{host} {hostaddr} {port}");
        }
        assert_eq!(hosts(&",".repeat(300), "", "").unwrap_err().0, "host");
    }

    #[test]
    fn sockets_are_paths_and_abstract_names_without_an_address() {
        let socket = |host: &str| HostSpec::new(host, 5433).socket();
        assert_eq!(socket("/tmp"), Some("/tmp/.s.PGSQL.5433".into()));
        assert_eq!(socket("@pg"), Some("@pg/.s.PGSQL.5433".into()));
        assert_eq!(socket("tmp"), None);
        let address = Some(IpAddr::from([127, 0, 0, 1]));
        assert_eq!(HostSpec { hostaddr: address, ..HostSpec::new("/tmp", 1) }.socket(), None);
    }
}
