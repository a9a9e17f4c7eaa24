//! The parts of a `mysql://` or `mariadb://` URL.

use aquifer_driver::{Dsn, Error, ErrorKind, Result};

/// Takes the URL apart into pairs; the query comes last, so it has the last word.
///
/// # Errors
///
/// `Configuration` if the URL is malformed; nothing of a user or password is shown.
pub(super) fn pairs(dsn: &Dsn) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let Some(body) = dsn.body().strip_prefix("//") else {
        return Err(malformed("does not begin with `mysql://`"));
    };
    let (authority, path) = body.split_once('/').unwrap_or((body, ""));
    let host = match authority.rsplit_once('@') {
        Some((login, host)) => {
            let (user, password) = match login.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (login, None),
            };
            if login.contains('@') {
                return Err(malformed("has an unescaped `@` in its user or password")
                    .with_hint("write it as `%40`"));
            }
            pairs.push(("user".to_owned(), Dsn::decode(user, "the user")?));
            if let Some(password) = password {
                pairs.push(("password".to_owned(), Dsn::decode(password, "the password")?));
            }
            host
        }
        // `app:se/cret@db1`: the slash ended the authority too early.
        None if authority.contains(':') && !authority.contains('[') && path.contains('@') => {
            return Err(malformed("has an unescaped `/` in its user or password")
                .with_hint("write it as `%2F`"));
        }
        None => authority,
    };
    if host.contains('(') {
        return Err(malformed("begins as a URL and has its address in the form of Go's driver")
            .with_hint(
                "write `mysql://user:password@host:port/database` (`?socket=path` for a socket), or \
                 `user:password@tcp(host:port)/database` to `Db::open_with(\"mysql\", …)`, which takes Go's form",
            ));
    }
    let (host, port) = split(host)?;
    if !host.is_empty() {
        pairs.push(("host".to_owned(), Dsn::decode(host, "the host")?));
    }
    if let Some(port) = port {
        pairs.push(("port".to_owned(), port.to_owned()));
    }
    if path.contains('/') {
        return Err(malformed("has more than one name after the host")
            .with_hint("a `/` in the database's name is written as `%2F`"));
    }
    if !path.is_empty() {
        pairs.push(("database".to_owned(), Dsn::decode(path, "the database's name")?));
    }
    pairs.extend(dsn.params().iter().cloned());
    Ok(pairs)
}

/// `db1:3307`, `[::1]:3307`, `db1`.
pub(super) fn split(text: &str) -> Result<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest
            .split_once(']')
            .ok_or_else(|| malformed("has an IPv6 address whose `[` is not closed"))?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(malformed("has something other than a port after its IPv6 address")),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => {
            Err(malformed("has an IPv6 address without brackets").with_hint("write `[::1]:3306`"))
        }
        Some((host, port)) => Ok((host, Some(port).filter(|port| !port.is_empty()))),
        None => Ok((text, None)),
    }
}

#[cold]
fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("the URL {what}"))
}
