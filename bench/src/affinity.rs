//! Which CPUs this process, every thread that it starts from now on, and a server may use.
#![allow(unsafe_code, reason = "the standard library cannot pin threads")]

use std::fmt;

/// What a mode pins, and what the kernel said to it.
#[derive(Debug, Clone)]
pub enum Pinned {
    /// Everything runs on this CPU.
    To(usize),
    /// This process runs on the first CPU, a server's on the second.
    Split(usize, usize),
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
            Self::Split(client, server) => {
                write!(f, "this process pinned to CPU {client}, a server to CPU {server}")
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

    /// Pins as [`one`](Self::one) does, but what `server` starts to another CPU: the last that it may use.
    pub fn apart<T>(&self, server: impl FnOnce() -> T) -> (Pinned, T) {
        #[cfg(target_os = "linux")]
        if let Some((first, last)) =
            self.initial.and_then(|set| linux::first(&set).zip(linux::last(&set)))
            && first != last
            && linux::set(&linux::only(last))
        {
            let started = server();
            linux::set(&linux::only(first));
            return (Pinned::Split(first, last), started);
        }
        (Pinned::Impossible, server())
    }

    /// Undoes [`one`](Self::one) and [`apart`](Self::apart).
    pub fn all(&self) -> Pinned {
        #[cfg(target_os = "linux")]
        if let Some(set) = self.initial {
            linux::set(&set);
        }
        Pinned::Free(std::thread::available_parallelism().map_or(1, usize::from))
    }
}

/// Gives another thread, or a process of one thread, the CPUs of the calling thread. One that has ended, or is
/// somebody else's, keeps what it had.
pub fn share(thread: u32) {
    #[cfg(target_os = "linux")]
    if let (Some(set), Ok(thread)) = (linux::get(), thread.try_into()) {
        linux::set_of(thread, &set);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = thread;
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
        // 0 is the calling thread.
        set_of(0, set)
    }

    pub(super) fn set_of(thread: libc::pid_t, set: &cpu_set_t) -> bool {
        // SAFETY: the set is only read, and of the size given.
        unsafe { sched_setaffinity(thread, SIZE, set) == 0 }
    }

    pub(super) fn only(cpu: usize) -> cpu_set_t {
        let mut set = empty();
        // SAFETY: `first` gave a number below CPU_SETSIZE.
        unsafe { CPU_SET(cpu, &mut set) };
        set
    }

    pub(super) fn first(set: &cpu_set_t) -> Option<usize> {
        members(set).next()
    }

    pub(super) fn last(set: &cpu_set_t) -> Option<usize> {
        members(set).last()
    }

    fn members(set: &cpu_set_t) -> impl Iterator<Item = usize> + '_ {
        // SAFETY: the numbers asked about are below CPU_SETSIZE.
        (0..CPU_SETSIZE as usize).filter(move |&cpu| unsafe { CPU_ISSET(cpu, set) })
    }
}
