//! What holds when futures are dropped, connections break and servers die: shown over `Db`, on every engine, against
//! real servers. What each program in `tests/` shows is in `docs/reliability.md`.
//!
//! | part | what it is |
//! |---|---|
//! | [`Engine`], [`Arena`] | an engine; a database of it for one test, reached directly or through a proxy that fails |
//! | [`Server`] | a server of a test's own, which it may kill |
//! | [`Books`] | what the server itself knows of the sessions under test, read over a session of its own |
//! | [`Operation`], [`operations`] | every public operation, with what it leaves behind |
//! | [`Company`] | somebody to share connections with |
//! | [`settled`] | waits until a pool has nothing left to do |
//! | [`Random`], [`Soak`] | randomness from a seed; how long to go on |

#![forbid(unsafe_code)]

mod arena;
mod books;
mod company;
mod engine;
mod operation;
mod random;
mod server;
mod settled;
mod soak;

pub use arena::Arena;
pub use books::{Books, Session};
pub use company::Company;
pub use engine::Engine;
pub use operation::{Effect, Operation, operations};
pub use random::Random;
pub use server::{Server, Slowed};
pub use settled::settled;
pub use soak::Soak;
