//! The rules of the driver contract, over files: with the default budget, with one so small that every
//! query moves to the worker, and with none at all.

mod support;

use aquifer_driver::{Date, Interval, Value};
use aquifer_sqlite::SqliteConnection;
use aquifer_testkit::conformance::{Database, Target};

use support::{Dir, connector};

const SERIES: &str = "WITH RECURSIVE series(n) AS \
    (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < ?1) SELECT n FROM series WHERE n <= ?1";

const LONG: &str = "WITH RECURSIVE series(n) AS \
    (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 100000000000) SELECT sum(n) FROM series";

fn target(query: &'static str) -> Target {
    Target::new(SERIES, move || {
        let dir = Dir::new();
        let connector = connector(&dir.url("conformance.db", query));
        Database { connector, guard: Some(Box::new(dir)) }
    })
    .long_statement(LONG)
    .session("CREATE TEMP TABLE mine AS SELECT 1", "SELECT count(*) FROM temp.sqlite_schema")
    .statements_max(8)
    .statements_on_server(|connection| {
        let connection = connection.as_any_mut().downcast_mut::<SqliteConnection>();
        let count = connection.and_then(|connection| connection.statement_count());
        let count = count.map_or(u64::MAX, |count| count as u64);
        Box::pin(std::future::ready(Ok(count)))
    })
    .batch_bytes_max(128 * 1024)
    .refuses(Value::Array(vec![1.into()]))
    .refuses(Value::UInt(u64::MAX))
    .refuses(Value::Float(f64::NAN))
    .kind_as("BOOLEAN", Value::Bool(true), Value::Int(1))
    .kind_as("TEXT", Value::Decimal("-12.50".into()), Value::Text("-12.50".into()))
    .kind_as("TEXT", Value::Date(Date(-719_162)), Value::Text("0001-01-01".into()))
    .kind_as("TEXT", Value::Time(86_399_999_999), Value::Text("23:59:59.999999".into()))
    .kind_as("TEXT", Value::Timestamp(-1), Value::Text("1969-12-31 23:59:59.999999".into()))
    .kind_as("TEXT", Value::TimestampTz(0), Value::Text("1970-01-01 00:00:00+00:00".into()))
    .kind_as(
        "TEXT",
        Value::Interval(Interval { months: 14, days: 3, micros: 1_500_000 }),
        Value::Text("P1Y2M3DT1.500S".into()),
    )
    .kind_as("BLOB", Value::Uuid([7; 16]), Value::Bytes(vec![7; 16]))
    .kind_as("TEXT", Value::Json("{\"a\": [1]}".into()), Value::Text("{\"a\": [1]}".into()))
}

mod inline {
    use super::*;
    aquifer_testkit::conformance_suite!(|| target("statement_cache=8"));
}

mod tiny_budget {
    use super::*;
    aquifer_testkit::conformance_suite!(|| target("statement_cache=8&inline_budget=1"));
}

mod worker {
    use super::*;
    aquifer_testkit::conformance_suite!(|| target("statement_cache=8&inline_budget=off"));
}

mod rollback_journal {
    use super::*;
    aquifer_testkit::conformance_suite!(|| target(
        "statement_cache=8&journal_mode=delete&busy_timeout=100ms"
    ));
}
