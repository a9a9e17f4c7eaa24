//! The password file, `~/.pgpass`: which line is for which server.
//!
//! The rules are those of `passwordFromFile` in libpq's `fe-connect.c`.

use std::path::Path;

use aquifer_net::{Files, is_missing};
use zeroize::Zeroizing;

use super::Secret;

/// What a password file has for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A line matches.
    Password(Secret),
    /// There is no file, or no line matches.
    Nothing,
    /// The file is not used, and this is why.
    Ignored(String),
}

/// The server that a password is looked up for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server<'a> {
    /// A name, an address, or the directory of a socket.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) dbname: &'a str,
    pub(crate) user: &'a str,
}

/// Reads the file and looks the server up.
pub(crate) fn find(files: &dyn Files, path: &Path, server: Server<'_>) -> Found {
    let stat = match files.stat(path) {
        Ok(stat) => stat,
        Err(error) if is_missing(&error) => return Found::Nothing,
        Err(error) => {
            return Found::Ignored(format!(
                "the password file {} cannot be read: {error}",
                path.display()
            ));
        }
    };
    if !stat.is_file {
        return Found::Ignored(format!("the password file {} is not a file", path.display()));
    }
    if stat.mode.is_some_and(|mode| mode & 0o077 != 0) {
        return Found::Ignored(format!(
            "the password file {} is open to others than its owner, so it is not used; its mode must be 0600 or less",
            path.display()
        ));
    }
    match files.read(path) {
        Ok(bytes) => match lookup(&Zeroizing::new(bytes), server) {
            Some(password) => Found::Password(password),
            None => Found::Nothing,
        },
        Err(error) => {
            Found::Ignored(format!("the password file {} cannot be read: {error}", path.display()))
        }
    }
}

/// The password of the first line that matches. A password that is not UTF-8 is none.
pub(crate) fn lookup(file: &[u8], server: Server<'_>) -> Option<Secret> {
    if server.dbname.is_empty() || server.user.is_empty() {
        return None;
    }
    file.split(|byte| *byte == b'\n').find_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (!line.starts_with(b"#")).then(|| password(line, server)).flatten()
    })
}

fn password(line: &[u8], server: Server<'_>) -> Option<Secret> {
    let socket = server.host.starts_with(['/', '@']);
    let host = if server.host.is_empty() { "localhost" } else { server.host };
    let after_host =
        field(line, host).or_else(|| if socket { field(line, "localhost") } else { None })?;
    let port = server.port.to_string();
    let rest = [port.as_str(), server.dbname, server.user]
        .iter()
        .try_fold(after_host, |rest, expected| field(rest, expected))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(rest.len()));
    let mut rest = rest.iter();
    while let Some(&byte) = rest.next() {
        let byte = if byte == b'\\' { rest.next().copied().unwrap_or(byte) } else { byte };
        bytes.push(byte);
    }
    std::str::from_utf8(&bytes).ok().map(Secret::new)
}

/// What follows the field and its colon, if the field is `*` or, once unescaped, what is expected.
fn field<'l>(line: &'l [u8], expected: &str) -> Option<&'l [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let mut expected = expected.bytes();
    let mut at = 0;
    loop {
        let byte = match *line.get(at)? {
            b':' => return expected.next().is_none().then(|| &line[at + 1..]),
            b'\\' => {
                at += 1;
                *line.get(at)?
            }
            byte => byte,
        };
        if expected.next() != Some(byte) {
            return None;
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use aquifer_net::GivenFiles;
    use proptest::prelude::*;

    use super::*;

    const SERVER: Server<'static> = Server { host: "db1", port: 5432, dbname: "shop", user: "app" };

    fn found(file: &str, server: Server<'_>) -> Option<String> {
        lookup(file.as_bytes(), server).map(|password| password.expose().to_owned())
    }

    #[test]
    fn the_first_line_that_matches_has_the_password() {
        let file = "# db1:5432:shop:app:comment\n\
                    db2:5432:shop:app:other\r\n\
                    \n\
                    db1:5432:shop:app:first\r\n\
                    *:*:*:*:any\n";
        assert_eq!(found(file, SERVER).as_deref(), Some("first"));
        assert_eq!(found(file, Server { host: "db3", ..SERVER }).as_deref(), Some("any"));
        assert_eq!(found("db1:5432:shop:app:last", SERVER).as_deref(), Some("last"));
        assert_eq!(found("db1:5433:shop:app:x", SERVER), None);
        assert_eq!(found("db1:5432:shop", SERVER), None);
        assert_eq!(found("db1:5432:shop:app", SERVER), None);
    }

    #[test]
    fn backslashes_escape_in_fields_and_password() {
        let server = Server { host: "::1", dbname: r"a\b", ..SERVER };
        assert_eq!(found(r"\:\:1:*:a\\b:app:p\:w\\d", server).as_deref(), Some(r"p:w\d"));
        assert_eq!(found("*:*:*:*:a:b", SERVER).as_deref(), Some("a:b"));
        assert_eq!(found(r"*:*:*:*:end\", SERVER).as_deref(), Some(r"end\"));
        assert_eq!(found(r"\*:*:*:*:x", SERVER), None, "an escaped star is a star");
    }

    #[test]
    fn localhost_stands_for_no_host_and_for_sockets() {
        let file = "localhost:*:*:*:local";
        for host in ["", "localhost", "/run/postgresql", "@abstract"] {
            assert_eq!(found(file, Server { host, ..SERVER }).as_deref(), Some("local"), "{host}");
        }
        assert_eq!(found(file, SERVER), None);
        let server = Server { host: "/tmp", ..SERVER };
        assert_eq!(found("/tmp:*:*:*:dir\nlocalhost:*:*:*:l", server).as_deref(), Some("dir"));
    }

    #[test]
    fn a_file_open_to_others_is_ignored_and_says_so() {
        let path = Path::new("/h/.pgpass");
        let with = |mode| GivenFiles(vec![(path.to_owned(), b"*:*:*:*:hunter2".to_vec(), mode)]);
        for mode in [0o600, 0o400, 0o700] {
            let found = find(&with(mode), path, SERVER);
            assert_eq!(found, Found::Password(Secret::new("hunter2")), "{mode:o}");
        }
        for mode in [0o644, 0o610, 0o601, 0o660] {
            match find(&with(mode), path, SERVER) {
                Found::Ignored(why) => assert!(why.contains("/h/.pgpass") && why.contains("0600")),
                other => panic!("{mode:o}: {other:?}"),
            }
        }
        assert_eq!(find(&GivenFiles::default(), path, SERVER), Found::Nothing);
    }

    fn escaped(text: &str) -> String {
        text.replace('\\', r"\\").replace(':', r"\:")
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_found(
            host in "[^\n\r#*]{1,8}", dbname in "[^\n\r]{1,8}", user in "[^\n\r]{1,8}",
            secret in "[^\n\r]{0,12}", port: u16,
        ) {
            let line = format!(
                "{}:{port}:{}:{}:{}",
                escaped(&host), escaped(&dbname), escaped(&user), escaped(&secret)
            );
            let server = Server { host: &host, port, dbname: &dbname, user: &user };
            prop_assert_eq!(found(&line, server), Some(secret));
        }
    }
}
