//! The DSN of Go's driver: `user:password@tcp(host:port)/database?parameter=value`.
//!
//! User and password stand as they are, the database and the values percent-encoded; the last `/` ends the left
//! part, in which the last `@` ends the log-in.

use aquifer_driver::{Dsn, Error, ErrorKind, Result};

use super::url;

/// Takes the DSN apart into pairs.
///
/// # Errors
///
/// `Configuration` if it is malformed; nothing of a user or password is shown.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    if text.is_empty() {
        return Ok(pairs);
    }
    let Some((left, right)) = text.rsplit_once('/') else {
        return Err(malformed("is missing the slash before the database's name"));
    };
    let address = match left.rsplit_once('@') {
        Some((login, address)) => {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            pairs.push(("user".to_owned(), user.to_owned()));
            pairs.push(("password".to_owned(), password.to_owned()));
            address
        }
        None => left,
    };
    let (network, address) = match address.split_once('(') {
        Some((network, rest)) => match rest.strip_suffix(')') {
            Some(address) => (network, address),
            None if rest.contains(')') => {
                return Err(malformed("has something after its address")
                    .with_hint("did you forget to escape a parameter's value?"));
            }
            None => return Err(malformed("has a network address that is not terminated")),
        },
        None => (address, ""),
    };
    match network {
        "" | "tcp" if address.is_empty() => {}
        // As Go has it: an IPv6 address needs brackets only if a port follows.
        "" | "tcp" if address.parse::<std::net::Ipv6Addr>().is_ok() => {
            pairs.push(("host".to_owned(), address.to_owned()));
        }
        "" | "tcp" => {
            let (host, port) = url::split(address)?;
            pairs.push(("host".to_owned(), host.to_owned()));
            pairs.extend(port.map(|port| ("port".to_owned(), port.to_owned())));
        }
        "unix" => {
            let path = if address.is_empty() { "/tmp/mysql.sock" } else { address };
            pairs.push(("socket".to_owned(), path.to_owned()));
        }
        _ => {
            return Err(malformed("names a network that this driver does not have")
                .with_hint("write `tcp(host:port)` or `unix(path)`"));
        }
    }
    let (database, query) = right.split_once('?').unwrap_or((right, ""));
    if !database.is_empty() {
        pairs.push(("database".to_owned(), Dsn::decode(database, "the database's name")?));
    }
    // What has no `=` is ignored, as Go does.
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let plus = value.replace('+', " ");
        // A time zone's sign is meant as it stands.
        let value = if name == "time_zone" { value } else { &plus };
        pairs.push((name.to_owned(), Dsn::decode(value, "a parameter")?));
    }
    Ok(pairs)
}

#[cold]
fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("the DSN {what}"))
        .with_hint("write `user:password@tcp(host:port)/database?parameter=value`")
}
