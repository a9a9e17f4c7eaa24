//! [`Observed`]: a request from its arrival to the last byte of its answer, for the metrics.

use std::sync::Arc;
use std::time::Instant;

use crate::metrics::HttpSeries;
use crate::problem::{Problem, Situation};
use crate::service::Inner;

/// A request that is being counted. Dropped before [`end`](Self::end), its client has gone away.
#[derive(Debug)]
pub(crate) struct Observed {
    service: Arc<Inner>,
    pub(crate) series: HttpSeries,
    pub(crate) started: Instant,
    /// The request's id.
    pub(crate) id: String,
    ended: bool,
}

impl Observed {
    pub(crate) fn begin(
        service: &Arc<Inner>,
        id: String,
        method: &'static str,
        version: &'static str,
    ) -> Self {
        service.metrics.begin();
        Self {
            service: Arc::clone(service),
            series: HttpSeries { method, route: String::new(), status: 0, version },
            started: Instant::now(),
            id,
            ended: false,
        }
    }

    /// Tells the log of a problem, if it is one for the log.
    pub(crate) fn tell(&self, problem: &Problem, broken_off: bool) {
        self.service.options.log.problem(&self.id, problem, broken_off);
    }

    /// Who tells the log when the answer, rows of that query, is broken off by somebody else.
    pub(crate) fn teller(&self, query: &str) -> Teller {
        Teller { service: Arc::clone(&self.service), id: self.id.clone(), query: query.to_owned() }
    }

    /// The answer is complete.
    pub(crate) fn end(mut self) {
        self.ended = true;
        self.service.metrics.request(self.series.clone(), self.started.elapsed());
    }
}

/// Tells the log that an answer was broken off.
#[derive(Debug)]
pub(crate) struct Teller {
    service: Arc<Inner>,
    id: String,
    query: String,
}

impl Teller {
    pub(crate) fn broken_off(&self, situation: Situation) {
        let problem = Problem::new(situation).with_query(&self.query);
        self.service.options.log.problem(&self.id, &problem, true);
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if !self.ended {
            self.service.metrics.gone();
        }
    }
}
