//! [`MysqlConnection`]: the owner's side, and the only place that reads and writes a session's socket.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use aquifer_driver::{
    BoxFuture, Canceller, Command, Connection, Counters, Description, Error, ErrorKind, Fence,
    Outcome, Result, RowBatch, ServerObserver, Status, Step,
};
use aquifer_net::stop::{Stop, stopped, useless};
use aquifer_net::{Flow, Stream, Wire};
use mysql_common::constants::Command as Code;

use crate::config::Config;
use crate::fence::Standing;
use crate::io_timeout::IoTimeout;
use crate::load::{self, Loading};
use crate::pipeline::Pipeline;
use crate::protocol::command;
use crate::setup::Setup;

/// A session with a MySQL or MariaDB server.
///
/// Applications reach it through `conn.driver::<MysqlConnection>()`, for what only these engines have. I/O happens in
/// the task that uses it; there is no task behind it.
pub struct MysqlConnection {
    wire: Wire,
    pipeline: Pipeline,
    stop: Arc<Stop>,
    /// The file that the server is getting.
    loading: Option<Loading>,
    /// A command's last step, while a stop that was asked for during it is still on its way or its mark on the
    /// session.
    held: Option<Result<Step>>,
    /// The statement that takes a stop's mark away is under way.
    sweeping: bool,
    /// Takes what nobody reads during a recovery.
    scratch: RowBatch,
    /// What the server says it is, if that is no other.
    standing: Option<Standing>,
    version: String,
    mariadb: bool,
    /// Whether the socket is read before a command is sent.
    check_liveness: bool,
    reading: IoTimeout,
    writing: IoTimeout,
    /// That is so, and waiting has no bounds: the defaults.
    patient: bool,
}

impl MysqlConnection {
    pub(crate) fn new(
        stream: Stream,
        pipeline: Pipeline,
        stop: Arc<Stop>,
        version: String,
        mariadb: bool,
    ) -> Self {
        Self {
            wire: Wire::new(stream),
            pipeline,
            stop,
            loading: None,
            held: None,
            sweeping: false,
            scratch: RowBatch::new(),
            standing: None,
            version,
            mariadb,
            check_liveness: true,
            reading: IoTimeout::new(None),
            writing: IoTimeout::new(None),
            patient: true,
        }
    }

    /// How long to wait for the socket, and whether to look at it first.
    pub(crate) fn set_patience(&mut self, config: &Config) {
        self.check_liveness = config.check_conn_liveness;
        self.reading = IoTimeout::new(config.read_timeout);
        self.writing = IoTimeout::new(config.write_timeout);
        let unbounded = config.read_timeout.is_none() && config.write_timeout.is_none();
        self.patient = self.check_liveness && unbounded;
    }

    /// By what other sessions can tell it.
    pub(crate) fn set_standing(&mut self, standing: Option<Standing>) {
        self.standing = standing;
    }

    /// The session is set up like this; commands of so many bytes are taken.
    pub(crate) fn begin_session(&mut self, setup: Setup, packet_max: usize) {
        self.pipeline.set_setup(setup);
        self.pipeline.set_packet_max(packet_max);
        self.pipeline.adopt_nothing();
    }

    /// The command that was just started may ask once for a file of this name.
    pub(crate) fn offer(&mut self, name: &str) {
        self.pipeline.offer(name);
    }

    pub(crate) fn wants_contents(&self) -> bool {
        self.pipeline.wants_contents()
    }

    pub(crate) fn contents(&mut self, piece: &[u8]) {
        self.pipeline.contents(piece);
    }

    /// Most bytes of a piece of contents.
    pub(crate) fn piece_max(&self) -> usize {
        self.pipeline.piece_max()
    }

    /// Gives the server the next piece of the file that it waits for. True if there is no file, and the owner has what
    /// it waits for.
    fn poll_load(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        if let Some(path) = self.pipeline.take_file() {
            self.loading = Some(Loading::open(path));
        }
        let Some(loading) = &mut self.loading else { return Poll::Ready(Ok(true)) };
        match ready!(loading.poll_piece(cx, self.pipeline.piece_max())) {
            Ok(piece) => {
                self.pipeline.contents(piece);
                if piece.is_empty() {
                    self.loading = None;
                }
            }
            Err(error) => {
                self.loading = None;
                self.pipeline.no_contents(load::unreadable(error))?;
            }
        }
        Poll::Ready(Ok(false))
    }

    /// Closes the session in the middle of a command, for this reason.
    pub(crate) fn give_up(&mut self, error: Error) -> Error {
        self.pipeline.broke(error)
    }

    /// Has `observer` hear the server's warnings.
    pub(crate) fn set_observer(&mut self, observer: Arc<dyn ServerObserver>) {
        self.pipeline.set_observer(observer);
    }

