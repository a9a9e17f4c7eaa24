//! `aquifer serve` as a program: what it prints, what it answers, how it ends.

mod common;

use std::io::Read;
use std::net::TcpStream;
use std::process::{Command, Stdio};

use common::{Scratch, Serving, exchange, stderr, text};

#[test]
fn the_demo_answers_what_the_documentation_shows() {
    let scratch = Scratch::new();
    let serving = scratch.serve(&["--memory"]);
    assert_eq!(serving.ready["demo"], true);
    assert_eq!(serving.ready["queries"].as_array().unwrap().len(), 6);
    assert!(serving.ready["data"].is_null() && serving.ready["queries_dir"].is_null());

    let (status, seven) = serving.get("/stations/7");
    assert_eq!(status, 200);
    assert_eq!(
        seven,
        serde_json::json!({"id": 7, "code": "N-07", "river": "Nera", "lat": 42.55, "level_m": 1.84})
    );
    let (status, bad) = serving.get("/stations/x");
    assert_eq!(status, 400);
    assert_eq!(bad["errors"][0]["reason"], "expected an integer ≥ 1, got \"x\"");
    assert_eq!(serving.get("/stations").1.as_array().unwrap().len(), 200);
    assert_eq!(serving.get("/stations?river=Nera").1.as_array().unwrap().len(), 31);

    let recent = serving.get("/stations/7/readings?limit=2").1;
    assert_eq!(recent[0], serde_json::json!({"at": "2026-02-11T15:00:00Z", "level_m": 1.84}));
    assert_eq!(recent[1]["at"], "2026-02-11T14:00:00Z");
    let daily = serving.get("/readings/daily?station=7").1;
    assert_eq!(daily.as_array().unwrap().len(), 42);
    assert_eq!(daily[0]["day"], "2026-01-01");
    assert_eq!(daily[0]["readings"], 24);
    let question = r#"{"river":"Nera","after":"2026-02-11T14:00:00Z","limit":500}"#;
    for method in ["QUERY", "POST"] {
        let (status, found) = serving.send(method, "/readings/search", question);
        assert_eq!(status, 200, "{found}");
        assert_eq!(found.as_array().unwrap().len(), 62, "two hours of 31 stations");
    }
    let alert = r#"{"station":7,"level_m":4.2,"note":"rising"}"#;
    let (status, raised) = serving.send("POST", "/alerts", alert);
    assert_eq!((status, &raised["id"], &raised["station_id"]), (200, &1.into(), &7.into()));
    assert_eq!(serving.send("POST", "/alerts", r#"{"station":999,"level_m":1}"#).0, 409);
    assert_eq!(serving.send("POST", "/alerts", r#"{"station":7,"level_m":99}"#).0, 422);

    assert_eq!(serving.admin("/readyz"), (200, "ok".to_owned()));
    assert!(serving.admin("/metrics").1.contains("go_sql_open_connections{db_name=\"demo\"}"));
    let (code, rest) = serving.stop("INT");
    assert_eq!((code, &*rest), (Some(0), "{\"cut_off\":0,\"event\":\"stopped\"}\n"));
    assert!(!scratch.0.join("share").exists(), "--memory leaves nothing behind");
}

#[test]
fn the_documentations_sample_query_works_on_the_demo() {
    let document = include_str!("../../../docs/serve.md");
    let (_, after) = document.split_once("```sql\n").unwrap();
    let (sample, _) = after.split_once("```").unwrap();
    let scratch = Scratch::new();
    scratch.write("queries/sample.sql", sample);
    let serving = scratch.serve(&["--memory", "--queries", "queries"]);
    let all = serving.get("/stations/7/readings").1;
    assert_eq!(all.as_array().unwrap().len(), 100, "the default of its limit");
    assert_eq!(all[0], serde_json::json!({"at": "2026-02-11T15:00:00Z", "level_m": 1.84}));
    for (after, left) in [("12:00:00Z", 3), ("16:00:00%2B02:00", 1), ("15:00:00Z", 0)] {
        let (status, found) =
            serving.get(&format!("/stations/7/readings?after=2026-02-11T{after}"));
        assert_eq!((status, found.as_array().map(Vec::len)), (200, Some(left)), "{after}");
    }
}

#[test]
fn the_demo_is_kept_and_made_whole_again() {
    let scratch = Scratch::new();
    let data = scratch.0.join("share/aquifer");
    // What a start that was killed while it seeded leaves behind.
    scratch.write("share/aquifer/demo.db.unfinished", "half of a database");
    scratch.write("share/aquifer/demo/queries.unfinished/stations.sql", "-- name: half");
    let serving = scratch.serve(&[]);
    // Programs do not know `~`.
    assert_eq!(serving.ready["data"], text(&data.join("demo.db")));
    assert_eq!(serving.ready["queries_dir"], text(&data.join("demo/queries")));
    assert_eq!(serving.get("/stations/7").0, 200);
    let alert = r#"{"station":7,"level_m":4.2}"#;
    assert_eq!(serving.send("POST", "/alerts", alert).1["id"], 1);
    assert_eq!(serving.stop("INT").0, Some(0));
    assert!(data.join("demo.db").exists() && !data.join("demo.db.unfinished").exists());

    // The data and the user's changes to the queries are still there the next time.
    let changed = std::fs::read_to_string(data.join("demo/queries/stations.sql")).unwrap();
    let changed = changed.replace("GET /stations/{id}", "GET /gauges/{id}");
    std::fs::write(data.join("demo/queries/stations.sql"), changed).unwrap();
    let serving = scratch.serve(&[]);
    assert_eq!(serving.get("/gauges/7").0, 200);
    assert_eq!(serving.send("POST", "/alerts", alert).1["id"], 2);
    assert_eq!(serving.stop("INT").0, Some(0));
}

#[test]
fn two_first_starts_at_once_share_one_demo() {
    let scratch = Scratch::new();
    let start = || {
        let args = ["serve", "--listen", "127.0.0.1:0", "--no-admin"];
        std::thread::spawn({
            let command = scratch.aquifer(&args);
            move || Serving::start(command)
        })
    };
    let (one, two) = (start(), start());
    let (one, two) = (one.join().unwrap(), two.join().unwrap());
    assert_eq!(one.ready["admin"], serde_json::Value::Null);
    let alert = r#"{"station":7,"level_m":4.2}"#;
    assert_eq!(one.send("POST", "/alerts", alert).1["id"], 1);
    assert_eq!(two.send("POST", "/alerts", alert).1["id"], 2);
    assert_eq!(one.stop("INT").0, Some(0));
    assert_eq!(two.stop("INT").0, Some(0));
}

#[test]
fn a_file_that_is_no_demo_is_left_alone() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.0.join("share/aquifer")).unwrap();
    let file = scratch.database("share/aquifer/demo.db");
    let before = std::fs::read(&file).unwrap();
    let output = scratch.run(&["serve", "--listen", "127.0.0.1:0", "--no-admin"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("is not a demo of this version"), "{output:?}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn ones_own_database_is_served_by_path_url_or_environment() {
    let scratch = Scratch::new();
    let file = scratch.database("my stations.db");
    scratch.write("queries/t.sql", "-- name: t.get :one\n-- http: GET /t/{id}\n-- param id: int64\nSELECT code FROM t WHERE id = :id;\n");
    let url = aquifer_service::sqlite_url(&file);
    for dsn in ["./my stations.db", &url] {
        let serving = scratch.serve(&[dsn]);
        assert_eq!(serving.ready["data"], text(&file));
        assert_eq!(serving.ready["queries_dir"], text(&scratch.0.join("queries")));
        assert_eq!(
            (&serving.ready["demo"], serving.get("/t/2").1),
            (&false.into(), serde_json::json!({"code": "B"}))
        );
        assert!(serving.admin("/readyz?verbose").1.contains("[+]my stations ok"));
        assert_eq!(serving.stop("INT").0, Some(0));
    }
    let mut command = scratch.aquifer(&["serve", "--no-admin"]);
    command.env("DATABASE_URL", &url).env("PORT", "0");
    let serving = Serving::start(command);
    assert!(serving.ready["api"].as_str().unwrap().starts_with("http://0.0.0.0:"));
    assert_eq!(serving.stop("INT").0, Some(0));
}

#[test]
fn a_typing_mistake_makes_no_database() {
    let scratch = Scratch::new();
    scratch.write("queries/t.sql", "-- name: t :one\n-- http: GET /t\nSELECT 1 AS one;\n");
    let url = format!("sqlite://{}", text(&scratch.0.join("typo.db")));
    for dsn in ["./typo.db", "typo.db", &url] {
        let output = scratch.run(&["serve", dsn, "--listen", "127.0.0.1:0", "--no-admin"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(stderr(&output).starts_with("error: "), "{output:?}");
        assert!(output.stdout.is_empty());
        assert!(!scratch.0.join("typo.db").exists());
    }
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_to_do() {
    let scratch = Scratch::new();
    scratch.database("my.db");
    for (args, says) in [
        (&["serve", "./my.db"][..], "--queries DIR"),
        (&["serve", "--memory", "./my.db"], "cannot be used with"),
        (&["serve", "--lisen", "127.0.0.1:0"], "--listen"),
        (&["serve", "--listen", "nowhere"], "0.0.0.0:8080 for others"),
        (&["serve", "nosuchdb://x/y"], "serves SQLite only"),
        (&["serve", "postgress://x/y"], "serves SQLite only: pass the path"),
        (&["serve", "mysq://x/y"], "serves SQLite only: pass the path"),
        (&["serve", "sqlite://my.db?mod=rw"], "mode"),
        (&["serve", "--request-timeout", "10"], "250ms, 10s, 5m"),
        (&["serve", "--request-timeout", "0s"], "250ms, 10s, 5m"),
        (&["serve", "--allow-host", "http://shop.example"], "without scheme and port"),
        (&["srve"], "serve"),
        (&["serve", "sqlit:///x.db", "--queries", "."], "sqlite"),
    ] {
        scratch.write("q.sql", "-- name: t :one\n-- http: GET /t\nSELECT 1 AS one;\n");
        let output = scratch.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?} {output:?}");
        assert!(stderr(&output).contains(says), "{args:?} {output:?}");
        assert!(
            !stderr(&output).contains("did you mean `postgres"),
            "what does not work: {output:?}"
        );
        assert!(!stderr(&output).contains("did you mean `mysql"), "what does not work: {output:?}");
    }
}

#[test]
fn a_name_that_is_allowed_is_answered_to() {
    let scratch = Scratch::new();
    let serving = scratch.serve(&["--memory", "--allow-host", "shop.example"]);
    for (host, status) in [("shop.example", 200), ("localhost", 200), ("evil.example", 421)] {
        assert_eq!(serving.asked_as(host, "/stations/7"), status, "{host}");
    }
    assert_eq!(serving.stop("INT").0, Some(0));
}

#[test]
fn a_busy_port_that_was_asked_for_is_an_error() {
    let scratch = Scratch::new();
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = busy.local_addr().unwrap().to_string();
    for args in [
        &["serve", "--memory", "--no-admin", "--listen", &addr][..],
        &["serve", "--memory", "--listen", "127.0.0.1:0", "--admin", &addr],
    ] {
        let output = scratch.run(args);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("something else listens there"), "{output:?}");
    }
}

#[test]
fn wrong_queries_do_not_start() {
    let scratch = Scratch::new();
    scratch.database("my.db");
    scratch.write("queries/t.sql", "-- name: t :one\n-- http: GET /t\nSELECT nope FROM t;\n");
    let output = scratch.run(&["serve", "./my.db", "--listen", "127.0.0.1:0", "--no-admin"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("queries/t.sql:3:"), "{output:?}");
    assert!(output.stdout.is_empty());
}

#[test]
fn sigterm_drains_and_a_second_signal_does_not_wait() {
    let scratch = Scratch::new();
    let serving = scratch.serve(&["--memory", "--drain-delay", "0s"]);
    assert_eq!(serving.stop("TERM").0, Some(0));

    let serving = scratch.serve(&["--memory", "--drain-delay", "60s"]);
    serving.signal("TERM");
    while serving.admin("/readyz").0 == 200 {}
    let (code, rest) = serving.stop("INT");
    assert_eq!((code, &*rest), (Some(130), ""));
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_service() {
    let scratch = Scratch::new();
    // What it prints cannot be read, so its port must be known before: one that was free just now.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = free.local_addr().unwrap().to_string();
    drop(free);
    let mut command = scratch.aquifer(&["serve", "--memory", "--listen", &addr, "--no-admin"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    // The listener is bound before the work begins; an answer comes when it is done.
    while TcpStream::connect(&addr).is_err() {}
    assert_eq!(exchange(&addr, "GET", "/stations/7", "").0, 200);
    for _ in 0..2 {
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }
    // The first signal drains for five seconds, as behind a load balancer; the second does not wait. Two
    // that come at once are one.
    let code = child.wait().unwrap().code();
    assert!(matches!(code, Some(143 | 0)), "{code:?}");
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}
