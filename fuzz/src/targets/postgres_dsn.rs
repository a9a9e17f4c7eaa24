//! PostgreSQL's connection strings, as URLs and as `key=value` pairs.

use aquifer_driver::{Dsn, ErrorKind};
use aquifer_postgres::{Secret, fuzzing};

pub(super) const WORDS: &[&str] = &[
    "postgres://",
    "postgresql://",
    "app:hunter2@",
    "password=hunter2",
    "password='hunter2'",
    "user=app ",
    "host=",
    "hostaddr=",
    "port=",
    "dbname=",
    "database=",
    "sslmode=verify-full ",
    "sslmode=require ",
    "sslrootcert=system ",
    "sslnegotiation=direct ",
    "sslinline=1 ",
    "service=",
    "servicefile=",
    "require_auth=!md5,!none ",
    "target_session_attrs=any ",
    "connect_timeout=10 ",
    "options='-c a=b' ",
    "search_path=a,b ",
    "hots=",
    "_pq_.",
    "'",
    "\\",
    "\\'",
    " = ",
    "=",
    ",",
    ":5432",
    "[::1]",
    "127.0.0.1",
    "/tmp",
    "%2Ftmp",
    "@abstract",
    "?",
    "&",
    "%",
    "%00",
    "\0",
    "\n",
    "é",
];

/// The password of the corpus: long enough not to come about by chance.
const PASSWORD: &str = "hunter2";

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let dsn = if text.starts_with("postgres") && text.contains("://") {
        match Dsn::parse(text) {
            Ok(dsn) => dsn,
            // The target `dsn` looks at these.
            Err(_) => return,
        }
    } else {
        Dsn::native("postgres", text)
    };
    let config = match fuzzing::config(&dsn) {
        Ok(config) => config,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Configuration, "{text:?}: {error}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains('\0'), "{shown:?}");
            assert!(!is_secret(text) || !shown.contains(PASSWORD), "{text:?} shown as {shown:?}");
            return;
        }
    };
    assert!(!config.hosts.is_empty() && !config.user.is_empty(), "{text:?}");
    assert!(config.hosts.iter().all(|host| host.port != 0), "{text:?}");
    assert!(config.min_protocol_version <= config.max_protocol_version, "{text:?}");
    for (name, value) in fuzzing::startup_parameters(&config) {
        assert!(!name.is_empty() && !name.contains('\0') && !value.contains('\0'), "{text:?}");
    }
    if config.password.as_ref().map(Secret::expose) == Some(PASSWORD)
        && text.matches(PASSWORD).count() == 1
    {
        let shown = format!("{config:?} {}", config.target());
        assert!(!shown.contains(PASSWORD), "{text:?} shown as {shown:?}");
    }
}

/// True if the password stands where only a password can, and is not also a file's name.
fn is_secret(text: &str) -> bool {
    let Some(at) = text.find(PASSWORD) else {
        return false;
    };
    let before = &text[..at];
    // A quote before it may close a value, and a name begin.
    let quoted = before.strip_suffix("password='").is_some_and(|rest| !rest.contains('\''));
    let named = before.ends_with("password=") || quoted;
    let in_url = before.contains("://") && before.ends_with(':') && !before.contains('?');
    (named || in_url) && text.matches(PASSWORD).count() == 1 && !text.contains("service")
}