    /// The global transaction number (GTID) of this session's last write, as the server writes it: `0-1-42` on
    /// MariaDB, a set such as `3e11fa47-…:23` on MySQL. `None` before the first write, and where the server does not
    /// tell: without a binary log, without `gtid_mode`, or before MySQL 5.7 and MariaDB 10.2.
    ///
    /// A reset of the session does not change it.
    #[must_use]
    pub fn last_gtid(&self) -> Option<&str> {
        self.pipeline.last_gtid()
    }

    /// The session's number (`CONNECTION_ID()`); behind a proxy, what the proxy says.
    #[must_use]
    pub fn connection_id(&self) -> u32 {
        self.stop.session()
    }

    /// The server's version, as it greets: `10.11.19-MariaDB`, `8.4.3`.
    #[must_use]
    pub fn server_version(&self) -> &str {
        // MariaDB disguises itself for replicas of MySQL 5.5.
        self.version.strip_prefix("5.5.5-").filter(|_| self.mariadb).unwrap_or(&self.version)
    }

    /// True if the server is MariaDB.
    #[must_use]
    pub fn is_mariadb(&self) -> bool {
        self.mariadb
    }

    /// Writes what waits, reads what comes, until the pipeline has a step.
    fn poll_step(
        &mut self,
        cx: &mut Context<'_>,
        batch: Option<&mut RowBatch>,
    ) -> Poll<Result<Step>> {
        let Some(batch) = batch else {
            // An empty batch costs an allocation, so this is not for every poll.
            let mut scratch = std::mem::take(&mut self.scratch);
            let polled = self.poll_flow(cx, &mut scratch);
            self.scratch = scratch;
            return polled;
        };
        self.poll_flow(cx, batch)
    }

    /// As [`poll_step`](Self::poll_step), for a statement alone in its flight: writes it, or takes its answer. Where
    /// that is not all there is to do, `poll_step` goes on.
    #[inline]
    fn poll_lone(&mut self, cx: &mut Context<'_>, batch: &mut RowBatch) -> Poll<Result<Step>> {
        if self.pipeline.untouched() {
            self.wire.poll_liveness(cx, &mut self.pipeline)?;
            if !self.stop.may_send() {
                self.pipeline.abandon();
                return Poll::Ready(Err(stopped()));
            }
            // The answer cannot be there yet, and the task is woken when it comes.
            let _ = self.wire.poll_write(cx, &mut self.pipeline)?;
            return Poll::Pending;
        }
        if self.pipeline.output().is_empty() && !self.wire.is_unflushed() {
            if self.wire.poll_fill(cx, &mut self.pipeline)?.is_pending() {
                return Poll::Pending;
            }
            if let Some(step) = self.pipeline.take_lone(batch)? {
                return Poll::Ready(Ok(step));
            }
        }
        self.poll_step(cx, Some(batch))
    }

