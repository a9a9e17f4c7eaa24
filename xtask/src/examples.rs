//! The step `examples` of `cargo xtask ci`: runs every program in examples/, each in an empty folder
//! of its own, without arguments or input, and within a time that only a hang exceeds. Those whose names
//! begin with an engine's run beside a server of it, which aquifer-testkit starts for each.

use crate::artifacts::{self, Program};
use crate::failure::{Failure, Outcome};
use crate::workspace::Workspace;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SECONDS_MAX: u64 = 120;

/// What the names begin with of programs that need a server, and the testkit's program that starts one.
const SERVERS: [(&str, &str); 1] = [("postgres_", "with_postgres")];

pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let (programs, others): (Vec<_>, Vec<_>) =
        artifacts::build(workspace, &["build", "--examples"], None)?
            .into_iter()
            .partition(|program| program.package == workspace.root.join("examples"));
    let mut undeclared = sources(&workspace.root.join("examples"))?;
    undeclared.retain(|name| !programs.iter().any(|program| program.name == *name));
    if let Some(name) = undeclared.first() {
        return Err(Failure::new(format!(
            "examples/{name}.rs is not built: declare it as [[example]] in examples/Cargo.toml"
        )));
    }
    if programs.is_empty() {
        return Err(Failure::new("examples/ has no program"));
    }
    for program in &programs {
        run_one(program, beside(program, &others)?)?;
    }
    Ok(())
}

/// What starts the server that a program needs, if it needs one.
fn beside<'p>(program: &Program, others: &'p [Program]) -> Outcome<Option<&'p Program>> {
    let Some((_, starter)) = SERVERS.iter().find(|(prefix, _)| program.name.starts_with(prefix))
    else {
        return Ok(None);
    };
    match others.iter().find(|other| other.name == *starter) {
        Some(starter) => Ok(Some(starter)),
        None => Err(Failure::new(format!("aquifer-testkit has no example {starter}"))),
    }
}

/// The names of the files that should be programs: all but the library that cargo asks for.
fn sources(folder: &Path) -> Outcome<Vec<String>> {
    let entries = fs::read_dir(folder)
        .map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .filter(|name| name != "lib")
        .collect();
    names.sort_unstable();
    Ok(names)
}

fn run_one(program: &Program, starter: Option<&Program>) -> Outcome {
    let name = &program.name;
    let folder =
        std::env::temp_dir().join(format!("aquifer-example-{name}-{}", std::process::id()));
    let log = folder.with_extension("log");
    let attempt = || -> std::io::Result<Result<f64, String>> {
        fs::create_dir_all(&folder)?;
        // A file rather than a pipe: a program that prints much never waits for us.
        let output = File::create(&log)?;
        let started = Instant::now();
        let mut command = match starter {
            Some(starter) => {
                let mut command = Command::new(&starter.executable);
                command.arg(&program.executable);
                command
            }
            None => Command::new(&program.executable),
        };
        let mut child = command
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(if status.success() {
                    Ok(started.elapsed().as_secs_f64())
                } else {
                    Err(format!("ended with {status}"))
                });
            }
            if started.elapsed() > Duration::from_secs(SECONDS_MAX) {
                child.kill()?;
                child.wait()?;
                return Ok(Err(format!("did not end within {SECONDS_MAX} s")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let result = attempt();
    let printed = fs::read(&log).unwrap_or_default();
    // Left behind in the temporary folder if they cannot be removed; nothing depends on it.
    let _ = fs::remove_dir_all(&folder);
    let _ = fs::remove_file(&log);
    match result {
        Ok(Ok(seconds)) => {
            println!("  {name}: ok ({seconds:.2} s)");
            Ok(())
        }
        Ok(Err(reason)) => Err(Failure::new(format!(
            "{}\nexamples/{name}.rs {reason}; it printed the above. To run it: cargo run -p aquifer-examples --example {name}",
            String::from_utf8_lossy(&printed)
        ))),
        Err(error) => Err(Failure::new(format!("cannot run the example {name}: {error}"))),
    }
}
