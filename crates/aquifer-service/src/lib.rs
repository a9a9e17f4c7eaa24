//! Named SQL queries as an HTTP service.
//!
//! A directory of `.sql` files becomes an API: each statement has a head of comments that names it,
//! types its parameters and gives it a route. See `docs/serve.md` for the language of heads, the
//! answers and the errors.

#![forbid(unsafe_code)]

mod admin;
mod api;
mod base64;
mod body;
mod catalog;
mod check;
mod demo;
mod diagnostic;
mod head;
mod health;
mod host;
mod incident;
mod json;
mod metrics;
mod negotiate;
mod observed;
mod origin;
mod parameter;
mod problem;
mod process;
mod prometheus;
mod query;
mod request;
mod route;
mod run;
mod server;
mod service;
mod slip;
mod stall;
mod storage;

pub use catalog::{Catalog, Source};
pub use check::{Checked, check, lexis};
pub use demo::{Demo, DemoError, READINGS, STATIONS, sqlite_url};
pub use diagnostic::Diagnostic;
pub use head::{Kind, Limit};
pub use incident::{Incident, Log};
pub use json::RowLayout;
pub use parameter::{Parameter, ParameterType};
pub use problem::{BadParameter, Place, Problem, Situation};
pub use query::{Location, Query, parse};
pub use request::{Input, arguments};
pub use route::{Match, Method, Path, Route, Router};
pub use server::{Server, Stop, Stopped};
pub use service::{Options, Service};
pub use storage::Storage;
