//! libpq, in a process of its own: a small program in C, made where a C compiler and libpq's headers are.
//! Without them this peer is left out.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::drive::Subject;
use crate::failure::{Failure, Result};
use crate::measure::{Meter, Plan, Slot};
use crate::registry::Setting;
use crate::server::url;
use crate::workload::postgres::{Login, scanned};

const SOURCE: &str = include_str!("libpq.c");

pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    Program::start("point", url(setting)?, setting)
}

pub fn pipeline(setting: &Setting) -> Result<Box<dyn Subject>> {
    Program::start("pipeline", url(setting)?, setting)
}

pub fn scan(setting: &Setting) -> Result<Box<dyn Subject>> {
    Program::start("scan", url(setting)?, setting)
}

pub fn connect(setting: &Setting) -> Result<Box<dyn Subject>> {
    Program::start("connect", &Login::url(url(setting)?), setting)
}

/// The running program; it ends when its input does.
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    _folder: TempDir,
}

impl Program {
    fn start(workload: &str, url: &str, setting: &Setting) -> Result<Box<dyn Subject>> {
        let folder = tempfile::tempdir()?;
        let program = folder.path().join("libpq");
        compile(folder.path(), &program)?;
        let mut command = Command::new(program);
        command.args([workload, url, &scanned(setting).to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = BufReader::new(output.ok_or_else(|| Failure::new("no output"))?);
        Ok(Box::new(Self { child, input, output, _folder: folder }))
    }
}

/// Where the headers and the library are, as `pg_config` says.
fn compile(folder: &Path, program: &Path) -> Result<()> {
    let source = folder.join("libpq.c");
    std::fs::write(&source, SOURCE)?;
    let mut command = Command::new("cc");
    command.args(["-O2", "-Wall", "-o"]).arg(program).arg(&source);
    for (question, flag) in [("--includedir", "-I"), ("--libdir", "-L")] {
        let answer = Command::new("pg_config").arg(question).output();
        let answer = answer.map_err(|_| Failure::absent("there is no pg_config (libpq-dev)"))?;
        let mut argument = OsString::from(flag);
        argument.push(String::from_utf8_lossy(&answer.stdout).trim());
        command.arg(argument);
    }
    let made = command.arg("-lpq").output();
    let made = made.map_err(|_| Failure::absent("there is no C compiler"))?;
    match made.status.success() {
        true => Ok(()),
        false => Err(Failure::absent(format!(
            "its program does not compile (libpq-dev 14 or later?): {}",
            String::from_utf8_lossy(&made.stderr)
        ))),
    }
}

impl Subject for Program {
    fn run(&mut self, plan: &Plan) -> Result<Slot> {
        let input = self.input.as_mut().ok_or_else(|| Failure::new("no input"))?;
        let meter = Meter::start(plan);
        writeln!(input, "{} {}", plan.first, plan.operations)?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let mut nanos = line.split_whitespace().map(|word| word.parse().map(Duration::from_nanos));
        match (nanos.next(), nanos.next()) {
            (Some(Ok(elapsed)), Some(Ok(cpu))) => {
                Ok(Slot { elapsed, cpu, ..meter.stop(plan.operations, Vec::new()) })
            }
            _ => Err(Failure::new(line.trim())),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.input = None;
        // It ends by itself; how does not matter any more.
        let _ = self.child.wait();
    }
}
