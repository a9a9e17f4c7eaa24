//! Named SQL queries as an HTTP service.
//!
//! A directory of `.sql` files becomes an API: each statement has a head of comments that names it,
//! types its parameters and gives it a route. See `docs/serve.md` for the language of heads, the
//! answers and the errors.

#![forbid(unsafe_code)]

mod base64;
mod calendar;
mod catalog;
mod diagnostic;
mod head;
mod json;
mod parameter;
mod problem;
mod query;
mod request;
mod route;

pub use catalog::{Catalog, Source};
pub use diagnostic::Diagnostic;
pub use head::{Kind, Limit};
pub use parameter::{Parameter, ParameterType};
pub use problem::{BadParameter, Place, Problem, Situation};
pub use query::{Query, parse};
pub use request::{Input, arguments};
pub use route::{Match, Method, Path, Route, Router};
