//! [`Listener`]: a connection that listens, and the next one when it is lost.

use std::collections::BTreeSet;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use aquifer_driver::{
    BoxFuture, Command, Connection, Dsn, Error, ErrorKind, ProcessEnvironment, Result, Retry,
    RowBatch, Status, Step,
};
use futures_core::Stream;
use tokio::time::{Instant, Sleep};

use super::queue::Queue;
use super::schedule::Schedule;
use super::{Event, ListenOptions, channel};
use crate::config::Pooler;
use crate::connection::PostgresConnection;
use crate::connector::PostgresConnector;
use crate::pooler;
use crate::server_error::Notice;
use crate::session_observer::{Notification, SessionObserver};

/// How often one call reads on before it gives what it has, where reading on drops what is too much.
const READS_MAX: usize = 64;

/// Listens to channels, over a connection of its own that is made again whenever it is lost.
///
/// There is no task behind it: [`recv`](Self::recv) dials, reads, asks the server for a sign of life and
/// waits, so call it again and again, in a task of its own if need be. Any of its futures may be dropped at
/// any time; nothing is lost by that. While nobody calls, nothing is read, and the server waits (see
/// [`Overflow`](super::Overflow)).
///
/// The connection comes from the connector and counts in no pool. A connector with a
/// [`before_connect`](PostgresConnector::before_connect) hook has it called for each connection, so passwords
/// may expire. Behind a pooler in transaction mode LISTEN does not work: go to the server itself.
///
/// ```no_run
/// # async fn f() -> aquifer_driver::Result<()> {
/// use aquifer_postgres::{Event, Listener};
///
/// let mut listener = Listener::connect("postgres://app@db1/shop").await?;
/// listener.listen("orders").await?;
/// while let Some(event) = listener.recv().await {
///     match event {
///         Event::Notification(order) => println!("{}: {}", order.channel, order.payload),
///         Event::Missed(_) => println!("read all orders anew"),
///         other => println!("{other:?}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Listener {
    connector: Arc<PostgresConnector>,
    shared: Arc<Shared>,
    channels: BTreeSet<String>,
    connect_within: Duration,
    answer_within: Duration,
    schedule: Schedule,
    /// Times are counted from here.
    started: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    link: Link,
    /// A connection has stood before.
    stood: bool,
    /// Why the server refused the last command.
    refused: Option<Error>,
    batch: RowBatch,
}

enum Link {
    Down,
    Dialling(BoxFuture<'static, Result<PostgresConnection>>),
    Open {
        connection: Box<PostgresConnection>,
        /// A command is under way.
        asked: bool,
        /// It listens to all channels.
        stands: bool,
    },
}

/// How a command of the caller's has ended.
enum Answer {
    Yes,
    No(Error),
    /// There is no connection, or none any more.
    Nobody,
}

/// What the listener shares with its connection's observer and its closers.
struct Shared {
    state: Mutex<State>,
}

struct State {
    queue: Queue,
    closed: bool,
    waker: Option<Waker>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears the listener's connection.
struct Ears {
    shared: Arc<Shared>,
    /// Who hears all sessions of the connector.
    own: Option<Arc<dyn SessionObserver>>,
}

impl SessionObserver for Ears {
    fn notice(&self, notice: &Notice) {
        if let Some(own) = &self.own {
            own.notice(notice);
        }
    }

    fn notification(&self, notification: &Notification) {
        self.shared.lock().queue.notified(notification.clone());
        if let Some(own) = &self.own {
            own.notification(notification);
        }
    }

