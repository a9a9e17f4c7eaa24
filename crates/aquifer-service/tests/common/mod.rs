//! A service over a throw-away SQLite file on ephemeral ports, and a client that sees every byte.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aquifer::Db;
use aquifer_service::{Catalog, Options, Server, Service, Source, Stop, Stopped, lexis};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub mod exposition;

/// Longer than anything here takes; only a broken build waits for it.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub const SCHEMA: &str = "
CREATE TABLE rivers (name TEXT PRIMARY KEY);
CREATE TABLE stations (
  id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, river TEXT NOT NULL REFERENCES rivers (name),
  level_m REAL CHECK (level_m >= 0), dry BOOLEAN, photo BLOB
);
INSERT INTO rivers VALUES ('Nera'), ('Arno');
INSERT INTO stations VALUES
  (1, 'A-01', 'Arno', 2.5, 0, x'666f6f'), (2, 'A-02', 'Arno', NULL, 1, NULL), (7, 'N-07', 'Nera', 1.84, 0, NULL);
";

pub const QUERIES: &str = "
-- name: stations.list :many
-- http: GET /stations
-- param river: text?
SELECT id, code, level_m FROM stations WHERE :river IS NULL OR river = :river ORDER BY id;

-- name: stations.get :one
-- http: GET /stations/{id}
-- param id: int64 min=1
SELECT id, code, level_m, dry, photo FROM stations WHERE id = :id;

-- name: stations.search :many
-- http: QUERY /stations/search
-- param river: text
-- param above: float64?
SELECT code FROM stations WHERE river = :river AND (:above IS NULL OR level_m > :above) ORDER BY id;

-- name: stations.create :one
-- http: POST /stations
-- param code: text? max=10
-- param river: text
-- param level_m: float64 = 1.5
INSERT INTO stations (code, river, level_m) VALUES (:code, :river, :level_m) RETURNING id, code;

-- name: stations.dry :exec
-- http: PUT /stations/{id}/dry
-- param id: int64
-- param dry: bool = true
UPDATE stations SET dry = :dry WHERE id = :id;

-- name: numbers.few :many
-- http: GET /few
-- limit: 2 max 4
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3) SELECT n FROM n;

-- name: numbers.limited :many
-- http: GET /limited
-- limit: 100000 max 1000000
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000000) SELECT n FROM n;

-- name: numbers.upto :many
-- http: GET /numbers/{max}
-- param max: int64
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < :max)
SELECT n, 'the quick brown fox jumps over the lazy dog, again and again' AS text FROM n;

-- name: numbers.broken :many
-- http: GET /broken
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 50001)
SELECT CASE WHEN n = 50000 THEN abs(-9223372036854775807 - 1) ELSE n END AS n FROM n;

