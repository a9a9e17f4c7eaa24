//! [`Incident`]: a failure that is the service's or the database's fault, for whoever runs the service.

use std::fmt;
use std::sync::Arc;

use crate::problem::Problem;

/// A request that failed with a status of 500 or more, or whose answer the service broke off.
///
/// It never holds a parameter, nor the engine's detail line, which may quote data.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Incident<'a> {
    /// The request's id, as its answer has it.
    pub request_id: &'a str,
    /// The named query, where one was found.
    pub query: Option<&'a str>,
    /// The problem's code.
    pub code: &'static str,
    /// The problem's title.
    pub title: &'static str,
    /// The database's message and code.
    pub error: Option<&'a str>,
    /// The answer had begun, and was broken off.
    pub broken_off: bool,
}

/// Who is told of incidents; by default nobody.
#[derive(Clone, Default)]
pub struct Log(Option<Arc<Tell>>);

type Tell = dyn Fn(&Incident<'_>) + Send + Sync;

impl Log {
    /// Calls `tell` for each incident, on the task that met it: it must not block.
    pub fn to(tell: impl Fn(&Incident<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn problem(&self, request_id: &str, problem: &Problem, broken_off: bool) {
        let Some(tell) = &self.0 else { return };
        if problem.situation.status() >= 500 || broken_off {
            tell(&Incident {
                request_id,
                query: problem.query.as_deref(),
                code: problem.situation.code(),
                title: problem.situation.title(),
                error: problem.engine_message().as_deref(),
                broken_off,
            });
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Log").field(&self.0.is_some()).finish()
    }
}