    fn parameter(&self, name: &str, value: &str) {
        if let Some(own) = &self.own {
            own.parameter(name, value);
        }
    }
}

/// Closes a [`Listener`] from elsewhere.
#[derive(Clone)]
pub struct ListenCloser(Arc<Shared>);

impl ListenCloser {
    /// Has every waiting and later call of the listener end: [`Listener::recv`] gives `None`, others an error.
    pub fn close(&self) {
        let waker = {
            let mut state = self.0.lock();
            state.closed = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Listener {
    /// A listener of this URL, with the environment's variables and the options' defaults, that is connected.
    ///
    /// # Errors
    ///
    /// If the URL is none, or the first connect fails.
    pub async fn connect(url: &str) -> Result<Self> {
        let connector = PostgresConnector::from_dsn(&Dsn::parse(url)?, &ProcessEnvironment)?;
        let mut listener = Self::new(Arc::new(connector), ListenOptions::default());
        listener.connected().await?;
        Ok(listener)
    }

    /// A listener over connections of this connector. Dials when it is first asked for something to wait for.
    #[must_use]
    pub fn new(connector: Arc<PostgresConnector>, options: ListenOptions) -> Self {
        let queue = Queue::new(options.queue_max, options.overflow);
        let state = State { queue, closed: false, waker: None };
        Self {
            connector,
            shared: Arc::new(Shared { state: Mutex::new(state) }),
            channels: BTreeSet::new(),
            connect_within: options.connect_within,
            answer_within: options.answer_within,
            schedule: Schedule::new(&options),
            started: Instant::now(),
            timer: None,
            link: Link::Down,
            stood: false,
            refused: None,
            batch: RowBatch::new(),
        }
    }

    /// Waits until a connection stands; [`Event::Connected`] still comes.
    ///
    /// # Errors
    ///
    /// Why the next attempt failed, which is then no event any more. The listener can go on being used.
    pub async fn connected(&mut self) -> Result<()> {
        poll_fn(|cx| {
            loop {
                if self.poll_closed(cx) {
                    return Poll::Ready(Err(closed()));
                }
                if self.stands() {
                    return Poll::Ready(Ok(()));
                }
                if let Some(error) = self.shared.lock().queue.take_failure() {
                    return Poll::Ready(Err(error));
                }
                ready!(self.poll_drive(cx));
            }
        })
        .await
    }

    /// Listens to a channel. The name is a name, not SQL: case counts.
    ///
    /// With a connection it waits for the server's answer, and what is notified from then on is heard.
    /// Without one it returns at once: [`Event::Connected`] or [`Event::Reconnected`] comes when all channels
    /// are listened to. Listening twice is listening once. If the future is dropped, the channel is kept.
    ///
    /// # Errors
    ///
    /// [`Argument`](ErrorKind::Argument) for an impossible name; [`Unsupported`](ErrorKind::Unsupported) if the
    /// connector's configuration names a pooler in transaction mode; the server's, and then the channel is not kept;
    /// [`Resources`](ErrorKind::Resources) if the queue was full before the answer came: take events first.
    pub async fn listen(&mut self, channel: &str) -> Result<()> {
        channel::check(channel)?;
        if self.connector.config().pooler == Pooler::Transaction {
            return Err(pooler::refused("LISTEN"));
        }
        if !self.channels.insert(channel.to_owned()) {
            return self.check_open();
        }
        match self.ask(Command::Script { sql: &channel::command("LISTEN", channel) }).await? {
            Answer::Yes | Answer::Nobody => Ok(()),
            Answer::No(error) => {
                self.channels.remove(channel);
                Err(error)
            }
        }
    }

    /// Listens to a channel no more. What was heard before still comes.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen); the channel is left all the same.
    pub async fn unlisten(&mut self, channel: &str) -> Result<()> {
        if !self.channels.remove(channel) {
            return self.check_open();
        }
        let sql = channel::command("UNLISTEN", channel);
        self.tell(Command::Script { sql: &sql }).await
    }

    /// Listens to no channel any more.
    ///
    /// # Errors
    ///
    /// As [`unlisten`](Self::unlisten).
    pub async fn unlisten_all(&mut self) -> Result<()> {
        self.channels.clear();
        self.tell(Command::Script { sql: "UNLISTEN *" }).await
    }

    /// Asks the server for a sign of life, and waits for it. A listener that waits in [`recv`](Self::recv) does
    /// so by itself.
    ///
    /// # Errors
    ///
    /// [`ConnectionLost`](ErrorKind::ConnectionLost) if there is no connection, or it is lost by this.
    pub async fn ping(&mut self) -> Result<()> {
        match self.ask(Command::Ping).await? {
            Answer::Yes => Ok(()),
            Answer::No(error) => Err(error),
            Answer::Nobody => {
                Err(Error::new(ErrorKind::ConnectionLost, "the listener has no connection")
                    .with_hint("`recv` makes one"))
            }
        }
    }

    /// The next event; `None` when the listener was closed. Waits for ever otherwise, and reconnects meanwhile.
    pub async fn recv(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv), for futures written by hand.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.poll_closed(cx) {
            self.link = Link::Down;
            return Poll::Ready(None);
        }
        for read in 0.. {
            let (empty, drops) = {
                let queue = &self.shared.lock().queue;
                (queue.is_empty(), queue.drops())
            };
            // What may be dropped is dropped only where all that has come is read.
            let reads_on = drops && read < READS_MAX && self.stands();
            let pending = (empty || reads_on) && self.poll_drive(cx).is_pending();
            if pending || !(empty || reads_on) {
                return match self.shared.lock().queue.take() {
                    Some(event) => Poll::Ready(Some(event)),
                    None => Poll::Pending,
                };
            }
        }
        Poll::Pending
    }

    /// A handle that closes this listener from elsewhere.
    #[must_use]
    pub fn closer(&self) -> ListenCloser {
        ListenCloser(Arc::clone(&self.shared))
    }

    /// Says goodbye to the server.
    ///
    /// Dropping the listener closes its connection, too, without waiting.
    pub async fn close(mut self) {
        if let Link::Open { connection, .. } = std::mem::replace(&mut self.link, Link::Down) {
            // Whatever it says, the connection is over.
            let _ = connection.close().await;
        }
    }

    /// The channels that are listened to, or will be when there is a connection.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.channels.iter().map(String::as_str)
    }

    /// The server's process that serves the connection, if there is one:
    /// [`Notification::process_id`] of notifications that were sent over it.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        match &self.link {
            Link::Open { connection, .. } => Some(connection.process_id()),
            Link::Down | Link::Dialling(_) => None,
        }
    }

