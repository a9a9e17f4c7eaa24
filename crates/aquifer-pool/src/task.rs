//! The pool's own tasks: dials, work on connections, goodbyes. Each serves one slot and reports to the state when it ends, even if
//! it ends by being dropped with its runtime.

use std::{sync::Arc, thread};

use tokio::time::{Instant, timeout};

use crate::{
    error::DialError,
    hooks::{ConnectionInfo, PoolEvent, Stage},
    manage::{CloseReason, Manage},
    pool::{Shared, quietly},
    state::{Errand, Out, SlotId},
    warm_up::Batch,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Dial,
    Errand,
    Close,
}

/// Tells the state that the task ended without a result, unless it had one.
pub(crate) struct Task<M: Manage> {
    shared: Arc<Shared<M>>,
    slot: SlotId,
    kind: Kind,
    pub(crate) number: u64,
    pub(crate) batch: Option<Arc<Batch<M::Error>>>,
    reported: bool,
}

impl<M: Manage> Task<M> {
    pub(crate) fn new(shared: Arc<Shared<M>>, slot: SlotId, kind: Kind, number: u64) -> Task<M> {
        Task { shared, slot, kind, number, batch: None, reported: false }
    }

    /// The task has a result and will report it.
    fn report(&mut self) -> (&Arc<Shared<M>>, SlotId) {
        self.reported = true;
        self.shared.forget(self.slot, self.number);
        (&self.shared, self.slot)
    }

    fn error(&self, stage: Stage, error: &M::Error) {
        if let Some(hook) = &self.shared.hooks.on_error {
            quietly(|| hook(stage, error));
        }
    }
}

impl<M: Manage> Drop for Task<M> {
    fn drop(&mut self) {
        if self.reported {
            return;
        }
        self.shared.forget(self.slot, self.number);
        let (now, panicked) = (self.shared.now(), thread::panicking());
        let mut out = Out::new();
        {
            let mut core = self.shared.lock();
            let (state, slot) = (&mut core.state, self.slot);
            match self.kind {
                Kind::Dial if panicked => {
                    state.connect_failed(slot, DialError::Panicked, true, now, &mut out)
                }
                Kind::Dial => state.connect_aborted(slot, now, &mut out),
                Kind::Errand => {
                    let reason =
                        if panicked { CloseReason::Broken } else { CloseReason::RuntimeGone };
                    state.errand_failed(slot, None, reason, now, &mut out);
                }
                Kind::Close => state.gone(slot, now, &mut out),
            }
        }
        if self.kind == Kind::Dial {
            if let Some(batch) = &self.batch {
                batch.failed(if panicked { DialError::Panicked } else { DialError::RuntimeGone });
            }
            self.shared.dialled.notify_waiters();
        }
        self.shared.run_without_runtime(out);
    }
}

/// Dials, with the hooks around it, within `connect_timeout`.
pub(crate) async fn dial<M: Manage>(mut task: Task<M>) {
    let started = Instant::now();
    let (budget, id) = {
        let core = task.shared.lock();
        if !core.state.holds(task.slot) {
            // Given up while it waited for a runtime.
            return;
        }
        (core.options.connect_timeout, core.state.connection_id(task.slot))
    };
    let result = timeout(budget, connect(&task.shared, id)).await;
    let took = started.elapsed();
    let batch = task.batch.take();
    let failure = match result {
        Ok(Ok(connection)) => {
            task.shared.tell(&PoolEvent::Connected { connection: id, took });
            let (shared, slot) = task.report();
            shared.event(|state, now, out| state.connected(slot, connection, now, out));
            None
        }
        Ok(Err(error)) => {
            task.error(Stage::Connect, &error);
            let transient = quietly(|| task.shared.manager.is_transient(&error)).unwrap_or(true);
            Some((DialError::Failed(Arc::new(error)), transient))
        }
        Err(_) => Some((DialError::TimedOut(budget), true)),
    };
    match failure {
        None => {
            if let Some(batch) = batch {
                batch.opened();
            }
        }
        Some((error, transient)) => {
            if let Some(batch) = batch {
                batch.failed(error.clone());
            }
            task.shared.tell(&PoolEvent::ConnectFailed { took });
            let (shared, slot) = task.report();
            shared.event(|state, now, out| state.connect_failed(slot, error, transient, now, out));
        }
    }
    task.shared.dialled.notify_waiters();
}

async fn connect<M: Manage>(shared: &Arc<Shared<M>>, id: u64) -> Result<M::Connection, M::Error> {
    if let Some(hook) = &shared.hooks.before_connect {
        hook().await?;
    }
    let mut connection = Arc::clone(&shared.manager).connect().await?;
    if let Some(hook) = &shared.hooks.after_connect {
        let info =
            ConnectionInfo { id, age: Default::default(), idle: Default::default(), uses: 0 };
        hook(&mut connection, info).await?;
    }
    Ok(connection)
}

