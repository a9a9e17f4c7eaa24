//! The table of parameters: parsing, checks, "did you mean", help and docs all come from it.

use std::path::PathBuf;
use std::time::Duration;

use aquifer_driver::DriverOption;

use super::Secret;
use super::draft::Draft;
use super::modes::{
    ChannelBinding, LoadBalanceHosts, Pooler, ProtocolVersion, QueryMode, SslCertMode, SslMode,
    SslNegotiation, TargetSessionAttrs, TlsVersion,
};
use crate::auth::RequireAuth;

/// A parameter, and how its text becomes a part of the configuration.
pub(crate) struct Parameter {
    /// Name, default and help, as other crates see them.
    pub(crate) option: DriverOption,
    /// Other names. One that comes with the name wins.
    pub(crate) aliases: &'static [&'static str],
    /// The environment variable, or nothing.
    pub(crate) variable: &'static str,
    /// What it takes, for the message that refuses a value.
    pub(crate) takes: &'static str,
    pub(crate) set: fn(&mut Draft, &str) -> Option<()>,
}

const REFUSED: &str = "Not supported.";

impl Parameter {
    /// True if this exists only to be refused.
    fn is_refused(&self) -> bool {
        self.option.help == REFUSED
    }
}

const fn define(
    (name, aliases, variable): (&'static str, &'static [&'static str], &'static str),
    default: &'static str,
    takes: &'static str,
    help: &'static str,
    set: fn(&mut Draft, &str) -> Option<()>,
) -> Parameter {
    Parameter { option: DriverOption::new(name, default, help), aliases, variable, takes, set }
}

/// A parameter of libpq or lib/pq that exists here only to be refused, so that it is neither ignored nor
/// sent to the server.
const fn refuse(
    name: &'static str,
    variable: &'static str,
    takes: &'static str,
    set: fn(&mut Draft, &str) -> Option<()>,
) -> Parameter {
    define((name, &[], variable), "", takes, REFUSED, set)
}

const COUNT: usize = 65;

pub(crate) static PARAMETERS: [Parameter; COUNT] = [
    define(
        ("host", &[], "PGHOST"),
        "localhost",
        "names, addresses or socket directories, separated by commas",
        "The servers to try, separated by commas: names, addresses, directories of sockets (`/run/postgresql`) or names of abstract sockets (`@name`). An empty item is `localhost`.",
        |draft, text| {
            draft.host = text.to_owned();
            Some(())
        },
    ),
    define(
        ("hostaddr", &[], "PGHOSTADDR"),
        "",
        "IP addresses, separated by commas",
        "Addresses to dial instead of resolving `host`, which then only serves the check of the certificate and the password file. As many items as `host` has, if both are given.",
        |draft, text| {
            draft.hostaddr = text.to_owned();
            Some(())
        },
    ),
    define(
        ("port", &[], "PGPORT"),
        "5432",
        "numbers from 1 to 65535, separated by commas",
        "One port for all hosts, or as many as there are hosts. An empty item is 5432.",
        |draft, text| {
            draft.port = text.to_owned();
            Some(())
        },
    ),
    define(
        ("dbname", &["database"], "PGDATABASE"),
        "the user's name",
        "a name",
        "The database. `database` wins over `dbname`.",
        |draft, text| {
            draft.config.dbname = given(text);
            Some(())
        },
    ),
    define(
        ("user", &[], "PGUSER"),
        "the operating system's user",
        "a name",
        "Who logs in.",
        |draft, text| {
            draft.user = given(text);
            Some(())
        },
    ),
    define(
        ("password", &[], "PGPASSWORD"),
        "",
        "a text",
        "The password. Without one, the password file is asked.",
        |draft, text| {
            draft.config.password = (!text.is_empty()).then(|| Secret::new(text));
            Some(())
        },
    ),
    define(
        ("passfile", &[], "PGPASSFILE"),
        "`~/.pgpass`",
        "a path",
        "The password file: `host:port:database:user:password` per line, `*` for any, `\\` before `:` and `\\`; the first line that matches counts, and `localhost` stands for sockets, too. Read at each connect, only if there is no password; not used if others than its owner may read it, which is told as a warning to those who hear notices.",
        |draft, text| {
            draft.passfile = given(text).map(PathBuf::from);
            Some(())
        },
    ),
    define(
        ("service", &[], "PGSERVICE"),
        "",
        "a name",
        "A group of the service file, whose parameters count where the connection string has none.",
        |_, _| Some(()),
    ),
    define(
        ("servicefile", &[], "PGSERVICEFILE"),
        "`~/.pg_service.conf`",
        "a path",
        "The service file. What it does not have is looked for in `pg_service.conf` in the directory `PGSYSCONFDIR`, if that is set.",
        |_, _| Some(()),
    ),
    define(
        ("options", &[], "PGOPTIONS"),
        "",
        "a text",
        "Arguments for the server, such as `-c statement_timeout=5s`; sent as they are.",
        |draft, text| {
            draft.config.options = given(text);
            Some(())
        },
    ),
    define(
        ("application_name", &[], "PGAPPNAME"),
        "",
        "a text",
        "What the server's views and log show for this program.",
        |draft, text| {
            draft.application_name = Some(text.to_owned());
            Some(())
        },
    ),
    define(
        ("fallback_application_name", &[], ""),
        "",
        "a text",
        "The same, if `application_name` is not given (an empty one is given).",
        |draft, text| {
            draft.fallback_application_name = given(text);
            Some(())
        },
    ),
    define(
        ("connect_timeout", &[], "PGCONNECT_TIMEOUT"),
        "0",
        "whole seconds",
        "Seconds that a host may take, from resolving its name to the end of the login; 0 or less for no limit but the pool's, and 2 s for each of several hosts.",
        |draft, text| {
            let seconds: i32 = integer(text)?;
            draft.config.connect_timeout =
                u64::try_from(seconds).ok().filter(|s| *s > 0).map(Duration::from_secs);
            Some(())
        },
    ),
    define(
        ("sslmode", &[], "PGSSLMODE"),
        "prefer",
        "`disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`",
        "Whether the connection is encrypted and the server checked; `verify-full` with `sslrootcert=system`. See below. Sockets are never encrypted.",
        |draft, text| {
            draft.sslmode = Some(SslMode::parse(text)?);
            Some(())
        },
    ),
    define(
        ("sslnegotiation", &[], "PGSSLNEGOTIATION"),
        "postgres",
        "`postgres` or `direct`",
        "`direct` begins with the TLS handshake, which saves a round trip (PostgreSQL 17); only with `sslmode=require` or stronger.",
        |draft, text| {
            draft.config.ssl.negotiation = SslNegotiation::parse(text)?;
            Some(())
        },
    ),
    define(
        ("sslcert", &[], "PGSSLCERT"),
        "`~/.postgresql/postgresql.crt`",
        "a path",
        "The client certificate and its chain, PEM. If the file is missing there is no certificate.",
        |draft, text| {
            draft.sslcert = given(text);
            Some(())
        },
    ),
    define(
        ("sslkey", &[], "PGSSLKEY"),
        "`~/.postgresql/postgresql.key`",
        "a path",
        "The key of the client certificate, PEM or DER. Only its owner may read it (0600), or root and a group (0640).",
        |draft, text| {
            draft.sslkey = given(text);
            Some(())
        },
    ),
    define(
        ("sslpassword", &[], ""),
        "",
        "a text",
        "What opens an encrypted key: one of PKCS#8 (`BEGIN ENCRYPTED PRIVATE KEY`), encrypted with AES or triple DES and a key from PBKDF2 or scrypt. The older form of OpenSSL (`Proc-Type: 4,ENCRYPTED`) is refused; `openssl pkcs8 -topk8` converts it. Not used for a key that is not encrypted.",
        |draft, text| {
            draft.config.ssl.key_password = (!text.is_empty()).then(|| Secret::new(text));
            Some(())
        },
    ),
    define(
        ("sslcertmode", &[], "PGSSLCERTMODE"),
        "allow",
        "`disable`, `allow` or `require`",
        "`disable` sends no client certificate even if there is one. `require` refuses a server that does not ask for it, and so every connection without TLS.",
        |draft, text| {
            draft.config.ssl.cert_mode = SslCertMode::parse(text)?;
            Some(())
        },
    ),
    define(
        ("sslrootcert", &[], "PGSSLROOTCERT"),
        "`~/.postgresql/root.crt`",
        "a path, or `system`",
        "The certificates of trusted issuers, PEM. With `sslmode=require` the server's certificate is checked if the file exists. `system` takes those of the operating system.",
        |draft, text| {
            draft.sslrootcert = given(text);
            Some(())
        },
    ),
    define(
        ("sslcrl", &[], "PGSSLCRL"),
        "`~/.postgresql/root.crl`",
        "a path",
        "Lists of revoked certificates, PEM. If the file is missing nothing is revoked.",
        |draft, text| {
            draft.sslcrl = given(text);
            Some(())
        },
    ),
    define(
        ("sslcrldir", &[], "PGSSLCRLDIR"),
        "",
        "a path",
        "A directory of lists of revoked certificates, as `openssl rehash` names them (`0a1b2c3d.r0`). Other files in it are passed over; one list at least must be there.",
        |draft, text| {
            draft.config.ssl.crl_dir = given(text).map(PathBuf::from);
            Some(())
        },
    ),
    define(
        ("sslinline", &[], ""),
        "false",
        SWITCH,
        "`true`: `sslcert`, `sslkey`, `sslrootcert` and `sslcrl` hold the PEM text itself.",
        |draft, text| {
            draft.sslinline = switch(text)?;
            Some(())
        },
    ),
    define(
        ("sslsni", &[], "PGSSLSNI"),
        "1",
        SWITCH,
        "Whether the host's name is sent in the clear at the beginning of the handshake. Addresses never are.",
        |draft, text| {
            draft.config.ssl.sni = switch(text)?;
            Some(())
        },
    ),
    define(
        ("ssl_min_protocol_version", &[], "PGSSLMINPROTOCOLVERSION"),
        "TLSv1.2",
        "`TLSv1`, `TLSv1.1`, `TLSv1.2` or `TLSv1.3`",
        "The lowest version of TLS. Versions below 1.2 are never spoken, whatever this says.",
        |draft, text| {
            draft.config.ssl.min_version = tls_version(text)?;
            Some(())
        },
    ),
    define(
        ("ssl_max_protocol_version", &[], "PGSSLMAXPROTOCOLVERSION"),
        "TLSv1.3",
        "`TLSv1.2` or `TLSv1.3`, the versions that this driver speaks",
        "The highest version of TLS.",
        |draft, text| {
            draft.config.ssl.max_version =
                tls_version(text).filter(|version| *version >= TlsVersion::V1_2)?;
            Some(())
        },
    ),
    define(
        ("requirepeer", &[], "PGREQUIREPEER"),
        "",
        "the name of a user of the operating system",
        "Who must serve a unix socket, by the name of the operating system's user: a directory that anyone can write to is no place to trust a socket in. Not used for TCP.",
        |draft, text| {
            draft.config.require_peer = given(text);
            Some(())
        },
    ),
    define(
        ("require_auth", &[], "PGREQUIREAUTH"),
        "",
        "methods, separated by commas, each once, and all of them or none with a `!`: `none`, `password`, `md5`, `scram-sha-256`, `oauth`, `gss`, `sspi`",
        "The ways to log in that are accepted, or, each with a `!`, those that are not: `none`, `password`, `md5`, `scram-sha-256`, `oauth`, `gss`, `sspi`.",
        |draft, text| {
            // Its own message would show the value.
            RequireAuth::parse(text).ok()?;
            draft.config.require_auth = given(text);
            Some(())
        },
    ),
    define(
        ("channel_binding", &[], "PGCHANNELBINDING"),
        "prefer",
        "`disable`, `prefer` or `require`",
        "Whether the login is bound to the TLS channel, so that nobody in between can pass it on.",
        |draft, text| {
            draft.config.channel_binding = ChannelBinding::parse(text)?;
            Some(())
        },
    ),
    define(
        ("target_session_attrs", &[], "PGTARGETSESSIONATTRS"),
        "any",
        "`any`, `read-write`, `read-only`, `primary`, `standby` or `prefer-standby`",
        "Which of the hosts will do. One that does not is left for the next.",
        |draft, text| {
            draft.config.target_session_attrs = TargetSessionAttrs::parse(text)?;
            Some(())
        },
    ),
    define(
        ("load_balance_hosts", &[], "PGLOADBALANCEHOSTS"),
        "disable",
        "`disable` or `random`",
        "`random` tries the hosts, and the addresses of each, in another order for each connection.",
        |draft, text| {
            draft.config.load_balance_hosts = LoadBalanceHosts::parse(text)?;
            Some(())
        },
    ),
    define(
        ("min_protocol_version", &[], "PGMINPROTOCOLVERSION"),
        "3.0",
        "`3.0`, `3.2` or `latest`",
        "The lowest version of PostgreSQL's protocol that the server must speak.",
        |draft, text| {
            draft.config.min_protocol_version = protocol_version(text)?;
            Some(())
        },
    ),
    define(
        ("max_protocol_version", &[], "PGMAXPROTOCOLVERSION"),
        "3.0",
        "`3.0`, `3.2` or `latest`",
        "The version to ask for; 3.2 (PostgreSQL 18) has longer cancel keys. Some poolers fail on anything but 3.0. At least the lowest version.",
        |draft, text| {
            draft.max_protocol_version = Some(protocol_version(text)?);
            Some(())
        },
    ),
    define(
        ("keepalives", &[], ""),
        "1",
        SWITCH,
        "Whether TCP probes an idle connection.",
        |draft, text| {
            draft.config.tcp.keepalives = switch(text)?;
            Some(())
        },
    ),
    define(
        ("keepalives_idle", &[], ""),
        "0",
        "whole seconds",
        "Seconds of idleness before the first probe; 0 for the system's default.",
        |draft, text| {
            draft.config.tcp.keepalives_idle = seconds(text)?;
            Some(())
        },
    ),
    define(
        ("keepalives_interval", &[], ""),
        "0",
        "whole seconds",
        "Seconds between probes; 0 for the system's default.",
        |draft, text| {
            draft.config.tcp.keepalives_interval = seconds(text)?;
            Some(())
        },
    ),
    define(
        ("keepalives_count", &[], ""),
        "0",
        "a whole number",
        "Probes without an answer until the connection is lost; 0 for the system's default.",
        |draft, text| {
            draft.config.tcp.keepalives_count = match integer::<i32>(text)? {
                0 => None,
                count => Some(u32::try_from(count).ok()?),
            };
            Some(())
        },
    ),
    define(
        ("tcp_user_timeout", &[], ""),
        "0",
        "whole milliseconds",
        "Milliseconds that sent data may stay unacknowledged until the connection is lost; 0 for the system's default. Linux only.",
        |draft, text| {
            draft.config.tcp.user_timeout = match u32::try_from(integer::<i32>(text)?).ok()? {
                0 => None,
                ms => Some(Duration::from_millis(ms.into())),
            };
            Some(())
        },
    ),
    define(
        ("client_encoding", &[], "PGCLIENTENCODING"),
        "UTF8",
        "`UTF8`",
        "Only UTF8, in any spelling, or `auto`; it is always sent.",
        |_, text| {
            let name: String = text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
            ["utf8", "unicode", "auto"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known))
                .then_some(())
        },
    ),
    define(
        ("datestyle", &["DateStyle"], "PGDATESTYLE"),
        "ISO, MDY",
        "`ISO, MDY`",
        "Only `ISO, MDY`, which text results are read as; it is always sent.",
        |_, text| {
            let style: String = text.chars().filter(|c| *c != ' ').collect();
            ["iso,mdy", "iso"].iter().any(|known| style.eq_ignore_ascii_case(known)).then_some(())
        },
    ),
    define(
        ("timezone", &["TimeZone", "tz"], "PGTZ"),
        "",
        "a time zone",
        "The session's time zone.",
        |draft, text| {
            draft.run_time("TimeZone", text);
            Some(())
        },
    ),
    define(
        ("geqo", &[], "PGGEQO"),
        "",
        "a text",
        "The server's setting of that name.",
        |draft, text| {
            draft.run_time("geqo", text);
            Some(())
        },
    ),
    define(
        ("replication", &[], ""),
        "",
        "a switch, or `database`",
        "Opens a replication connection instead of a session.",
        |draft, text| {
            if text != "database" && !switch(text)? {
                return Some(());
            }
            draft.run_time("replication", text);
            Some(())
        },
    ),
    define(
        ("statement_cache_capacity", &[], ""),
        "256",
        "0 to 65536",
        "Statements that each connection keeps prepared on the server, at most; the least recently used leaves first. 0 for none.",
        |draft, text| {
            draft.config.statement_cache_capacity =
                integer(text).filter(|count: &usize| *count <= 65_536)?;
            Some(())
        },
    ),
    define(
        ("default_query_exec_mode", &["statement_cache_mode"], ""),
        "cache_statement",
        "`cache_statement`, `cache_describe` or `simple_protocol`",
        "How statements reach the server: prepared by name; unnamed with the types learned at their first use (for poolers in transaction mode); or as text with the arguments written into it.",
        |draft, text| {
            draft.query_mode = Some(QueryMode::parse(text)?);
            Some(())
        },
    ),
    define(
        ("pooler", &[], ""),
        "none",
        "`none` or `transaction`",
        "`transaction` says that a pooler gives each transaction another session: statements go as `cache_describe` unless something else is asked for, and what belongs to a session (`SET`, `LISTEN`, `PREPARE`, temporary tables, session-wide advisory locks) is refused outside a transaction, before it is sent. With `cache_describe`, which is for such poolers, it is the default.",
        |draft, text| {
            draft.pooler = Some(Pooler::parse(text)?);
            Some(())
        },
    ),
    define(
        ("binary_parameters", &[], ""),
        "",
        SWITCH,
        "A switch of lib/pq; without effect, arguments are binary wherever they can be.",
        |_, text| switch(text).map(drop),
    ),
    define(
        ("disable_prepared_binary_result", &[], ""),
        "",
        SWITCH,
        "A switch of lib/pq; without effect.",
        |_, text| switch(text).map(drop),
    ),
    refuse(
        "gssencmode",
        "PGGSSENCMODE",
        "`disable` or `prefer`: there is no GSSAPI encryption",
        |_, text| matches!(text, "disable" | "prefer").then_some(()),
    ),
    refuse("krbsrvname", "PGKRBSRVNAME", NO_GSS, |_, _| None),
    refuse("krbspn", "", NO_GSS, |_, _| None),
    refuse("gsslib", "PGGSSLIB", NO_GSS, |_, _| None),
    refuse("gssdelegation", "PGGSSDELEGATION", "`0`: there is no GSSAPI", off),
    refuse("realm", "PGREALM", NO_GSS, |_, _| None),
    refuse("sslcompression", "PGSSLCOMPRESSION", "`0`: TLS has no compression any more", off),
    refuse("requiressl", "PGREQUIRESSL", "no value; write `sslmode=require`", |_, _| None),
    refuse(
        "sslkeylogfile",
        "",
        "no value: keys of TLS sessions are not written to files",
        |_, _| None,
    ),
    refuse("scram_client_key", "", NO_SCRAM_KEYS, |_, _| None),
    refuse("scram_server_key", "", NO_SCRAM_KEYS, |_, _| None),
    refuse("oauth_issuer", "", NO_OAUTH, |_, _| None),
    refuse("oauth_client_id", "", NO_OAUTH, |_, _| None),
    refuse("oauth_client_secret", "", NO_OAUTH, |_, _| None),
    refuse("oauth_scope", "", NO_OAUTH, |_, _| None),
    refuse("oauth_ca_file", "PGOAUTHCAFILE", NO_OAUTH, |_, _| None),
    refuse(
        "description_cache_capacity",
        "",
        "no value; `statement_cache_capacity` bounds both caches",
        |_, _| None,
    ),
];

