//! [`Still`]: a clock that stands, for what looks at it now and then.
//!
//! Under a profiler everything takes some fifty times as long, and what is done every few milliseconds is done fifty
//! times as often for each call. How often depends on the machine, too; where time stands it is not done at all.

use std::sync::mpsc::{Sender, channel};

/// While it is there, the clock of the runtime that it began in stands.
#[derive(Debug)]
pub(crate) struct Still {
    _end: Sender<()>,
}

impl Still {
    /// Once for each runtime, in a task of it.
    pub(crate) fn begin() -> Self {
        let (end, ended) = channel::<()>();
        // A clock that is paused jumps to the next timer when there is nothing to do, but not beside blocking work.
        drop(tokio::task::spawn_blocking(move || ended.recv().is_ok()));
        tokio::time::pause();
        Self { _end: end }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nothing_that_waits_for_a_time_is_done_while_others_wait_for_a_socket() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let _still = Still::begin();
            let timer = tokio::spawn(tokio::time::sleep(Duration::from_millis(1)));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let there = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                std::net::TcpStream::connect(address).unwrap()
            });
            listener.accept().await.unwrap();
            assert!(!timer.is_finished());
            drop(there.join().unwrap());
        });
    }
}
