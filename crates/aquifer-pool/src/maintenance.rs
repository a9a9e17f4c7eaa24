//! The one background task of a pool: it sleeps until the state wants to look at the clock, or until the state changes its mind.
//!
//! It holds the pool's inside, not a handle, and ends when the pool is closed or its last handle dropped.

use tokio::{runtime::Handle as Runtime, time::sleep_until};

use crate::{clock::Nanos, manage::Manage, state::Out, task::Upkeep};

pub(crate) async fn maintain<M: Manage>(upkeep: Upkeep<M>) {
    let Ok(_runtime) = Runtime::try_current() else { return };
    loop {
        let shared = &upkeep.shared;
        let now = shared.now();
        let mut out = Out::new();
        let next = {
            let mut core = shared.lock();
            out.add_jobs(core.state.take_parked());
            core.state.tick(upkeep.generation, now, &mut out)
        };
        shared.run(out);
        match next {
            None => return,
            Some(Nanos::NEVER) => shared.hasten.notified().await,
            Some(at) => {
                tokio::select! {
                    () = sleep_until(shared.instant(at)) => {}
                    () = shared.hasten.notified() => {}
                }
            }
        }
    }
}
