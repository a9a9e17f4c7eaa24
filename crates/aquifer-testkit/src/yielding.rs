//! [`Yielding`]: a driver around a driver that is pending wherever the contract allows it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use aquifer_driver::multiplex::{Answers, Multiplex, Ticket};
use aquifer_driver::{
    Access, Batch, BoxFuture, Cancel, Canceller, Command, CommitTrace, Connection, Connector,
    Counters, Description, Dialect, Error, ErrorKind, Fence, Layout, Params, Result, RowBatch,
    Status, Step, Want,
};

use crate::poll::yielding;

/// A connector whose connections yield once before every poll of the inner driver: dialling, each step of a
/// command, driving the statements of several callers, recovery, cancelling and closing.
///
/// A driver that answers at once hides the places where its caller can be dropped or overtaken; this
/// uncovers them.
#[derive(Clone)]
pub struct Yielding {
    inner: Arc<dyn Connector>,
}

impl Yielding {
    /// Around that connector.
    pub fn new(inner: Arc<dyn Connector>) -> Arc<Self> {
        Arc::new(Self { inner })
    }
}

impl fmt::Debug for Yielding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Yielding").field(&self.inner).finish()
    }
}

impl Connector for Yielding {
    fn connect(self: Arc<Self>, access: Access) -> BoxFuture<'static, Result<Box<dyn Connection>>> {
        Box::pin(async move {
            let inner = yielding(Arc::clone(&self.inner).connect(access)).await?;
            Ok(Box::new(YieldingConnection { inner, yielded: false, owed: 0 })
                as Box<dyn Connection>)
        })
    }

    fn dialect(&self) -> &Dialect {
        self.inner.dialect()
    }

    fn layout(&self) -> Layout {
        self.inner.layout()
    }

    fn target(&self) -> &str {
        self.inner.target()
    }

    fn closed(&self) {
        self.inner.closed();
    }
}

struct YieldingConnection {
    inner: Box<dyn Connection>,
    yielded: bool,
    /// What the inner one owes to several callers, as it said last.
    owed: usize,
}

impl YieldingConnection {
    /// Pending every other time.
    fn pends(&mut self, cx: &Context<'_>) -> bool {
        self.yielded = !self.yielded;
        if self.yielded {
            cx.waker().wake_by_ref();
        }
        self.yielded
    }

    /// What several callers share.
    fn shared(&mut self) -> Result<&mut dyn Multiplex> {
        self.inner.multiplex().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "this session runs one statement at a time")
        })
    }
}

impl Connection for YieldingConnection {
    fn start(&mut self, command: Command<'_>) -> Result<()> {
        self.yielded = false;
        self.inner.start(command)
    }

    fn start_after(&mut self, queued: &Arc<Batch>, command: Command<'_>) -> Result<()> {
        self.yielded = false;
        self.inner.start_after(queued, command)
    }

    fn takes_queued(&self) -> bool {
        self.inner.takes_queued()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, batch: &mut RowBatch) -> Poll<Result<Step>> {
        if self.pends(cx) { Poll::Pending } else { self.inner.poll_next(cx, batch) }
    }

    fn abandon(&mut self) -> Status {
        self.inner.abandon()
    }

    fn poll_recover(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.pends(cx) { Poll::Pending } else { self.inner.poll_recover(cx) }
    }

    fn status(&self) -> Status {
        self.inner.status()
    }

    fn canceller(&self) -> Canceller {
        Canceller::new(Arc::new(YieldingCancel(self.inner.canceller())))
    }

    fn take_description(&mut self) -> Option<Description> {
        self.inner.take_description()
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }

    fn takes_atomic_batches(&self) -> bool {
        self.inner.takes_atomic_batches()
    }

    fn takes_commit_with(&self) -> bool {
        self.inner.takes_commit_with()
    }

    fn commit_trace(&self) -> CommitTrace {
        self.inner.commit_trace()
    }

    fn fence(&self) -> Option<Fence> {
        self.inner.fence()
    }

    fn multiplex(&mut self) -> Option<&mut dyn Multiplex> {
        self.owed = self.inner.multiplex()?.owed();
        Some(self)
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self.inner.as_any_mut()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(yielding(self.inner.close()))
    }
}

impl Multiplex for YieldingConnection {
    fn push(
        &mut self,
        ticket: Ticket,
        sql: &Arc<str>,
        params: &dyn Params,
        want: Want,
    ) -> Result<()> {
        let shared = self.shared()?;
        let pushed = shared.push(ticket, sql, params, want);
        self.owed = shared.owed();
        pushed
    }

    fn end_segment(&mut self) {
        if let Ok(shared) = self.shared() {
            shared.end_segment();
        }
    }

    fn owed(&self) -> usize {
        self.owed
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>, answers: &mut dyn Answers) -> Poll<Result<()>> {
        if self.pends(cx) {
            return Poll::Pending;
        }
        let shared = self.shared()?;
        let polled = shared.poll_drive(cx, answers);
        self.owed = shared.owed();
        polled
    }
}

struct YieldingCancel(Canceller);

impl Cancel for YieldingCancel {
    fn cancel(&self) -> BoxFuture<'static, ()> {
        Box::pin(yielding(self.0.cancel()))
    }
}
