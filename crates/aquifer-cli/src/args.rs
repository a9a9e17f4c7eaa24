//! The command line: what can be typed, and its help.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Turns reviewed SQL into a service.
#[derive(Debug, Parser)]
#[command(
    name = "aquifer",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve named SQL queries over HTTP; without a database, a demo
    #[command(after_help = SERVE_HELP)]
    Serve(Serve),
    /// Verify named SQL queries against the database, without running them
    #[command(after_help = CHECK_HELP)]
    Check(Check),
}

const SERVE_HELP: &str = "\
Environment:
  DATABASE_URL   the database, where no DSN is given
  PORT           the API's port, where no --listen is given
  NO_COLOR       no colours

Examples:
  aquifer serve                                    a demo that you can keep
  aquifer serve --memory                           a demo that leaves nothing behind
  aquifer serve ./my.db --queries queries          your database, your queries
  PORT=8000 DATABASE_URL=sqlite:///srv/my.db aquifer serve --queries queries";

const CHECK_HELP: &str = "\
Environment:
  DATABASE_URL   the database, where no DSN is given

Examples:
  aquifer check ./my.db --queries queries
  aquifer check ./my.db --queries queries --format json | jq .queries";

/// Where the data and the queries are.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// The database: a URL such as sqlite:///srv/my.db, or the path of an SQLite file that exists
    #[arg(value_name = "DSN")]
    pub(crate) dsn: Option<String>,
    /// The directory of `.sql` files; `./queries` if you leave it out, or the demo's own
    #[arg(long, value_name = "DIR")]
    pub(crate) queries: Option<PathBuf>,
    /// Keep the demo in memory, and leave nothing behind
    #[arg(long, conflicts_with = "dsn")]
    pub(crate) memory: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) source: Source,
    /// Where the API listens [default: 127.0.0.1:8080, or the next free port]
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Where probes and metrics are [default: 127.0.0.1:8081, or the next free port]
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    pub(crate) admin: Option<SocketAddr>,
    /// Have no probes and no metrics
    #[arg(long, conflicts_with = "admin")]
    pub(crate) no_admin: bool,
    /// Answer to this host name, too; `.example` means all names below it. Can be given several times
    ///
    /// On loopback the service answers to addresses and `localhost` only, so that no web page can reach it
    /// by a name that it has resolve to 127.0.0.1. Elsewhere it answers to every name unless you give some.
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    pub(crate) allow_host: Vec<String>,
    /// How long a request may take in the database
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive)]
    pub(crate) request_timeout: Duration,
    /// How long requests may take to finish when the service stops
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = duration)]
    pub(crate) grace: Duration,
    /// How long to go on serving after SIGTERM, while /readyz says no [default: 5s, 0s on a terminal]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) drain_delay: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) source: Source,
    /// What to print: `text` for people (on stderr), `json` for programs (on stdout)
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Reads `127.0.0.1:8080` or `[::1]:8080`; `localhost:8080` and `8080` mean loopback. No other name: what it
/// resolves to may change, and `:8080` means all interfaces to some and none to others.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse().map_err(|_| {
        "write an address and a port: 127.0.0.1:8080 for this machine, 0.0.0.0:8080 for others, too"
            .to_owned()
    })
}

/// Reads `shop.example` or `.shop.example`.
fn host_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let labels = text.strip_prefix('.').unwrap_or(text);
    if labels.split('.').all(|label| !label.is_empty() && label.chars().all(plain)) {
        Ok(text.to_owned())
    } else {
        Err("write a host name without scheme and port: shop.example, .shop.example".to_owned())
    }
}

/// Reads `250ms`, `10s`, `5m`.
fn duration(text: &str) -> Result<Duration, String> {
    let span = aquifer::driver::duration::parse(text)
        .ok_or("write a number and a unit: 250ms, 10s, 5m")?;
    // A day is more than any of these options can mean.
    if span <= Duration::from_secs(86_400) { Ok(span) } else { Err("at most 24h".to_owned()) }
}

/// Reads a [`duration`] that is longer than nothing.
fn positive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => {
            Err("no request can be answered in no time: write 250ms, 10s, 5m".to_owned())
        }
        span => Ok(span),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn addresses_are_numbers_and_a_port_alone_is_on_loopback() {
        for (typed, means) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0.0.0.0:0", "0.0.0.0:0"),
            ("[::1]:80", "[::1]:80"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("8080", "127.0.0.1:8080"),
        ] {
            assert_eq!(address(typed), Ok(means.parse().unwrap()), "{typed}");
        }
        for bad in ["", ":8080", "localhost", "db.example:80", "127.0.0.1", "1.2.3.4:99999", "-1"] {
            assert!(address(bad).unwrap_err().contains("0.0.0.0:8080"), "{bad}");
        }
    }

    #[test]
    fn host_names_have_neither_scheme_nor_port() {
        for good in ["shop.example", ".shop.example", "build-7", "my_host"] {
            assert_eq!(host_name(good).as_deref(), Ok(good));
        }
        for bad in ["", ".", "a..b", "http://a", "a:80", "a/b", "*.a", "a b", "a."] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        assert!(positive("0ms").unwrap_err().contains("250ms"));
        assert_eq!(positive("1ms"), Ok(Duration::from_millis(1)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "10", "s", "-1s", "99999999999999999999s", "999999m", "25h", "1 s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
