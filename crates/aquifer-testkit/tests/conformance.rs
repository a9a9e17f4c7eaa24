//! The conformance suite over the fake driver, in each of its guises.

use std::sync::{Arc, Mutex};

use aquifer_driver::{Connection, Connector, Date, Value};
use aquifer_testkit::conformance::Target;
use aquifer_testkit::fake::{Abandon, Cells, FakeConnection, FakeOptions, FakeServer};
use aquifer_testkit::{Clock, ManualClock, Yielding};

/// A target over fresh fake servers; afterwards none may have seen a violation or have anything open.
fn target(options: &FakeOptions, wrap: fn(Arc<dyn Connector>) -> Arc<dyn Connector>) -> Target {
    let servers: Arc<Mutex<Vec<FakeServer>>> = Arc::default();
    let made = Arc::clone(&servers);
    let options = options.clone().statements_max(8);
    let look = Arc::clone(&servers);
    let (cells, fails, stops) =
        (options.cells, options.errors_fail_transactions, options.batches_stop);
    let target = Target::new("SELECT n FROM series(1, ?)", move || {
        // The clock stands still: a SLEEP ends only when it is stopped.
        let server = FakeServer::with(options.clone(), Clock::Manual(ManualClock::new()));
        let connector = wrap(server.connector());
        made.lock().unwrap().push(server);
        connector
    })
    .long_statement("SLEEP 1000")
    .session("SET zone = 'north'", "SHOW zone")
    .statements_max(8)
    .batch_bytes_max(64 * 1024)
    .errors_fail_transactions(fails)
    .batches_stop(stops)
    .refuses(Value::Array(vec![1.into()]))
    .statements_on_server(move |connection| {
        let number = number(connection);
        let servers = look.lock().unwrap();
        let books = servers.last().map(FakeServer::connections).unwrap_or_default();
        let book = books.iter().find(|book| Some(book.number) == number);
        let held = book.map_or(u64::MAX, |book| book.prepared_peak as u64);
        Box::pin(std::future::ready(Ok(held)))
    })
    .inspect(move || {
        for server in servers.lock().unwrap().drain(..) {
            let violations = server.violations();
            if !violations.is_empty() {
                return Err(format!("{violations:#?}"));
            }
            if server.counters().open != 0 {
                return Err(format!("{:#?}", server.connections()));
            }
        }
        Ok(())
    });
    match cells {
        Cells::Tagged => target
            .refuses(Value::UInt(u64::MAX))
            .kind_as("BOOLEAN", Value::Bool(true), Value::Int(1))
            .kind_as("DECIMAL", Value::Decimal("-12.50".into()), Value::Text("-12.50".into()))
            .kind_as("UUID", Value::Uuid([7; 16]), Value::Bytes(vec![7; 16])),
        Cells::Typed => target
            .kind("BOOLEAN", Value::Bool(true))
            .kind("UBIGINT", Value::UInt(u64::MAX))
            .kind("DECIMAL", Value::Decimal("-12.50".into()))
            .kind("DATE", Value::Date(Date(-719_162)))
            .kind("TIME", Value::Time(86_399_999_999))
            .kind("TIMESTAMP", Value::Timestamp(-1))
            .kind("TIMESTAMPTZ", Value::TimestampTz(1_700_000_000_000_000))
            .kind("UUID", Value::Uuid([7; 16]))
            .kind("JSON", Value::Json("{\"a\": [1]}".into())),
    }
}

fn number(connection: &mut dyn Connection) -> Option<u64> {
    connection.as_any_mut().downcast_ref::<FakeConnection>().map(FakeConnection::number)
}

fn plain(connector: Arc<dyn Connector>) -> Arc<dyn Connector> {
    connector
}

fn yielding(connector: Arc<dyn Connector>) -> Arc<dyn Connector> {
    Yielding::new(connector)
}

/// Tagged cells, an engine behind a wire.
mod by_default {
    use super::*;
    aquifer_testkit::conformance_suite!(|| target(&FakeOptions::new(), plain));
}

/// Typed cells, errors that fail transactions, `Begin` held back, batches that stop.
mod like_postgres {
    use super::*;
    aquifer_testkit::conformance_suite!(|| target(&FakeOptions::like_postgres(), plain));
}

/// Commands that end when they are abandoned.
mod like_sqlite {
    use super::*;
    aquifer_testkit::conformance_suite!(|| target(&FakeOptions::like_sqlite(), plain));
}

/// Pending wherever the contract allows it.
mod pending_everywhere {
    use super::*;
    aquifer_testkit::conformance_suite!(|| target(
        &FakeOptions::like_postgres().abandon(Abandon::Owes),
        yielding
    ));
}

/// Sessions that run statements of several callers.
mod shared {
    use super::*;
    aquifer_testkit::conformance_suite!(|| target(
        &FakeOptions::like_postgres().multiplexes(true),
        plain
    ));
}

/// The same, pending wherever the contract allows it.
mod shared_pending_everywhere {
    use super::*;
    aquifer_testkit::conformance_suite!(|| target(
        &FakeOptions::like_postgres().multiplexes(true),
        yielding
    ));
}
