//! `aquifer serve`.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use aquifer::driver::{Environment, ProcessEnvironment};
use aquifer_service::{Incident, Log, Options, Server, Service, Stop};

use crate::args::Serve;
use crate::banner::{self, Facts, Keeping, Style};
use crate::failure::Failure;
use crate::listen::{ADMIN_PORT, Wish};
use crate::signals::{Signal, Signals};
use crate::source::{self, Purpose};

/// How long to go on serving after SIGTERM, so that load balancers notice.
const DRAIN_DELAY: Duration = Duration::from_secs(5);

/// Runs the command until a signal stops it.
pub(crate) async fn run(args: &Serve, started: Instant) -> Result<(), Failure> {
    let environment = ProcessEnvironment;
    let terminal = std::io::stdout().is_terminal();
    let style = Style { colour: terminal && wants_colour(&environment) };
    let is_demo = source::is_demo(&args.source, &environment);
    if terminal {
        let keeping = if args.source.memory { Keeping::InMemory } else { Keeping::Kept };
        say(&format!("{}\n", banner::title(is_demo.then_some(keeping), style)));
    }
    // Before anything that takes time: a signal from here on stops in order.
    let mut signals = Signals::listen()
        .map_err(|error| Failure::failed(format!("cannot listen to signals: {error}")))?;

    let port = environment.var("PORT");
    let api = Wish::api(args.listen, port.as_deref(), is_demo)?.bind("--listen").await?;
    let admin = match (args.no_admin, args.admin) {
        (true, _) => None,
        (false, Some(addr)) => Some(Wish::Exactly(addr).bind("--admin").await?),
        (false, None) => Some(Wish::From(ADMIN_PORT).bind("--admin").await?),
    };

    let starting = start(args, &environment);
    let (source, service, engine, checked_in) = tokio::select! {
        started = starting => started?,
        signal = signals.next() => return Err(Failure::Interrupted(signal)),
    };

    let server = Server::new(service.clone(), api, admin);
    let addresses = || -> std::io::Result<(SocketAddr, Option<SocketAddr>)> {
        Ok((server.api_addr()?, server.admin_addr()?))
    };
    let (api, admin) = addresses()
        .map_err(|error| Failure::failed(format!("the listeners have no address: {error}")))?;
    let facts = Facts {
        is_demo: source.is_demo,
        data: &source.data,
        data_path: source.data_path.as_deref(),
        engine: &engine,
        queries: &source.queries,
        queries_path: source.queries_path.as_deref(),
        catalog: service.catalog(),
        checked_in,
        api,
        admin,
        ready_in: started.elapsed(),
    };
    if terminal {
        say(&banner::page(&facts, style));
    } else {
        say(&format!("{}\n", banner::json_line(&facts)));
    }
    drop(service);

    let grace = args.grace;
    let drain_delay = args.drain_delay;
    let stopped = server
        .run(async move {
            let first = signals.next().await;
            if terminal {
                let grace_s = grace.as_secs_f64();
                say(&format!("\n  stopping: requests have {grace_s} s; once more stops at once\n"));
            }
            tokio::spawn(async move {
                let second = signals.next().await;
                // No time to close anything: SQLite recovers what was not committed.
                std::process::exit(second.exit_code().into());
            });
            let default = match first {
                Signal::Terminate if !terminal => DRAIN_DELAY,
                _ => Duration::ZERO,
            };
            Stop { drain_delay: drain_delay.unwrap_or(default) }
        })
        .await;
    if terminal {
        let cut = match stopped.cut_off {
            0 => "all requests finished".to_owned(),
            1 => "1 connection cut off".to_owned(),
            n => format!("{n} connections cut off"),
        };
        say(&format!("  stopped: {cut}\n"));
    } else {
        let line = serde_json::json!({ "event": "stopped", "cut_off": stopped.cut_off });
        say(&format!("{line}\n"));
    }
    Ok(())
}

/// What there is to say of the source once its database has moved into the service.
struct Told {
    is_demo: bool,
    data: String,
    data_path: Option<String>,
    queries: String,
    queries_path: Option<String>,
}

/// Opens the database and checks the queries.
async fn start(
    args: &Serve,
    environment: &dyn Environment,
) -> Result<(Told, Service, String, Duration), Failure> {
    let source = source::open(&args.source, environment, Purpose::Serve).await?;
    if !source.mistakes.is_empty() {
        source.check().await?;
    }
    let engine = engine(&source.db).await;
    let mut options = Options::default();
    options.request_timeout = args.request_timeout;
    options.grace = args.grace;
    options.allowed_hosts.clone_from(&args.allow_host);
    options.log = Log::to(incident);
    let checking = Instant::now();
    let service = Service::new(source.db, source.name, source.catalog, options)
        .await
        .map_err(Failure::queries)?;
    let told = Told {
        is_demo: source.is_demo,
        data: source.data,
        data_path: source.data_path,
        queries: source.queries,
        queries_path: source.queries_path,
    };
    Ok((told, service, engine, checking.elapsed()))
}

/// One line on stderr for each failure that is not the caller's fault.
fn incident(incident: &Incident<'_>) {
    let line = serde_json::json!({
        "event": "failed",
        "request_id": incident.request_id,
        "query": incident.query,
        "code": incident.code,
        "title": incident.title,
        "error": incident.error,
        "broken_off": incident.broken_off,
    });
    // Nobody may be reading: that is no reason to fail the request.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints; a reader that has gone away is no reason to stop serving.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn wants_colour(environment: &dyn Environment) -> bool {
    let no_color = environment.var("NO_COLOR").is_some_and(|value| !value.is_empty());
    !no_color && environment.var("TERM").is_none_or(|term| term != "dumb")
}

/// The engine and its version, for people.
async fn engine(db: &aquifer::Db) -> String {
    if db.dialect().name != "sqlite" {
        return db.dialect().name.to_owned();
    }
    match db.get::<String>("SELECT sqlite_version()", ()).await {
        Ok(version) => format!("SQLite {version}, embedded"),
        Err(_) => "SQLite, embedded".to_owned(),
    }
}
