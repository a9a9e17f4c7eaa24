//! Requests that end early, late or not at all; and the service's own end.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aquifer_service::{Log, Options, Stop};
use common::{PATIENCE, Running, begin, eventually, send};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const CLIENT: &str = "aquifer_cancelled_total{reason=\"client\"}";
const DEADLINE: &str = "aquifer_cancelled_total{reason=\"deadline\"}";
const SHUTDOWN: &str = "aquifer_cancelled_total{reason=\"shutdown\"}";

#[tokio::test]
async fn hanging_up_cancels_the_statement() {
    let running = Running::start().await;
    let stream = begin(running.api, "/endless").await;
    running.in_use(1).await;
    drop(stream);
    running.in_use(0).await;
    eventually(|| running.metric(CLIENT) == 1.0).await;
    assert_eq!(running.metric("http_server_active_requests"), 0.0);
    assert_eq!(running.get("/stations/7").await.status, 200);
}

#[tokio::test]
async fn hanging_up_in_the_middle_of_a_stream_cancels_it() {
    let running = Running::start().await;
    let mut stream = begin(running.api, "/numbers/1000000000").await;
    let mut some = [0; 4096];
    stream.read_exact(&mut some).await.unwrap();
    running.in_use(1).await;
    drop(stream);
    running.in_use(0).await;
    eventually(|| running.metric(CLIENT) == 1.0).await;
}

#[tokio::test]
async fn a_request_beyond_its_deadline_is_cancelled_and_told_so() {
    let mut options = Options::default();
    options.request_timeout = Duration::from_millis(100);
    let running = Running::start_with("", options).await;
    let answer = running.get("/endless").await;
    assert_eq!((answer.status, &*answer.problem()), (504, "AQ5006"));
    assert_eq!(answer.header("proxy-status"), Some("aquifer; error=http_response_timeout"));
    running.in_use(0).await;
    assert_eq!(running.metric(DEADLINE), 1.0);
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_connection_of_the_pool_at_the_deadline() {
    let mut options = Options::default();
    options.request_timeout = Duration::from_millis(300);
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    options.log = Log::to(move |incident| {
        let query = incident.query.map(str::to_owned);
        log.lock().unwrap().push((incident.code, query, incident.broken_off));
    });
    let running = Running::start_with("", options).await;
    let mut stream = begin(running.api, "/numbers/1000000000").await;
    running.in_use(1).await;
    running.in_use(0).await;
    assert_eq!(running.metric(DEADLINE), 1.0);
    eventually(|| !told.lock().unwrap().is_empty()).await;
    // What is left in the buffers can be read; then the transfer breaks off.
    let mut all = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await;
    assert!(read.is_ok(), "the server must close the connection");
    assert!(!all.ends_with(b"0\r\n\r\n"));
    let line = ("AQ5006", Some("numbers.upto".to_owned()), true);
    assert_eq!(*told.lock().unwrap(), [line], "one line for one answer");
}

#[tokio::test]
async fn a_busy_pool_answers_503_with_a_time_to_come_back() {
    let pool = "&pool_max_open=2&pool_acquire_timeout=50ms";
    let running = Running::start_with(pool, Options::default()).await;
    let mut held = Vec::new();
    while let Ok(connection) = running.db.read_only().acquire().await {
        held.push(connection);
    }
    let answer = running.get("/stations/7").await;
    assert_eq!((answer.status, &*answer.problem()), (503, "AQ5001"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("proxy-status"), Some("aquifer; error=connection_limit_reached"));
    assert_eq!(answer.json()["retryable"], true);
    drop(held);
    assert_eq!(running.get("/stations/7").await.status, 200);
}

#[tokio::test]
async fn stopping_lets_requests_finish_while_probes_say_no() {
    let mut running = Running::start().await;
    let mut stream = begin(running.api, "/numbers/1000000").await;
    let mut some = [0; 1024];
    stream.read_exact(&mut some).await.unwrap();
    assert_eq!(running.admin("/readyz").await.status, 200);
    let delay = Duration::from_millis(200);
    running.stop.take().unwrap().send(Stop { drain_delay: delay }).unwrap();
    let readyz = loop {
        let answer = running.admin("/readyz?verbose").await;
        if answer.status == 503 {
            break answer;
        }
    };
    assert!(readyz.text().contains("[-]shutdown failed"), "{readyz:?}");
    assert_eq!(running.admin("/livez").await.status, 200);
    // During the delay it goes on serving those who have not noticed.
    assert_eq!(running.get("/stations/7").await.status, 200);
    // Then it stops accepting, but finishes what it began.
    let api = running.api;
    let refused = async { while TcpStream::connect(api).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"]\r\n0\r\n\r\n"));
    let stopped = (&mut running.task).await.unwrap();
    assert_eq!(stopped.cut_off, 0);
    assert_eq!(running.metric(SHUTDOWN), 0.0);
    assert!(running.db.ping().await.is_err(), "the database is closed");
}

#[tokio::test]
async fn what_outlasts_the_grace_is_cancelled() {
    let mut options = Options::default();
    options.grace = Duration::from_millis(50);
    let mut running = Running::start_with("", options).await;
    let mut stream = begin(running.api, "/endless").await;
    running.in_use(1).await;
    running.stop.take().unwrap().send(Stop::default()).unwrap();
    let stopped = tokio::time::timeout(PATIENCE, &mut running.task).await.unwrap().unwrap();
    assert_eq!(stopped.cut_off, 1);
    assert_eq!(running.metric(SHUTDOWN), 1.0);
    assert_eq!(running.metric(CLIENT), 0.0);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_stop() {
    let mut running = Running::start().await;
    let idle = TcpStream::connect(running.api).await.unwrap();
    assert_eq!(running.get("/stations/7").await.status, 200);
    running.stop.take().unwrap().send(Stop::default()).unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(20), &mut running.task).await;
    assert_eq!(stopped.expect("before the grace of 25 s is over").unwrap().cut_off, 0);
    drop(idle);
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_their_turn() {
    let mut options = Options::default();
    options.connections_max = 1;
    let running = Running::start_with("", options).await;
    let first = begin(running.api, "/endless").await;
    running.in_use(1).await;
    let api = running.api;
    let second = tokio::spawn(async move { send(api, "GET", "/stations/7", &[], "").await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!second.is_finished());
    drop(first);
    assert_eq!(second.await.unwrap().status, 200);
}
