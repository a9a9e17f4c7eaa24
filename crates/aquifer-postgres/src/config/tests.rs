//! What connection strings, environments and files make of a configuration.

use std::collections::HashMap;

use aquifer_driver::{EmptyEnvironment, ErrorKind};
use aquifer_net::GivenFiles;
use proptest::prelude::*;

use super::parameters::PARAMETERS;
use super::*;

/// Variables as given; the home directory is `/h`, the user `os`.
struct Given(HashMap<&'static str, &'static str>);

impl Environment for Given {
    fn var(&self, name: &str) -> Option<String> {
        match (self.0.get(name), name) {
            (Some(value), _) => Some((*value).to_owned()),
            (None, "HOME") => Some("/h".to_owned()),
            (None, "USER") => Some("os".to_owned()),
            _ => None,
        }
    }
}

fn given<const N: usize>(variables: [(&'static str, &'static str); N]) -> Given {
    Given(HashMap::from(variables))
}

fn dsn(text: &str) -> Dsn {
    if text.starts_with("postgres") && text.contains("://") {
        Dsn::parse(text).unwrap()
    } else {
        Dsn::native("postgres", text)
    }
}

fn read(text: &str) -> Result<Config> {
    Config::read(&dsn(text), &given([]), &GivenFiles::default())
}

