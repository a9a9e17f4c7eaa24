//! The step `examples` of `cargo xtask ci`: runs every program in examples/, each in an empty folder
//! of its own, without arguments or input, and within a time that only a hang exceeds. Those whose names
//! begin with an engine's run beside a server of it, which aquifer-testkit starts for each. One runs on every
//! engine, and has to print the same on each.

use crate::artifacts::{self, Program};
use crate::failure::{Failure, Outcome};
use crate::workspace::Workspace;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SECONDS_MAX: u64 = 120;

/// What the names begin with of programs that need a server, and the testkit's program that starts one.
const SERVERS: [(&str, &str); 2] = [("postgres_", "with_postgres"), ("mysql_", "with_mariadb")];

/// The program that is run beside each of those servers, and without any.
const EVERYWHERE: &str = "one_program_three_engines";

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
    if !programs.iter().any(|program| program.name == EVERYWHERE) {
        return Err(Failure::new(format!("examples/ has no {EVERYWHERE}")));
    }
    for program in &programs {
        let server = SERVERS.iter().find(|(prefix, _)| program.name.starts_with(prefix));
        let printed = match server {
            Some((_, starter)) => run_one(program, Some(starter_of(starter, &others)?))?,
            None => run_one(program, None)?,
        };
        if program.name != EVERYWHERE {
            continue;
        }
        for (_, starter) in SERVERS {
            let beside = run_one(program, Some(starter_of(starter, &others)?))?;
            if let Some(difference) = difference(&printed, &beside) {
                return Err(Failure::new(format!(
                    "examples/{EVERYWHERE}.rs prints something else {starter}: {difference}"
                )));
            }
        }
    }
    Ok(())
}

/// The testkit's program of that name.
fn starter_of<'p>(starter: &str, others: &'p [Program]) -> Outcome<&'p Program> {
    let found = others.iter().find(|other| other.name == starter);
    found.ok_or_else(|| Failure::new(format!("aquifer-testkit has no example {starter}")))
}

/// The first line that differs.
fn difference(one: &str, other: &str) -> Option<String> {
    let (mut ones, mut others) = (one.lines(), other.lines());
    loop {
        match (ones.next(), others.next()) {
            (None, None) => return None,
            (one, other) if one == other => {}
            (one, other) => {
                let shown = |line: Option<&str>| line.unwrap_or("nothing more").to_owned();
                return Some(format!("`{}` instead of `{}`", shown(other), shown(one)));
            }
        }
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

/// Runs a program, beside a server if it needs one; what it printed.
fn run_one(program: &Program, starter: Option<&Program>) -> Outcome<String> {
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
            let beside = starter.map(|starter| format!(" {}", starter.name)).unwrap_or_default();
            println!("  {name}{beside}: ok ({seconds:.2} s)");
            Ok(String::from_utf8_lossy(&printed).into_owned())
        }
        Ok(Err(reason)) => Err(Failure::new(format!(
            "{}\nexamples/{name}.rs {reason}; it printed the above. To run it: cargo run -p aquifer-examples --example {name}",
            String::from_utf8_lossy(&printed)
        ))),
        Err(error) => Err(Failure::new(format!("cannot run the example {name}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_shown() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(difference("a\nb\n", "a\nc\n").unwrap(), "`c` instead of `b`");
        assert_eq!(difference("a\n", "a\nc\n").unwrap(), "`c` instead of `nothing more`");
        assert_eq!(difference("a\nb\n", "a\n").unwrap(), "`nothing more` instead of `b`");
    }
}
