//! The table of parameters: parsing, checks, "did you mean", help and docs all come from it.

use std::path::PathBuf;

use aquifer_driver::{DriverOption, duration};

use super::Config;
use super::modes::TlsMode;
use super::secret::Secret;

/// A parameter, and how its text becomes a part of the configuration.
pub(crate) struct Parameter {
    /// Name, default and help, as other crates see them.
    pub(crate) option: DriverOption,
    pub(crate) aliases: &'static [&'static str],
    /// The environment variable, or nothing.
    pub(crate) variable: &'static str,
    /// What it takes, for the message that refuses a value.
    pub(crate) takes: &'static str,
    pub(crate) set: fn(&mut Config, &str) -> Option<()>,
}

impl Parameter {
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        PARAMETERS
            .iter()
            .find(|parameter| parameter.option.name == name || parameter.aliases.contains(&name))
    }
}

const fn define(
    (name, aliases, variable): (&'static str, &'static [&'static str], &'static str),
    default: &'static str,
    takes: &'static str,
    help: &'static str,
    set: fn(&mut Config, &str) -> Option<()>,
) -> Parameter {
    Parameter { option: DriverOption::new(name, default, help), aliases, variable, takes, set }
}

const COUNT: usize = 16;

pub(crate) static PARAMETERS: [Parameter; COUNT] = [
    define(
        ("host", &[], "MYSQL_HOST"),
        "127.0.0.1",
        "a name or an address",
        "The server.",
        |config, text| {
            config.host = text.to_owned();
            Some(())
        },
    ),
    define(
        ("port", &[], "MYSQL_TCP_PORT"),
        "3306",
        "a number from 1 to 65535",
        "Its port.",
        |config, text| {
            config.port = text.parse().ok().filter(|port| *port > 0)?;
            Some(())
        },
    ),
    define(
        ("socket", &[], "MYSQL_UNIX_PORT"),
        "",
        "a path",
        "The path of the server's unix socket, instead of host and port; never encrypted.",
        |config, text| {
            config.socket = (!text.is_empty()).then(|| PathBuf::from(text));
            Some(())
        },
    ),
    define(
        ("user", &[], ""),
        "the operating system's user",
        "a name",
        "Who logs in.",
        |config, text| {
            config.user = text.to_owned();
            Some(())
        },
    ),
    define(("password", &[], "MYSQL_PWD"), "", "a text", "The password.", |config, text| {
        config.password = (!text.is_empty()).then(|| Secret::new(text));
        Some(())
    }),
    define(
        ("database", &["dbname"], ""),
        "",
        "a name",
        "The database that the session begins in; without one, none.",
        |config, text| {
            config.database = (!text.is_empty()).then(|| text.to_owned());
            Some(())
        },
    ),
    define(
        ("tls", &["ssl-mode", "sslmode"], ""),
        "preferred",
        "`false`, `preferred`, `skip-verify`, `verify-ca` or `true`",
        "Whether the connection is encrypted and the server checked: not at all; if the server can, unchecked; always, unchecked; always, issued by somebody trusted; that and for the host's name. MySQL's words (`DISABLED` to `VERIFY_IDENTITY`) are taken, too.",
        |config, text| {
            config.tls = TlsMode::parse(text)?;
            Some(())
        },
    ),
    define(
        ("tlsCa", &["ssl-ca", "sslrootcert"], ""),
        "the operating system's",
        "a path",
        "The certificates of trusted issuers, as a file of PEM.",
        |config, text| {
            config.tls_ca = (!text.is_empty()).then(|| PathBuf::from(text));
            Some(())
        },
    ),
    define(
        ("timeout", &[], ""),
        "the pool's `connect_timeout`",
        "a time with its unit, such as `5s`",
        "What opening a connection may take, from resolving the name to the end of the log-in.",
        |config, text| {
            config.timeout = Some(duration::parse(text)?).filter(|timeout| !timeout.is_zero());
            Some(())
        },
    ),
    define(
        ("allowNativePasswords", &[], ""),
        "true",
        "`true` or `false`",
        "Whether `mysql_native_password` (SHA-1) is used if the server asks for it.",
        |config, text| {
            config.allow_native_passwords = boolean(text)?;
            Some(())
        },
    ),
    define(
        ("allowCleartextPasswords", &[], ""),
        "false",
        "`true` or `false`",
        "Whether the password itself is sent if the server asks for it (`mysql_clear_password`); only over TLS or a socket.",
        |config, text| {
            config.allow_cleartext_passwords = boolean(text)?;
            Some(())
        },
    ),
    define(
        ("clientFoundRows", &[], ""),
        "true",
        "`true` or `false`",
        "Whether an UPDATE counts the rows that it found, as every other engine does, or only those that it changed.",
        |config, text| {
            config.client_found_rows = boolean(text)?;
            Some(())
        },
    ),
    define(
        ("time_zone", &[], ""),
        "+00:00",
        "an offset such as `+00:00`, or a name that the server knows",
        "The session's time zone. TIMESTAMP columns are instants only while it is `+00:00`; with any other they read as times without a zone.",
        |config, text| {
            let letters = |letter: char| letter.is_ascii_alphanumeric() || "+-:/_".contains(letter);
            config.time_zone =
                (!text.is_empty() && text.chars().all(letters)).then(|| text.to_owned())?;
            Some(())
        },
    ),
    define(
        ("maxAllowedPacket", &[], ""),
        "0",
        "a number of bytes",
        "Most bytes of a command; 0 for what the server takes. A longer one is refused before it is sent.",
        |config, text| {
            config.max_allowed_packet = text.parse().ok()?;
            Some(())
        },
    ),
    define(
        ("statement_cache_capacity", &[], ""),
        "256",
        "a number",
        "Statements that each connection keeps prepared on the server, at most; the least recently used leaves first. 0 for none.",
        |config, text| {
            config.statement_cache_capacity = text.parse().ok()?;
            Some(())
        },
    ),
    define(
        ("connectionAttributes", &[], ""),
        "",
        "`name:value` pairs, separated by commas",
        "What `performance_schema.session_connect_attrs` shows of this program, besides the driver's own entries.",
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
