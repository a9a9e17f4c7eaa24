//! PostgreSQL's password file and service file.

use aquifer_driver::ErrorKind;
use aquifer_postgres::{Secret, fuzzing};

pub(super) const PASSFILE_WORDS: &[&str] = &[
    "db1:5432:shop:app:",
    "*:*:*:*:",
    "*:",
    "localhost:",
    "/tmp:",
    "\\:\\:1:",
    "\\",
    "\\\\",
    "\\*",
    ":",
    "#",
    "\n",
    "\r\n",
    "hunter2",
];

/// Name or socket, port, database, user.
const SERVERS: [(&str, u16, &str, &str); 5] = [
    ("db1", 5432, "shop", "app"),
    ("", 5432, "shop", "app"),
    ("/tmp", 5433, "shop", "app"),
    ("::1", 1, "a:b", "a\\b"),
    ("*", 5432, "*", "*"),
];

/// The same as a straightforward reading of the rules, which takes fields apart first.
pub(super) fn passfile(bytes: &[u8]) {
    for (host, port, dbname, user) in SERVERS {
        let found = fuzzing::passfile(bytes, host, port, dbname, user);
        let expected = bytes.split(|byte| *byte == b'\n').find_map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let (fields, password) = apart(line)?;
            let is =
                |field: &[u8], value: &str| field == b"*" || unescaped(field) == value.as_bytes();
            let local = host.is_empty() || host.starts_with('/');
            let host_fits = is(fields[0], host) || local && is(fields[0], "localhost");
            let fits = host_fits
                && is(fields[1], &port.to_string())
                && is(fields[2], dbname)
                && is(fields[3], user);
            // An empty host is `localhost` and nothing else.
            let fits = fits && !(host.is_empty() && fields[0].is_empty());
            let password = String::from_utf8(unescaped(password)).ok()?;
            (fits && !line.starts_with(b"#")).then_some(password)
        });
        assert_eq!(found.as_ref().map(Secret::expose), expected.as_deref(), "for {host:?}");
    }
}

/// Four fields and the rest, if there are four colons that are not escaped.
fn apart(line: &[u8]) -> Option<([&[u8]; 4], &[u8])> {
    let mut fields = [&line[..0]; 4];
    let mut rest = line;
    for field in &mut fields {
        let mut at = 0;
        while *rest.get(at)? != b':' {
            at += if rest[at] == b'\\' { 2 } else { 1 };
        }
        *field = &rest[..at];
        rest = &rest[at + 1..];
    }
    Some((fields, rest))
}

/// Without the backslashes that escape something; the last byte cannot.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < field.len() {
        if field[at] == b'\\' && at + 1 < field.len() {
            at += 1;
        }
        out.push(field[at]);
        at += 1;
    }
    out
}

pub(super) const SERVICE_WORDS: &[&str] = &[
    "[shop]\n",
    "[other]\n",
    "host=db1\n",
    "password=hunter2\n",
    "service=x\n",
    "#",
    "=",
    "\n",
    "[",
    "]",
    " ",
    "\r",
];

pub(super) fn service(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match fuzzing::service(text, "shop") {
        Ok(None) => {}
        Ok(Some(pairs)) => {
            assert!(text.contains("[shop]"));
            for (index, (key, value)) in pairs.iter().enumerate() {
                assert!(!key.is_empty() && key != "service", "{key:?}");
                assert!(text.contains(key.as_str()) && text.contains(value.as_str()), "{key:?}");
                assert!(!pairs[..index].iter().any(|(seen, _)| seen == key), "{key:?} twice");
            }
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains("the file"), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