    /// A command whose failure says only that the connection goes, too.
    async fn tell(&mut self, command: Command<'_>) -> Result<()> {
        match self.ask(command).await? {
            Answer::Yes | Answer::Nobody => Ok(()),
            Answer::No(error) => Err(error),
        }
    }

    /// Runs a command on the connection, if one stands.
    async fn ask(&mut self, command: Command<'_>) -> Result<Answer> {
        // One whose caller was dropped comes first, and so do the channels of a new connection.
        poll_fn(|cx| self.poll_answered(cx)).await?;
        self.refused = None;
        let now = self.now();
        let Link::Open { connection, asked, stands: true } = &mut self.link else {
            return Ok(Answer::Nobody);
        };
        if let Err(error) = connection.start(command) {
            self.lost(error);
            return Ok(Answer::Nobody);
        }
        *asked = true;
        self.schedule.asked(now);
        poll_fn(|cx| self.poll_answered(cx)).await?;
        if let Some(error) = self.refused.take() {
            return Ok(Answer::No(error));
        }
        Ok(if self.stands() { Answer::Yes } else { Answer::Nobody })
    }

    /// Ready when no command is under way.
    fn poll_answered(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if self.poll_closed(cx) {
                return Poll::Ready(Err(closed()));
            }
            if !matches!(self.link, Link::Open { asked: true, .. }) {
                return Poll::Ready(Ok(()));
            }
            if self.shared.lock().queue.is_full() {
                return Poll::Ready(Err(Error::new(
                    ErrorKind::Resources,
                    "the listener's queue is full, and the server's answer comes after what is in it",
                )
                .with_hint("take events with `recv` first")));
            }
            ready!(self.poll_drive(cx));
        }
    }