-- name: endless :one
-- http: GET /endless
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) AS n FROM n;
";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A directory that goes when the test ends.
#[derive(Debug)]
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("aquifer-service-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A service that is being served.
#[derive(Debug)]
pub struct Running {
    pub db: Db,
    pub service: Service,
    pub api: SocketAddr,
    pub admin: SocketAddr,
    pub stop: Option<oneshot::Sender<Stop>>,
    pub task: JoinHandle<Stopped>,
    _scratch: Scratch,
}

impl Running {
    pub async fn start() -> Self {
        Self::start_with("", Options::default()).await
    }

    /// `pool` are options of the pool, as a URL has them: `&pool_max_open=2`.
    pub async fn start_with(pool: &str, options: Options) -> Self {
        Self::serve(pool, SCHEMA, QUERIES, options).await
    }

    /// A service over other tables and queries.
    pub async fn over(schema: &str, queries: &str) -> Self {
        Self::serve("", schema, queries, Options::default()).await
    }

    async fn serve(pool: &str, schema: &str, queries: &str, options: Options) -> Self {
        let scratch = Scratch::new();
        let file = scratch.0.join("test.db");
        let url = format!("{}?mode=rwc{pool}", aquifer_service::sqlite_url(&file));
        let db = Db::connect(&url).await.unwrap();
        db.exec(schema, ()).await.unwrap();
        let sources = [Source { file: "queries.sql".into(), text: queries.into() }];
        let catalog = Catalog::parse(&sources, &lexis(&db)).unwrap();
        let service = Service::new(db.clone(), "test", catalog, options).await.unwrap();
        let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::new(service.clone(), api, Some(admin));
        let (api, admin) = (server.api_addr().unwrap(), server.admin_addr().unwrap().unwrap());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async move { stopped.await.unwrap_or_default() }));
        Self { db, service, api, admin, stop: Some(stop), task, _scratch: scratch }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        send(self.api, method, path, headers, body).await
    }

    pub async fn json(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(method, path, &[("content-type", "application/json")], body).await
    }

    pub async fn admin(&self, path: &str) -> Answer {
        send(self.admin, "GET", path, &[], "").await
    }

    /// The value of a series on the page of metrics; 0 if it is not there.
    pub fn metric(&self, series: &str) -> f64 {
        exposition::parse(&self.service.metrics()).value(series)
    }

    /// Waits until so many connections of the pool are lent out.
    pub async fn in_use(&self, connections: u32) {
        eventually(|| self.db.stats().in_use == connections).await;
    }
}

/// Waits until a condition holds.
pub async fn eventually(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the condition never held");
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The transfer ended as its framing says.
    pub complete: bool,
    pub trailers: Vec<(String, String)>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    pub fn trailer(&self, name: &str) -> Option<&str> {
        find(&self.trailers, name)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The problem's code, after checking that it is one.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let json = self.json();
        assert_eq!(json["status"], self.status);
        let instance = format!("urn:request:{}", self.header("x-request-id").unwrap());
        assert_eq!(json["instance"], instance);
        json["code"].as_str().unwrap().to_owned()
    }

    fn parse(raw: &[u8], is_head: bool) -> Self {
        let end = raw.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let head = std::str::from_utf8(&raw[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = fields(lines);
        let mut answer =
            Self { status, headers, body: Vec::new(), complete: true, trailers: Vec::new() };
        let rest = &raw[end..];
        if is_head || status == 204 {
            assert!(rest.is_empty(), "a body where there is none");
        } else if answer.header("transfer-encoding") == Some("chunked") {
            answer.dechunk(rest);
        } else {
            let length: usize = answer.header("content-length").unwrap().parse().unwrap();
            answer.complete = rest.len() == length;
            answer.body = rest.to_vec();
        }
        answer
    }

    fn dechunk(&mut self, mut rest: &[u8]) {
        self.complete = false;
        while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
            let size = std::str::from_utf8(&rest[..line]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            rest = &rest[line + 2..];
            if size == 0 {
                let trailers = std::str::from_utf8(rest).unwrap();
                self.complete = trailers.ends_with("\r\n");
                self.trailers = fields(trailers.split("\r\n"));
                return;
            }
            if rest.len() < size + 2 {
                self.body.extend_from_slice(&rest[..size.min(rest.len())]);
                return;
            }
            self.body.extend_from_slice(&rest[..size]);
            rest = &rest[size + 2..];
        }
    }
}

fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}

fn find<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The bytes of a request that asks for the connection to be closed.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    text + "\r\n" + body
}

pub async fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    exchange(addr, method, request(method, path, headers, body).as_bytes()).await
}

/// Sends these bytes, and reads until the server closes.
pub async fn exchange(addr: SocketAddr, method: &str, request: &[u8]) -> Answer {
    let exchange = async {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut raw = Vec::new();
        // A broken transfer may end with a reset.
        let _ = stream.read_to_end(&mut raw).await;
        Answer::parse(&raw, method == "HEAD")
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("no answer")
}

/// Sends a request and gives back its open connection.
pub async fn begin(addr: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request("GET", path, &[], "").as_bytes()).await.unwrap();
    stream
}