const SWITCH: &str = "`1`, `on`, `true`, `yes` or `0`, `off`, `false`, `no`";
const NO_GSS: &str = "no value: GSSAPI and Kerberos are not supported";
const NO_SCRAM_KEYS: &str = "no value: give the password";
const NO_OAUTH: &str = "no value: the program gets the token and puts it into `Config::token`";

/// The parameters as other crates see them.
pub(crate) static OPTIONS: [DriverOption; COUNT] = {
    let mut options = [PARAMETERS[0].option; COUNT];
    let mut index = 0;
    while index < COUNT {
        options[index] = PARAMETERS[index].option;
        index += 1;
    }
    options
};

/// The parameter of that name or alias.
pub(crate) fn find(name: &str) -> Option<usize> {
    PARAMETERS.iter().position(|known| known.option.name == name || known.aliases.contains(&name))
}

/// The name that was meant, if an unknown one is so close to a known one that it cannot be a setting of
/// the server.
pub(crate) fn near_miss(name: &str) -> Option<&'static str> {
    // A dot makes it a setting of an extension.
    if name.contains('.') || name.len() > 40 {
        return None;
    }
    let plain = |name: &str| name.replace(['_', '-'], "").to_ascii_lowercase();
    let wanted = plain(name);
    PARAMETERS
        .iter()
        .flat_map(|known| {
            let names = [known.option.name].into_iter().chain(known.aliases.iter().copied());
            names.map(move |name| (name, known.is_refused()))
        })
        .map(|(known, refused)| {
            (strsim::damerau_levenshtein(&wanted, &plain(known)), known, refused)
        })
        // Two letters in a long name; but `wal_compression` is not meant to be `sslcompression`.
        .filter(|(distance, known, refused)| {
            *distance <= if *refused || known.len().min(name.len()) < 8 { 1 } else { 2 }
        })
        .min_by_key(|(distance, ..)| *distance)
        .map(|(_, known, _)| known)
}

