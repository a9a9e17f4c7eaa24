//! The admin listener: probes and metrics. It shows nothing of the data, and changes nothing.

use std::sync::Arc;
use std::time::Duration;

use aquifer::ErrorKind;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::body::Body;
use crate::health::{self, Check};
use crate::prometheus;
use crate::service::{Inner, Service};

/// How long a probe waits for the database.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Answers the requests of the admin listener.
#[derive(Debug)]
pub(crate) struct Admin {
    service: Arc<Inner>,
}

impl Admin {
    pub(crate) fn new(service: Arc<Inner>) -> Self {
        Self { service }
    }

    /// Answers a request.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response =
                text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let path = request.uri().path();
        let query = request.uri().query();
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
                None => return not_found(),
            },
        };
        let status =
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        text(status, answer.text)
    }

    async fn readiness(&self) -> Vec<Check> {
        let service = &self.service;
        // Where readers and writer are apart, a reader: a long write is no reason to be out of service.
        let database = match service.db.read_only().timeout(PING_TIMEOUT).ping().await {
            Ok(()) => true,
            // A busy pool is no reason to send the traffic elsewhere and make the others busier.
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
