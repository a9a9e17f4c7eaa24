//! The program `aquifer`: reads the command line, runs a command, exits with its code.

#![forbid(unsafe_code)]

mod args;
mod banner;
mod check;
mod failure;
mod listen;
mod serve;
mod signals;
mod source;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::failure::Failure;

/// Threads that serve; SQLite's workers are the driver's own. More would cost memory and gain nothing on
/// the small machines that the defaults are for.
const THREADS_MAX: usize = 4;

fn main() -> ExitCode {
    let started = Instant::now();
    let cli = Cli::parse();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return exit(&Failure::failed(format!("no runtime: {error}"))),
    };
    let result = runtime.block_on(async {
        match &cli.command {
            Command::Serve(args) => serve::run(args, started).await,
            Command::Check(args) => check::run(args).await,
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => exit(&failure),
    }
}

fn exit(failure: &Failure) -> ExitCode {
    eprintln!("{failure}");
    ExitCode::from(failure.code())
}
