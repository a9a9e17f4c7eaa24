//! Hand-overs and buffers, counted: without an engine, and the thread played by the test.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use aquifer_driver::{Column, Encoding};

use super::*;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Owner {
    worker: Worker,
    batch: RowBatch,
    none: Arc<Columns>,
    wakes: Arc<Wakes>,
}

impl Owner {
    fn of(shared: &Arc<Shared>) -> Self {
        Self {
            worker: Worker::over(Arc::clone(shared)),
            batch: RowBatch::new(),
            none: Arc::default(),
            wakes: Arc::default(),
        }
    }

    fn poll(&mut self) -> Poll<Answer> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.worker.poll(&Context::from_waker(&waker), &mut self.batch, &self.none)
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }
}

fn columns() -> Arc<Columns> {
    Arc::new(Columns::new(vec![Column::new("n", Encoding::Tagged)]))
}

/// A result set of one row with that many bytes.
fn result(out: &mut Outbox<'_>, columns: &Arc<Columns>, bytes: usize) {
    let mut rows = out.buffer();
    rows.set_columns(columns);
    rows.push_bytes(&vec![7; bytes]).unwrap();
    rows.end_row();
    out.set(Some(rows), Outcome::default());
}

/// Events in the mailbox, and hand-overs.
fn mailed(shared: &Shared) -> (usize, usize) {
    let mail = shared.lock();
    (mail.events.len(), mail.ahead)
}

/// Ends a job.
fn end(shared: &Shared, held: &mut VecDeque<Event>) {
    post(shared, held, None, Ok((None, Outcome::default())));
}

#[test]
fn small_results_are_handed_over_together_and_wake_the_owner_once() {
    let shared = Arc::new(Shared::default());
    let (mut owner, mut held) = (Owner::of(&shared), VecDeque::new());
    assert!(owner.poll().is_pending());
    let columns = columns();
    let mut out = Outbox::new(&shared, &mut held);
    for _ in 0..HELD_MAX - 1 {
        result(&mut out, &columns, 100);
    }
    assert!(shared.lock().events.is_empty());
    assert_eq!(owner.wakes(), 0);
    drop(out);
    end(&shared, &mut held);
    assert_eq!(owner.wakes(), 1);
    for _ in 0..HELD_MAX - 1 {
        assert!(matches!(owner.poll(), Poll::Ready(Answer::Set(_))));
        assert_eq!(owner.batch.len(), 1);
    }
    assert!(matches!(owner.poll(), Poll::Ready(Answer::Ended(..))));
    assert_eq!(owner.wakes(), 1);
}

#[test]
fn many_or_large_results_are_handed_over_before_the_end() {
    let shared = Arc::new(Shared::default());
    let (mut owner, mut held) = (Owner::of(&shared), VecDeque::new());
    assert!(owner.poll().is_pending());
    let columns = columns();
    let mut out = Outbox::new(&shared, &mut held);
    for _ in 0..HELD_MAX {
        result(&mut out, &columns, 10);
    }
    assert_eq!(mailed(&shared), (HELD_MAX, 1));
    for _ in 0..HELD_MAX {
        assert!(matches!(owner.poll(), Poll::Ready(Answer::Set(_))));
    }
    assert_eq!(shared.lock().ahead, 0);
    assert!(owner.poll().is_pending());
    result(&mut out, &columns, 10);
    result(&mut out, &columns, HELD_BYTES);
    assert_eq!(mailed(&shared), (2, 1));
    assert_eq!(owner.wakes(), 2);
}

#[test]
fn the_worker_is_never_further_ahead_than_it_may_be() {
    const RESULTS: usize = 20;
    let shared = Arc::new(Shared::default());
    let mut owner = Owner::of(&shared);
    let thread = {
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || {
            let (mut held, columns) = (VecDeque::new(), columns());
            let mut out = Outbox::new(&shared, &mut held);
            for _ in 0..RESULTS {
                result(&mut out, &columns, HELD_BYTES);
            }
        })
    };
    let mut taken = 0;
    while taken < RESULTS {
        let mail = shared.lock();
        assert!(mail.events.len() <= AHEAD_MAX && mail.ahead <= AHEAD_MAX);
        let rests = mail.asleep || thread.is_finished();
        drop(mail);
        if rests && owner.poll().is_ready() {
            taken += 1;
        } else {
            std::thread::yield_now();
        }
    }
    thread.join().unwrap();
    assert!(owner.poll().is_pending());
}

#[test]
fn what_is_discarded_is_neither_waited_for_nor_kept() {
    let shared = Arc::new(Shared::default());
    let (mut owner, mut held) = (Owner::of(&shared), VecDeque::new());
    let columns = columns();
    let mut out = Outbox::new(&shared, &mut held);
    result(&mut out, &columns, 10);
    owner.worker.discard();
    for _ in 0..3 * AHEAD_MAX {
        result(&mut out, &columns, HELD_BYTES);
    }
    drop(out);
    assert!(held.is_empty() && shared.lock().events.is_empty());
    end(&shared, &mut held);
    assert!(matches!(owner.poll(), Poll::Ready(Answer::Ended(..))));
}

#[test]
fn buffers_go_round_and_their_number_is_bounded() {
    let shared = Arc::new(Shared::default());
    let (mut owner, mut held) = (Owner::of(&shared), VecDeque::new());
    let columns = columns();
    for (bytes, small, large) in [(100, HELD_MAX, 0), (2 * SMALL, HELD_MAX, AHEAD_MAX + 1)] {
        for _ in 0..4 {
            let mut out = Outbox::new(&shared, &mut held);
            // More than is held back, and less than the worker waits for a reader with.
            for _ in 0..HELD_BYTES * 3 / 4 / (2 * SMALL) {
                for _ in 0..4 {
                    result(&mut out, &columns, bytes / 4);
                }
                result(&mut out, &columns, bytes);
            }
            drop(out);
            end(&shared, &mut held);
            while let Poll::Ready(answer) = owner.poll() {
                if matches!(answer, Answer::Ended(..)) {
                    break;
                }
            }
        }
        let mail = shared.lock();
        assert!(mail.spare.small.len() <= small, "{}", mail.spare.small.len());
        assert!(mail.spare.large.len() <= large, "{}", mail.spare.large.len());
        assert!(!mail.spare.small.is_empty());
        assert!(mail.spare.small.iter().all(|rows| rows.is_empty()));
    }
}