    #[inline]
    fn poll_flow(&mut self, cx: &mut Context<'_>, batch: &mut RowBatch) -> Poll<Result<Step>> {
        // Whether this task is woken when bytes come.
        let mut registered = false;
        if self.pipeline.owes() && self.pipeline.untouched() {
            if self.check_liveness {
                self.wire.poll_liveness(cx, &mut self.pipeline)?;
                registered = true;
            }
            self.reading.progress();
            if !self.sweeping && !self.stop.may_send() {
                self.pipeline.abandon();
                return Poll::Ready(Err(stopped()));
            }
        }
        loop {
            let waits = self.pipeline.output().len();
            let blocked = self.wire.poll_write(cx, &mut self.pipeline)?.is_pending();
            if self.pipeline.output().len() < waits {
                self.writing.progress();
            }
            if !blocked && self.pipeline.wants_contents() {
                if ready!(self.poll_load(cx))? {
                    return Poll::Ready(Ok(Step::Rows));
                }
                continue;
            }
            if self.pipeline.may_advance() {
                match self.pipeline.advance(batch) {
                    Ok(Some(step)) => return Poll::Ready(Ok(step)),
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
                if !blocked
                    && (!self.pipeline.output().is_empty() || self.pipeline.wants_contents())
                {
                    continue;
                }
            }
            if registered || self.wire.poll_fill(cx, &mut self.pipeline)?.is_pending() {
                return match self.out_of_patience(cx, blocked) {
                    Some(error) => Poll::Ready(Err(error)),
                    None => Poll::Pending,
                };
            }
            self.reading.progress();
        }
    }

    /// The error of a connection that has made no progress for too long.
    #[inline]
    fn out_of_patience(&mut self, cx: &mut Context<'_>, blocked: bool) -> Option<Error> {
        let (limit, what) = if blocked {
            (self.writing.expired(cx)?, "the server took nothing for the `writeTimeout`")
        } else {
            (self.reading.expired(cx)?, "nothing came from the server for the `readTimeout`")
        };
        let error = Error::new(ErrorKind::ConnectionLost, format!("{what} of {limit:?}"));
        Some(self.pipeline.broke(error))
    }

    /// After a command: waits for a stop that is on its way, and takes its mark off the session.
    fn poll_quiet(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.stop.poll_command_ends(cx).is_pending() {
            return Poll::Pending;
        }
        if self.stop.take_mark() && self.pipeline.status() != Status::Broken {
            self.sweeping = self.pipeline.sweep();
        }
        while self.sweeping {
            match self.poll_step(cx, None) {
                Poll::Pending => return Poll::Pending,
                // Whether the mark hit it or nothing is all the same.
                Poll::Ready(Ok(Step::End(_)) | Err(_)) => self.sweeping = false,
                Poll::Ready(Ok(_)) => {}
            }
        }
        Poll::Ready(())
    }
}

impl fmt::Debug for MysqlConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlConnection")
            .field("connection_id", &self.connection_id())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl Connection for MysqlConnection {
    fn start(&mut self, command: Command<'_>) -> Result<()> {
        if self.held.is_some() || self.sweeping {
            return Err(useless());
        }
        self.loading = None;
        self.pipeline.start(command)?;
        if self.pipeline.owes() && !self.stop.command_begins() {
            self.pipeline.abandon();
            return Err(useless());
        }
        Ok(())
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, batch: &mut RowBatch) -> Poll<Result<Step>> {
        let polled = match self.held.take() {
            Some(step) => Poll::Ready(step),
            None if self.patient && self.pipeline.is_lone() => self.poll_lone(cx, batch),
            None => self.poll_step(cx, Some(batch)),
        };
        let Poll::Ready(step) = polled else { return Poll::Pending };
        let over = matches!(step, Ok(Step::End(_)) | Err(_));
        // A stop must have hit this command, or nothing, before another one may follow.
        if over && self.poll_quiet(cx).is_pending() {
            self.held = Some(step);
            return Poll::Pending;
        }
        Poll::Ready(step)
    }

    fn take_outcomes(&mut self, to: &mut Vec<Outcome>) {
        self.pipeline.take_outcomes(to);
    }

    fn abandon(&mut self) -> Status {
        self.held = None;
        if !self.sweeping {
            self.pipeline.abandon();
        }
        self.status()
    }

    fn poll_recover(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.held = None;
        loop {
            while self.pipeline.owes() && !self.sweeping {
                match self.poll_step(cx, None) {
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(error)) => {
                        // The ROLLBACK of a transaction that does not end so (XA), or one that has, as far as
                        // engines have transactions.
                        let ended = error.code() == Some("1196");
                        if !ended || self.pipeline.status() == Status::Broken {
                            return Poll::Ready(Err(error));
                        }
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            if self.pipeline.status() != Status::Broken && self.poll_quiet(cx).is_pending() {
                return Poll::Pending;
            }
            if self.pipeline.status() == Status::Broken {
                return Poll::Ready(Err(useless()));
            }
            self.stop.check()?;
            if !self.pipeline.roll_back_open() {
                self.scratch.shrink(0);
                return Poll::Ready(Ok(()));
            }
            self.stop.command_begins();
        }
    }

    fn status(&self) -> Status {
        self.stop.status(self.pipeline.status(), self.held.is_some() || self.sweeping)
    }

    fn session_changed(&self) -> bool {
        self.pipeline.session_changed()
    }

    fn adopt_session(&mut self) {
        self.pipeline.adopt_session();
    }

    fn canceller(&self) -> Canceller {
        self.stop.canceller()
    }

    fn take_description(&mut self) -> Option<Description> {
        self.pipeline.take_description()
    }

    fn counters(&self) -> Counters {
        self.pipeline.counters()
    }

    fn limit_query(&self) -> Option<String> {
        // Behind a proxy the session's number is the proxy's invention, and the limit is none of this client's. The
        // greeting has the number's lower half only.
        let ours = format!("CONNECTION_ID() & 4294967295 = {}", self.connection_id());
        Some(format!(
            "SELECT CAST(IF({ours}, LEAST(@@max_connections, \
             IF(@@max_user_connections > 0, @@max_user_connections, @@max_connections)), NULL) AS SIGNED), \
             CAST(IF({ours}, @@wait_timeout, NULL) AS SIGNED)"
        ))
    }

    fn takes_commit_with(&self) -> bool {
        true
    }

    fn fence(&self) -> Option<Fence> {
        self.standing.as_ref().map(Standing::fence)
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            if self.status() == Status::Broken {
                return Ok(());
            }
            let mut farewell = Vec::new();
            command::bare(&mut farewell, Code::COM_QUIT);
            self.wire.close(&farewell).await;
            Ok(())
        })
    }
}
