//! The PostgreSQL driver of Aquifer.
//!
//! The pieces, from the wire up: `protocol` turns bytes into messages and back, `auth` answers the
//! server's questions, `types` turns cells and arguments into the contract's terms, `connection` counts
//! what is owed and decides what is sent. None of these does I/O. `dial` and `connector` open sockets and
//! `connection`'s shell reads and writes them, in the task of whoever polls.
#![forbid(unsafe_code)]
// The pieces land one by one; what connects them lands last.
#![allow(dead_code)]

mod auth;
mod config;
mod dial;
#[doc(hidden)]
pub mod fuzzing;
mod protocol;
mod server_error;
mod sqlstate;
mod tls;
mod types;

pub use config::{
    ChannelBinding, Config, HostSpec, LoadBalanceHosts, PemSource, ProtocolVersion, QueryMode,
    RootCert, Secret, SslCertMode, SslConfig, SslMode, SslNegotiation, TargetSessionAttrs,
    TcpConfig, TlsVersion,
};
pub use dial::ConnectErrors;
pub use server_error::{Notice, ServerError, Severity};
pub use sqlstate::SqlState;
pub use types::{Bits, Hstore, IpNet, MacAddr, Malformed, Multirange, Point, Range, TimeTz};
