//! [`Server`]: the listeners, their connections, and stopping in order.
//!
//! One loop per listener accepts; one task per connection serves. Stopping goes: probes say no, an
//! optional delay lets load balancers notice, listeners close, requests in flight finish within the
//! grace, what is left is cancelled in the database, the database is closed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::admin::Admin;
use crate::api::Api;
use crate::body::Body;
use crate::service::{Inner, Options, Service};
use crate::stall::Stall;

/// Connections of the admin listener: probes and a scraper or two.
const ADMIN_CONNECTIONS_MAX: usize = 64;
/// Bytes of a request's head: HTTP/1's buffer and HTTP/2's header list.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long the accept loop rests when the operating system is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often an idle HTTP/2 connection is asked for a sign of life, and how long it has to give it.
const H2_PING: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));
/// How long the database may take to close when all requests are over.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A service with its listeners bound, not yet accepting.
#[derive(Debug)]
pub struct Server {
    service: Service,
    api: TcpListener,
    admin: Option<TcpListener>,
}

/// How a server stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stopped {
    /// Connections that were still open when the grace was over; their statements were cancelled.
    pub cut_off: usize,
}

/// How the server is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stop {
    /// How long to go on serving after the probes have begun to say no.
    pub drain_delay: Duration,
}

/// What answers the requests of a listener.
trait Handler: Send + Sync + 'static {
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send;
}

impl Handler for Api {
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send {
        Api::answer(self, request)
    }
}

impl Handler for Admin {
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send {
        Admin::answer(self, request)
    }
}

impl Server {
    /// Puts a service and its listeners together. `admin` is where probes and metrics are; without it
    /// there are none.
    pub fn new(service: Service, api: TcpListener, admin: Option<TcpListener>) -> Self {
        Self { service, api, admin }
    }

    /// Where the API listens.
    ///
    /// # Errors
    ///
    /// If the operating system does not say.
    pub fn api_addr(&self) -> io::Result<SocketAddr> {
        self.api.local_addr()
    }

    /// Where probes and metrics are.
    ///
    /// # Errors
    ///
    /// If the operating system does not say.
    pub fn admin_addr(&self) -> io::Result<Option<SocketAddr>> {
        self.admin.as_ref().map(TcpListener::local_addr).transpose()
    }

    /// Serves until `stop` is ready, then stops in order and closes the database. Dropped, it stops at
    /// once: connections are closed, and their statements cancelled.
    pub async fn run(self, stop: impl Future<Output = Stop>) -> Stopped {
        let service = self.service.0;
        let (closing, closed) = watch::channel(false);
        let api = Arc::new(Api::new(Arc::clone(&service), is_loopback(&self.api)));
        let options = &service.options;
        let mut api = Listening::spawn(self.api, api, options.connections_max, options, &closed);
        let admin = self.admin.map(|listener| {
            // Probes must work while the API drains, so the admin listener has a switch of its own.
            let (switch, off) = watch::channel(false);
            let max = ADMIN_CONNECTIONS_MAX;
            let admin = Arc::new(Admin::new(Arc::clone(&service), is_loopback(&listener)));
            (Listening::spawn(listener, admin, max, options, &off), switch)
        });

        let stop = stop.await;
        service.drain();
        tokio::time::sleep(stop.drain_delay).await;
        // The receivers are gone only if the loops are, and then there is nothing to tell.
        let _ = closing.send(true);
        let cut_off = api.finish(options.grace, &service).await;
        if let Some((mut admin, switch)) = admin {
            let _ = switch.send(true);
            admin.finish(Duration::ZERO, &service).await;
        }
        // What is still out is cancelled by now, and is reported by nobody.
        let _ = service.db.close_within(CLOSE_TIMEOUT).await;
        Stopped { cut_off }
    }
}

/// Whether only this machine can reach a listener.
fn is_loopback(listener: &TcpListener) -> bool {
    listener.local_addr().is_ok_and(|addr| addr.ip().is_loopback())
}

/// A running accept loop; dropped, it takes its connections with it.
#[derive(Debug)]
struct Listening {
    /// One task, which owns the connections' tasks and gives them back when it stops accepting.
    tasks: JoinSet<JoinSet<()>>,
}

impl Listening {
    fn spawn<H: Handler>(
        listener: TcpListener,
        handler: Arc<H>,
        connections_max: usize,
        options: &Options,
        closed: &watch::Receiver<bool>,
    ) -> Self {
        let mut tasks = JoinSet::new();
        let (options, closed) = (options.clone(), closed.clone());
        tasks.spawn(accept(listener, handler, connections_max, options, closed));
        Self { tasks }
    }

    /// Waits for the connections to finish, for up to `grace`; cuts off the rest and says how many those
    /// were.
    async fn finish(&mut self, grace: Duration, service: &Inner) -> usize {
        let Some(Ok(mut connections)) = self.tasks.join_next().await else { return 0 };
        let finished = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, finished).await.is_ok() {
            return 0;
        }
        service.force();
        let cut_off = connections.len();
        connections.shutdown().await;
        cut_off
    }
}

async fn accept<H: Handler>(
    listener: TcpListener,
    handler: Arc<H>,
    connections_max: usize,
    options: Options,
    mut closed: watch::Receiver<bool>,
) -> JoinSet<()> {
    let mut connections = JoinSet::new();
    let permits = Arc::new(Semaphore::new(connections_max));
    let http = Arc::new(protocol(&options));
    loop {
        let accepted = tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = next(&listener, &permits) => accepted,
        };
        let Ok((stream, permit)) = accepted else {
            // Mostly out of descriptors: those that are open must close before it gets better.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (handler, http, options) = (Arc::clone(&handler), Arc::clone(&http), options.clone());
        let closed = closed.clone();
        connections.spawn(async move {
            connection(stream, handler, &http, &options, closed).await;
            drop(permit);
        });
    }
    connections
}

async fn next(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    // The permit comes first: beyond the bound, connections wait in the system's queue.
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

fn protocol(options: &Options) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.head_timeout)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_concurrent_streams(options.streams_max)
        .keep_alive_interval(H2_PING.0)
        .keep_alive_timeout(H2_PING.1);
    builder
}

/// What HEAD gets. Hyper drops the body on HTTP/1, but sends it on HTTP/2, where clients take it for an
/// error of the protocol.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Body::Whole(bytes) = &body {
        head.headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from(bytes.len()));
    }
    Response::from_parts(head, Body::Empty)
}

async fn connection<H: Handler>(
    stream: TcpStream,
    handler: Arc<H>,
    http: &auto::Builder<TokioExecutor>,
    options: &Options,
    mut closed: watch::Receiver<bool>,
) {
    let io = TokioIo::new(Stall::new(stream, options.head_timeout, options.write_timeout));
    let service = service_fn(move |request| {
        let handler = Arc::clone(&handler);
        async move {
            let is_head = request.method() == http::Method::HEAD;
            let response = handler.answer(request).await;
            Ok::<_, std::convert::Infallible>(if is_head {
                without_body(response)
            } else {
                response
            })
        }
    });
    let serving = http.serve_connection(io, service);
    tokio::pin!(serving);
    tokio::select! {
        // Errors are the peer's: it went away, or it does not speak HTTP.
        _ = serving.as_mut() => return,
        _ = closed.wait_for(|closed| *closed) => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}
