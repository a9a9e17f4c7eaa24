//! The built program in a directory of its own, without the user's environment.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A directory that goes when the test ends.
#[derive(Debug)]
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("aquifer-cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program, started here: its demo goes here, and nothing of the user's reaches it.
    pub fn aquifer(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aquifer"));
        command
            .args(args)
            .current_dir(&self.0)
            .env("XDG_DATA_HOME", self.0.join("share"))
            .env("HOME", &self.0)
            .env_remove("DATABASE_URL")
            .env_remove("PORT")
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.aquifer(args).output().unwrap()
    }

    pub fn serve(&self, args: &[&str]) -> Serving {
        let all = [&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], args].concat();
        Serving::start(self.aquifer(&all))
    }

    /// An SQLite database with a table of stations, made by the library itself.
    pub fn database(&self, name: &str) -> PathBuf {
        let file = self.0.join(name);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let url = format!("{}?mode=rwc", aquifer_service::sqlite_url(&file));
            let db = aquifer::Db::connect(&url).await.unwrap();
            let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT NOT NULL); \
                          INSERT INTO t VALUES (1, 'A'), (2, 'B')";
            db.exec(schema, ()).await.unwrap();
            let _ = db.close().await;
        });
        file
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running `aquifer serve`; killed if the test ends without stopping it.
#[derive(Debug)]
pub struct Serving {
    pub child: Child,
    pub out: BufReader<ChildStdout>,
    pub ready: Value,
}

impl Serving {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("it did not start: {said}");
        }
        let ready: Value = serde_json::from_str(&line).expect("one line of JSON");
        assert_eq!(ready["event"], "ready");
        Self { child, out, ready }
    }

    fn addr(&self, listener: &str) -> String {
        self.ready[listener].as_str().unwrap().strip_prefix("http://").unwrap().to_owned()
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, "")
    }

    pub fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, body) = exchange(&self.addr("api"), method, path, body);
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    /// The status of a GET whose `Host` is this name.
    pub fn asked_as(&self, host: &str, path: &str) -> u16 {
        converse(&self.addr("api"), host, "GET", path, "").0
    }

    pub fn admin(&self, path: &str) -> (u16, String) {
        exchange(&self.addr("admin"), "GET", path, "")
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Sends a signal, waits for the end, and gives the exit code and what was printed after the start.
    pub fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One HTTP exchange: status and body, which has no chunks because the answers here are short.
pub fn exchange(addr: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    converse(addr, addr, method, path, body)
}

fn converse(addr: &str, host: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    // A GET's body is not read, so it has none.
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON on stdout")
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
