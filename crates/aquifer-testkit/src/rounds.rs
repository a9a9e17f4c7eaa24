//! Counting what a connection was asked for: flights, prepared statements, cache hits.

use aquifer_driver::{Connection, Counters};

/// What a connection has done since some moment.
///
/// ```
/// # aquifer_testkit::block_on(async {
/// use aquifer_driver::{Access, Connector};
/// use aquifer_testkit::{Meter, client, fake::FakeServer};
///
/// let mut connection = FakeServer::new().connector().connect(Access::ReadWrite).await.unwrap();
/// let meter = Meter::start(&*connection);
/// client::execute(&mut *connection, "SELECT 1", &()).await.unwrap();
/// client::execute(&mut *connection, "SELECT 1", &()).await.unwrap();
/// let spent = meter.spent(&*connection);
/// assert_eq!((spent.rounds, spent.prepared, spent.cache_hits), (2, 1, 1));
/// # });
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Meter(Counters);

impl Meter {
    /// Starts to count.
    pub fn start(connection: &dyn Connection) -> Self {
        Self(connection.counters())
    }

    /// What was counted since the start; `cached` is what the cache holds now.
    pub fn spent(&self, connection: &dyn Connection) -> Counters {
        let mut spent = connection.counters();
        spent.rounds -= self.0.rounds;
        spent.syncs -= self.0.syncs;
        spent.prepared -= self.0.prepared;
        spent.cache_hits -= self.0.cache_hits;
        spent.evicted -= self.0.evicted;
        spent
    }
}
