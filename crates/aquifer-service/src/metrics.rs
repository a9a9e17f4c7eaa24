//! [`Metrics`]: what the service counts, and the page that shows it.
//!
//! Every label takes its values from a closed list (routes, methods, query names, outcomes), so the
//! number of series is bounded by the catalogue.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aquifer::{Histogram, Stats};

use crate::process;
use crate::prometheus::{Text, Type};

/// OpenTelemetry's advisory bounds for `http.server.request.duration`, in seconds.
const HTTP_BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// OpenTelemetry's advisory bounds for `db.client.operation.duration`, in seconds.
const OPERATION_BOUNDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];
/// The same for the pool's times, which are mostly shorter than a millisecond.
const POOL_BOUNDS: [f64; 10] = [0.000_01, 0.000_1, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// How an execution of a query ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Ok,
    NoRow,
    Error,
    Timeout,
    Cancelled,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NoRow => "no_row",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a statement was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// The client hung up.
    Client,
    /// The request's deadline passed.
    Deadline,
    /// The service stopped and its grace was over.
    Shutdown,
}

impl Cancelled {
    const ALL: [Self; 3] = [Self::Client, Self::Deadline, Self::Shutdown];

    fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Deadline => "deadline",
            Self::Shutdown => "shutdown",
        }
    }
}

/// One finished request, as metrics see it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HttpSeries {
    pub(crate) method: &'static str,
    /// The route's template; empty where no route matched.
    pub(crate) route: String,
    pub(crate) status: u16,
    /// `1.1`, `2`.
    pub(crate) version: &'static str,
}

#[derive(Debug, Clone)]
struct Buckets<const N: usize> {
    /// Observations per bound, not cumulative.
    counts: [u64; N],
    count: u64,
    sum_s: f64,
}

impl<const N: usize> Default for Buckets<N> {
    fn default() -> Self {
        Self { counts: [0; N], count: 0, sum_s: 0.0 }
    }
}

impl<const N: usize> Buckets<N> {
    fn record(&mut self, bounds: &[f64; N], elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        if let Some(index) = bounds.iter().position(|bound| seconds <= *bound) {
            self.counts[index] += 1;
        }
        self.count += 1;
        self.sum_s += seconds;
    }

    fn cumulative(&self, bounds: &[f64; N]) -> impl Iterator<Item = (f64, u64)> {
        let mut total = 0;
        bounds.iter().zip(self.counts).map(move |(bound, count)| {
            total += count;
            (*bound, total)
        })
    }
}

#[derive(Debug, Default)]
struct Inner {
    http: BTreeMap<HttpSeries, Buckets<14>>,
    /// By query and error kind; the kind is empty for success.
    operations: BTreeMap<(usize, &'static str), Buckets<9>>,
    executions: BTreeMap<(usize, Outcome), u64>,
    rows: BTreeMap<usize, u64>,
    cancelled: [u64; 3],
    active_requests: i64,
}

/// What the service counts.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    inner: Mutex<Inner>,
}

/// What the page says besides the counts.
#[derive(Debug)]
pub(crate) struct Labels<'a> {
    pub(crate) datasource: &'a str,
    /// `sqlite`, as OpenTelemetry spells it.
    pub(crate) system: &'a str,
    /// Query names by index.
    pub(crate) queries: &'a [String],
}

impl Metrics {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Counting does not panic; if it did, the counts so far are still right.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has begun; [`request`](Self::request) or [`gone`](Self::gone) ends it.
    pub(crate) fn begin(&self) {
        self.lock().active_requests += 1;
    }

    /// A request has been answered.
    pub(crate) fn request(&self, series: HttpSeries, elapsed: Duration) {
        let mut inner = self.lock();
        inner.active_requests -= 1;
        inner.http.entry(series).or_default().record(&HTTP_BOUNDS, elapsed);
    }

    /// A request will not be answered.
    pub(crate) fn gone(&self) {
        self.lock().active_requests -= 1;
    }

    /// A query has run to its end; `error` is the error kind's name, empty for none.
    pub(crate) fn execution(
        &self,
        query: usize,
        outcome: Outcome,
        error: &'static str,
        rows: u64,
        elapsed: Duration,
    ) {
        let mut inner = self.lock();
        *inner.executions.entry((query, outcome)).or_default() += 1;
        *inner.rows.entry(query).or_default() += rows;
        inner.operations.entry((query, error)).or_default().record(&OPERATION_BOUNDS, elapsed);
    }

