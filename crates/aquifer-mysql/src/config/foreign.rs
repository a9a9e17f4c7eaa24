//! Parameters of other drivers, and what is written here instead.

/// Names as others write them, in lower case and without `_` and `-`, and the advice.
const FOREIGN: [(&[&str], &str); 20] = [
    (
        &["ssl", "usessl", "usetls", "enabletls"],
        "write `tls`: `false`, `preferred`, `skip-verify` or `true`",
    ),
    (
        &["requiressl", "requiretls", "trustservercertificate"],
        "write `tls=skip-verify`, or `tls=true` to check the server",
    ),
    (
        &["verifyservercertificate", "verifyca", "verifyidentity"],
        "write `tls=true`, or `tls=verify-ca`",
    ),
    (&["sslca"], "write `tlsCa`"),
    (&["sslcert"], "write `tlsCert`"),
    (&["sslkey"], "write `tlsKey`"),
    (
        &["servertimezone", "connectiontimezone", "timezone", "tz"],
        "write `time_zone`, such as `time_zone=%2B00:00`",
    ),
    (
        &["connecttimeout", "connectiontimeout", "logintimeout"],
        "write `timeout`, with a unit: `timeout=5s`",
    ),
    (&["sockettimeout"], "write `readTimeout` and `writeTimeout`, with a unit: `readTimeout=30s`"),
    (
        &["characterencoding", "useunicode", "characterset", "encoding"],
        "leave it out: all text is UTF-8; `charset` chooses between `utf8mb4` and `utf8`",
    ),
    (&["autoreconnect"], "leave it out: the pool replaces connections that break"),
    (
        &["prefersocket", "unixsocket"],
        "write `socket` with the socket's path to use it; `host` is used as it is given",
    ),
    (&["allowmultiqueries"], "write `multiStatements`"),
    (&["usecompression"], "write `compress`"),
    (&["useaffectedrows"], "write `clientFoundRows`, which says the opposite"),
    (&["zerodatetimebehavior"], "write `zeroDates`"),
    (&["allowloadlocalinfile", "localinfile"], "write `allowFiles` with the files' names"),
    (&["cacheprepstmts", "prepstmtcachesize", "stmtcachesize"], "write `statement_cache_capacity`"),
    (
        &["poolmin", "poolmax", "maxpoolsize", "connectionlimit"],
        "write `pool_max_open` and the pool's other options (docs/options.md)",
    ),
    (
        &["usr", "username", "passwd", "db", "dbname", "schema"],
        "write `user`, `password` or `database`, or the URL's own parts",
    ),
];

/// What to write instead of another driver's parameter.
pub(super) fn instead(name: &str) -> Option<&'static str> {
    // `local_infile` and such are variables that servers have; only their spelling in camel case is a parameter's.
    if name == "local_infile" {
        return None;
    }
    let plain: String = name
        .chars()
        .filter(|letter| !"_-".contains(*letter))
        .collect::<String>()
        .to_ascii_lowercase();
    FOREIGN.iter().find(|(names, _)| names.contains(&plain.as_str())).map(|(_, advice)| *advice)
}
