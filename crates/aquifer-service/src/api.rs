//! The API listener: from a request to the query that answers it, and from its result to an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, RETRY_AFTER, TRAILER,
    VARY,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::body::{Body, RowBody};
use crate::host::Hosts;
use crate::negotiate;
use crate::observed::Observed;
use crate::origin;
use crate::problem::{Problem, Situation};
use crate::query::Query;
use crate::request::{self, Input};
use crate::route::{Match, Method};
use crate::run::{self, Answer};
use crate::service::Inner;

/// Endpoints that the answer to an unknown path lists.
const ENDPOINTS_SHOWN: usize = 20;

const ACCEPT_QUERY: HeaderName = HeaderName::from_static("accept-query");
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const TRUNCATED: HeaderName = HeaderName::from_static("aquifer-truncated");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const JSON_QUOTED: HeaderValue = HeaderValue::from_static("\"application/json\"");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Answers the requests of one listener.
#[derive(Debug)]
pub(crate) struct Api {
    service: Arc<Inner>,
    /// Only this machine can reach the listener: the database's own words may be shown.
    loopback: bool,
    hosts: Hosts,
    ids: RequestIds,
}

/// An answer on its way, before the headers that every answer has.
struct Reply {
    response: Response<Body>,
    rows: Option<(Vec<u8>, Box<run::Feed>)>,
}

impl Reply {
    fn new(status: StatusCode, body: Body) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Self { response, rows: None }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.response.headers_mut().insert(name, value);
        self
    }
}

impl Api {
    pub(crate) fn new(service: Arc<Inner>, loopback: bool) -> Self {
        let hosts = Hosts::new(loopback, &service.options.allowed_hosts);
        Self { service, loopback, hosts, ids: RequestIds::new() }
    }