    /// A statement was stopped before its end.
    pub(crate) fn cancelled(&self, why: Cancelled) {
        self.lock().cancelled[why as usize] += 1;
    }

    /// The page in Prometheus's text format.
    pub(crate) fn page(&self, labels: &Labels<'_>, stats: &Stats) -> String {
        let mut text = Text::default();
        text.single(
            "aquifer_build_info",
            Type::Gauge,
            "The running version.",
            &[("version", env!("CARGO_PKG_VERSION"))],
            1,
        );
        self.http(&mut text);
        self.queries(&mut text, labels);
        pool(&mut text, labels, stats);
        go_sql(&mut text, labels.datasource, stats);
        process::write(&mut text);
        text.finish()
    }

    fn http(&self, text: &mut Text) {
        const NAME: &str = "http_server_request_duration_seconds";
        let inner = self.lock();
        text.family(NAME, Type::Histogram, "Duration of HTTP server requests.");
        for (series, buckets) in &inner.http {
            let status = series.status.to_string();
            let error_type = if series.status >= 500 { status.as_str() } else { "" };
            let mut labels = vec![
                ("http_request_method", series.method),
                ("http_response_status_code", &*status),
                ("url_scheme", "http"),
                ("network_protocol_version", series.version),
            ];
            if !series.route.is_empty() {
                labels.push(("http_route", &series.route));
            }
            if !error_type.is_empty() {
                labels.push(("error_type", error_type));
            }
            let cumulative = buckets.cumulative(&HTTP_BOUNDS);
            text.histogram(NAME, &labels, cumulative, buckets.sum_s, buckets.count);
        }
        text.single(
            "http_server_active_requests",
            Type::Gauge,
            "Number of active HTTP server requests.",
            &[],
            inner.active_requests,
        );
        text.family(
            "aquifer_cancelled_total",
            Type::Counter,
            "Statements that were cancelled before their end.",
        );
        for why in Cancelled::ALL {
            let count = inner.cancelled[why as usize];
            text.sample("aquifer_cancelled_total", &[("reason", why.as_str())], count);
        }
    }

    fn queries(&self, text: &mut Text, labels: &Labels<'_>) {
        let inner = self.lock();
        let name = |query: usize| labels.queries.get(query).map_or("_other", String::as_str);
        const EXECUTIONS: &str = "aquifer_query_executions_total";
        text.family(EXECUTIONS, Type::Counter, "Executions of named queries.");
        for ((query, outcome), count) in &inner.executions {
            let labels = [
                ("query", name(*query)),
                ("datasource", labels.datasource),
                ("outcome", outcome.as_str()),
            ];
            text.sample(EXECUTIONS, &labels, count);
        }
        const ROWS: &str = "aquifer_query_rows_total";
        text.family(ROWS, Type::Counter, "Rows that named queries returned.");
        for (query, rows) in &inner.rows {
            let labels = [("query", name(*query)), ("datasource", labels.datasource)];
            text.sample(ROWS, &labels, rows);
        }
        const OPERATIONS: &str = "db_client_operation_duration_seconds";
        text.family(OPERATIONS, Type::Histogram, "Duration of database client operations.");
        for ((query, error), buckets) in &inner.operations {
            let mut labels =
                vec![("db_system_name", labels.system), ("db_query_summary", name(*query))];
            if !error.is_empty() {
                labels.push(("error_type", error));
            }
            let cumulative = buckets.cumulative(&OPERATION_BOUNDS);
            text.histogram(OPERATIONS, &labels, cumulative, buckets.sum_s, buckets.count);
        }
    }
}

