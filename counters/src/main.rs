//! What one operation costs, in what can be counted, against what was committed: `cargo xtask counters`.
//!
//! Owns the list of operations ([`operation`]), how their counts are taken ([`count`] in this process,
//! [`instructions`] under callgrind) and the file of the expected ones ([`baseline`]). Measures no time: that is what
//! `bench/` is for. Everything runs on one thread, apart from the servers and the proxy before them.
#![forbid(unsafe_code)]

mod baseline;
mod count;
mod instructions;
mod operation;
mod servers;
mod still;
mod table;

use std::error::Error;
use std::process::ExitCode;

use aquifer_testkit::CountingAllocator;

use baseline::Baseline;
use operation::{OPERATIONS, Operation};
use still::Still;

/// What ends a run: a message for whoever typed the command.
type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        // What runs under the profiler.
        ["--once", name, operations, url] => once(name, operations, url),
        ["--update", ref names @ ..] => chosen(names).and_then(|chosen| update(&chosen)),
        ref names => chosen(names).and_then(|chosen| compare(&chosen)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("counters: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The operations with these names; all without any.
fn chosen(names: &[&str]) -> Result<Vec<&'static Operation>> {
    match names {
        [] => Ok(OPERATIONS.iter().collect()),
        names => names.iter().map(|name| Operation::named(name)).collect(),
    }
}

/// Measures; fails if something costs more than was committed.
fn compare(operations: &[&'static Operation]) -> Result<()> {
    let baseline = Baseline::read()?;
    let servers = servers::start()?;
    let mut rows = Vec::new();
    for operation in operations {
        rows.push(table::Row::measure(operation, &servers, &baseline)?);
    }
    print!("{}", table::text(&rows, &baseline));
    match table::verdict(&rows) {
        None => Ok(()),
        Some(message) => Err(message.into()),
    }
}

/// Measures, and commits to it.
fn update(operations: &[&'static Operation]) -> Result<()> {
    let servers = servers::start()?;
    let mut baseline = match operations.len() == OPERATIONS.len() {
        true => Baseline::new()?,
        false => Baseline::read()?,
    };
    if baseline.built != baseline::built()? {
        return Err("the baseline is another compiler's: update all of it".into());
    }
    for operation in operations {
        let counts = count::counts(operation, &servers)?;
        baseline.set(operation, counts.with(instructions::least(operation, &servers, None)?));
    }
    println!("counters: wrote {}", baseline.write()?.display());
    Ok(())
}

fn once(name: &str, operations: &str, url: &str) -> Result<()> {
    let operation = Operation::named(name)?;
    let operations = operations.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let _still = operation.still.then(Still::begin);
        let db = operation.open(url).await?;
        operation.run(&db, operation.warm_up()).await?;
        operation.run(&db, operations).await
    })
}
