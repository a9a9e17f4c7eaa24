//! Options: one definition, and the same values whichever way they come.

use std::collections::HashMap;
use std::time::Duration;

use aquifer::driver::Environment;
use aquifer::{Db, DbOptions, ErrorKind};
use aquifer_testkit::fake::FakeServer;

use crate::support::*;

/// A value for each option that is not its default.
fn another(name: &str, default: &str) -> String {
    let candidates = ["7", "0.25", "true", "false", "9s", "off", "reads"];
    let mut options = DbOptions::default();
    for value in candidates {
        let before = options.clone();
        if options.set(name, value).is_ok() && options != before {
            return value.to_owned();
        }
    }
    panic!("no other value for `{name}` than {default}");
}

fn all_changed() -> (DbOptions, HashMap<String, String>) {
    let mut options = DbOptions::default();
    let mut values = HashMap::new();
    for help in DbOptions::help() {
        let mut value = another(help.name, &help.default);
        // These have to fit together.
        match help.name {
            "max_open" => value = "21".into(),
            "min_idle" => value = "3".into(),
            "backoff_max" => value = "10s".into(),
            _ => {}
        }
        options.set(help.name, &value).unwrap();
        values.insert(help.name.to_owned(), value);
    }
    options.pool.validate().unwrap();
    (options, values)
}

#[test]
fn every_option_is_read_back_as_it_was_written() {
    let (options, values) = all_changed();
    for (name, value) in &values {
        let mut again = DbOptions::default();
        again.set(name, &options.get(name).unwrap()).unwrap();
        assert_eq!(again.get(name), options.get(name), "{name} = {value}");
        assert_ne!(options.get(name), DbOptions::default().get(name), "{name}");
    }
    assert_eq!(options.get("nothing"), None);
}

/// What a `Db` is opened with: without the feature that an option needs, with all the others.
fn usable(
    options: &DbOptions,
    values: &HashMap<String, String>,
) -> (DbOptions, HashMap<String, String>) {
    let (mut options, mut values) = (options.clone(), values.clone());
    if cfg!(not(feature = "explain")) {
        options.calls.slow_plan = None;
        assert!(values.remove("slow_plan").is_some());
    }
    (options, values)
}

#[test]
fn an_option_whose_feature_is_missing_is_read_but_nothing_is_opened_with_it() {
    let opened = builder(&FakeServer::new()).set("slow_plan", "5ms").unwrap().open();
    match cfg!(feature = "explain") {
        true => assert_eq!(opened.unwrap().options().calls.slow_plan, Some(ms(5))),
        false => {
            let error = opened.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.hint().is_some_and(|hint| hint.contains("`explain`")), "{error:?}");
        }
    }
}

#[test]
fn files_url_environment_and_setters_give_the_same_options() {
    let (expected, values) = all_changed();
    let json = serde_json::to_string(&expected).unwrap();
    assert_eq!(serde_json::from_str::<DbOptions>(&json).unwrap(), expected);
    let toml = toml::to_string(&expected).unwrap();
    assert_eq!(toml::from_str::<DbOptions>(&toml).unwrap(), expected);
    let texts = serde_json::to_string(&values).unwrap();
    assert_eq!(serde_json::from_str::<DbOptions>(&texts).unwrap(), expected);

    let (opened, usable) = usable(&expected, &values);
    let query: Vec<_> = usable.iter().map(|(name, value)| format!("pool_{name}={value}")).collect();
    let server = FakeServer::new();
    let mut registry = aquifer::Registry::new();
    registry.register(server.driver()).unwrap();
    let url = format!("fake:?{}", query.join("&"));
    let db = Db::builder(&url).unwrap().registry(registry).open().unwrap();
    assert_eq!(*db.options(), opened);

    let mut built = builder(&server);
    for (name, value) in &usable {
        built = built.set(name, value).unwrap();
    }
    assert_eq!(*built.open().unwrap().options(), opened);

    struct Env(HashMap<String, String>);
    impl Environment for Env {
        fn var(&self, name: &str) -> Option<String> {
            self.0.get(&name.strip_prefix("APP_")?.to_ascii_lowercase()).cloned()
        }
    }
    let mut from_env = DbOptions::default();
    from_env.set_from_env("APP_", &Env(values)).unwrap();
    assert_eq!(from_env, expected);
}

