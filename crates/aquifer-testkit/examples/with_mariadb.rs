//! Runs a program beside a MariaDB server that is started for it and stopped after it:
//! `cargo run -p aquifer-testkit --features mysql --example with_mariadb -- PROGRAM [ARGUMENT...]`.
//!
//! The program finds the server's URL in `DATABASE_URL`; its exit status is this one's.
#![forbid(unsafe_code)]

use std::error::Error;
use std::process::{Command, ExitCode};

use aquifer_testkit::mysql::{Server, Settings};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().ok_or("which program is to be run?")?;
    let server = Server::start(Settings::new())?;
    let status =
        Command::new(program).args(arguments).env("DATABASE_URL", server.url()).status()?;
    drop(server);
    // A program that was killed has no status of its own.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
