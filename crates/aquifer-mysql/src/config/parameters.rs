//! The table of parameters: parsing, checks, "did you mean", help and docs all come from it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aquifer_driver::{DriverOption, duration};

use super::charset;
use super::modes::{Compression, TlsMode, ZeroDates};
use super::{Config, Secret};

/// A parameter, and how its text becomes a part of the configuration and is made of it again.
pub(crate) struct Parameter {
    /// Name, default and help, as other crates see them.
    pub(crate) option: DriverOption,
    pub(crate) aliases: &'static [&'static str],
    /// The environment variable, or nothing.
    pub(crate) variable: &'static str,
    /// What it takes, for the message that refuses a value.
    pub(crate) takes: &'static str,
    pub(crate) set: fn(&mut Config, &str) -> Option<()>,
    /// The text that [`set`](Self::set) would make the same of; empty for nothing.
    pub(crate) show: fn(&Config) -> String,
}

impl Parameter {
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        PARAMETERS
            .iter()
            .find(|parameter| parameter.option.name == name || parameter.aliases.contains(&name))
    }
}

type Names = (&'static str, &'static [&'static str], &'static str);
type How = (fn(&mut Config, &str) -> Option<()>, fn(&Config) -> String);

const fn define(
    (name, aliases, variable): Names,
    default: &'static str,
    takes: &'static str,
    help: &'static str,
    (set, show): How,
) -> Parameter {
    let option = DriverOption::new(name, default, help);
    Parameter { option, aliases, variable, takes, set, show }
}

/// Yes or no.
macro_rules! flag {
    ($name:literal, $default:literal, $field:ident, $help:literal) => {
        define(
            ($name, &[], ""),
            $default,
            "`true` or `false`",
            $help,
            (
                |config, text| {
                    config.$field = boolean(text)?;
                    Some(())
                },
                |config| config.$field.to_string(),
            ),
        )
    };
}

/// The path of a file that need not be named.
macro_rules! path {
    ($names:expr, $default:literal, $field:ident, $help:literal) => {
        define(
            $names,
            $default,
            "a path",
            $help,
            (
                |config, text| {
                    config.$field = (!text.is_empty()).then(|| PathBuf::from(text));
                    Some(())
                },
                |config| shown_path(config.$field.as_deref()),
            ),
        )
    };
}

/// The password of a further factor.
macro_rules! password {
    ($name:literal, $field:ident, $help:literal) => {
        define(
            ($name, &[], ""),
            "",
            "a text",
            $help,
            (
                |config, text| {
                    config.$field = (!text.is_empty()).then(|| Secret::new(text));
                    Some(())
                },
                |config| config.$field.as_ref().map_or("", Secret::expose).to_owned(),
            ),
        )
    };
}

/// A time that need not be bounded.
macro_rules! time {
    ($name:literal, $default:literal, $field:ident, $help:literal) => {
        define(
            ($name, &[], ""),
            $default,
            "a time with its unit, such as `5s`",
            $help,
            (
                |config, text| {
                    let time = if text == "0" { Duration::ZERO } else { duration::parse(text)? };
                    config.$field = Some(time).filter(|time| !time.is_zero());
                    Some(())
                },
                |config| config.$field.map_or_else(|| "0".to_owned(), duration::show),
            ),
        )
    };
}

/// A number.
macro_rules! number {
    ($name:literal, $default:literal, $takes:literal, $field:ident, $help:literal) => {
        define(
            ($name, &[], ""),
            $default,
            $takes,
            $help,
            (
                |config, text| {
                    config.$field = text.parse().ok()?;
                    Some(())
                },
                |config| config.$field.to_string(),
            ),
        )
    };
}

/// A parameter of Go's driver for what this driver does not have: only its default is taken, so that nobody
/// believes otherwise.
macro_rules! only {
    ($name:literal, $default:literal, $takes:literal, $help:literal) => {
        define(
            ($name, &[], ""),
            $default,
            $takes,
            $help,
            (|_, text| is_default($default, text), |_| String::new()),
        )
    };
}

const COUNT: usize = 42;

pub(crate) static PARAMETERS: [Parameter; COUNT] = [
    define(
        ("host", &[], "MYSQL_HOST"),
        "127.0.0.1",
        "a name or an address",
        "The server.",
        (
            |config, text| {
                config.host = (!text.is_empty()).then(|| text.to_owned())?;
                Some(())
            },
            |config| config.host.clone(),
        ),
    ),
    define(
        ("port", &[], "MYSQL_TCP_PORT"),
        "3306",
        "a number from 1 to 65535",
        "Its port.",
        (
            |config, text| {
                config.port = text.parse().ok().filter(|port| *port > 0)?;
                Some(())
            },
            |config| config.port.to_string(),
        ),
    ),
    path!(
        ("socket", &[], "MYSQL_UNIX_PORT"),
        "",
        socket,
        "The path of the server's unix socket, instead of host and port; never encrypted."
    ),
    define(
        ("user", &[], ""),
        "the operating system's user",
        "a name",
        "Who logs in.",
        (
            |config, text| {
                config.user = text.to_owned();
                Some(())
            },
            |config| config.user.clone(),
        ),
    ),
    define(
        ("password", &[], "MYSQL_PWD"),
        "",
        "a text",
        "The password.",
        (
            |config, text| {
                config.password = (!text.is_empty()).then(|| Secret::new(text));
                Some(())
            },
            |config| config.password.as_ref().map_or("", Secret::expose).to_owned(),
        ),
    ),
    password!(
        "password2",
        password2,
        "The password of the second factor, for accounts of MySQL 8 that ask for several. Security keys and the like are not there."
    ),
    password!("password3", password3, "The password of the third factor."),
    define(
        ("database", &["dbname"], ""),
        "",
        "a name",
        "The database that the session begins in; without one, none.",
        (
            |config, text| {
                config.database = (!text.is_empty()).then(|| text.to_owned());
                Some(())
            },
            |config| config.database.clone().unwrap_or_default(),
        ),
    ),
    define(
        ("defaultsFile", &["defaults-file"], ""),
        "~/.my.cnf",
        "a path",
        "The option file whose group `[client]` is read; empty for none. The default one may be missing.",
        // Read before all others.
        (|_, _| Some(()), |_| String::new()),
    ),
    define(
        ("tls", &["ssl-mode", "sslmode"], ""),
        "preferred",
        "`false`, `preferred`, `skip-verify`, `verify-ca` or `true`",
        "Whether the connection is encrypted and the server checked: not at all; if the server can, unchecked; always, unchecked; always, issued by somebody trusted; that and for the host's name. MySQL's words (`DISABLED` to `VERIFY_IDENTITY`) are taken, too. With `tlsCa` and no word here it is `verify-ca`.",
        (
            |config, text| {
                config.tls = TlsMode::parse(text)?;
                Some(())
            },
            |config| config.tls.word().to_owned(),
        ),
    ),
    path!(
        ("tlsCa", &["ssl-ca", "sslrootcert"], ""),
        "the operating system's",
        tls_ca,
        "The certificates of trusted issuers, as a file of PEM."
    ),
    path!(
        ("tlsCert", &["ssl-cert", "sslcert"], ""),
        "",
        tls_cert,
        "The certificate, with its issuers, that this client shows, as a file of PEM; needs `tlsKey`."
    ),
    path!(
        ("tlsKey", &["ssl-key", "sslkey"], ""),
        "",
        tls_key,
        "That certificate's key, unencrypted, as a file of PEM."
    ),
    flag!(
        "allowFallbackToPlaintext",
        "false",
        allow_fallback_to_plaintext,
        "Whether a connection goes on unencrypted where `tls` asks for encryption and the server has none. It counts for that one connection: the next one asks again."
    ),
    time!(
        "timeout",
        "the pool's `connect_timeout`",
        timeout,
        "What opening a connection may take, from resolving the name to the end of the log-in."
    ),
    time!(
        "readTimeout",
        "0",
        read_timeout,
        "How long an answer that is due may make no progress before the connection is given up; 0 for as long as it takes."
    ),
    time!(
        "writeTimeout",
        "0",
        write_timeout,
        "How long the server may take none of what is being sent before the connection is given up; 0 for as long as it takes."
    ),
    flag!(
        "checkConnLiveness",
        "true",
        check_conn_liveness,
        "Whether a connection is read, without waiting, before a command is sent: a server that has closed it is noticed before anything is sent, so that the command goes elsewhere."
    ),
    flag!(
        "rejectReadOnly",
        "false",
        reject_read_only,
        "Whether a server that refuses a write because it only reads (1792, 1290, 1836) loses the connection: the command is then run on a new one, after a failover at the new primary."
    ),
    flag!(
        "allowNativePasswords",
        "true",
        allow_native_passwords,
        "Whether `mysql_native_password` (SHA-1) is used if the server asks for it."
    ),
    flag!(
        "allowCleartextPasswords",
        "false",
        allow_cleartext_passwords,
        "Whether the password itself is sent if the server asks for it (`mysql_clear_password`); only over TLS or a socket."
    ),
    flag!(
        "allowOldPasswords",
        "false",
        allow_old_passwords,
        "Whether `mysql_old_password` (before MySQL 4.1; broken) is used if the server asks for it."
    ),
    path!(
        ("serverPubKey", &["server-public-key-path"], ""),
        "",
        server_pub_key,
        "The server's public RSA key, as a file of PEM: `caching_sha2_password` and `sha256_password` then work without TLS."
    ),
    flag!(
        "allowPublicKeyRetrieval",
        "false",
        allow_public_key_retrieval,
        "Whether that key is asked of the server where there is no TLS and no `serverPubKey`. Whoever can change what goes over the network can then learn the password."
    ),
    flag!(
        "clientFoundRows",
        "true",
        client_found_rows,
        "Whether an UPDATE counts the rows that it found, as every other engine does, or only those that it changed."
    ),
    define(
        ("charset", &[], ""),
        "utf8mb4",
        "`utf8mb4`, `utf8mb3` or `utf8`, or several of them, separated by commas",
        "What text is sent and read in; of several, the first that the server has. All text of this driver is UTF-8, so nothing else is taken, here or as a variable.",
        (
            |config, text| {
                config.charset = charset::parse_list(text)?;
                Some(())
            },
            |config| config.charset.join(","),
        ),
    ),
    define(
        ("collation", &[], ""),
        "the server's for the charset",
        "a collation of `charset`, such as `utf8mb4_bin`",
        "How literals are compared. One that the server does not have is an error of the log-in.",
        (
            |config, text| {
                config.collation = match text {
                    "" => None,
                    text => Some(charset::collation(text)?),
                };
                Some(())
            },
            |config| config.collation.clone().unwrap_or_default(),
        ),
    ),
    define(
        ("time_zone", &[], ""),
        "+00:00",
        "an offset such as `+00:00`, or a name that the server knows",
        "The session's time zone. With an offset, TIMESTAMP columns are instants; with a name, whose rules only the server knows, they read as times without a zone, and instants are refused as arguments.",
        (
            |config, text| {
                config.time_zone = zone(unquoted(text))?;
                Some(())
            },
            |config| config.time_zone.clone(),
        ),
    ),
    define(
        ("loc", &[], ""),
        "the session's",
        "`UTC`, an offset such as `+02:00`, or a zone's name; for `Local` name that of this machine, and in `time_zone`, too",
        "The zone in which times without a zone are meant. They are told in the session's, so any other than `time_zone` is an error: at once where both are offsets, else of the log-in, where the server compares the two in January and July.",
        (
            |config, text| {
                config.loc = match text {
                    "" => None,
                    text if text.eq_ignore_ascii_case("local") => return None,
                    text => Some(zone(text)?),
                };
                Some(())
            },
            |config| config.loc.clone().unwrap_or_default(),
        ),
    ),
    flag!(
        "parseTime",
        "false",
        parse_time,
        "Taken, because Go's driver has it. Dates and times are typed in any case."
    ),
    define(
        ("zeroDates", &[], ""),
        "error",
        "`error`, `null` or `text`",
        "What a date that the calendar does not have (`0000-00-00`) reads as: an error of its cell, NULL, or text, as all dates then do.",
        (
            |config, text| {
                config.zero_dates = ZeroDates::parse(text)?;
                Some(())
            },
            |config| config.zero_dates.word().to_owned(),
        ),
    ),
    number!(
        "maxAllowedPacket",
        "0",
        "a number of bytes",
        max_allowed_packet,
        "Most bytes of a command; 0 for what the server takes. A longer one is refused before it is sent."
    ),
    number!(
        "statement_cache_capacity",
        "256",
        "a number",
        statement_cache_capacity,
        "Statements that each connection keeps prepared on the server, at most; the least recently used leaves first. 0 for none."
    ),
    define(
        ("connectionAttributes", &[], ""),
        "",
        "`name:value` pairs, separated by commas",
        "What `performance_schema.session_connect_attrs` shows of this program, besides the driver's own entries.",
        (
            |config, text| {
                config.connection_attributes = text
                    .split(',')
                    .filter(|pair| !pair.is_empty())
                    .map(|pair| {
                        let (name, value) = pair.split_once(':')?;
                        Some((name.to_owned(), value.to_owned()))
                    })
                    .collect::<Option<_>>()?;
                Some(())
            },
            |config| {
                let pairs = &config.connection_attributes;
                pairs
                    .iter()
                    .map(|(name, value)| format!("{name}:{value}"))
                    .collect::<Vec<_>>()
                    .join(",")
            },
        ),
    ),
    flag!(
        "allowAllFiles",
        "false",
        allow_all_files,
        "Whether a statement may load any file of this machine that its text names (LOAD DATA LOCAL). Whoever can write such a statement can then read every file that this program can."
    ),
    define(
        ("allowFiles", &[], ""),
        "",
        "paths, separated by commas",
        "The files of this machine that a statement may load (LOAD DATA LOCAL), by exactly the names that its text gives them; separated by commas.",
        (
            |config, text| {
                let paths = text.split(',').filter(|path| !path.is_empty());
                config.allow_files = paths.map(PathBuf::from).collect();
                Some(())
            },
            |config| {
                let paths = config.allow_files.iter().map(|path| path.display().to_string());
                paths.collect::<Vec<_>>().join(",")
            },
        ),
    ),
    flag!(
        "columnsWithAlias",
        "false",
        columns_with_alias,
        "Whether a column of a table is named `table.column`, by what the statement calls the table. Otherwise it has its own name, and its table's beside it."
    ),
    define(
        ("compress", &[], ""),
        "false",
        "`false`, `zlib` or `zstd`, with a level behind a colon",
        "How what goes over the network is compressed, if the server can, from the end of the log-in on; over TLS, too. `zlib` (`true`) with a level of 1 to 9, 2 if nothing is said: all servers can. `zstd` with one of 1 to 22, else 3: MySQL can since 8.0.18, MariaDB cannot; it needs the feature `mysql-zstd`.",
        (
            |config, text| {
                config.compress = Compression::parse(text)?;
                Some(())
            },
            |config| config.compress.word(),
        ),
    ),
    flag!(
        "interpolateParams",
        "false",
        interpolate_params,
        "Whether arguments are written into the text, by the quoting rules of the session, and nothing is prepared: one round trip, and proxies that know no prepared statements. A text into which they cannot be written with certainty is an error."
    ),
    flag!(
        "multiStatements",
        "false",
        multi_statements,
        "Whether every call of the driver takes texts of several statements, with arguments only by `interpolateParams`. Otherwise the server refuses them, but in a call for scripts. An argument that is not bound but pasted into a text can then begin a statement of its own."
    ),
    time!(
        "timeTruncate",
        "0",
        time_truncate,
        "What dates with times are cut to a multiple of when they are sent, counted from the year 1: `1s` sends no fractions. 0 for as they are, to the microsecond."
    ),
    only!(
        "strict",
        "false",
        "only `false`: warnings go to observers",
        "Only the default: Go's driver has removed it, too."
    ),
];

/// The table as other crates see it.
pub(crate) static OPTIONS: [DriverOption; COUNT] = {
    let mut options = [DriverOption::new("", "", ""); COUNT];
    let mut index = 0;
    while index < COUNT {
        options[index] = PARAMETERS[index].option;
        index += 1;
    }
    options
};

fn shown_path(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

fn is_default(default: &str, text: &str) -> Option<()> {
    (text == default || boolean(default).is_some_and(|is| boolean(text) == Some(is))).then_some(())
}

/// A time zone's name: its letters go into a statement.
fn zone(text: &str) -> Option<String> {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || "+-:/_".contains(letter);
    (!text.is_empty() && text.chars().all(letters)).then(|| text.to_owned())
}

/// Without the quotes in which users of Go's driver write values of variables.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text)
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "TRUE" | "True" => Some(true),
        "0" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The table of `docs/mysql.md`.
#[cfg(test)]
pub(super) fn table() -> String {
    let mut table =
        String::from("\n| Parameter | Variable | Default | Rule |\n|---|---|---|---|\n");
    for parameter in &PARAMETERS {
        let mut names = vec![format!("`{}`", parameter.option.name)];
        names.extend(parameter.aliases.iter().map(|alias| format!("`{alias}`")));
        let code = |text: &str| match text {
            "" => String::new(),
            text if text.contains(' ') => text.to_owned(),
            text => format!("`{text}`"),
        };
        table.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            names.join(", "),
            code(parameter.variable),
            code(parameter.option.default),
            parameter.option.help
        ));
    }
    table
}
