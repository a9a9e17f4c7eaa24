//! [`Observed`]: a request from its arrival to the last byte of its answer, for the metrics.

use std::sync::Arc;
use std::time::Instant;

use crate::metrics::HttpSeries;
use crate::service::Inner;

/// A request that is being counted. Dropped before [`end`](Self::end), its client has gone away.
#[derive(Debug)]
pub(crate) struct Observed {
    service: Arc<Inner>,
    pub(crate) series: HttpSeries,
    pub(crate) started: Instant,
    ended: bool,
}

impl Observed {
    pub(crate) fn begin(service: &Arc<Inner>, method: &'static str, version: &'static str) -> Self {
        service.metrics.begin();
        Self {
            service: Arc::clone(service),
            series: HttpSeries { method, route: String::new(), status: 0, version },
            started: Instant::now(),
            ended: false,
        }
    }

    /// The answer is complete.
    pub(crate) fn end(mut self) {
        self.ended = true;
        self.service.metrics.request(self.series.clone(), self.started.elapsed());
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if !self.ended {
            self.service.metrics.gone();
        }
    }
}
