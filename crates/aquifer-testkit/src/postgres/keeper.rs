//! A program that never outlives the test that started it, and its directory.
//!
//! Between the test and the server stands a small shell, the keeper. It starts the server when told to
//! and reports its end. When its standard input closes (the test process dropped the keeper, exited, or
//! was killed) it ends the server and removes the directory. So nothing stays behind even when no
//! destructor runs: statics, `abort`, a runner's time limit, ctrl-C.
//!
//! It owns one thread, which reads the keeper's reports and ends with it.

use super::account::Account;
use super::error::Error;
#[cfg(target_os = "linux")]
use super::template::run;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// `$1`: the directory; `$2`: the signal that ends the server at once; then its command line.
///
/// The inner shell writes its process id and becomes the server, so that there is no moment in which the
/// server runs and nobody knows its id. The file `pid` exists only while that id cannot have been given to
/// another process.
///
/// HUP is ignored because the system sends it to the keeper's process group when the test process ends while
/// the server is stopped by SIGSTOP; PIPE because nobody may be left to hear its reports; XFSZ because a server
/// that may not make its files longer is to be told so, as by a full disk, and not to die.
const SCRIPT: &str = r#"
trap '' HUP PIPE XFSZ
dir=$1
signal=$2
shift 2
mkdir -m 700 "$dir" && cd "$dir" || exit 1
echo "made 0"
job=
while read -r command; do
  rm -f "$dir/exited"
  {
    sh -c 'echo $$ >"$0/pid.new"; mv "$0/pid.new" "$0/pid"; echo "started $$"
           exec "$@" </dev/null >>"$0/log" 2>&1' "$dir" "$@"
    code=$?
    rm -f "$dir/pid"
    : >"$dir/exited"
    echo "exited $code"
  } &
  job=$!
done
while [ -n "$job" ] && [ ! -e "$dir/pid" ] && [ ! -e "$dir/exited" ]; do sleep 0.05; done
# Linux only; elsewhere a server that was paused takes a few seconds more.
server=$(cat "$dir/pid" 2>/dev/null)
children=$(cat "/proc/$server/task/$server/children" 2>/dev/null)
# Again and again: a server that is only just starting does not hear of it yet.
rounds=0
while [ -e "$dir/pid" ]; do
  server=$(cat "$dir/pid" 2>/dev/null) || break
  rounds=$((rounds + 1))
  [ $rounds -lt 300 ] || signal=KILL
  kill -"$signal" "$server"
  for process in $server $children; do kill -CONT "$process"; done
  sleep 0.03
done
wait
cd /
# Again while a program that fills it, begun by whoever is gone, has not noticed.
for _ in 1 2 3 4 5 6 7 8 9; do
  rm -rf "$dir" 2>/dev/null
  [ -e "$dir" ] || break
  sleep 0.5
done
"#;

/// How long the keeper may take to start a process, or to clean up.
const KEEPER_SECONDS_MAX: u64 = 30;

/// One directory and at most one server in it.
#[derive(Debug)]
pub(crate) struct Keeper {
    child: Child,
    orders: Option<ChildStdin>,
    reports: Receiver<Report>,
    directory: PathBuf,
    account: Account,
}

#[derive(Debug)]
enum Report {
    Made,
    Started(i32),
    Exited(i32),
}

/// A path for a server's directory that nothing has yet, short enough for a socket inside (108 bytes on
/// Linux, fewer elsewhere).
fn directory(prefix: &str) -> Result<PathBuf, Error> {
    const PATH_BYTES_MAX: usize = 70;
    let parent = std::env::temp_dir();
    let parent = if parent.as_os_str().len() + prefix.len() > PATH_BYTES_MAX {
        Path::new("/tmp")
    } else {
        &parent
    };
    let unique = tempfile::Builder::new().prefix(prefix).make_in(parent, |path| {
        // Only the name: the keeper makes the directory, so that there is none without a keeper.
        if path.exists() { Err(std::io::ErrorKind::AlreadyExists.into()) } else { Ok(()) }
    });
    let unique = unique.map_err(Error::io("choosing a temporary directory"))?;
    unique.into_temp_path().keep().map_err(|error| Error::io("choosing a directory")(error.error))
}