    /// Goes on with whatever is next; ready when something has happened.
    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.link {
            Link::Down => {
                ready!(self.poll_until(self.schedule.dial_at(), cx));
                let connector = Arc::clone(&self.connector);
                let ears =
                    Ears { shared: Arc::clone(&self.shared), own: self.connector.observer() };
                let within = self.connect_within;
                self.link = Link::Dialling(Box::pin(async move {
                    match tokio::time::timeout(within, connector.dial(Some(Arc::new(ears)))).await {
                        Ok(dialled) => dialled,
                        Err(_) => Err(not_connected(within)),
                    }
                }));
            }
            Link::Dialling(dialling) => match ready!(dialling.as_mut().poll(cx)) {
                Ok(connection) => self.opened(connection),
                Err(error) => self.failed(error),
            },
            Link::Open { asked: true, .. } => ready!(self.poll_answer(cx)),
            Link::Open { connection, .. } => match connection.poll_unasked(cx) {
                Poll::Ready(Ok(())) => self.schedule.heard(self.started.elapsed()),
                Poll::Ready(Err(error)) => self.lost(error),
                Poll::Pending => {
                    let Some(ping_at) = self.schedule.ping_at() else { return Poll::Pending };
                    ready!(self.poll_until(ping_at, cx));
                    self.send(Command::Ping);
                }
            },
        }
        Poll::Ready(())
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Link::Open { connection, asked, stands } = &mut self.link else {
            return Poll::Ready(());
        };
        let stood = *stands;
        match connection.poll_next(cx, &mut self.batch) {
            Poll::Ready(Ok(Step::End(_))) => {
                *asked = false;
                self.schedule.heard(self.started.elapsed());
                if !stood {
                    self.listens();
                }
            }
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) if stood && connection.status() != Status::Broken => {
                *asked = false;
                self.schedule.heard(self.started.elapsed());
                self.refused = Some(error);
            }
            Poll::Ready(Err(error)) => self.lost(error),
            Poll::Pending => {
                let Some(overdue_at) = self.schedule.overdue_at() else { return Poll::Pending };
                ready!(self.poll_until(overdue_at, cx));
                let within = self.answer_within;
                self.lost(Error::new(
                    ErrorKind::ConnectionLost,
                    format!("the server has not answered the listener within {within:?}"),
                ));
            }
        }
        Poll::Ready(())
    }

    fn opened(&mut self, connection: PostgresConnection) {
        self.shared.lock().queue.listening();
        self.link = Link::Open { connection: Box::new(connection), asked: false, stands: false };
        if self.channels.is_empty() {
            return self.listens();
        }
        // One text is one transaction: all of them, or none.
        let commands: Vec<String> =
            self.channels.iter().map(|channel| channel::command("LISTEN", channel)).collect();
        self.send(Command::Script { sql: &commands.join("; ") });
    }

    /// The connection listens to all channels.
    fn listens(&mut self) {
        if let Link::Open { stands, .. } = &mut self.link {
            *stands = true;
        }
        self.shared.lock().queue.stands(self.stood);
        self.stood = true;
        self.schedule.connected(self.started.elapsed());
    }

    fn send(&mut self, command: Command<'_>) {
        let now = self.now();
        let Link::Open { connection, asked, .. } = &mut self.link else { return };
        match connection.start(command) {
            Ok(()) => {
                *asked = true;
                self.schedule.asked(now);
            }
            Err(error) => self.lost(error),
        }
    }

    /// The connection is over, or there is none yet that listens.
    fn lost(&mut self, error: Error) {
        if !self.stands() {
            return self.failed(error);
        }
        self.link = Link::Down;
        self.schedule.lost(self.started.elapsed());
        self.shared.lock().queue.lost(error);
    }

    fn failed(&mut self, error: Error) {
        self.link = Link::Down;
        let pause = self.schedule.failed(self.started.elapsed());
        self.shared.lock().queue.failed(error, pause);
    }

    fn stands(&self) -> bool {
        matches!(self.link, Link::Open { stands: true, .. })
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn poll_until(&mut self, at: Duration, cx: &mut Context<'_>) -> Poll<()> {
        if self.now() >= at {
            return Poll::Ready(());
        }
        let Some(deadline) = self.started.checked_add(at) else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
    }

    /// True if it was closed; else whoever closes it wakes this task.
    fn poll_closed(&self, cx: &mut Context<'_>) -> bool {
        let mut state = self.shared.lock();
        if !state.closed && !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        state.closed
    }

    fn check_open(&self) -> Result<()> {
        if self.shared.lock().closed { Err(closed()) } else { Ok(()) }
    }
}

#[cold]
fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the listener was closed").with_nothing_sent(true)
}

#[cold]
fn not_connected(within: Duration) -> Error {
    Error::new(ErrorKind::Connect, format!("the listener was not connected within {within:?}"))
        .with_retry(Retry::Safe)
}

/// The same as [`Listener::recv`].
impl Stream for Listener {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.get_mut().poll_recv(cx)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("connector", &self.connector)
            .field("channels", &self.channels)
            .field("stands", &self.stands())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ListenCloser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ListenCloser")
    }
}
