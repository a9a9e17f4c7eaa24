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
    let config = url("mysql://app:hunter1@h/?password2=hunter2&password3=hunter3").unwrap();
    assert_eq!(config.password3, Some(Secret::new("hunter3")));
    assert!(!format!("{config:?}").contains("hunter"), "{config:?}");
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
    assert_eq!(go("u:p@unix/").unwrap().place(), "/tmp/mysql.sock");
    assert_eq!(go("u:p@tcp(de:ad::1)/").unwrap().place(), "[de:ad::1]:3306");
    assert_eq!(go("u:p@tcp([de:ad::1]:80)/").unwrap().place(), "[de:ad::1]:80");
    assert_eq!(go("u:p@(db1)/").unwrap().place(), "db1:3306");
    for empty in ["u:p@/db?a", "u:p@tcp/db", "u:p@tcp()/db"] {
        assert_eq!(go(empty).unwrap().target(), "127.0.0.1:3306/db", "{empty}");
    }
    for flag in ["yes", "tRue", "2", ""] {
        assert!(go(&format!("u@/db?parseTime={flag}")).is_err(), "{flag}");
    }
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

#[test]
fn an_option_file_counts_between_the_environment_and_the_url() {
    struct Home(PathBuf);
    impl Environment for Home {
        fn var(&self, name: &str) -> Option<String> {
            match name {
                "MYSQL_HOST" => Some("db9".to_owned()),
                "MYSQL_TCP_PORT" => Some("3309".to_owned()),
                "HOME" => self.0.to_str().map(str::to_owned),
                _ => None,
            }
        }
    }
    let home = std::env::temp_dir().join(format!("aquifer-my-cnf-{}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let file = home.join(".my.cnf");
    std::fs::write(
        &file,
        "[client]\nuser=ada\npassword=hunter2\nhost=db2\nsocket=/s\nssl-ca=/ca\n",
    )
    .unwrap();
    let environment = Home(home.clone());
    let read = |text: &str| Config::from_dsn(&Dsn::parse(text).unwrap(), &environment);
    let config = read("mysql:///shop").unwrap();
    assert_eq!((config.user.as_str(), config.place().as_str()), ("ada", "db2:3309"));
    assert_eq!(config.password, Some(Secret::new("hunter2")));
    assert_eq!(config.tls, TlsMode::VerifyCa, "who names an issuer wants the server checked");
    let config = read("mysql://app:own@db1/shop?tls=preferred").unwrap();
    assert_eq!((config.user.as_str(), config.place().as_str()), ("app", "db1:3309"));
    assert_eq!((config.password, config.tls), (Some(Secret::new("own")), TlsMode::Preferred));
    assert_eq!(read("mysql://app@/shop?defaultsFile=").unwrap().password, None);
    let error = read("mysql://app@/shop?defaultsFile=/missing").unwrap_err();
    assert!(error.to_string().contains("/missing"), "{error}");
    std::fs::write(&file, "[client]\nuser=ada\nport=hunter2\n").unwrap();
    let error = read("mysql:///shop").unwrap_err().to_string();
    assert!(error.contains(".my.cnf") && !error.contains("hunter2"), "{error}");
    std::fs::write(&file, "[client]\nuser=ada\nhost=localhost\nsocket=/s\n").unwrap();
    assert_eq!(read("mysql:///shop").unwrap().place(), "/s");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
        let config = read("mysql://app@/shop").unwrap();
        assert_eq!(config.place(), "db9:3309", "a file that anybody may write is passed over");
        assert!(config.ignored_file().unwrap().contains("0644"));
    }
    std::fs::remove_dir_all(&home).unwrap();
}

#[test]
fn every_parameter_of_go_s_driver_is_known_with_its_default() {
    // Its README's list. Where ours differs on purpose, the second is ours.
    for (name, default) in [
        ("allowAllFiles", "false"),
        ("allowCleartextPasswords", "false"),
        ("allowFallbackToPlaintext", "false"),
        ("allowNativePasswords", "true"),
        ("allowOldPasswords", "false"),
        ("charset", "utf8mb4"),
        ("allowFiles", ""),
        ("checkConnLiveness", "true"),
        ("clientFoundRows", "true"),
        ("collation", ""),
        ("columnsWithAlias", "false"),
        ("compress", "false"),
        ("connectionAttributes", ""),
        ("interpolateParams", "false"),
        ("loc", ""),
        ("maxAllowedPacket", "0"),
        ("multiStatements", "false"),
        ("parseTime", "false"),
        ("readTimeout", "0"),
        ("writeTimeout", "0"),
        ("rejectReadOnly", "false"),
        ("serverPubKey", ""),
        ("strict", "false"),
        ("timeTruncate", "0"),
        ("timeout", "0"),
        ("tls", "preferred"),
    ] {
        let config = url(&format!("mysql://a@h/?{name}={default}")).unwrap();
        assert_eq!(config, url("mysql://a@h/").unwrap(), "{name}");
    }
    for text in [
        "compress=lz4",
        "compress=zlib:10",
        "compress=true:3",
        "allowAllFiles=si",
        "multiStatements=2",
        "timeTruncate=1",
    ] {
        assert!(url(&format!("mysql://a@h/?{text}")).is_err(), "{text}");
    }
}

#[test]
fn the_default_of_every_parameter_is_the_one_that_is_documented() {
    let default = Config::default();
    for parameter in &PARAMETERS {
        let (documented, shown) = (parameter.option.default, (parameter.show)(&default));
        if !shown.is_empty() && !documented.contains(' ') {
            assert_eq!(shown, documented, "{}", parameter.option.name);
        }
    }
}

#[test]
fn what_is_no_parameter_is_a_variable_of_the_session() {
    let config = go(
        "a@tcp(h)/?sql_mode=%27ANSI%27&innodb_lock_wait_timeout=5&time_zone=%27Europe%2FParis%27",
    )
    .unwrap();
    let variables = [("sql_mode", "'ANSI'"), ("innodb_lock_wait_timeout", "5")];
    assert_eq!(
        config.system_variables,
        variables.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert_eq!(config.time_zone, "Europe/Paris");
    for text in [
        "charset=gbk",
        "charset=utf8mb4,sjis",
        "collation=big5_chinese_ci",
        "collation=utf8_bin",
        "character_set_client=gbk",
        "character_set_results=latin1",
        "collation_connection=gbk_bin",
        "names=gbk",
        "autocommit=0",
        "sql_mode=%5C",
        "maxAllowedPackets=1",
        "a%20b=1",
        "tlsCert=/c",
    ] {
        let error = url(&format!("mysql://a@h/?{text}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{text}");
    }
}

/// Texts that parameters take, more than one for each that has a choice.
const GIVEN: &[(&str, &[&str])] = &[
    ("host", &["db1", "::1", "a b%/@:?"]),
    ("port", &["1", "65535"]),
    ("socket", &["/run/a b?&=#.sock"]),
    ("user", &["app", "us:er@/?#%&=\u{e9}", "'"]),
    ("password", &["hunter2", "p@ss:(w)/?#&=%41+ "]),
    ("password2", &["hunter3", "p@ss:(w)/?#&=%41+ "]),
    ("password3", &["hunter4"]),
    ("database", &["shop", "a/b?c=d&e"]),
    ("tls", &["true", "false", "skip-verify", "VERIFY_CA", "preferred"]),
    ("tlsCa", &["/ca.pem"]),
    ("serverPubKey", &["/k+k.pem"]),
    ("allowFallbackToPlaintext", &["1"]),
    ("timeout", &["1h30m", "1ns"]),
    ("readTimeout", &["1.5s", "0"]),
    ("writeTimeout", &["90s"]),
    ("checkConnLiveness", &["False"]),
    ("rejectReadOnly", &["TRUE"]),
    ("allowNativePasswords", &["0"]),
    ("allowCleartextPasswords", &["1"]),
    ("allowOldPasswords", &["1"]),
    ("allowPublicKeyRetrieval", &["true"]),
    ("clientFoundRows", &["false"]),
    ("charset", &["utf8", "utf8mb4,utf8"]),
    ("time_zone", &["Europe/Paris", "-01:30"]),
    ("loc", &["Asia/Tokyo"]),
    ("zeroDates", &["null", "text"]),
    ("parseTime", &["true"]),
    ("maxAllowedPacket", &["1048576"]),
    ("statement_cache_capacity", &["0"]),
    ("connectionAttributes", &["a:b,c:d e:f"]),
    ("sql_mode", &["'ANSI'", "", "a'b&c=d"]),
    ("wait_timeout", &["28800"]),
];

#[test]
fn a_configuration_reads_back_from_its_url() {
    let round = |pairs: &[(&str, &str)]| {
        let mut config = Config { user: "app".to_owned(), ..Config::default() };
        for (name, value) in pairs {
            match Parameter::find(name) {
                Some(parameter) => config.set(parameter, value, name).unwrap(),
                None => config.set_variable(name, value).unwrap(),
            }
        }
        config.check().unwrap();
        let text = config.to_url();
        assert_eq!(url(text.expose()).unwrap(), config, "{}", text.expose());
    };
    round(&[]);
    // Each text alone, then each beside every other one.
    let all: Vec<(&str, &str)> =
        GIVEN.iter().flat_map(|(name, texts)| texts.iter().map(|text| (*name, *text))).collect();
    for one in &all {
        for other in &all {
            round(&[*one, *other]);
        }
    }
    round(&all);
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

#[test]
fn a_zone_that_is_meant_is_the_session_s() {
    for (query, question) in [
        ("", false),
        ("loc=UTC", false),
        ("loc=%2B02:00&time_zone=%2B2:00", false),
        ("loc=Europe/Berlin&time_zone=europe/berlin", false),
        ("loc=UTC&time_zone=SYSTEM", true),
        ("loc=Europe/Berlin", true),
    ] {
        let config = url(&format!("mysql://a@h/?{query}")).unwrap();
        assert_eq!(config.zone_question().is_some(), question, "{query}");
        assert_eq!(url(config.to_url().expose()).unwrap().loc, config.loc);
    }
    for query in ["loc=%2B02:00", "loc=UTC&time_zone=%2B02:00", "loc=Local", "loc=a'b"] {
        let error = url(&format!("mysql://a@h/?{query}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{query}");
        assert!(error.message().contains("`loc`"), "{error}");
    }
}

#[test]
fn parameters_of_other_drivers_are_refused_with_what_is_written_here() {
    for (query, ours) in [
        ("ssl=true", "`tls`"),
        ("useSSL=false", "`tls`"),
        ("requireSSL=true", "`tls=skip-verify`"),
        ("require_ssl=true", "`tls=skip-verify`"),
        ("serverTimezone=UTC", "`time_zone`"),
        ("timezone=%2B02:00", "`time_zone`"),
        ("connectTimeout=5", "`timeout`"),
        ("connect_timeout=5", "`timeout`"),
        ("socketTimeout=5", "`readTimeout`"),
        ("characterEncoding=utf8", "`charset`"),
        ("useUnicode=true", "`charset`"),
        ("autoReconnect=true", "the pool"),
        ("prefer_socket=false", "`socket`"),
        ("pool_max=5", "`pool_max_open`"),
        ("stmt_cache_size=5", "`statement_cache_capacity`"),
        ("allowMultiQueries=true", "`multiStatements`"),
    ] {
        let error = url(&format!("mysql://a@h/?{query}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{query}");
        assert!(error.hint().is_some_and(|hint| hint.contains(ours)), "{query}: {error}");
    }
    // Variables of the server, and no parameter of ours is one of others'.
    assert!(url("mysql://a@h/?local_infile=1").is_ok());
    for name in names() {
        assert!(Parameter::find(name).is_some(), "{name}");
        assert_ne!(
            url(&format!("mysql://a@h/?{name}=")).err().and_then(|error| {
                error.message().contains("has no parameter").then(|| name.to_owned())
            }),
            Some(name.to_owned())
        );
    }
    let local = url("mysql://a@h/?loc=Local").unwrap_err();
    assert!(local.to_string().contains("`time_zone`, too"), "{local}");
}

#[test]
fn a_url_with_an_address_of_go_s_form_says_what_is_mixed() {
    let mixed = ["mysql://u:hunter2@tcp(h:3306)/db", "mysql://u:hunter2@unix(/run/m.sock)/db"];
    for text in mixed {
        for read in [url(text), Config::from_dsn(&Dsn::native("mysql", text), &EmptyEnvironment)] {
            let error = read.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
            let shown = error.to_string();
            assert!(
                shown.contains("form of Go's driver") && shown.contains("Db::open_with"),
                "{shown}"
            );
            assert!(shown.contains("mysql://user:password@host:port/database"), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
