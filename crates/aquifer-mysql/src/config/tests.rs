use aquifer_driver::EmptyEnvironment;

use super::*;

fn url(text: &str) -> Result<Config> {
    Config::from_dsn(&Dsn::parse(text).unwrap(), &EmptyEnvironment)
}

fn go(text: &str) -> Result<Config> {
    struct Ada;
    impl Environment for Ada {
        fn var(&self, name: &str) -> Option<String> {
            (name == "USER").then(|| "ada".to_owned())
        }
    }
    Config::from_dsn(&Dsn::native("mysql", text), &Ada)
}

#[test]
fn a_url_says_where_as_whom_and_how() {
    let config =
        url("mariadb://app:s%2Fx@[::1]:3307/my%20shop?tls=verify-ca&timeout=5s&clientFoundRows=0")
            .unwrap();
    assert_eq!((config.host.as_str(), config.port), ("::1", 3307));
    assert_eq!(config.password, Some(Secret::new("s/x")));
    assert_eq!(config.database.as_deref(), Some("my shop"));
    assert_eq!((config.tls, config.timeout), (TlsMode::VerifyCa, Some(Duration::from_secs(5))));
    assert!(!config.client_found_rows);
    assert_eq!(config.target(), "[::1]:3307/my shop");
    assert!(!format!("{config:?}").contains("s/x"));
    let socket = url("mysql://app@localhost/shop?socket=/run/m.sock").unwrap();
    assert_eq!(socket.target(), "/run/m.sock/shop");
}

#[test]
fn go_s_grammar_is_read_as_go_reads_it() {
    let config = go("us:er@p@ss(word)@tcp(db1:3307)/a%2Fb?tls=skip-verify&junk").unwrap();
    assert_eq!(config.user, "us");
    assert_eq!(config.password, Some(Secret::new("er@p@ss(word)")));
    assert_eq!((config.host.as_str(), config.port), ("db1", 3307));
    assert_eq!(config.database.as_deref(), Some("a/b"));
    assert_eq!(config.tls, TlsMode::SkipVerify);
    assert_eq!(go("u:p@unix(/tmp/x.sock)/").unwrap().place(), "/tmp/x.sock");
    assert_eq!(go("u:p@/ssword@/db").unwrap().password, Some(Secret::new("p@/ssword")));
    assert_eq!(go("").unwrap(), Config { user: "ada".into(), ..Config::default() });
    assert_eq!(go("/").unwrap().place(), "127.0.0.1:3306");
    for (text, says) in [
        ("app@tcp(db1", "slash"),
        ("app@tcp(db1/x", "not terminated"),
        ("app@tcp(db1)y/x", "forget to escape"),
        ("app@pipe(x)/x", "network"),
    ] {
        let error = go(text).unwrap_err();
        let said = format!("{error} {}", error.hint().unwrap_or_default());
        assert!(said.contains(says), "{text}: {said}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_and_no_value_is_shown() {
    for (text, says) in [
        ("mysql://app:hunter2@db1/shop?tsl=true", "did you mean `tls`"),
        ("mysql://app:hunter2@db1/shop?tls=hunter2", "`preferred`"),
        ("mysql://app:hunter2@db1:0/shop", "from 1 to 65535"),
        ("mysql://app:hunter2@x@db1/shop", "%40"),
        ("mysql://app:hun/ter2@db1/shop", "%2F"),
        ("mysql://app:hunter2@db1/shop/x", "%2F"),
        ("mysql://app:hunter2@::1/shop", "[::1]"),
        ("mysql://db1/shop", "nobody is named"),
        ("mysql://a%00b@db1/shop", "NUL"),
        ("mysql:app", "mysql://"),
        ("mysql://app@db1/?time_zone=%27", "offset"),
        ("mysql://app@db1/?timeout=5", "unit"),
    ] {
        let error = url(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{text}");
        let said = format!("{error} {}", error.hint().unwrap_or_default());
        assert!(said.contains(says) && !said.contains("ter2"), "{text}: {said}");
    }
}

#[test]
fn the_environment_counts_where_the_url_says_nothing() {
    struct Variables;
    impl Environment for Variables {
        fn var(&self, name: &str) -> Option<String> {
            let value = match name {
                "MYSQL_HOST" => "db9",
                "MYSQL_TCP_PORT" => "3309",
                "MYSQL_PWD" => "secret",
                "MYSQL_UNIX_PORT" => "/x.sock",
                _ => return None,
            };
            Some(value.to_owned())
        }
    }
    let read = |text: &str| Config::from_dsn(&Dsn::parse(text).unwrap(), &Variables).unwrap();
    let config = read("mysql://app@/shop");
    assert_eq!(config.place(), "/x.sock");
    assert_eq!(config.password, Some(Secret::new("secret")));
    let config = read("mysql://app:own@db1/shop");
    assert_eq!(config.place(), "db1:3309");
    assert_eq!(config.password, Some(Secret::new("own")));
}

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/mysql.md");

/// `docs/mysql.md` has the table that the code has. `UPDATE_DOCS=1` rewrites it.
#[test]
fn the_document_lists_the_parameters() {
    let document = std::fs::read_to_string(PATH).expect("docs/mysql.md is there");
    let (begin, end) = ("<!-- parameters -->\n", "\n<!-- end of parameters -->");
    let from = document.find(begin).expect("the first marker is there") + begin.len();
    let to = document.find(end).expect("the last marker is there");
    let mut updated = document.clone();
    updated.replace_range(from..to, &parameters::table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, &updated).expect("docs/mysql.md can be written");
    } else {
        assert!(
            document == updated,
            "docs/mysql.md does not say what the code does; UPDATE_DOCS=1 rewrites its table"
        );
    }
}
