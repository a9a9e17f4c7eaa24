//! The admin listener: probes and metrics. It shows nothing of the data, and changes nothing.

use std::sync::Arc;
use std::time::Duration;

use aquifer::{ErrorKind, Stats};
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::body::Body;
use crate::health::{self, Check};
use crate::host::Hosts;
use crate::problem::Problem;
use crate::prometheus;
use crate::service::{Inner, Service};

/// How long a probe waits for the database.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Answers the requests of the admin listener.
#[derive(Debug)]
pub(crate) struct Admin {
    service: Arc<Inner>,
    hosts: Hosts,
}

impl Admin {
    pub(crate) fn new(service: Arc<Inner>, is_loopback: bool) -> Self {
        let hosts = Hosts::new(is_loopback, &service.options.allowed_hosts);
        Self { service, hosts }
    }

    /// Answers a request.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<Body> {
        let (head, _) = request.into_parts();
        if let Err(problem) = self.hosts.check(&head) {
            return refused(&problem);
        }
        let allow = HeaderValue::from_static("GET, HEAD, OPTIONS");
        match head.method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => {
                let mut response = Response::new(Body::Empty);
                *response.status_mut() = StatusCode::NO_CONTENT;
                response.headers_mut().insert(ALLOW, allow);
                return response;
            }
            _ => {
                let mut response =
                    text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
                response.headers_mut().insert(ALLOW, allow);
                return response;
            }
        }
        let path = head.uri.path();
        let query = head.uri.query();
        if path == "/metrics" {
            let page = Service(Arc::clone(&self.service)).metrics();
            let mut response = text(StatusCode::OK, page);
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(prometheus::CONTENT_TYPE));
            return response;
        }
        let Some((probe, single)) = path.strip_prefix('/').map(|path| {
            path.split_once('/').map_or((path, None), |(probe, check)| (probe, Some(check)))
        }) else {
            return not_found();
        };
        let checks = match probe {
            // The process answers: that is all liveness means. It never touches a database.
            "livez" => vec![Check { name: "ping".to_owned(), passed: true }],
            // The listeners are up only after every query has been checked.
            "startupz" => vec![Check { name: "queries".to_owned(), passed: true }],
            "readyz" => self.readiness().await,
            _ => return not_found(),
        };
        let answer = match single {
            None => health::answer(probe, &checks, query),
            Some(name) => match health::single(name, &checks) {
                Some(answer) => answer,
                None => return text(StatusCode::NOT_FOUND, no_check(name, &checks)),
            },
        };
        let status =
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        text(status, answer.text)
    }

    async fn readiness(&self) -> Vec<Check> {
        let service = &self.service;
        // A busy pool is no reason to send the traffic elsewhere and make the others busier. Nor is it asked:
        // waiting in vain would count as a timeout, as if a request had waited.
        let busy = is_busy(&service.db.stats());
        // Where readers and writer are apart, a reader: a long write is no reason to be out of service.
        let database = busy
            || match service.db.read_only().timeout(PING_TIMEOUT).ping().await {
                Ok(()) => true,
                Err(error) => matches!(
                    error.kind(),
                    ErrorKind::PoolTimeout | ErrorKind::PoolFull | ErrorKind::Timeout
                ),
            };
        vec![
            Check { name: "queries".to_owned(), passed: true },
            Check { name: service.datasource.clone(), passed: database },
            Check { name: "shutdown".to_owned(), passed: !service.is_draining() },
        ]
    }
}

/// Whether all connections that a probe could be lent are out.
fn is_busy(stats: &Stats) -> bool {
    let readers = stats.pools.iter().find(|(name, _)| &**name == "readers");
    let pool = readers.or(stats.pools.first()).map(|(_, pool)| pool);
    pool.is_some_and(|pool| {
        pool.max_open_connections > 0 && pool.in_use >= pool.max_open_connections
    })
}

/// This listener speaks plain text, as probes expect.
fn refused(problem: &Problem) -> Response<Body> {
    let status =
        StatusCode::from_u16(problem.situation.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let parts = [problem.detail.as_deref(), problem.hint.as_deref()];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    text(status, format!("{}\n", parts.join("; ")))
}

fn no_check(name: &str, checks: &[Check]) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    let names: Vec<_> = checks.iter().map(|check| check.name.as_str()).collect();
    format!("there is no check \"{name}\"; there are {}\n", names.join(", "))
}

fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "try /livez, /readyz, /startupz or /metrics\n".to_owned())
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
