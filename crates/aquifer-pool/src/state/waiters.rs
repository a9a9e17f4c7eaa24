//! The queue: first come, first served, with constant-time departure from anywhere and no allocation once it has been as long.

use std::sync::Arc;

use crate::{clock::Nanos, error::AcquireError};

const NONE: u32 = u32::MAX;

/// Names one wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WaiterId {
    index: u32,
    generation: u32,
}

/// What came of a wait so far.
pub(crate) enum Seat<E> {
    Vacant,
    Waiting,
    /// This slot's connection is reserved for it.
    Granted(u32),
    /// Boxed: the many that do not fail should stay small.
    Failed(Box<AcquireError<E>>),
}

pub(crate) struct Waiter<W, E> {
    generation: u32,
    pub(crate) seat: Seat<E>,
    pub(crate) waker: Option<W>,
    pub(crate) holder: Option<Arc<str>>,
    pub(crate) joined: Nanos,
    pub(crate) deadline: Nanos,
    /// The caller looks at the deadline itself.
    pub(crate) timer: bool,
    previous: u32,
    next: u32,
}

pub(crate) struct Waiters<W, E> {
    all: Vec<Waiter<W, E>>,
    vacant: Vec<u32>,
    head: u32,
    tail: u32,
    waiting: u32,
}

impl<W, E> Waiters<W, E> {
    pub(crate) fn new() -> Waiters<W, E> {
        Waiters { all: Vec::new(), vacant: Vec::new(), head: NONE, tail: NONE, waiting: 0 }
    }

    /// How many wait, those whose outcome is decided not included.
    #[inline]
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting
    }

    pub(crate) fn join(
        &mut self,
        waker: W,
        holder: Option<Arc<str>>,
        joined: Nanos,
        deadline: Nanos,
        timer: bool,
    ) -> WaiterId {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.all.push(Waiter {
                generation: 0,
                seat: Seat::Vacant,
                waker: None,
                holder: None,
                joined,
                deadline,
                timer,
                previous: NONE,
                next: NONE,
            });
            (self.all.len() - 1) as u32
        });
        let tail = self.tail;
        let waiter = &mut self.all[index as usize];
        waiter.seat = Seat::Waiting;
        waiter.waker = Some(waker);
        waiter.holder = holder;
        waiter.joined = joined;
        waiter.deadline = deadline;
        waiter.timer = timer;
        waiter.previous = tail;
        waiter.next = NONE;
        let generation = waiter.generation;
        match tail {
            NONE => self.head = index,
            tail => self.all[tail as usize].next = index,
        }
        self.tail = index;
        self.waiting += 1;
        WaiterId { index, generation }
    }

    /// The longest-waiting one.
    pub(crate) fn front(&mut self) -> Option<&mut Waiter<W, E>> {
        match self.head {
            NONE => None,
            head => Some(&mut self.all[head as usize]),
        }
    }

    /// The first whose deadline somebody else looks at.
    pub(crate) fn first_watched(&self) -> Option<u32> {
        let mut at = self.head;
        while let Some(waiter) = self.all.get(at as usize) {
            if !waiter.timer {
                return Some(at);
            }
            at = waiter.next;
        }
        None
    }

    /// Where the longest-waiting one is.
    pub(crate) fn first(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    pub(crate) fn at_mut(&mut self, index: u32) -> &mut Waiter<W, E> {
        &mut self.all[index as usize]
    }

    pub(crate) fn at(&self, index: u32) -> &Waiter<W, E> {
        &self.all[index as usize]
    }

    /// Takes the wakers of all that wait.
    pub(crate) fn take_wakers(&mut self) -> Vec<W> {
        let mut wakers = Vec::new();
        let mut at = self.head;
        while let Some(waiter) = self.all.get_mut(at as usize) {
            wakers.extend(waiter.waker.take());
            at = waiter.next;
        }
        wakers
    }

    /// Decides the outcome of one in line.
    pub(crate) fn settle(&mut self, index: u32, seat: Seat<E>) -> Option<W> {
        self.unlink(index);
        let waiter = &mut self.all[index as usize];
        waiter.seat = seat;
        waiter.waker.take()
    }

    /// Decides the front's outcome; gives its waker, to be woken outside the lock.
    pub(crate) fn settle_front(&mut self, seat: Seat<E>) -> Option<W> {
        match self.head {
            NONE => None,
            head => self.settle(head, seat),
        }
    }

    pub(crate) fn get(&self, id: WaiterId) -> &Waiter<W, E> {
        let waiter = &self.all[id.index as usize];
        debug_assert_eq!(waiter.generation, id.generation);
        waiter
    }

    pub(crate) fn get_mut(&mut self, id: WaiterId) -> &mut Waiter<W, E> {
        let waiter = &mut self.all[id.index as usize];
        debug_assert_eq!(waiter.generation, id.generation);
        waiter
    }

    /// Whether this wait goes on, undecided.
    pub(crate) fn is_waiting(&self, id: WaiterId) -> bool {
        let waiter = self.all.get(id.index as usize);
        waiter.is_some_and(|waiter| {
            waiter.generation == id.generation && matches!(waiter.seat, Seat::Waiting)
        })
    }

    /// Ends a wait, decided or not: its outcome so far, when it joined, and its waker if it was still waiting.
    pub(crate) fn leave(&mut self, id: WaiterId) -> (Seat<E>, Nanos, Option<W>) {
        if matches!(self.get(id).seat, Seat::Waiting) {
            self.unlink(id.index);
        }
        let waiter = &mut self.all[id.index as usize];
        let seat = std::mem::replace(&mut waiter.seat, Seat::Vacant);
        waiter.generation = waiter.generation.wrapping_add(1);
        waiter.holder = None;
        let (joined, waker) = (waiter.joined, waiter.waker.take());
        self.vacant.push(id.index);
        (seat, joined, waker)
    }

    /// Those waiting, longest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiter<W, E>> {
        let mut at = self.head;
        std::iter::from_fn(move || {
            let waiter = self.all.get(at as usize)?;
            at = waiter.next;
            Some(waiter)
        })
    }

    fn unlink(&mut self, index: u32) {
        let (previous, next) = (self.all[index as usize].previous, self.all[index as usize].next);
        match previous {
            NONE => self.head = next,
            previous => self.all[previous as usize].next = next,
        }
        match next {
            NONE => self.tail = previous,
            next => self.all[next as usize].previous = previous,
        }
        self.waiting -= 1;
    }
}