/// An empty text is none.
fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "true" | "yes" => Some(true),
        "0" | "off" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// Takes a switch that is off.
fn off(_: &mut Draft, text: &str) -> Option<()> {
    (!switch(text)?).then_some(())
}

/// libpq allows spaces around a number.
fn integer<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.trim_ascii().parse().ok()
}

fn seconds(text: &str) -> Option<Option<Duration>> {
    let seconds = u32::try_from(integer::<i32>(text)?).ok()?;
    Some((seconds > 0).then(|| Duration::from_secs(seconds.into())))
}

fn tls_version(text: &str) -> Option<TlsVersion> {
    // libpq compares without case, and lib/pq writes the first version with its zero.
    ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(text))
        .or_else(|| text.eq_ignore_ascii_case("TLSv1.0").then_some("TLSv1"))
        .and_then(TlsVersion::parse)
}

fn protocol_version(text: &str) -> Option<ProtocolVersion> {
    match text {
        "latest" => Some(ProtocolVersion::LATEST),
        text => ProtocolVersion::parse(text),
    }
}

/// The tables of `docs/postgres.md`: what there is, and what is refused.
#[cfg(test)]
pub(crate) fn tables() -> (String, String) {
    let mut known = String::from("| Parameter | Variable | Default | Rule |\n|---|---|---|---|\n");
    let mut refused = String::from("| Parameter | Variable | Takes |\n|---|---|---|\n");
    for parameter in &PARAMETERS {
        let Parameter { option, aliases, variable, takes, .. } = parameter;
        let mut names = format!("`{}`", option.name);
        for alias in *aliases {
            names += &format!(", `{alias}`");
        }
        let code = |text: &str| match text {
            "" => String::new(),
            text if text.contains('`') || text.contains(' ') && text != "ISO, MDY" => {
                text.to_owned()
            }
            text => format!("`{text}`"),
        };
        if parameter.is_refused() {
            refused += &format!("| {names} | {} | {takes} |\n", code(variable));
        } else {
            known += &format!(
                "| {names} | {} | {} | {} |\n",
                code(variable),
                code(option.default),
                option.help
            );
        }
    }
    (known, refused)
}
