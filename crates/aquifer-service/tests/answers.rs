//! What clients get: over real sockets, from a real SQLite file.

mod common;

use std::sync::{Arc, Mutex};

use aquifer_service::{Log, Options};
use common::{Running, exchange, send};

#[tokio::test]
async fn one_row_is_an_object_and_no_row_is_not_found() {
    let running = Running::start().await;
    let answer = running.get("/stations/1").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.text(), r#"{"id":1,"code":"A-01","level_m":2.5,"dry":false,"photo":"Zm9v"}"#);
    let answer = running.get("/stations/2").await;
    assert_eq!(answer.text(), r#"{"id":2,"code":"A-02","level_m":null,"dry":true,"photo":null}"#);
    let answer = running.get("/stations/99").await;
    assert_eq!((answer.status, &*answer.problem()), (404, "AQ1101"));
    assert_eq!(answer.json()["query"], "stations.get");
}

#[tokio::test]
async fn many_rows_are_a_bare_array() {
    let running = Running::start().await;
    let answer = running.get("/stations?river=Nera").await;
    assert_eq!(answer.text(), r#"[{"id":7,"code":"N-07","level_m":1.84}]"#);
    assert_eq!(running.get("/stations").await.json().as_array().unwrap().len(), 3);
    let answer = running.get("/stations?river=Po").await;
    assert_eq!((answer.status, answer.text()), (200, "[]"));
}

#[tokio::test]
async fn writes_return_rows_or_counts() {
    let running = Running::start().await;
    let answer = running.json("POST", "/stations", r#"{"code":"N-08","river":"Nera"}"#).await;
    assert_eq!((answer.status, answer.text()), (200, r#"{"id":8,"code":"N-08"}"#));
    let answer = running.send("PUT", "/stations/8/dry", &[], "").await;
    assert_eq!(answer.json()["rows_affected"], 1);
    let answer = running.json("PUT", "/stations/8/dry?dry=false", "").await;
    assert_eq!(answer.json()["rows_affected"], 1);
    assert_eq!(running.get("/stations/8").await.json()["dry"], false);
    assert_eq!(running.json("PUT", "/stations/99/dry", "{}").await.json()["rows_affected"], 0);
}

#[tokio::test]
async fn every_bad_parameter_is_listed() {
    let running = Running::start().await;
    let answer = running.get("/stations/x?limit=5&idd=1").await;
    assert_eq!((answer.status, &*answer.problem()), (400, "AQ1001"));
    let json = answer.json();
    assert_eq!(json["query"], "stations.get");
    assert_eq!(
        json["errors"],
        serde_json::json!([
            {"name": "id", "in": "path", "reason": "expected an integer ≥ 1, got \"x\""},
            {"name": "limit", "in": "query", "reason": "unknown parameter; known are id"},
            {"name": "idd", "in": "query", "reason": "unknown parameter; did you mean `id`?"},
        ])
    );
    let answer = running.json("POST", "/stations?river=Nera", r#"{"river":"Arno","code":1}"#).await;
    let json = answer.json();
    assert_eq!(json["errors"][0]["reason"], "given more than once");
    assert_eq!(json["errors"][1]["name"], "code");
    let answer = running.send("POST", "/stations", &[], "").await;
    assert_eq!(answer.json()["errors"][0]["in"], "body");
    let answer = running.json("POST", "/stations", "{}").await;
    assert_eq!(answer.json()["errors"][0]["reason"], "missing; expected text");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_the_right_status() {
    let running = Running::start().await;
    let large = format!("{{\"code\":\"{}\"}}", "x".repeat(2 << 20));
    for (method, path, content_type, body, status, code) in [
        ("GET", "/nope", "", "", 404, "AQ1004"),
        ("GET", "/stations/", "", "", 404, "AQ1004"),
        ("GET", "/stations?%ff=1", "", "", 400, "AQ1003"),
        ("GET", "/stations?river=%zz", "", "", 400, "AQ1003"),
        ("DELETE", "/stations", "", "", 405, "AQ1005"),
        ("BREW", "/stations", "", "", 405, "AQ1005"),
        ("POST", "/stations", "application/json", "{", 400, "AQ1002"),
        ("POST", "/stations", "application/json", "[]", 400, "AQ1002"),
        ("POST", "/stations", "text/plain", "{}", 415, "AQ1009"),
        ("POST", "/stations", "", "{}", 415, "AQ1009"),
        ("QUERY", "/stations/search", "", "", 415, "AQ1009"),
        ("QUERY", "/stations/search", "text/plain", "{}", 415, "AQ1009"),
        ("POST", "/stations", "application/json", &large, 413, "AQ1008"),
    ] {
        let headers: Vec<_> = Some(("content-type", content_type))
            .filter(|(_, ty)| !ty.is_empty())
            .into_iter()
            .collect();
        let answer = running.send(method, path, &headers, body).await;
        assert_eq!(
            (answer.status, &*answer.problem()),
            (status, code),
            "{method} {path} {content_type}"
        );
    }
    let answer = running.send("GET", "/stations", &[("accept", "application/json;q=0")], "").await;
    assert_eq!((answer.status, &*answer.problem()), (406, "AQ1006"));
}

#[tokio::test]
async fn an_unknown_path_says_which_there_are() {
    let running = Running::start().await;
    let answer = running.get("/").await;
    assert_eq!((answer.status, &*answer.problem()), (404, "AQ1004"));
    let json = answer.json();
    let hint = json["hint"].as_str().unwrap();
    assert!(hint.starts_with("there are GET /broken, GET /endless, "), "{hint}");
    assert!(hint.contains(", GET /stations, POST /stations, QUERY /stations/search, "), "{hint}");
}

#[tokio::test]
async fn encoded_bodies_are_refused() {
    let running = Running::start().await;
    for (encoding, status) in [("gzip", 415), ("identity, br", 415), ("Identity", 200)] {
        let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
        let body = r#"{"code":"N-08","river":"Nera"}"#;
        let answer = running.send("POST", "/stations", &headers, body).await;
        assert_eq!(answer.status, status, "{encoding} {answer:?}");
        if status == 415 {
            assert_eq!(answer.problem(), "AQ1009");
            assert!(answer.json()["hint"].as_str().unwrap().contains("Content-Encoding"));
        }
    }
}

#[tokio::test]
async fn violated_constraints_say_which() {
    let running = Running::start().await;
    for (body, status, code, constraint) in [
        (r#"{"code":"A-01","river":"Arno"}"#, 409, "AQ2301", Some("stations.code")),
        (r#"{"code":"X","river":"Styx"}"#, 409, "AQ2302", None),
        (r#"{"code":"X","river":"Arno","level_m":-1}"#, 422, "AQ2303", None),
        (r#"{"river":"Arno"}"#, 422, "AQ2304", None),
    ] {
        let answer = running.json("POST", "/stations", body).await;
        assert_eq!((answer.status, &*answer.problem()), (status, code), "{body} {answer:?}");
        let json = answer.json();
        assert_eq!(json["query"], "stations.create");
        assert_eq!(json["retryable"], false);
        assert!(json["engine_code"].as_str().unwrap().starts_with("SQLITE_"), "{json}");
        if let Some(constraint) = constraint {
            assert_eq!(json["constraint"], constraint);
        }
    }
    let count: i64 = running.db.get("SELECT count(*) FROM stations", ()).await.unwrap();
    assert_eq!(count, 3);
}

#[tokio::test]
async fn head_and_options_work_on_every_route() {
    let running = Running::start().await;
    let get = running.get("/stations/1").await;
    let head = running.send("HEAD", "/stations/1", &[], "").await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(running.send("HEAD", "/stations/99", &[], "").await.status, 404);
    assert_eq!(running.send("HEAD", "/numbers/200000", &[], "").await.status, 200);
    running.in_use(0).await;
    assert_eq!(running.metric("aquifer_cancelled_total{reason=\"client\"}"), 0.0);
    let options = running.send("OPTIONS", "/stations", &[], "").await;
    assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, POST, OPTIONS")));
    let options = running.send("OPTIONS", "/stations/search", &[], "").await;
    assert_eq!(options.header("allow"), Some("QUERY, POST, OPTIONS"));
    assert_eq!(options.header("accept-query"), Some("\"application/json\""));
    let refused = running.send("DELETE", "/stations", &[], "").await;
    assert_eq!(refused.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
    assert_eq!(refused.json()["hint"], "this path takes GET, HEAD, POST, OPTIONS");
    let all = running.send("OPTIONS", "*", &[], "").await;
    assert_eq!(
        (all.status, all.header("allow")),
        (204, Some("GET, HEAD, QUERY, POST, PUT, OPTIONS"))
    );
    let get = running.send("GET", "*", &[], "").await;
    assert_eq!((get.status, &*get.problem()), (404, "AQ1004"));
}

#[tokio::test]
async fn pages_of_other_origins_write_nothing() {
    let running = Running::start().await;
    let path = "/stations?code=N-08&river=Nera";
    // What a browser sends for `fetch(url, {method: "POST", mode: "no-cors"})` without asking first.
    for fields in [
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ] {
        let answer = running.send("POST", path, fields, "").await;
        assert_eq!((answer.status, &*answer.problem()), (403, "AQ1011"), "{fields:?}");
        assert_eq!(running.send("GET", "/stations/1", fields, "").await.status, 200);
    }
    assert_eq!(running.get("/stations").await.json().as_array().unwrap().len(), 3);
    let own = [("sec-fetch-site", "same-origin"), ("origin", "http://localhost")];
    assert_eq!(running.send("POST", path, &own, "").await.status, 200);
    let search = [("sec-fetch-site", "cross-site"), ("content-type", "application/json")];
    let read = running.send("POST", "/stations/search", &search, r#"{"river":"Arno","above":2}"#);
    assert_eq!(read.await.status, 200, "a query that only reads");
}

#[tokio::test]
async fn a_page_that_rebinds_its_name_to_loopback_gets_nothing() {
    let running = Running::start().await;
    let ask = async |addr, host: &str| {
        let raw = format!("GET /stations/1 HTTP/1.1\r\n{host}connection: close\r\n\r\n");
        exchange(addr, "GET", raw.as_bytes()).await
    };
    let evil = ask(running.api, "host: evil.example:8080\r\n").await;
    assert_eq!((evil.status, &*evil.problem()), (421, "AQ1010"));
    assert!(evil.json()["hint"].as_str().unwrap().contains("--allow-host evil.example"));
    let evil = ask(running.admin, "host: evil.example:8081\r\n").await;
    assert_eq!(evil.status, 421);
    assert!(evil.text().starts_with("`evil.example` is no name of this service"), "{evil:?}");
    assert_eq!(ask(running.api, "host: LOCALHOST:1\r\n").await.status, 200);
    assert_eq!(ask(running.api, "host: [::1]:1\r\n").await.status, 200);
    for unclear in ["", "host: localhost\r\nhost: localhost\r\n", "host:\r\n"] {
        let answer = ask(running.api, unclear).await;
        assert_eq!((answer.status, &*answer.problem()), (400, "AQ1003"), "{unclear:?}");
        assert_eq!(ask(running.admin, unclear).await.status, 400);
    }

    let mut options = Options::default();
    options.allowed_hosts = vec!["shop.example".to_owned()];
    let running = Running::start_with("", options).await;
    assert_eq!(ask(running.api, "host: shop.example\r\n").await.status, 200);
    assert_eq!(ask(running.api, "host: evil.example\r\n").await.status, 421);
}

#[tokio::test]
async fn query_asks_with_its_body_and_post_stands_in_for_it() {
    let running = Running::start().await;
    for method in ["QUERY", "POST"] {
        let answer =
            running.json(method, "/stations/search", r#"{"river":"Arno","above":2}"#).await;
        assert_eq!((answer.status, answer.text()), (200, r#"[{"code":"A-01"}]"#), "{method}");
    }
    let refused = running.send("QUERY", "/stations/search", &[], "{}").await;
    assert_eq!(refused.header("accept-query"), Some("\"application/json\""));
}

#[tokio::test]
async fn every_answer_has_the_headers_of_every_answer() {
    let running = Running::start().await;
    let answer = running.get("/stations/1").await;
    assert_eq!(answer.header("vary"), Some("Accept"));
    assert!(answer.header("date").is_some());
    assert!(answer.header("server-timing").unwrap().starts_with("db;dur="), "{answer:?}");
    let first = answer.header("x-request-id").unwrap().to_owned();
    let second = running.get("/nope").await.header("x-request-id").unwrap().to_owned();
    assert_ne!(first, second);
    let kept = running.send("GET", "/stations", &[("x-request-id", "abc-1")], "").await;
    assert_eq!(kept.header("x-request-id"), Some("abc-1"));
    let unsafe_id = running.send("GET", "/stations", &[("x-request-id", "a b")], "").await;
    assert_ne!(unsafe_id.header("x-request-id"), Some("a b"));
}

#[tokio::test]
async fn the_limit_cuts_off_and_says_so() {
    let running = Running::start().await;
    let two = running.get("/few").await;
    assert_eq!(
        (two.text(), two.header("aquifer-truncated")),
        (r#"[{"n":1},{"n":2}]"#, Some("true"))
    );
    let three = running.get("/few?limit=3").await;
    assert_eq!(three.header("aquifer-truncated"), None);
    assert_eq!(three.json().as_array().unwrap().len(), 3);
    let five = running.get("/few?limit=5").await;
    assert_eq!(five.json()["errors"][0]["reason"], "expected an integer from 1 to 4, got \"5\"");
    // Too long for its head to know: the trailer says it, to clients that take trailers.
    let many = running.send("GET", "/limited", &[("te", "trailers")], "").await;
    assert_eq!(many.json().as_array().unwrap().len(), 100_000);
    assert!(many.complete);
    assert_eq!(many.header("aquifer-truncated"), None);
    assert_eq!(many.trailer("aquifer-truncated"), Some("true"));
    running.in_use(0).await;
    assert_eq!(running.metric("aquifer_cancelled_total{reason=\"client\"}"), 0.0);
}

#[tokio::test]
async fn an_error_in_the_middle_breaks_the_transfer_off() {
    let running = Running::start().await;
    let answer = running.get("/broken").await;
    assert_eq!(answer.status, 200);
    assert!(!answer.complete, "the array must not look complete");
    assert!(answer.text().starts_with("[{\"n\":1},"), "what was read was sent");
    assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_err());
    assert_eq!(
        running.metric(
            "aquifer_query_executions_total{datasource=\"test\",outcome=\"error\",query=\"numbers.broken\"}"
        ),
        1.0
    );
}

#[tokio::test]
async fn the_log_is_told_of_what_is_not_the_callers_fault() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let mut options = Options::default();
    options.log = Log::to(move |incident| {
        let line = format!(
            "{} {} {} {}",
            incident.request_id,
            incident.code,
            incident.query.unwrap_or("-"),
            incident.broken_off
        );
        log.lock().unwrap().push(line);
    });
    let running = Running::start_with("", options).await;
    for (path, id) in [("/stations/x", "a"), ("/stations/99", "b"), ("/broken", "c")] {
        running.send("GET", path, &[("x-request-id", id)], "").await;
    }
    running.db.exec("DROP TABLE stations", ()).await.unwrap();
    let answer = running.send("GET", "/stations/7", &[("x-request-id", "d")], "").await;
    assert_eq!((answer.status, &*answer.problem()), (500, "AQ9001"));
    assert_eq!(
        *told.lock().unwrap(),
        ["c AQ2201 numbers.broken true", "d AQ9001 stations.get false"]
    );
}

#[tokio::test]
async fn bodies_that_do_not_arrive_time_out() {
    let mut options = Options::default();
    options.body_timeout = std::time::Duration::from_millis(50);
    let running = Running::start_with("", options).await;
    let headers = [("content-type", "application/json"), ("content-length", "10")];
    let answer = send(running.api, "POST", "/stations", &headers, "").await;
    assert_eq!((answer.status, &*answer.problem()), (408, "AQ1007"));
}

#[tokio::test]
async fn moments_and_uuids_are_compared_in_the_form_that_they_are_stored_in() {
    const SCHEMA: &str = "
        CREATE TABLE events (key TEXT PRIMARY KEY, iso TEXT, plain TEXT, unix INTEGER);
        INSERT INTO events VALUES
          ('00112233-4455-6677-8899-aabbccddeeff', '2024-05-31T10:00:00Z', '2024-05-31 10:00:00', 1717149600),
          ('ffffffff-4455-6677-8899-aabbccddeeff', '2024-05-31T23:30:00Z', '2024-05-31 23:30:00', 1717198200);";
    const QUERIES: &str = "
        -- name: by.iso :one
        -- http: GET /iso
        -- param after: timestamptz as iso
        SELECT count(*) AS n FROM events WHERE iso > :after;
        -- name: by.text :one
        -- http: GET /text
        -- param after: timestamptz as text
        SELECT count(*) AS n FROM events WHERE plain > :after;
        -- name: by.unix :one
        -- http: GET /unix
        -- param after: timestamptz as unix
        SELECT count(*) AS n FROM events WHERE unix > :after;
        -- name: by.key :one
        -- http: POST /key
        -- param key: uuid as text
        SELECT unix FROM events WHERE key = :key;";
    let running = Running::over(SCHEMA, QUERIES).await;
    for form in ["iso", "text", "unix"] {
        for (after, n) in [("09:59:59Z", 2), ("10:00:00Z", 1), ("23:00:00Z", 1), ("23:30:00Z", 0)] {
            let answer = running.get(&format!("/{form}?after=2024-05-31T{after}")).await;
            assert_eq!(answer.text(), format!("{{\"n\":{n}}}"), "{form} {after}");
        }
    }
    let body = r#"{"key":"00112233-4455-6677-8899-AABBCCDDEEFF"}"#;
    assert_eq!(running.json("POST", "/key", body).await.text(), r#"{"unix":1717149600}"#);
}