#[test]
fn the_builders_setters_are_the_options_of_the_same_names() {
    let server = FakeServer::new();
    let db = builder(&server)
        .max_open(7)
        .min_idle(2)
        .max_idle(5)
        .max_lifetime(ms(1))
        .max_idle_time(ms(2))
        .acquire_timeout(ms(3))
        .connect_timeout(ms(4))
        .max_waiters(6)
        .query_timeout(ms(5))
        .slow_call(ms(6))
        .multiplex(aquifer::Multiplexing::Reads)
        .multiplex_connections(3)
        .open()
        .unwrap();
    for (name, value) in [
        ("max_open", "7"),
        ("min_idle", "2"),
        ("max_idle", "5"),
        ("max_lifetime", "1ms"),
        ("max_idle_time", "2ms"),
        ("acquire_timeout", "3ms"),
        ("connect_timeout", "4ms"),
        ("max_waiters", "6"),
        ("query_timeout", "5ms"),
        ("slow_call", "6ms"),
        ("multiplex", "reads"),
        ("multiplex_connections", "3"),
    ] {
        assert_eq!(db.options().get(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(serde_json::from_str::<DbOptions>("{}").unwrap(), DbOptions::default());
    assert_eq!(toml::from_str::<DbOptions>("").unwrap(), DbOptions::default());
}

#[test]
fn a_file_may_spell_numbers_and_switches_without_quotes() {
    let options: DbOptions = toml::from_str(
        "max_open = 3\nwarn_in_use = 0.5\nadaptive = true\nadaptive_min = 2\ntexts_max = 9\n\
         multiplex = \"reads\"\nquery_timeout = \"2s\"\nmax_lifetime = \"off\"",
    )
    .unwrap();
    assert_eq!((options.pool.max_open, options.calls.texts_max), (3, 9));
    assert_eq!(options.calls.query_timeout, Some(Duration::from_secs(2)));
    assert_eq!(options.pool.max_lifetime, None);
    assert_eq!(options.calls.multiplex, aquifer::Multiplexing::Reads);
    assert!(options.pool.adaptive);
}

#[test]
fn a_file_with_an_unknown_or_impossible_option_is_refused_by_name() {
    for (text, part) in [
        (r#"{"max_opn": 5}"#, "did you mean `max_open`?"),
        (r#"{"query_timout": "1s"}"#, "did you mean `query_timeout`?"),
        (r#"{"colour": 5}"#, "`colour`"),
        (r#"{"max_open": 0}"#, "max_open"),
        (r#"{"max_open": -1}"#, "max_open"),
        (r#"{"query_timeout": 5}"#, "query_timeout"),
        (r#"{"texts_max": 0}"#, "texts_max"),
        (r#"{"multiplex": "perhaps"}"#, "multiplex"),
        (r#"{"min_idle": 9, "max_open": 3}"#, "min_idle"),
        (r#"{"max_open": [1]}"#, "a number"),
        (r#"[1]"#, "table"),
    ] {
        let error = serde_json::from_str::<DbOptions>(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn a_url_with_a_misspelt_option_is_answered_with_what_to_write() {
    let refused = |url: &str| {
        let server = FakeServer::new();
        let mut registry = aquifer::Registry::new();
        registry.register(server.driver()).unwrap();
        let opened = Db::builder(url).and_then(|builder| builder.registry(registry).open());
        let error = opened.unwrap_err();
        assert!(error.nothing_sent());
        (error.kind(), error.to_string())
    };
    for (url, kind, part) in [
        ("fake:?pool_max_opn=5", ErrorKind::Configuration, "did you mean `pool_max_open`?"),
        ("fake:?pool_colour=5", ErrorKind::Configuration, "`pool_colour`"),
        ("fake:?pool_max_open=many", ErrorKind::Configuration, "`pool_max_open` cannot be `many`"),
        ("fake:?max_open=5", ErrorKind::Configuration, "did you mean `pool_max_open`?"),
        ("fake:?mod=ro", ErrorKind::Configuration, "did you mean `mode`?"),
        ("fake:?pool_min_idle=5&pool_max_open=3", ErrorKind::Configuration, "min_idle"),
        ("fale:", ErrorKind::UnknownDriver, "fake"),
        ("http://x/", ErrorKind::UnknownDriver, "unknown scheme `http`"),
        ("http://x/", ErrorKind::UnknownDriver, "driver for `http`"),
        ("demo.db", ErrorKind::Configuration, "no scheme"),
    ] {
        let (got, text) = refused(url);
        assert_eq!(got, kind, "{url}: {text}");
        assert!(text.contains(part), "{url}: {text}");
    }
}

#[test]
fn a_variable_that_cannot_be_used_is_named() {
    struct Env;
    impl Environment for Env {
        fn var(&self, name: &str) -> Option<String> {
            (name == "APP_QUERY_TIMEOUT").then(|| "soon".to_owned())
        }
    }
    let mut options = DbOptions::default();
    let error = options.set_from_env("APP_", &Env).unwrap_err();
    assert!(error.to_string().contains("APP_QUERY_TIMEOUT"), "{error}");
    assert_eq!(options, DbOptions::default());
}

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/options.md");
const BEGIN: &str = "<!-- options: begin -->\n";
const END: &str = "<!-- options: end -->";

/// `docs/options.md` has the table that the code has. `UPDATE_DOCS=1` rewrites it.
#[test]
fn the_documentation_lists_every_option() {
    let mut table = String::from("| option | default | what it does | why |\n|---|---|---|---|\n");
    for help in DbOptions::help() {
        let row = [help.help, help.reason].map(|text| text.replace('|', "\\|"));
        table += &format!("| `{}` | `{}` | {} | {} |\n", help.name, help.default, row[0], row[1]);
    }
    let document = std::fs::read_to_string(PATH).expect("docs/options.md is there");
    let (head, rest) = document.split_once(BEGIN).expect("the table's beginning is marked");
    let (_, tail) = rest.split_once(END).expect("the table's end is marked");
    let updated = format!("{head}{BEGIN}{table}{END}{tail}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, &updated).expect("docs/options.md can be written");
    } else {
        assert!(
            document == updated,
            "docs/options.md does not say what the code does; \
             run: UPDATE_DOCS=1 cargo test -p aquifer --test db documentation"
        );
    }
}

#[test]
fn a_setter_comes_before_the_url_and_the_url_before_a_file_in_any_order() {
    let mut file = DbOptions::default();
    for (name, value) in [("max_open", "5"), ("max_waiters", "55"), ("query_timeout", "5s")] {
        file.set(name, value).unwrap();
    }
    let url = "fake:?pool_max_open=6&pool_max_waiters=66";
    let server = FakeServer::new();
    let registry = || {
        let mut registry = aquifer::Registry::new();
        registry.register(server.driver()).unwrap();
        registry
    };
    let start = || Db::builder(url).unwrap().registry(registry());
    let first = start().options(file.clone()).max_open(7).set("slow_call", "7s").unwrap();
    let last = start().set("slow_call", "7s").unwrap().max_open(7).options(file);
    for db in [first.open().unwrap(), last.open().unwrap()] {
        let options = db.options();
        assert_eq!((options.pool.max_open, options.pool.max_waiters), (7, 66));
        assert_eq!(options.calls.query_timeout, Some(Duration::from_secs(5)));
        assert_eq!(options.calls.slow_call, Some(Duration::from_secs(7)));
        assert_eq!(options.pool.min_idle, DbOptions::default().pool.min_idle);
    }
    assert!(start().set("max_opn", "7").is_err());
}

#[tokio::test]
async fn a_connector_made_by_hand_needs_no_url() {
    let server = FakeServer::new();
    let db = aquifer::Builder::from_connector(server.connector()).max_open(1).open().unwrap();
    assert_eq!(db.get::<i64>("SELECT 1", ()).await.unwrap(), 1);
    assert_eq!(server.counters().connects, 1);
    assert_at_rest(&db, &server);
}

#[test]
fn what_does_not_exist_is_not_suggested() {
    let error = Db::open("").unwrap_err();
    assert!(!error.to_string().contains("mysql"), "{error}");
    let error = Db::open_with("oracle", "host=x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownDriver);
    assert!(error.message().starts_with("unknown driver `oracle`"), "{error}");
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn the_type_of_another_drivers_connection_is_named_without_the_path_to_it() {
    let server = FakeServer::new();
    let db = open(&server);
    let mut conn = db.acquire().await.unwrap();
    let error = conn.driver::<aquifer::sqlite::SqliteConnection>().unwrap_err();
    assert_eq!(error.message(), "the connection is not a `SqliteConnection`");
}
