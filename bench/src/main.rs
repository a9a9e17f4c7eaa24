//! One harness for every figure: the same work by Aquifer and by its peers, interleaved in one run.
//!
//! `cargo xtask bench [WORKLOAD...] [--quick] [--json FILE]` builds this in release mode and runs it;
//! docs/performance.md says how to read what it prints. A family of workloads is a file in `workload/`,
//! a peer is a file in `peer/`; `registry` is the table of both.

mod affinity;
mod allocation;
mod arguments;
mod drive;
mod failure;
mod goal;
mod instructions;
mod machine;
mod measure;
mod pace;
mod peer;
mod process_clock;
mod record;
mod registry;
mod report;
mod rounds;
mod server;
mod workload;

use std::process::ExitCode;

use arguments::{Arguments, Task};
use clap::Parser;
use failure::Result;

#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = arguments.task().and_then(|task| match task {
        Task::List => {
            registry::list();
            Ok(())
        }
        Task::Once(once) => once.run(),
        Task::Compare(selection) => compare(&selection, &arguments),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(selection: &[registry::Choice], arguments: &Arguments) -> Result<()> {
    if arguments.instructions {
        instructions::available()?;
    }
    let mut record = arguments.readme.then(|| record::Record::of(selection)).transpose()?;
    let mut json = arguments.json.as_deref().map(report::Json::create).transpose()?;
    println!("{}", machine::describe());
    for choice in selection {
        let effort = arguments.effort();
        let mut compared = rounds::compare(choice, &effort)?;
        if arguments.instructions {
            instructions::count(choice, &mut compared)?;
        }
        report::print(choice, &compared);
        if let Some(json) = &mut json {
            json.write(choice, &compared)?;
        }
        if let Some(record) = &mut record {
            record.add(choice, &effort, &compared);
        }
    }
    if let Some(record) = &record {
        println!("\nwrote {}", record.write()?.display());
    }
    Ok(())
}
