//! The program `aquifer` itself, started as a user starts it: `aquifer serve` with nothing configured.
//!
//! An operation is a start: from `spawn` to the first 200 of `/readyz`. The process is killed there, so
//! that its CPU time is the start's, and none of it is spent on stopping in order. The run that counts
//! allocations elsewhere leaves one process idle instead and reads its resident size.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::drive::Subject;
use crate::failure::{Failure, Result, ensure};
use crate::measure::{Plan, Slot, Watch, cpu_of_children};
use crate::registry::{Scale, Setting};

/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a process is left alone before its size is read.
const IDLE: Duration = Duration::from_secs(3);
const IDLE_QUICK: Duration = Duration::from_secs(1);
/// How often it is asked before that.
const REQUESTS: u32 = 100;

/// The release build of the program, made by the first caller.
///
/// # Errors
///
/// If cargo cannot build it.
pub fn executable() -> Result<&'static Path> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(built) = BUILT.get() {
        return Ok(built);
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--package", "aquifer-cli", "--bin", "aquifer"]);
    command.arg("--message-format=json-render-diagnostics");
    let output =
        command.current_dir(root).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(Failure::new("the program `aquifer` does not build"));
    }
    let built = String::from_utf8_lossy(&output.stdout).lines().find_map(artifact);
    let built = built.ok_or_else(|| Failure::new("cargo does not say where `aquifer` is"))?;
    Ok(BUILT.get_or_init(|| built))
}

/// The executable that one of cargo's messages is about.
fn artifact(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    Some(PathBuf::from(message["executable"].as_str()?))
}

/// In what state a start finds its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Empty: the start makes and fills the demo's database.
    Nothing,
    /// With the demo that an earlier start made.
    Demo,
    /// Whatever it is, nothing of it is used: `--memory`.
    Irrelevant,
}

/// # Errors
///
/// If the program cannot be built or does not start.
pub fn first(setting: &Setting) -> Result<Box<dyn Subject>> {
    Starts::build(Before::Nothing, setting)
}

/// # Errors
///
/// As [`first`].
pub fn again(setting: &Setting) -> Result<Box<dyn Subject>> {
    Starts::build(Before::Demo, setting)
}

/// # Errors
///
/// As [`first`].
pub fn memory(setting: &Setting) -> Result<Box<dyn Subject>> {
    Starts::build(Before::Irrelevant, setting)
}

struct Starts {
    executable: &'static Path,
    before: Before,
    idle: Duration,
    folder: TempDir,
}

impl Starts {
    fn build(before: Before, setting: &Setting) -> Result<Box<dyn Subject>> {
        let idle = if setting.scale == Scale::Full { IDLE } else { IDLE_QUICK };
        let starts = Self { executable: executable()?, before, idle, folder: tempfile::tempdir()? };
        if before == Before::Demo {
            starts.start(starts.folder.path())?;
        }
        Ok(Box::new(starts))
    }

    fn start(&self, folder: &Path) -> Result<Running> {
        let mut command = Command::new(self.executable);
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        if self.before == Before::Irrelevant {
            command.arg("--memory");
        }
        // Nothing of the user's reaches it, and its demo goes where it is started.
        command.current_dir(folder).env("HOME", folder).env("XDG_DATA_HOME", folder.join("share"));
        command.env_remove("DATABASE_URL").env_remove("PORT").stdin(Stdio::null());
        let started = Instant::now();
        let child = command.stdout(Stdio::piped()).spawn()?;
        Running::wait(child, started)
    }

    /// One start, with an empty directory where it is to find one.
    fn fresh<T>(&self, work: impl FnOnce(Running) -> Result<T>) -> Result<T> {
        match self.before {
            Before::Nothing => {
                let folder = tempfile::tempdir()?;
                work(self.start(folder.path())?)
            }
            Before::Demo | Before::Irrelevant => work(self.start(self.folder.path())?),
        }
    }
}

impl Subject for Starts {
    fn run(&mut self, plan: &Plan) -> Result<Slot> {
        if !matches!(plan.watch, Watch::Time { .. }) {
            let resident = self.fresh(|running| running.resident_when_idle(self.idle))?;
            return Ok(Slot { operations: 1, resident, ..Slot::default() });
        }
        let mut slot = Slot { operations: plan.operations, ..Slot::default() };
        let cpu = cpu_of_children();
        for _ in 0..plan.operations {
            let took = self.fresh(|running| Ok(running.took))?;
            slot.elapsed += took;
            slot.samples.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
        }
        slot.cpu = cpu_of_children().saturating_sub(cpu);
        Ok(slot)
    }
}

/// A service that is ready; killed when dropped.
struct Running {
    child: Child,
    /// From `spawn` to the first 200.
    took: Duration,
    /// What it said of itself.
    ready: Value,
}

impl Running {
    fn wait(child: Child, started: Instant) -> Result<Self> {
        let mut running = Self { child, took: Duration::ZERO, ready: Value::Null };
        let out = running.child.stdout.take().ok_or_else(|| Failure::new("no output"))?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        running.ready = serde_json::from_str(&line)
            .map_err(|_| Failure::new(format!("it did not start, but said: {line}")))?;
        let admin = running.address("admin")?;
        while get(admin, "/readyz")?.0 != 200 {
            if started.elapsed() > PATIENCE {
                return Err(Failure::new("it started, and is not ready"));
            }
        }
        running.took = started.elapsed();
        Ok(running)
    }

    fn address(&self, listener: &str) -> Result<SocketAddr> {
        let url = self.ready[listener].as_str().unwrap_or_default();
        let address = url.strip_prefix("http://").unwrap_or(url);
        address.parse().map_err(|_| Failure::new(format!("`{listener}` is at `{url}`")))
    }

    /// Asks for long answers, and for one station many times; then leaves it alone and reads its size. `None` where the system does not tell.
    fn resident_when_idle(self, idle: Duration) -> Result<Option<u64>> {
        let api = self.address("api")?;
        for path in ["/stations?limit=1000", "/stations/7/readings?limit=1000"] {
            ensure(get(api, path)?.0 == 200, "a query of the demo failed")?;
        }
        for _ in 0..REQUESTS {
            let (status, body) = get(api, "/stations/7")?;
            ensure(status == 200 && body.contains("\"N-07\""), "station 7 is another one")?;
        }
        std::thread::sleep(idle);
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        Ok(status.ok().and_then(|status| resident(&status)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, and been told so.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `VmRSS:     12345 kB`, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// One request on a connection of its own: status, and the rest.
fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    Ok((status.unwrap_or(0), answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_read_from_the_kernels_lines() {
        assert_eq!(resident("Name:\taquifer\nVmRSS:\t   13312 kB\nx: 1\n"), Some(13_631_488));
        assert_eq!(resident("Name:\taquifer\n"), None);
    }

    #[test]
    fn the_executable_is_the_one_that_cargo_names() {
        let library = r#"{"reason":"compiler-artifact","executable":null}"#;
        let program = r#"{"reason":"compiler-artifact","executable":"/t/release/aquifer"}"#;
        assert_eq!(artifact(library), None);
        assert_eq!(artifact(program), Some(PathBuf::from("/t/release/aquifer")));
        assert_eq!(artifact("not JSON"), None);
    }
}
