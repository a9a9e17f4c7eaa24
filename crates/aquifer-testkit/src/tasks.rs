//! Counting tasks: what a piece of work has spawned and left behind.

use tokio::runtime::{Handle, RuntimeMetrics};

/// A watch over the number of live tasks of the current runtime.
///
/// The count is the runtime's own, so a test that counts has a runtime to itself (`#[tokio::test]` gives
/// it one).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use aquifer_testkit::TaskWatch;
///
/// let watch = TaskWatch::start();
/// let task = tokio::spawn(std::future::ready(()));
/// assert_eq!(watch.added(), 1);
/// task.await.unwrap();
/// assert_eq!(watch.settle(100).await, 0);
/// # }
/// ```
#[derive(Debug)]
pub struct TaskWatch {
    metrics: RuntimeMetrics,
    before: usize,
}

impl TaskWatch {
    /// Starts to watch the current runtime.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start() -> Self {
        let metrics = Handle::current().metrics();
        let before = metrics.num_alive_tasks();
        Self { metrics, before }
    }

    /// How many more tasks live now than at the start.
    pub fn added(&self) -> usize {
        self.metrics.num_alive_tasks().saturating_sub(self.before)
    }

    /// Yields until no more tasks live than at the start, at most `yields_max` times. Returns how many are
    /// left over: 0 is right for work that leaves nothing behind.
    pub async fn settle(&self, yields_max: usize) -> usize {
        for _ in 0..yields_max {
            if self.added() == 0 {
                return 0;
            }
            tokio::task::yield_now().await;
        }
        self.added()
    }
}