impl Keeper {
    /// Starts the keeper, which makes a directory whose name begins with `prefix`, and no server yet. `signal`:
    /// what ends the server at once; `arguments`: the server's, from its directory.
    pub(crate) fn new(
        prefix: &str,
        account: &Account,
        signal: &str,
        program: &Path,
        arguments: impl FnOnce(&Path) -> Vec<OsString>,
    ) -> Result<Self, Error> {
        let directory = directory(prefix)?;
        let mut command = account.command(Path::new("sh"), Path::new("/"));
        command.args(["-c", SCRIPT, "keeper"]).arg(&directory).arg(signal);
        command.arg(program).args(arguments(&directory)).env("HOME", &directory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // ctrl-C in a terminal is for the test; the keeper hears of it when the test has gone.
        command.process_group(0);
        let mut child = command.spawn().map_err(Error::io("starting a shell"))?;
        let orders = child.stdin.take();
        let output = child.stdout.take();
        let (send, reports) = channel();
        std::thread::spawn(move || {
            let lines = output.into_iter().flat_map(|output| BufReader::new(output).lines());
            for line in lines.map_while(Result::ok) {
                let report = match line.split_once(' ') {
                    Some(("made", _)) => Ok(Report::Made),
                    Some(("started", pid)) => pid.parse().map(Report::Started),
                    Some(("exited", code)) => code.parse().map(Report::Exited),
                    _ => continue,
                };
                if report.is_ok_and(|report| send.send(report).is_err()) {
                    break;
                }
            }
        });
        let keeper = Self { child, orders, reports, directory, account: *account };
        match keeper.reports.recv_timeout(Duration::from_secs(KEEPER_SECONDS_MAX)) {
            Ok(Report::Made) => Ok(keeper),
            _ => {
                let why = format!("the server's account cannot make {}", keeper.path().display());
                Err(Error::io("making a temporary directory")(std::io::Error::other(why)))
            }
        }
    }

    /// Has the system refuse a process of the server's, and those that it will start, to make any file longer than
    /// that.
    #[cfg(target_os = "linux")]
    pub(crate) fn limit_file_size(&self, pid: Pid, bytes: Option<u64>) -> Result<(), Error> {
        // By a program of the server's account: it takes a privilege to limit other people's processes.
        let mut prlimit = self.account.command(Path::new("prlimit"), &self.directory);
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        prlimit.args(["--pid", &pid.as_raw_nonzero().to_string()]).arg(format!("--fsize={limit}:"));
        run(&mut prlimit)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path().join("log")
    }

    /// Starts the server; returns its process id. The one before must have ended.
    pub(crate) fn start(&mut self) -> Result<Pid, Error> {
        let gone = || std::io::Error::other("the shell that keeps the server has ended");
        let orders = self.orders.as_mut().ok_or_else(gone);
        orders
            .and_then(|orders| orders.write_all(b"start\n"))
            .map_err(Error::io("telling the keeper to start the server"))?;
        let limit = Duration::from_secs(KEEPER_SECONDS_MAX);
        match self.reports.recv_timeout(limit) {
            Ok(Report::Started(pid)) if Pid::from_raw(pid).is_some() => {
                Ok(Pid::from_raw(pid).unwrap_or(Pid::INIT))
            }
            other => {
                let error = std::io::Error::other(format!("the keeper answered {other:?}"));
                Err(Error::io("starting the server")(error))
            }
        }
    }

    /// Whether the server has ended within that time, and with which exit code.
    pub(crate) fn exited(&mut self, within: Duration) -> Option<i32> {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.reports.recv_timeout(left) {
                Ok(Report::Exited(code)) => return Some(code),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        let until = Instant::now() + Duration::from_secs(KEEPER_SECONDS_MAX);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Sends a signal to a process; one that has ended already is not an error.
pub(crate) fn signal(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}

/// The processes that `parent` started and that still run.
pub(crate) fn children(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero().get();
    let pairs = processes_of_proc().unwrap_or_else(processes_of_ps);
    pairs.into_iter().filter(|(_, p)| *p == parent).filter_map(|(c, _)| Pid::from_raw(c)).collect()
}

/// Every process with its parent, from Linux' `/proc`.
fn processes_of_proc() -> Option<Vec<(i32, i32)>> {
    let entries = Path::new("/proc").read_dir().ok()?;
    let ids = entries.flatten().filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    let pairs: Vec<_> = ids
        .filter_map(|id| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            // The name before the state is in parentheses, and may contain some.
            let after_name = stat.rsplit_once(')')?.1;
            Some((id, after_name.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    (!pairs.is_empty()).then_some(pairs)
}

fn processes_of_ps() -> Vec<(i32, i32)> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .collect()
}