/// Checks, recovers or judges a connection that nobody holds.
pub(crate) async fn errand<M: Manage>(
    mut task: Task<M>,
    connection: M::Connection,
    errand: Errand,
    info: ConnectionInfo,
) {
    let budget = {
        let core = task.shared.lock();
        match errand {
            Errand::Prepare { .. } => core.options.check_timeout,
            Errand::IdleCheck => core.options.idle_check_timeout,
            Errand::Clean { .. } => core.options.recover_timeout,
        }
    };
    // What a spent budget is blamed on.
    let mut blame = CloseReason::CheckFailed;
    let result = timeout(budget, work(&task, connection, errand, info, &mut blame)).await;
    let checked = matches!(
        errand,
        Errand::IdleCheck | Errand::Prepare { check: true, .. } | Errand::Clean { check: true, .. }
    );
    if checked {
        let healthy = matches!(result, Ok(Ok(_)));
        task.shared.tell(&PoolEvent::Checked { connection: info.id, healthy });
    }
    let (shared, slot) = task.report();
    match result {
        Ok(Ok(connection)) => {
            shared.event(|state, now, out| state.errand_done(slot, connection, errand, now, out));
        }
        Ok(Err(connection)) => {
            shared.event(|state, now, out| state.errand_failed(slot, connection, blame, now, out));
        }
        Err(_) => shared.event(|state, now, out| state.errand_failed(slot, None, blame, now, out)),
    }
}

/// The steps of an errand; a connection that did not pass comes back as the error if it still exists.
async fn work<M: Manage>(
    task: &Task<M>,
    mut connection: M::Connection,
    errand: Errand,
    info: ConnectionInfo,
    blame: &mut CloseReason,
) -> Result<M::Connection, Option<M::Connection>> {
    let (shared, manager) = (&task.shared, &task.shared.manager);
    let (recover, check) = match errand {
        Errand::Prepare { check, .. } => (false, check),
        Errand::IdleCheck => (false, true),
        Errand::Clean { recover, check, .. } => (recover, check),
    };
    if recover {
        *blame = CloseReason::NotRecovered;
        connection = Arc::clone(manager).recover(connection).await.ok_or(None)?;
    }
    if check {
        *blame = CloseReason::CheckFailed;
        connection = match Arc::clone(manager).check(connection).await {
            Ok(connection) => connection,
            Err(error) => {
                task.error(Stage::Check, &error);
                return Err(None);
            }
        };
    }
    let (hook, stage) = match errand {
        Errand::Prepare { hook: true, .. } => (&shared.hooks.before_acquire, Stage::BeforeAcquire),
        Errand::Clean { hook: true, .. } => (&shared.hooks.after_release, Stage::AfterRelease),
        _ => return Ok(connection),
    };
    if let Some(hook) = hook {
        *blame = CloseReason::HookRefused;
        match hook(&mut connection, info).await {
            Ok(true) => {}
            Ok(false) => return Err(Some(connection)),
            Err(error) => {
                task.error(stage, &error);
                return Err(Some(connection));
            }
        }
    }
    Ok(connection)
}

/// Closes a connection and frees its slot.
pub(crate) async fn close<M: Manage>(
    mut task: Task<M>,
    connection: M::Connection,
    reason: CloseReason,
    info: ConnectionInfo,
) {
    say_goodbye(Arc::clone(&task.shared), connection, reason, info).await;
    let (shared, slot) = task.report();
    shared.event(|state, now, out| state.gone(slot, now, out));
}

pub(crate) async fn say_goodbye<M: Manage>(
    shared: Arc<Shared<M>>,
    mut connection: M::Connection,
    reason: CloseReason,
    info: ConnectionInfo,
) {
    shared.tell(&PoolEvent::Closed { info, reason });
    let budget = shared.lock().options.close_timeout;
    let goodbye = async {
        if let Some(hook) = &shared.hooks.before_close {
            hook(&mut connection, info, reason).await;
        }
        Arc::clone(&shared.manager).close(connection, reason).await;
    };
    // A goodbye that takes longer is cut short: the connection was dropped with the future.
    let _spent = timeout(budget, goodbye).await;
}

/// Tells the state that the maintenance task ended.
pub(crate) struct Upkeep<M: Manage> {
    pub(crate) shared: Arc<Shared<M>>,
    pub(crate) generation: u64,
}

impl<M: Manage> Upkeep<M> {
    pub(crate) fn new(shared: Arc<Shared<M>>, generation: u64) -> Upkeep<M> {
        Upkeep { shared, generation }
    }
}

impl<M: Manage> Drop for Upkeep<M> {
    fn drop(&mut self) {
        let mut out = Out::new();
        self.shared.lock().state.maintenance_ended(self.generation, &mut out);
        self.shared.run_without_runtime(out);
    }
}
