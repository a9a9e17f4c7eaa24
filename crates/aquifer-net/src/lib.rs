//! What a driver of a network server is made of, besides its protocol.
//!
//! | part | is |
//! |---|---|
//! | [`Stream`] | a session's bytes: TCP, a unix socket, or TLS over TCP, and a [`Layer`] over any of them |
//! | [`Input`] | bytes that were read and are not understood yet |
//! | [`Statements`] | the prepared statements of one connection, by their text, bounded |
//! | [`stop`] | asks the server to stop a session's command, and never the next one |
//! | [`runtime()`] | where a session lives |
//! | [`Wire`] | writes what a pipeline has to say and reads what comes, in the task of whoever polls |
//! | [`tls`] | what is trusted, what is checked of a server's certificate, and when files are read again |
//! | [`Files`] | the small files that a configuration names, behind a trait |
//! | [`Secret`] | a password that is shown nowhere |
//!
//! It is for those who write drivers, ours first; applications never name it. It knows no protocol and no engine:
//! what differs from one to the other is an argument.
#![forbid(unsafe_code)]

mod files;
#[doc(hidden)]
pub mod fuzzing;
mod input;
mod runtime;
mod secret;
mod statements;
pub mod stop;
mod stream;
pub mod tls;
mod turns;
mod wire;

pub use files::{Files, GivenFiles, Stat, SystemFiles, is_missing};
pub use input::Input;
pub use runtime::runtime;
pub use secret::Secret;
pub use statements::{ByText, Statements};
pub use stream::{Layer, Stream};
pub use wire::{Flow, Wire};
