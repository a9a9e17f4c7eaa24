//! Which CPUs this process, and every thread that it starts from now on, may use.
#![allow(unsafe_code, reason = "the standard library cannot pin threads")]

use std::fmt;

/// What a mode pins, and what the kernel said to it.
#[derive(Debug, Clone)]
pub enum Pinned {
    /// Everything runs on this CPU.
    To(usize),
    /// The scheduler chooses among this many CPUs.
    Free(usize),
    /// Pinning was asked for and is not possible here.
    Impossible,
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(cpu) => {
                write!(f, "pinned to CPU {cpu}: this process with all its threads")
            }
            Self::Free(cpus) => write!(f, "nothing pinned, {cpus} CPUs"),
            Self::Impossible => f.write_str("nothing pinned: this system does not let us"),
        }
    }
}

/// The CPUs that the process had at its start, so that a pinned mode can be followed by a free one.
#[derive(Clone, Copy)]
pub struct Affinity {
    #[cfg(target_os = "linux")]
    initial: Option<libc::cpu_set_t>,
}

impl Affinity {
    /// Reads the calling thread's CPUs.
    pub fn initial() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            initial: linux::get(),
        }
    }

    /// Pins the calling thread, and so the threads that it starts later, to the first CPU it may use.
    pub fn one(&self) -> Pinned {
        #[cfg(target_os = "linux")]
        if let Some(cpu) = self.initial.and_then(|set| linux::first(&set))
            && linux::set(&linux::only(cpu))
        {
            return Pinned::To(cpu);
        }
        Pinned::Impossible
    }

    /// Undoes [`one`](Self::one).
    pub fn all(&self) -> Pinned {
        #[cfg(target_os = "linux")]
        if let Some(set) = self.initial {
            linux::set(&set);
        }
        Pinned::Free(std::thread::available_parallelism().map_or(1, usize::from))
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use libc::{CPU_ISSET, CPU_SET, CPU_SETSIZE, cpu_set_t, sched_getaffinity, sched_setaffinity};

    const SIZE: usize = size_of::<cpu_set_t>();

    fn empty() -> cpu_set_t {
        // SAFETY: a set is an array of integers, for which zero is a value: no CPU.
        unsafe { std::mem::zeroed() }
    }

    pub(super) fn get() -> Option<cpu_set_t> {
        let mut set = empty();
        // SAFETY: 0 is the calling thread; the set is ours and of the size given.
        let done = unsafe { sched_getaffinity(0, SIZE, &mut set) };
        (done == 0).then_some(set)
    }

    pub(super) fn set(set: &cpu_set_t) -> bool {
        // SAFETY: 0 is the calling thread; the set is only read, and of the size given.
        unsafe { sched_setaffinity(0, SIZE, set) == 0 }
    }

    pub(super) fn only(cpu: usize) -> cpu_set_t {
        let mut set = empty();
        // SAFETY: `first` gave a number below CPU_SETSIZE.
        unsafe { CPU_SET(cpu, &mut set) };
        set
    }

    pub(super) fn first(set: &cpu_set_t) -> Option<usize> {
        // SAFETY: the numbers asked about are below CPU_SETSIZE.
        (0..CPU_SETSIZE as usize).find(|&cpu| unsafe { CPU_ISSET(cpu, set) })
    }
}
