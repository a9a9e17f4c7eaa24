//! HTTP/2 by prior knowledge, on the port that also speaks HTTP/1.1.

mod common;

use bytes::Bytes;
use common::{Running, eventually};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// A client, and its socket, to cut.
async fn connect(running: &Running) -> (SendRequest<Empty<Bytes>>, std::net::TcpStream) {
    let stream = TcpStream::connect(running.api).await.unwrap().into_std().unwrap();
    let socket = stream.try_clone().unwrap();
    let stream = TcpStream::from_std(stream).unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    (sender, socket)
}

fn get(running: &Running, path: &str) -> http::Request<Empty<Bytes>> {
    http::Request::get(format!("http://{}{path}", running.api)).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn requests_share_a_connection() {
    let running = Running::start().await;
    let (sender, _socket) = connect(&running).await;
    let mut answers = Vec::new();
    for id in [1, 2, 7, 99] {
        let mut sender = sender.clone();
        let request = get(&running, &format!("/stations/{id}"));
        answers.push(tokio::spawn(async move { sender.send_request(request).await.unwrap() }));
    }
    let mut statuses = Vec::new();
    for answer in answers {
        let answer = answer.await.unwrap();
        assert_eq!(answer.version(), http::Version::HTTP_2);
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 404]);
    assert_eq!(running.get("/stations/7").await.status, 200, "HTTP/1.1 on the same port");
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let running = Running::start().await;
    let (mut sender, _socket) = connect(&running).await;
    for path in ["/stations/7", "/stations", "/stations/99", "/nope", "/numbers/200000"] {
        let whole = sender.send_request(get(&running, path)).await.unwrap();
        let mut request = get(&running, path);
        *request.method_mut() = http::Method::HEAD;
        let head = sender.send_request(request).await.unwrap();
        assert_eq!(head.status(), whole.status(), "{path}");
        assert_eq!(head.headers().get("content-length"), whole.headers().get("content-length"));
        assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn a_long_answer_arrives_whole() {
    let running = Running::start().await;
    let (mut sender, _socket) = connect(&running).await;
    let answer = sender.send_request(get(&running, "/numbers/100000")).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
    assert_eq!(rows.len(), 100_000);
}

#[tokio::test]
async fn an_error_in_the_middle_resets_the_stream() {
    let running = Running::start().await;
    let (mut sender, _socket) = connect(&running).await;
    let answer = sender.send_request(get(&running, "/broken")).await.unwrap();
    assert!(answer.into_body().collect().await.is_err());
    let answer = sender.send_request(get(&running, "/stations/7")).await.unwrap();
    assert_eq!(answer.status(), 200, "the connection stays usable");
}

#[tokio::test]
async fn resetting_a_stream_cancels_its_statement_only() {
    let running = Running::start().await;
    let (sender, _socket) = connect(&running).await;
    let request = get(&running, "/endless");
    let mut other = sender.clone();
    let endless = tokio::spawn(async move { other.send_request(request).await.map(drop) });
    running.in_use(1).await;
    endless.abort();
    running.in_use(0).await;
    eventually(|| running.metric("aquifer_cancelled_total{reason=\"client\"}") == 1.0).await;
    let mut sender = sender;
    assert_eq!(sender.send_request(get(&running, "/stations/7")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_connection_that_goes_away_cancels_all_its_statements() {
    let running = Running::start_with("&pool_max_open=4", Default::default()).await;
    let (sender, socket) = connect(&running).await;
    for _ in 0..2 {
        let (mut sender, request) = (sender.clone(), get(&running, "/endless"));
        tokio::spawn(async move { sender.send_request(request).await.map(drop) });
    }
    running.in_use(2).await;
    socket.shutdown(std::net::Shutdown::Both).unwrap();
    running.in_use(0).await;
    eventually(|| running.metric("aquifer_cancelled_total{reason=\"client\"}") == 2.0).await;
}
