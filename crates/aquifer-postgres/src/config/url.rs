//! The parts of a `postgres://` URL, as libpq reads them: several hosts, each with its port, and sockets
//! as percent-encoded hosts.

use aquifer_driver::{Dsn, Error, ErrorKind, Result};

/// Takes the URL apart into the pairs that a `key=value` string would have. The query comes last, so it
/// has the last word, as in libpq.
///
/// # Errors
///
/// `Configuration` if the URL is malformed; nothing of a user or password is shown.
pub(crate) fn pairs(dsn: &Dsn) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let Some(body) = dsn.body().strip_prefix("//") else {
        return Err(malformed("does not begin with `postgres://`"));
    };
    let (authority, path) = match body.split_once('/') {
        Some((authority, path)) => (authority, Some(path)),
        None => (body, None),
    };
    let hosts = match authority.split_once('@') {
        Some((login, hosts)) => {
            if hosts.contains('@') {
                return Err(unescaped('@', "%40"));
            }
            let (user, password) = match login.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (login, None),
            };
            if !user.is_empty() {
                pairs.push(("user".to_owned(), decode(user, "the user")?));
            }
            if let Some(password) = password {
                pairs.push(("password".to_owned(), decode(password, "the password")?));
            }
            hosts
        }
        // `app:se/cret@db1`: the slash ended the authority too early.
        None if authority.contains(':')
            && !authority.contains('[')
            && path.is_some_and(|path| path.contains('@')) =>
        {
            return Err(unescaped('/', "%2F"));
        }
        None => authority,
    };
    hosts_and_ports(hosts, &mut pairs)?;
    if let Some(dbname) = path.filter(|path| !path.is_empty()) {
        pairs.push(("dbname".to_owned(), decode(dbname, "the database's name")?));
    }
    for (key, value) in dsn.params() {
        // What JDBC's URLs say for `sslmode=require`; libpq takes it, too.
        if key == "ssl" && value == "true" {
            pairs.push(("sslmode".to_owned(), "require".to_owned()));
        } else {
            pairs.push((key.clone(), value.clone()));
        }
    }
    Ok(pairs)
}

/// `a:1,[::1]:2,c` becomes `host=a,::1,c` and `port=1,2,`.
fn hosts_and_ports(text: &str, pairs: &mut Vec<(String, String)>) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    for item in text.split(',') {
        let (host, port) = match item.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest
                    .split_once(']')
                    .ok_or_else(|| malformed("has an IPv6 address whose `[` is not closed"))?;
                if address.is_empty() {
                    return Err(malformed("has an empty IPv6 address"));
                }
                match after.strip_prefix(':') {
                    Some(port) => (address, port),
                    None if after.is_empty() => (address, ""),
                    None => return Err(malformed("has text between an IPv6 address and its port")),
                }
            }
            None => match item.split_once(':') {
                Some((host, port)) => (host, port),
                None => (item, ""),
            },
        };
        let host = decode(host, "a host")?;
        if host.contains(',') {
            return Err(malformed("has a comma inside a host"));
        }
        let port = decode(port, "a port")?;
        if port.contains([':', ',']) {
            return Err(malformed("has a port that is not a number").with_hint(
                "an IPv6 address stands in brackets: `[::1]:5432`; a `:`, `/` or `@` in a user or password is percent-encoded",
            ));
        }
        hosts.push(host);
        ports.push(port);
    }
    if hosts.iter().any(|host| !host.is_empty()) || hosts.len() > 1 {
        pairs.push(("host".to_owned(), hosts.join(",")));
    }
    if ports.iter().any(|port| !port.is_empty()) {
        pairs.push(("port".to_owned(), ports.join(",")));
    }
    Ok(())
}

/// A percent sign must be followed by two hexadecimal digits, as in libpq: `hun%zzter` is a password that
/// somebody forgot to encode, and would otherwise be refused by the server without a reason.
fn decode(text: &str, what: &str) -> Result<String> {
    let encoded = |rest: &str| matches!(rest.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if text.split('%').skip(1).any(|rest| !encoded(rest)) {
        return Err(malformed(&format!("has a `%` in {what} that begins no escape"))
            .with_hint("write a percent sign as `%25`"));
    }
    Dsn::decode(text, what)
}

#[cold]
fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("the PostgreSQL URL {what}"))
}

#[cold]
fn unescaped(c: char, code: &str) -> Error {
    malformed(&format!("has an unescaped `{c}` in its user or password"))
        .with_hint(format!("write it as `{code}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<Vec<(String, String)>> {
        pairs(&Dsn::parse(text)?)
    }

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = url(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let found: Vec<_> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        check("postgres://", &[]);
        check("postgresql://localhost", &[("host", "localhost")]);
        check("postgres://localhost:5433", &[("host", "localhost"), ("port", "5433")]);
        check("postgres://localhost/mydb", &[("host", "localhost"), ("dbname", "mydb")]);
        check("postgres://user@localhost", &[("user", "user"), ("host", "localhost")]);
        check(
            "postgres://user:se%40cret@localhost",
            &[("user", "user"), ("password", "se@cret"), ("host", "localhost")],
        );
        check(
            "postgres://other@localhost/otherdb?connect_timeout=10&application_name=my%20app",
            &[
                ("user", "other"),
                ("host", "localhost"),
                ("dbname", "otherdb"),
                ("connect_timeout", "10"),
                ("application_name", "my app"),
            ],
        );
        check("postgres:///mydb?host=localhost", &[("dbname", "mydb"), ("host", "localhost")]);
        check(
            "postgres://[2001:db8::1234]/database",
            &[("host", "2001:db8::1234"), ("dbname", "database")],
        );
        check("postgres://[::1]:6000", &[("host", "::1"), ("port", "6000")]);
        check("postgres://:6000/d", &[("port", "6000"), ("dbname", "d")]);
        check("postgres://u:@h", &[("user", "u"), ("password", ""), ("host", "h")]);
        check("postgres:///d?ssl=true", &[("dbname", "d"), ("sslmode", "require")]);
    }

    #[test]
    fn several_hosts_have_a_port_each() {
        check(
            "postgres://h1:123,h2:456/somedb?target_session_attrs=any",
            &[
                ("host", "h1,h2"),
                ("port", "123,456"),
                ("dbname", "somedb"),
                ("target_session_attrs", "any"),
            ],
        );
        check("postgres://h1,[::1]:2,h3", &[("host", "h1,::1,h3"), ("port", ",2,")]);
    }

    #[test]
    fn a_socket_is_a_percent_encoded_host() {
        check(
            "postgres://%2Fvar%2Frun%2Fpostgresql/d",
            &[("host", "/var/run/postgresql"), ("dbname", "d")],
        );
    }

    #[test]
    fn malformed_urls_are_refused_without_showing_the_login() {
        for (text, part) in [
            ("postgres:app", "postgres://"),
            ("postgres://app:hun@ter2@db", "unescaped `@`"),
            ("postgres://app:hun/ter2@db", "unescaped `/`"),
            ("postgres://app:hunter2:x", "not a number"),
            ("postgres://[::1", "not closed"),
            ("postgres://[]", "empty IPv6"),
            ("postgres://[::1]x", "between"),
            ("postgres://a%2cb", "comma"),
            ("postgres://app:%ffter2@db", "the password in the URL is not UTF-8"),
        ] {
            let error = url(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{text}");
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert!(!format!("{error:?} {error}").contains("ter2"), "{error}");
        }
    }
}
