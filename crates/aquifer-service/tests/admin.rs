//! Probes and metrics.

mod common;

use aquifer_service::Options;
use common::{Running, exposition, send};

#[tokio::test]
async fn probes_answer_in_kubes_format() {
    let running = Running::start().await;
    for probe in ["/livez", "/readyz", "/startupz", "/readyz/test", "/readyz/shutdown"] {
        let answer = running.admin(probe).await;
        assert_eq!((answer.status, answer.text()), (200, "ok"), "{probe}");
    }
    let verbose = running.admin("/readyz?verbose").await;
    assert_eq!(verbose.text(), "[+]queries ok\n[+]test ok\n[+]shutdown ok\nreadyz check passed\n");
    let nope = running.admin("/readyz/nope").await;
    assert_eq!(
        (nope.status, nope.text()),
        (404, "there is no check \"nope\"; there are queries, test, shutdown\n")
    );
    assert_eq!(running.admin("/").await.status, 404);
    assert_eq!(running.admin("/stations").await.status, 404, "no data on the admin port");
    let post = send(running.admin, "POST", "/livez", &[], "").await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    for path in ["/livez", "*"] {
        let options = send(running.admin, "OPTIONS", path, &[], "").await;
        assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
    }
    let head = send(running.admin, "HEAD", "/readyz", &[], "").await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("2")));
}

#[tokio::test]
async fn a_probe_of_a_busy_database_is_no_timeout_of_a_request() {
    let running = Running::start_with("&pool_max_open=2", Options::default()).await;
    let pools = running.db.stats().pools;
    let (_, readers) = pools.iter().find(|(name, _)| &**name == "readers").unwrap();
    let mut held = Vec::new();
    for _ in 0..readers.max_open_connections {
        held.push(running.db.read_only().acquire().await.unwrap());
    }
    let timeouts = || {
        let page = exposition::parse(&running.service.metrics());
        page.series
            .iter()
            .filter(|(name, _)| name.starts_with("db_client_connection_timeouts"))
            .map(|(_, value)| *value)
            .sum::<f64>()
    };
    let before = timeouts();
    assert_eq!(running.admin("/readyz").await.status, 200, "busy is ready");
    assert_eq!(timeouts(), before);
}

#[tokio::test]
async fn readiness_follows_the_database() {
    let running = Running::start().await;
    let _ = running.db.close().await;
    let answer = running.admin("/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("[-]test failed: reason withheld\n"), "{answer:?}");
    assert_eq!(running.admin("/readyz?exclude=test").await.status, 200);
    assert_eq!(running.admin("/livez").await.status, 200);
    let answer = running.get("/stations/7").await;
    assert_eq!((answer.status, &*answer.problem()), (503, "AQ5005"));
}

#[tokio::test]
async fn metrics_are_well_formed_and_count() {
    let running = Running::start().await;
    for path in ["/stations/7", "/stations/7", "/stations/99", "/stations", "/nope", "/stations/x"]
    {
        running.get(path).await;
    }
    let answer = running.admin("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let page = exposition::parse(answer.text());
    for (series, value) in [
        (
            "aquifer_query_executions_total{datasource=\"test\",outcome=\"ok\",query=\"stations.get\"}",
            2.0,
        ),
        (
            "aquifer_query_executions_total{datasource=\"test\",outcome=\"no_row\",query=\"stations.get\"}",
            1.0,
        ),
        ("aquifer_query_rows_total{datasource=\"test\",query=\"stations.list\"}", 3.0),
        (
            "db_client_operation_duration_seconds_count{db_query_summary=\"stations.get\",db_system_name=\"sqlite\"}",
            3.0,
        ),
        (
            "http_server_request_duration_seconds_count{http_request_method=\"GET\",\
             http_response_status_code=\"200\",http_route=\"/stations/{id}\",\
             network_protocol_version=\"1.1\",url_scheme=\"http\"}",
            2.0,
        ),
        (
            "http_server_request_duration_seconds_count{http_request_method=\"GET\",\
             http_response_status_code=\"404\",network_protocol_version=\"1.1\",url_scheme=\"http\"}",
            1.0,
        ),
        ("http_server_active_requests", 0.0),
        ("go_sql_in_use_connections{db_name=\"test\"}", 0.0),
    ] {
        assert_eq!(page.series.get(series), Some(&value), "{series}\n{:#?}", page.series);
    }
    for family in [
        "aquifer_build_info",
        "aquifer_cancelled_total",
        "go_sql_max_open_connections",
        "go_sql_open_connections",
        "go_sql_idle_connections",
        "go_sql_wait_count_total",
        "go_sql_wait_duration_seconds_total",
        "go_sql_max_idle_closed_total",
        "go_sql_max_idle_time_closed_total",
        "go_sql_max_lifetime_closed_total",
        "db_client_connection_count",
        "db_client_connection_max",
        "db_client_connection_idle_max",
        "db_client_connection_idle_min",
        "db_client_connection_pending_requests",
        "db_client_connection_timeouts_total",
        "db_client_connection_create_time_seconds",
        "db_client_connection_wait_time_seconds",
        "db_client_connection_use_time_seconds",
    ] {
        assert!(page.families.contains_key(family), "{family}");
    }
    if cfg!(target_os = "linux") {
        assert!(page.value("process_resident_memory_bytes") > 0.0);
        assert!(page.value("process_open_fds") > 0.0);
        assert!(page.value("process_start_time_seconds") > 1e9);
    }
}