#[track_caller]
fn config(text: &str) -> Config {
    read(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn refused(text: &str, part: &str) {
    let error = read(text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{text}: {error}");
    assert!(error.to_string().contains(part), "{text}: {error}");
}

#[test]
fn nothing_given_is_the_defaults() {
    let config = config("");
    assert_eq!(config.hosts, [HostSpec::new("localhost", 5432)]);
    assert_eq!(config.user, "os");
    assert_eq!(config.database(), "os");
    assert_eq!(config.passfile, Some("/h/.pgpass".into()));
    assert_eq!(config.ssl.mode, SslMode::Prefer);
    assert_eq!(
        config.ssl.root_cert,
        Some(RootCert::Pem(PemSource::File("/h/.postgresql/root.crt".into())))
    );
    assert_eq!(config.ssl.cert, Some(PemSource::File("/h/.postgresql/postgresql.crt".into())));
    assert_eq!(config.statement_cache_capacity, 256);
    assert_eq!(config.max_protocol_version, ProtocolVersion::V3_0);
    assert_eq!(config.target(), "localhost:5432/os");
    assert_eq!(
        config.startup_parameters(),
        [("user", "os"), ("client_encoding", "UTF8"), ("DateStyle", "ISO, MDY")]
    );
}

#[test]
fn both_forms_say_the_same() {
    let from_url = config("postgres://app:s%3Acret@db1:1,db2:2/shop?sslmode=require&search_path=a");
    let from_pairs = config(
        "host=db1,db2 port=1,2 user=app password='s:cret' dbname=shop sslmode=require search_path=a",
    );
    assert_eq!(from_url, from_pairs);
    assert_eq!(from_url.target(), "db1:1,db2:2/shop");
    assert_eq!(
        config("postgresql://app@db1/shop"),
        Config::read(
            &Dsn::native("postgres", "postgresql://app@db1/shop"),
            &given([]),
            &GivenFiles::default()
        )
        .unwrap()
    );
}

#[test]
fn the_query_of_a_url_has_the_last_word() {
    let config = config("postgres://app:a@localhost/shop?host=/run/pg&password=b");
    assert_eq!(config.hosts, [HostSpec::new("/run/pg", 5432)]);
    assert_eq!(config.password, Some(Secret::new("b")));
}

#[test]
fn the_connection_string_wins_over_the_service_and_that_over_the_environment() {
    let file = b"[s]\nhost=from-service\nport=2\ndbname=from-service\n".to_vec();
    let files = GivenFiles(vec![("/h/.pg_service.conf".into(), file, 0o644)]);
    let environment = given([
        ("PGSERVICE", "s"),
        ("PGHOST", "from-env"),
        ("PGPORT", "3"),
        ("PGUSER", "from-env"),
        ("PGDATABASE", ""),
    ]);
    let config = Config::read(&dsn("host=from-dsn"), &environment, &files).unwrap();
    assert_eq!(config.hosts, [HostSpec::new("from-dsn", 2)]);
    assert_eq!(config.dbname.as_deref(), Some("from-service"));
    assert_eq!(config.user, "from-env");
}

#[test]
fn a_service_that_cannot_be_used_is_refused() {
    let file = |text: &str| {
        GivenFiles(vec![("/h/.pg_service.conf".into(), text.as_bytes().to_vec(), 0o644)])
    };
    for (text, files, part) in [
        ("service=s", file("[t]\nhost=a"), "no service file has the service `s`"),
        ("service=s", GivenFiles::default(), "no service file"),
        ("service=s servicefile=/x", GivenFiles::default(), "/x cannot be read"),
        ("service=s", file("[s]\nsslmod=require"), "did you mean `sslmode`?"),
        ("service=s", file("[s]\nsearch_path=a"), "options=-c"),
        ("service=s", file("[s]\nport=x"), "`port` of the service `s` in /h/.pg_service.conf"),
        ("service=s", file("[s]\nhost"), "line 2"),
    ] {
        let error = Config::read(&dsn(text), &given([]), &files).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(part), "{error}");
    }
    let environment = given([("PGSYSCONFDIR", "/etc/pg")]);
    let files = GivenFiles(vec![("/etc/pg/pg_service.conf".into(), b"[s]\nport=7".to_vec(), 0)]);
    let config = Config::read(&dsn("service=s"), &environment, &files).unwrap();
    assert_eq!(config.hosts[0].port, 7);
}

#[test]
fn messages_name_the_parameter_or_the_variable_and_never_the_value() {
    refused("port=hunter2", "the parameter `port` takes numbers");
    refused("connect_timeout=5s", "`connect_timeout` takes whole seconds");
    for (variable, value) in [("PGPORT", "hunter2"), ("PGSSLMODE", "hunter2")] {
        let error = Config::read(&dsn(""), &given([(variable, value)]), &GivenFiles::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(&format!("the environment variable `{variable}`")), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn variables_that_cannot_be_honoured_are_refused_unless_they_ask_for_nothing() {
    for variable in [
        "PGREQUIRESSL",
        "PGSSLCOMPRESSION",
        "PGREALM",
        "PGGSSENCMODE",
        "PGGSSDELEGATION",
        "PGGSSLIB",
        "PGKRBSRVNAME",
    ] {
        let environment = Given(HashMap::from([(variable, "1")]));
        let error = Config::read(&dsn(""), &environment, &GivenFiles::default()).unwrap_err();
        assert!(error.to_string().contains(variable), "{error}");
    }
    let environment = given([("PGSSLCRLDIR", "/lists"), ("PGREQUIREPEER", "postgres")]);
    let config = Config::read(&dsn(""), &environment, &GivenFiles::default()).unwrap();
    assert_eq!(config.ssl.crl_dir.as_deref(), Some(std::path::Path::new("/lists")));
    assert_eq!(config.require_peer.as_deref(), Some("postgres"));
    let environment = given([("PGGSSENCMODE", "disable"), ("PGSSLCOMPRESSION", "0")]);
    Config::read(&dsn(""), &environment, &GivenFiles::default()).unwrap();
}

#[test]
fn what_is_no_parameter_is_a_setting_of_the_server() {
    let config = config(
        "search_path=a,b statement_timeout=5s my.setting=x tz=UTC application_name=x options='-c a=b'",
    );
    assert_eq!(
        config.startup_parameters()[1..],
        [
            ("application_name", "x"),
            ("options", "-c a=b"),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("search_path", "a,b"),
            ("statement_timeout", "5s"),
            ("my.setting", "x"),
            ("TimeZone", "UTC"),
        ]
    );
}

#[test]
fn slips_of_the_pen_are_refused_with_what_was_meant() {
    for (text, meant) in [
        ("pasword=hunter2", "password"),
        ("sslmod=require", "sslmode"),
        ("ssl_mode=require", "sslmode"),
        ("ssl-mode=require", "sslmode"),
        ("connect-timeout=1", "connect_timeout"),
        ("hots=a", "host"),
        ("User=a", "user"),
        ("databse=a", "database"),
        ("applicationname=a", "application_name"),
        ("statement-cache-capacity=1", "statement_cache_capacity"),
        ("target_session_attributes=any", "target_session_attrs"),
    ] {
        if meant == "target_session_attrs" {
            // Five letters apart: that could be a setting. The server refuses it.
            assert!(read(text).is_ok());
            continue;
        }
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(&format!("did you mean `{meant}`?")), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn names_that_no_setting_can_have_are_refused() {
    for text in ["'a'=b", "1a=b", "_pq_.x=1", "sélect=1"] {
        refused(text, "cannot have that name");
    }
    let error = read("pgsql://app:hunter2@db1/shop?a=b").unwrap_err().to_string();
    assert!(error.contains("a URL begins with `postgres://`"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn aliases_and_repetition_follow_the_rules() {
    assert_eq!(config("database=a dbname=b").dbname.as_deref(), Some("a"));
    assert_eq!(config("dbname=b database=a").dbname.as_deref(), Some("a"));
    assert_eq!(config("user=a user=b").user, "b");
    assert_eq!(config("search_path=a search_path=b").run_time.len(), 1);
    let name = |text: &str| config(text).application_name;
    assert_eq!(name("fallback_application_name=f"), Some("f".into()));
    assert_eq!(name("fallback_application_name=f application_name=a"), Some("a".into()));
    assert_eq!(name("fallback_application_name=f application_name=''"), Some("".into()));
}

#[test]
fn tls_parameters_that_contradict_each_other_are_refused() {
    refused("sslrootcert=system sslmode=require", "verify-full");
    refused("sslnegotiation=direct", "sslmode=require");
    refused("sslnegotiation=direct sslmode=allow", "sslmode=require");
    refused("ssl_max_protocol_version=TLSv1.1", "TLSv1.2");
    refused("ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2", "higher");
    refused("sslmode=verify-full hostaddr=10.0.0.1", "host");
    refused("min_protocol_version=3.2 max_protocol_version=3.0", "higher");
    assert_eq!(config("sslrootcert=system").ssl.mode, SslMode::VerifyFull);
    assert_eq!(config("sslrootcert=system").ssl.root_cert, Some(RootCert::System));
    assert_eq!(config("ssl_min_protocol_version=tlsv1.0").ssl.min_version, TlsVersion::V1_0);
    config("sslnegotiation=direct sslmode=verify-ca");
    let newer = config("min_protocol_version=3.2");
    assert_eq!(newer.max_protocol_version, ProtocolVersion::V3_2);
}

#[test]
fn inline_certificates_have_no_default_files() {
    let config = config("sslinline=true sslkey='-----BEGIN' sslrootcert=system");
    assert_eq!(config.ssl.key, Some(PemSource::Inline(Secret::new("-----BEGIN"))));
    assert_eq!(config.ssl.cert, None);
    assert_eq!(config.ssl.root_cert, Some(RootCert::Pem(PemSource::Inline(Secret::new("system")))));
}

#[test]
fn values_are_checked() {
    for text in [
        "sslmode=on",
        "sslmode=''",
        "keepalives=maybe",
        "keepalives_idle=-1",
        "keepalives_count=x",
        "tcp_user_timeout=1s",
        "client_encoding=latin1",
        "datestyle=German",
        "target_session_attrs=writer",
        "load_balance_hosts=yes",
        "max_protocol_version=2.0",
        "default_query_exec_mode=exec",
        "statement_cache_capacity=100000",
        "channel_binding=on",
        "sslcertmode=always",
        "pooler=session",
        "gssencmode=require",
        "oauth_client_secret=hunter2",
        "scram_client_key=hunter2",
        "replication=maybe",
    ] {
        let error = read(text).unwrap_err();
        let name = text.split('=').next().unwrap();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{text}");
        assert!(error.to_string().contains(&format!("`{name}` takes ")), "{text}: {error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    for text in ["client_encoding=utf-8", "client_encoding=UNICODE", "datestyle='iso, mdy'"] {
        config(text);
    }
    assert_eq!(config("connect_timeout=-1").connect_timeout, None);
    assert_eq!(config("connect_timeout=' 7 '").connect_timeout, Some(Duration::from_secs(7)));
}

#[test]
fn poolers_and_how_statements_reach_them_follow_from_each_other() {
    use QueryMode::{CacheDescribe, CacheStatement, SimpleProtocol};
    for (text, expected) in [
        ("", (Pooler::None, CacheStatement)),
        ("pooler=transaction", (Pooler::Transaction, CacheDescribe)),
        ("default_query_exec_mode=cache_describe", (Pooler::Transaction, CacheDescribe)),
        ("default_query_exec_mode=cache_describe pooler=none", (Pooler::None, CacheDescribe)),
        ("default_query_exec_mode=simple_protocol", (Pooler::None, SimpleProtocol)),
        // Poolers that know prepared statements.
        (
            "pooler=transaction default_query_exec_mode=cache_statement",
            (Pooler::Transaction, CacheStatement),
        ),
    ] {
        let config = config(text);
        assert_eq!((config.pooler, config.query_mode), expected, "{text}");
    }
}

#[test]
fn the_policy_of_the_log_in_is_checked_at_once() {
    refused("require_auth=hunter2", "`require_auth` takes methods");
    refused("require_auth=md5,!password", "all of them or none with a `!`");
    let config = config("require_auth='!password,!none' channel_binding=require");
    let policy = config.policy().unwrap();
    assert_eq!(policy.channel_binding, ChannelBinding::Require);
    assert_eq!(policy.require_auth, RequireAuth::parse("!password,!none").unwrap());
}

#[test]
fn without_a_user_there_is_no_configuration() {
    let error = Config::read(&dsn(""), &EmptyEnvironment, &GivenFiles::default()).unwrap_err();
    assert!(error.to_string().contains("PGUSER"), "{error}");
}

#[test]
fn debug_shows_no_secret() {
    let config = config(
        "password=hunter2 my.secret=hunter2 options='-c my.s=hunter2' sslinline=1 sslkey=hunter2 \
         sslpassword=hunter2",
    );
    let shown = format!("{config:?} {}", config.target());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("my.secret"), "{shown}");
}

#[test]
fn the_password_file_is_asked_only_without_a_password() {
    let files =
        GivenFiles(vec![("/h/.pgpass".into(), b"10.0.0.1:5432:shop:app:p\n".to_vec(), 0o600)]);
    let with = |text: &str| {
        let config = config(text);
        config.password_for(&config.hosts[0], &files)
    };
    let found = |text: &str| Found::Password(Secret::new(text));
    assert_eq!(with("hostaddr=10.0.0.1 user=app dbname=shop"), found("p"));
    assert_eq!(with("hostaddr=10.0.0.1 user=app dbname=shop password=q"), found("q"));
    assert_eq!(with("host=db1 hostaddr=10.0.0.1 user=app dbname=shop"), Found::Nothing);
    assert_eq!(with("hostaddr=10.0.0.1 user=app dbname=shop password=''"), found("p"));
}

/// Settings that users put into connection strings.
const SETTINGS: &str = include_str!("settings.txt");

#[test]
fn no_setting_of_the_server_is_taken_for_a_slip_of_the_pen() {
    for name in SETTINGS.lines() {
        if parameters::find(name).is_none() {
            assert_eq!(parameters::near_miss(name), None, "{name}");
        }
    }
}

#[test]
fn every_default_is_what_nothing_given_means() {
    let blank = config("");
    for parameter in &PARAMETERS {
        let option = parameter.option;
        if option.default.is_empty() || option.default.contains(['`', ' ']) {
            continue;
        }
        let text = format!("{}='{}'", option.name, option.default);
        assert_eq!(config(&text), blank, "{text}");
    }
}

#[test]
fn names_are_distinct() {
    let mut names: Vec<&str> = PARAMETERS
        .iter()
        .flat_map(|known| [known.option.name].into_iter().chain(known.aliases.iter().copied()))
        .collect();
    let mut variables: Vec<&str> =
        PARAMETERS.iter().map(|known| known.variable).filter(|name| !name.is_empty()).collect();
    for list in [&mut names, &mut variables] {
        let count = list.len();
        list.sort_unstable();
        list.dedup();
        assert_eq!(list.len(), count);
    }
}

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/postgres.md");

/// `docs/postgres.md` has the tables that the code has. `UPDATE_DOCS=1` rewrites them.
#[test]
fn the_documentation_lists_every_parameter() {
    let document = std::fs::read_to_string(PATH).expect("docs/postgres.md is there");
    let mut updated = document.clone();
    let (known, refused) = parameters::tables();
    for (name, table) in [("parameters", known), ("refused parameters", refused)] {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let from = updated.find(&begin).expect("the table's first marker is there") + begin.len();
        let to = updated.find(&end).expect("the table's last marker is there");
        updated.replace_range(from..to, &format!("\n{table}\n"));
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, &updated).expect("docs/postgres.md can be written");
    } else {
        assert!(
            updated == document,
            "docs/postgres.md does not say what the code does; \
             run: UPDATE_DOCS=1 cargo test -p aquifer-postgres documentation"
        );
    }
}

proptest! {
    #[test]
    fn any_connection_string_is_read_or_refused(
        text in "((host|port|user|sslmode|hostaddr|password|[a-z]{1,5}) ?= ?('[^']{0,4}'|[a-z0-9,:/.]{0,6}) ?){0,4}",
    ) {
        match read(&text) {
            Ok(config) => prop_assert!(!config.hosts.is_empty()),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Configuration),
        }
    }
}

#[test]
fn a_percent_sign_that_begins_no_escape_is_refused_without_showing_it() {
    for url in ["postgres://u:hun%zzter2@h/db", "postgres://u:hunter2%@h/db", "postgres://u%4:x@h"]
    {
        refused(url, "begins no escape");
        assert!(!read(url).unwrap_err().to_string().contains("hun"), "{url}");
    }
    assert_eq!(read("postgres://u:100%25@h/db").unwrap().password.unwrap().expose(), "100%");
}