    /// Answers a request. Dropped, it cancels what it is doing in the database.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let id = negotiate::request_id(header(request.headers(), REQUEST_ID))
            .map_or_else(|| self.ids.next(), str::to_owned);
        let mut observed = Observed::begin(
            &self.service,
            id,
            method_label(request.method()),
            version_label(request.version()),
        );
        let reply = match self.reply(request, &mut observed).await {
            Ok(reply) => reply,
            Err(problem) => {
                observed.tell(&problem, false);
                self.problem(&problem, &observed.id)
            }
        };
        self.finish(reply, observed)
    }

    async fn reply(
        &self,
        request: Request<Incoming>,
        observed: &mut Observed,
    ) -> Result<Reply, Problem> {
        let (head, body) = request.into_parts();
        self.hosts.check(&head)?;
        let catalog = &self.service.catalog;
        if head.method == http::Method::OPTIONS && head.uri.path() == "*" {
            // RFC 9110, section 9.3.7: the service as a whole.
            return Ok(Reply::new(StatusCode::NO_CONTENT, Body::Empty)
                .with(ALLOW, allow(&catalog.router().allow())));
        }
        let Some(found) = catalog.router().find(head.uri.path()) else {
            let hint = endpoints(catalog.queries());
            return Err(Problem::new(Situation::UnknownPath).with_hint(hint));
        };
        if let Some(first) = found.first() {
            observed.series.route = catalog.queries()[first].route.path.to_string();
        }
        if head.method == http::Method::OPTIONS {
            let reply =
                Reply::new(StatusCode::NO_CONTENT, Body::Empty).with(ALLOW, allow(&found.allow()));
            return Ok(with_accept_query(reply, &found));
        }
        let is_head = head.method == http::Method::HEAD;
        let method = if is_head { Some(Method::Get) } else { Method::named(head.method.as_str()) };
        let Some((method, index)) = method.and_then(|method| Some((method, found.query(method)?)))
        else {
            let allow = found.allow();
            let mut problem = Problem::new(Situation::MethodNotAllowed)
                .with_hint(format!("this path takes {allow}"));
            problem.allow = Some(allow.into());
            return Err(problem);
        };
        let query = &catalog.queries()[index];
        if !query.route.method.is_safe() {
            origin::check(&head).map_err(|problem| problem.with_query(&query.name))?;
        }
        if !negotiate::accepts_json(header(&head.headers, ACCEPT)) {
            return Err(Problem::new(Situation::NotAcceptable).with_query(&query.name));
        }
        let body = if method.takes_body() {
            self.body(&head.headers, body, method)
                .await
                .map_err(|problem| problem.with_query(&query.name))?
        } else {
            None
        };
        let names = query.route.path.parameters();
        let path: Vec<(&str, &str)> = names.zip(found.values.iter().copied()).collect();
        // A body that is not there is an empty one: it is where parameters of this method belong.
        let body = method.takes_body().then(|| body.as_deref().unwrap_or_default());
        let input = Input { path: &path, query: head.uri.query(), body };
        let arguments = request::arguments(&query.parameters, &input)
            .map_err(|problem| problem.with_query(&query.name))?;
        let answer = run::run(&self.service, index, &arguments)
            .await
            .map_err(|problem| problem.with_method(query.route.method))?;
        let reply = self.success(answer, observed, is_head);
        Ok(if method == Method::Get { with_accept_query(reply, &found) } else { reply })
    }

    fn success(&self, answer: Answer, observed: &Observed, is_head: bool) -> Reply {
        let (mut reply, db, truncated) = match answer {
            Answer::Whole { body, truncated, db } => {
                let body = Body::Whole(Bytes::from(body));
                (Reply::new(StatusCode::OK, body), db, truncated)
            }
            Answer::Streamed { first, rest, db } => {
                let mut reply = Reply::new(StatusCode::OK, Body::Empty);
                if is_head {
                    // The rows are not wanted; their number is not known, so no length is either.
                    rest.forgo();
                } else {
                    if rest.is_limited() {
                        // HTTP/1.1 sends only trailers that the head has announced.
                        reply = reply.with(TRAILER, HeaderValue::from_static("aquifer-truncated"));
                    }
                    reply.rows = Some((first, rest));
                }
                (reply, db, false)
            }
        };
        reply = reply.with(CONTENT_TYPE, JSON);
        if truncated {
            reply = reply.with(TRUNCATED, HeaderValue::from_static("true"));
        }
        if self.loopback {
            let total = observed.started.elapsed();
            let timing = format!("db;dur={:.2}, total;dur={:.2}", ms(db), ms(total));
            if let Ok(timing) = HeaderValue::from_str(&timing) {
                reply = reply.with(SERVER_TIMING, timing);
            }
        }
        reply
    }

    /// Reads the body; `None` if there is none.
    async fn body(
        &self,
        headers: &HeaderMap,
        body: Incoming,
        method: Method,
    ) -> Result<Option<Bytes>, Problem> {
        let options = &self.service.options;
        let content_type = header(headers, CONTENT_TYPE);
        // QUERY's content is the question: it must say what it is. Other methods may have none.
        let needed = method == Method::Query || content_type.is_some() || !body.is_end_stream();
        if !needed {
            return Ok(None);
        }
        if !negotiate::is_identity(headers.get_all(CONTENT_ENCODING).iter()) {
            return Err(Problem::new(Situation::UnsupportedMediaType)
                .with_detail("the body is encoded; only `identity` is taken")
                .with_hint("send the body without `Content-Encoding`"));
        }
        if !content_type.is_some_and(negotiate::is_json) {
            return Err(Problem::new(Situation::UnsupportedMediaType)
                .with_hint("send `Content-Type: application/json`"));
        }
        let too_large = || {
            let max = options.body_bytes_max;
            Problem::new(Situation::BodyTooLarge).with_detail(format!("at most {max} bytes"))
        };
        if body.size_hint().lower() > options.body_bytes_max as u64 {
            return Err(too_large());
        }
        let collected = Limited::new(body, options.body_bytes_max).collect();
        match tokio::time::timeout(options.body_timeout, collected).await {
            Ok(Ok(collected)) => Ok(Some(collected.to_bytes())),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(_)) => Err(Problem::new(Situation::MalformedBody)
                .with_detail("the body ended before it was complete")),
            Err(_) => Err(Problem::new(Situation::BodyTimeout)),
        }
    }

    fn problem(&self, problem: &Problem, id: &str) -> Reply {
        let situation = problem.situation;
        let status =
            StatusCode::from_u16(situation.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = Body::Whole(Bytes::from(problem.to_json(id, self.loopback)));
        let mut reply = Reply::new(status, body)
            .with(CONTENT_TYPE, PROBLEM_JSON)
            .with(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = situation.retry_after_s() {
            reply = reply.with(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(error) = situation.proxy_status()
            && let Ok(value) = HeaderValue::from_str(&error)
        {
            reply = reply.with(PROXY_STATUS, value);
        }
        if let Some(allow) = &problem.allow
            && let Ok(value) = HeaderValue::from_str(allow)
        {
            reply = reply.with(ALLOW, value);
        }
        if situation == Situation::UnsupportedMediaType {
            reply = reply.with(ACCEPT_QUERY, JSON_QUOTED);
        }
        reply
    }

    /// Adds what every answer has, and counts the request when its body ends.
    fn finish(&self, reply: Reply, mut observed: Observed) -> Response<Body> {
        let Reply { mut response, rows } = reply;
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Accept"));
        if let Ok(id) = HeaderValue::from_str(&observed.id) {
            headers.insert(REQUEST_ID, id);
        }
        observed.series.status = response.status().as_u16();
        match rows {
            None => observed.end(),
            Some((first, rest)) => {
                let timeout = self.service.options.request_timeout;
                *response.body_mut() = Body::Rows(RowBody::new(first, rest, timeout, observed));
            }
        }
        response
    }
}

/// What there is instead of a path that there is not.
fn endpoints(queries: &[Query]) -> String {
    let mut routes: Vec<_> = queries.iter().map(|query| &query.route).collect();
    routes.sort_by_cached_key(|route| (route.path.to_string(), route.method));
    let shown: Vec<_> =
        routes.iter().take(ENDPOINTS_SHOWN).map(|route| route.to_string()).collect();
    let more = match routes.len().saturating_sub(ENDPOINTS_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("there are {}{more}", shown.join(", "))
}

fn with_accept_query(reply: Reply, found: &Match<'_>) -> Reply {
    if found.accepts_query() { reply.with(ACCEPT_QUERY, JSON_QUOTED) } else { reply }
}

fn allow(methods: &str) -> HeaderValue {
    HeaderValue::from_str(methods).unwrap_or(HeaderValue::from_static("OPTIONS"))
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

/// Methods as metrics name them: what a client makes up is `_OTHER`.
pub(crate) fn method_label(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        name => Method::named(name).map_or("_OTHER", Method::as_str),
    }
}

fn version_label(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

/// Makes request ids: the start of the process and a number.
#[derive(Debug)]
struct RequestIds {
    start_ms: u64,
    next: AtomicU64,
}

impl RequestIds {
    fn new() -> Self {
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start_ms: start.as_millis() as u64, next: AtomicU64::new(1) }
    }

    fn next(&self) -> String {
        format!("{:x}-{:x}", self.start_ms, self.next.fetch_add(1, Ordering::Relaxed))
    }
}
