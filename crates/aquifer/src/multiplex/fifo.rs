//! [`Fifo`]: a queue in one piece of memory.

use std::ops::{Deref, DerefMut};

/// First in, first out. What was taken leaves a gap in front, which is closed when the queue is empty, or would grow and half
/// of it is gap: so putting and taking are a few instructions each, where a ring has to wrap around at both, and the rest is
/// a slice.
#[derive(Debug, Clone, Default)]
pub(super) struct Fifo<T> {
    items: Vec<T>,
    /// How many at the front were taken.
    gap: usize,
}

impl<T: Default> Fifo<T> {
    pub(super) fn new() -> Self {
        Self { items: Vec::new(), gap: 0 }
    }

    #[inline(always)]
    pub(super) fn push_back(&mut self, item: T) {
        if self.items.len() == self.items.capacity() {
            self.make_room();
        }
        self.items.push(item);
    }

    /// Closes the gap if that makes enough room for the time to be well spent; else the queue grows.
    #[cold]
    fn make_room(&mut self) {
        if self.gap >= self.items.len() / 2 {
            self.close_gap();
        }
    }

    fn close_gap(&mut self) {
        self.items.drain(..self.gap);
        self.gap = 0;
    }

    #[inline(always)]
    pub(super) fn pop_front(&mut self) -> Option<T> {
        let item = std::mem::take(self.items.get_mut(self.gap)?);
        self.pass();
        Some(item)
    }

    /// Takes the first one, for nothing. It is dropped some time later: for those that own nothing by now.
    #[inline(always)]
    pub(super) fn pass(&mut self) {
        self.gap += 1;
        if self.gap >= self.items.len() {
            self.items.clear();
            self.gap = 0;
        }
    }

    // These three are the slice's, at fewer steps: no slice is made first.
    #[inline(always)]
    pub(super) fn first(&self) -> Option<&T> {
        self.items.get(self.gap)
    }

    #[inline(always)]
    pub(super) fn first_mut(&mut self) -> Option<&mut T> {
        self.items.get_mut(self.gap)
    }

    #[inline(always)]
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.items.get_mut(self.gap.checked_add(index)?)
    }

    pub(super) fn push_front(&mut self, item: T) {
        match self.gap.checked_sub(1) {
            Some(gap) => (self.items[gap], self.gap) = (item, gap),
            None => self.items.insert(0, item),
        }
    }

    pub(super) fn remove(&mut self, index: usize) {
        if index < self.len() {
            self.items.remove(self.gap + index);
        }
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.close_gap();
        self.items.retain(keep);
    }

    /// Gives back memory for more than so many.
    pub(super) fn shrink_to(&mut self, items: usize) {
        self.close_gap();
        self.items.shrink_to(items);
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.items.capacity()
    }
}

impl<T> Deref for Fifo<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        self.items.get(self.gap..).unwrap_or_default()
    }
}

impl<T> DerefMut for Fifo<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        self.items.get_mut(self.gap..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push(u8),
        Pop,
        Pass,
        PushFront(u8),
        Remove(usize),
        Retain(u8),
        Shrink,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => any::<u8>().prop_map(Step::Push),
            4 => Just(Step::Pop),
            1 => Just(Step::Pass),
            1 => any::<u8>().prop_map(Step::PushFront),
            1 => (0..8_usize).prop_map(Step::Remove),
            1 => any::<u8>().prop_map(Step::Retain),
            1 => Just(Step::Shrink),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn it_is_a_queue_like_any_other(steps in steps()) {
            let (mut fifo, mut known) = (Fifo::new(), VecDeque::new());
            for step in steps {
                match step {
                    Step::Push(item) => {
                        fifo.push_back(item);
                        known.push_back(item);
                    }
                    Step::Pop => prop_assert_eq!(fifo.pop_front(), known.pop_front()),
                    Step::Pass => {
                        fifo.pass();
                        known.pop_front();
                    }
                    Step::PushFront(item) => {
                        fifo.push_front(item);
                        known.push_front(item);
                    }
                    Step::Remove(index) => {
                        fifo.remove(index);
                        known.remove(index);
                    }
                    Step::Retain(less) => {
                        fifo.retain(|item| *item >= less / 8);
                        known.retain(|item| *item >= less / 8);
                    }
                    Step::Shrink => fifo.shrink_to(4),
                }
                prop_assert_eq!(&*fifo, &*known.make_contiguous());
                prop_assert_eq!((fifo.first(), fifo.len()), (known.front(), known.len()));
                prop_assert_eq!(fifo.first_mut(), known.front_mut());
                for index in [known.len().saturating_sub(1), known.len(), usize::MAX] {
                    prop_assert_eq!(fifo.get_mut(index), known.get_mut(index));
                }
            }
        }
    }

    #[test]
    fn one_that_is_never_empty_does_not_grow_for_ever() {
        let mut fifo = Fifo::new();
        (0..10).for_each(|item| fifo.push_back(item));
        for item in 10..10_000 {
            fifo.push_back(item);
            assert_eq!(fifo.pop_front(), Some(item - 10));
        }
        assert_eq!(fifo.len(), 10);
        assert!(fifo.capacity() <= 64, "{}", fifo.capacity());
    }
}
