//! The PostgreSQL driver of Aquifer.
//!
//! The pieces, from the wire up: `protocol` turns bytes into messages and back, `auth` answers the
//! server's questions, `types` turns cells and arguments into the contract's terms, `connection` counts
//! what is owed and decides what is sent. None of these does I/O. `copy` carries bulk data, `listen`
//! notifications. `dial` and `connector` open sockets and `connection`'s shell reads and writes them, in the
//! task of whoever polls.
#![forbid(unsafe_code)]

mod auth;
mod cancel_request;
mod config;
mod connection;
mod connector;
mod copy;
mod dial;
mod driver;
#[doc(hidden)]
pub mod fuzzing;
mod interpolate;
mod lexis;
mod listen;
mod multiplex;
mod parameters;
mod pipeline;
mod pooler;
mod protocol;
mod server_error;
mod session_change;
mod session_observer;
mod sqlstate;
mod startup;
mod statement;
mod tls;
mod types;
mod user_types;

pub use config::{
    ChannelBinding, Config, HostSpec, LoadBalanceHosts, PemSource, Pooler, ProtocolVersion,
    QueryMode, RootCert, Secret, SslCertMode, SslConfig, SslMode, SslNegotiation,
    TargetSessionAttrs, TcpConfig, TlsVersion,
};
pub use connection::PostgresConnection;
pub use connector::PostgresConnector;
pub use copy::{CopyFormat, CopyIn, CopyInRows, CopyOut, CopyOutRows, CopyRowWriter};
pub use dial::ConnectErrors;
pub use driver::PostgresDriver;
pub use listen::{Event, ListenCloser, ListenOptions, Listener, Missed, Overflow};
pub use server_error::{Notice, ServerError, Severity};
pub use session_observer::{Notification, SessionObserver};
pub use sqlstate::SqlState;
pub use types::{
    Bits, Composite, CompositeFields, CompositeText, Hstore, IpNet, List, MacAddr, Malformed,
    Multirange, Point, Range, TimeTz, TypeCodec,
};
