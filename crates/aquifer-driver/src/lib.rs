//! The driver contract of Aquifer: what an engine's driver gives, and what crosses between it and the
//! rest.
//!
//! Users depend on the crate `aquifer`, which re-exports what they need. Authors of drivers depend on
//! this one. It knows no runtime, opens no socket and spawns nothing.
//!
//! Where to start: [`Driver`] reads a URL into a [`Connector`]; a connector opens [`Connection`]s; a
//! connection is given [`Command`]s and fills [`RowBatch`]es. Rows become Rust types through
//! [`FromRow`] and [`FromValue`]; arguments come from Rust types through [`Params`] and [`ToValue`]. All
//! of these traits, their blanket impls and the optional types (`chrono`, `time`, `jiff`, `uuid`,
//! `rust_decimal`, `serde_json`, each a feature) live here together, because coherence needs one crate.
//!
//! Two seams decide the speed. *Batches, not cells*, cross the dynamic call: a driver fills a buffer, and
//! decoding is an inlinable `match` on a closed list of [`Encoding`]s. *Parameters are visited, not
//! boxed*: they are encoded straight into the driver's write buffer.

#![forbid(unsafe_code)]

/// This crate by the name that `aquifer` gives it, for code that derives generate with either at its root.
#[doc(hidden)]
pub extern crate self as driver;

mod batch;
pub mod civil;
mod column;
pub mod connection;
mod connector;
mod dialect;
mod dsn;
pub mod duration;
mod elements;
mod encoding;
mod environment;
mod error;
mod from_row;
mod from_value;
pub mod multiplex;
mod named;
mod params;
mod registry;
mod server_observer;
pub mod suggest;
mod transaction;
mod types;
mod value;

pub use batch::{Cell, CellSlots, ColumnIndex, Row, RowBatch};
pub use column::{Column, Columns};
pub use connection::{
    Batch, BatchItem, BoxFuture, Cancel, Canceller, Command, CommitTrace, Connection, Counters,
    Description, Fence, Outcome, Parameter, Status, Step, Want,
};
pub use connector::{Access, Connector, Driver, DriverOption, Layout};
pub use dialect::{Dialect, Grammar, Placeholder};
pub use dsn::Dsn;
pub use elements::Elements;
pub use encoding::{Encoding, Tag};
pub use environment::{EmptyEnvironment, Environment, ProcessEnvironment};
pub use error::{Error, ErrorKind, Result, Retry};
pub use from_row::{Fields, FromRow, Mapping, Plan, Planned};
pub use from_value::{ConversionError, FromValue};
pub use named::{Argument, ToParams};
pub use params::{Array, ParamBuf, ParamSink, Params, ToValue};
pub use registry::Registry;
pub use server_observer::{ServerNotice, ServerObserver};
pub use transaction::{Isolation, TxOptions};
#[cfg(feature = "serde_json")]
pub use types::Json;
pub use types::notation;
pub use value::{ArrayRef, Date, Interval, Value, ValueRef};