/// OpenTelemetry's connection metrics, per pool: `demo/readers`, `demo/writer`.
fn pool(text: &mut Text, labels: &Labels<'_>, stats: &Stats) {
    const NAME: &str = "db_client_connection_pool_name";
    let names: Vec<String> =
        stats.pools.iter().map(|(pool, _)| format!("{}/{pool}", labels.datasource)).collect();
    let pools = || names.iter().map(String::as_str).zip(stats.pools.iter().map(|(_, stats)| stats));

    text.family(
        "db_client_connection_count",
        Type::Gauge,
        "Connections that are currently in the state described by the state attribute.",
    );
    for (name, stats) in pools() {
        for (state, count) in [("idle", stats.idle), ("used", stats.in_use)] {
            let labels = [(NAME, name), ("db_client_connection_state", state)];
            text.sample("db_client_connection_count", &labels, count);
        }
    }
    text.family(
        "db_client_connection_max",
        Type::Gauge,
        "The maximum number of open connections allowed.",
    );
    for (name, stats) in pools() {
        text.sample("db_client_connection_max", &[(NAME, name)], stats.max_open_connections);
    }
    text.family(
        "db_client_connection_idle_max",
        Type::Gauge,
        "The maximum number of idle open connections allowed.",
    );
    for (name, stats) in pools() {
        text.sample("db_client_connection_idle_max", &[(NAME, name)], stats.limit_idle);
    }
    text.family(
        "db_client_connection_idle_min",
        Type::Gauge,
        "The minimum number of idle open connections allowed.",
    );
    for (name, stats) in pools() {
        text.sample("db_client_connection_idle_min", &[(NAME, name)], stats.min_idle);
    }
    text.family(
        "db_client_connection_pending_requests",
        Type::Gauge,
        "Current pending requests for an open connection.",
    );
    for (name, stats) in pools() {
        text.sample("db_client_connection_pending_requests", &[(NAME, name)], stats.waiters);
    }
    text.family(
        "db_client_connection_timeouts_total",
        Type::Counter,
        "Connection timeouts that have occurred trying to obtain a connection from the pool.",
    );
    for (name, stats) in pools() {
        let count = stats.timeouts_total();
        text.sample("db_client_connection_timeouts_total", &[(NAME, name)], count);
    }
    let mut times = |name, help, of: &dyn Fn(usize) -> Histogram| {
        text.family(name, Type::Histogram, help);
        for (index, pool) in names.iter().enumerate() {
            let times = of(index);
            let cumulative = POOL_BOUNDS
                .iter()
                .map(|bound| (*bound, times.count_up_to(Duration::from_secs_f64(*bound))));
            let sum = times.sum().as_secs_f64();
            text.histogram(name, &[(NAME, pool)], cumulative, sum, times.count());
        }
    };
    times(
        "db_client_connection_create_time_seconds",
        "The time it took to create a new connection.",
        &|index| stats.pools[index].1.connect.clone(),
    );
    times(
        "db_client_connection_wait_time_seconds",
        "The time it took to obtain an open connection from the pool.",
        &|index| stats.pools[index].1.wait.clone(),
    );
    times(
        "db_client_connection_use_time_seconds",
        "The time between borrowing a connection and returning it to the pool.",
        &|index| stats.pools[index].1.hold.clone(),
    );
}

/// The names that Go's `collectors.NewDBStatsCollector` gives a `sql.DB`.
fn go_sql(text: &mut Text, datasource: &str, stats: &Stats) {
    let labels = [("db_name", datasource)];
    for (name, help, value) in [
        (
            "go_sql_max_open_connections",
            "Maximum number of open connections to the database.",
            stats.max_open_connections,
        ),
        (
            "go_sql_open_connections",
            "The number of established connections both in use and idle.",
            stats.open_connections,
        ),
        ("go_sql_in_use_connections", "The number of connections currently in use.", stats.in_use),
        ("go_sql_idle_connections", "The number of idle connections.", stats.idle),
    ] {
        text.single(name, Type::Gauge, help, &labels, value);
    }
    text.single(
        "go_sql_wait_count_total",
        Type::Counter,
        "The total number of connections waited for.",
        &labels,
        stats.wait_count,
    );
    text.single(
        "go_sql_wait_duration_seconds_total",
        Type::Counter,
        "The total time blocked waiting for a new connection.",
        &labels,
        stats.wait_duration.as_secs_f64(),
    );
    for (name, help, value) in [
        (
            "go_sql_max_idle_closed_total",
            "The total number of connections closed due to SetMaxIdleConns.",
            stats.max_idle_closed,
        ),
        (
            "go_sql_max_idle_time_closed_total",
            "The total number of connections closed due to SetConnMaxIdleTime.",
            stats.max_idle_time_closed,
        ),
        (
            "go_sql_max_lifetime_closed_total",
            "The total number of connections closed due to SetConnMaxLifetime.",
            stats.max_lifetime_closed,
        ),
    ] {
        text.single(name, Type::Counter, help, &labels, value);
    }
}
