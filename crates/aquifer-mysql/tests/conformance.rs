//! The rules of the driver contract, against a real server.

mod support;

use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{Command, Connector, Date, Interval, RowBatch, Step, Value};
use aquifer_testkit::conformance::{Database, Target};

use support::{RUNTIME, SERVER, connector};

fn target(query: &'static str) -> Target {
    // MariaDB's own engine of sequences.
    let series = "SELECT seq AS n FROM seq_1_to_1000000 WHERE seq <= ?";
    Target::new(series, move || {
        let database = SERVER.fresh_database().unwrap();
        let url = format!("{}?{query}", database.url());
        let connector: Arc<dyn Connector> = Arc::new(connector(&url));
        Database { connector, guard: Some(Box::new(database)) }
    })
    .run_with(|check| {
        let limit = Duration::from_secs(60);
        RUNTIME.block_on(async { tokio::time::timeout(limit, check).await.is_ok() })
    })
    .types("BIGINT", "DOUBLE", "LONGTEXT", "LONGBLOB")
    .auto_key("BIGINT AUTO_INCREMENT PRIMARY KEY")
    .session("SET @@session.sort_buffer_size = 65536", "SELECT @@session.sort_buffer_size")
    .long_statement(
        "SELECT count(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b WHERE a.seq + b.seq < 0",
    )
    // A column's own CHECK cannot be named in MariaDB; tests/queries.rs has one of a table.
    .checks(false)
    .transactional_ddl(false)
    .read_only_access(false)
    .batch_bytes_max(400 * 1024)
    .statements_max(8)
    .kind_as("BOOLEAN", Value::Bool(true), Value::Int(1))
    .kind("BIGINT UNSIGNED", Value::UInt(u64::MAX))
    .kind("DECIMAL(20,2)", Value::Decimal("-12.50".into()))
    .kind("DATE", Value::Date(Date(-354_285)))
    .kind("TIME(6)", Value::Time(86_399_999_999))
    .kind("TIME(6)", Value::Time(-3_020_399_000_001))
    .kind("DATETIME(6)", Value::Timestamp(-1))
    .kind("TIMESTAMP(6) NULL", Value::TimestampTz(1_000_001))
    .kind_as(
        "TIME(6)",
        Value::Interval(Interval { months: 0, days: 3, micros: 1_500_000 }),
        Value::Time(259_201_500_000),
    )
    .kind("UUID", Value::Uuid([7; 16]))
    .kind_as("BINARY(16)", Value::Uuid([7; 16]), Value::Bytes(vec![7; 16]))
    .kind("JSON", Value::Json("{\"a\": [1]}".into()))
    .kind_as("FLOAT", Value::Float(1.5), Value::Float(1.5))
    .refuses(Value::Float(f64::NAN))
    .refuses(Value::Float(f64::INFINITY))
    .refuses(Value::Float(f64::NEG_INFINITY))
    .refuses(Value::Array(vec![1.into()]))
    // By the server's own books, without a statement that would count itself.
    .statements_on_server(|connection| {
        Box::pin(async move {
            let sql = "SELECT count(*) FROM performance_schema.prepared_statements_instances i \
                       JOIN performance_schema.threads t ON t.thread_id = i.owner_thread_id \
                       WHERE t.processlist_id = CONNECTION_ID()";
            connection.start(Command::Script { sql })?;
            let (mut batch, mut count) = (RowBatch::new(), 0);
            loop {
                let step = std::future::poll_fn(|cx| connection.poll_next(cx, &mut batch)).await?;
                if let Some(row) = batch.row(0) {
                    count = row.get::<u64>(0)?;
                }
                if matches!(step, Step::End(_)) {
                    return Ok(count);
                }
            }
        })
    })
}

aquifer_testkit::conformance_suite!(|| target("statement_cache_capacity=8"));
