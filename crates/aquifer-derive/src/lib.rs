//! The derive macros of Aquifer: [`FromRow`], [`ToParams`], [`FromValue`] and [`ToValue`].
//!
//! Users find them in the crate `aquifer`, beside the traits of the same names. This page is the
//! reference of every attribute; all of them are written `#[aquifer(...)]`.
//!
//! A type is a *row* or a *value*, never both. A row spans columns: derive [`FromRow`] to read it and
//! [`ToParams`] to pass its fields as named parameters. A value is one cell or one argument: derive
//! [`FromValue`] and [`ToValue`]. Every value is also a row of one column.
//!
//! | shape | row | value |
//! |---|---|---|
//! | struct with named fields | by name | with `composite`, `json`, `from`/`try_from` and `into` |
//! | tuple struct of several fields | by position | with `composite`, `json`, `from`/`try_from` and `into` |
//! | newtype: tuple struct of one field | - | what it holds |
//! | enum without data | - | by name, or by number |
//!
//! Mistakes are compile errors that point at the attribute or field, all of them in one build.
//!
//! # Rows
//!
//! ```
//! # extern crate aquifer_driver as aquifer;
//! # use aquifer_derive::{FromRow, ToParams};
//! #[derive(FromRow, ToParams)]
//! struct Station {
//!     id: i64,
//!     code: String,
//!     level_m: Option<f64>,
//! }
//! ```
//!
//! `SELECT id, code, level_m FROM stations` gives `Station`s, in whatever order the columns come;
//! `INSERT INTO stations VALUES (:id, :code, :level_m)` takes one. Names match exactly. A column without
//! a field, a field without a column and a second column of one name are errors when the statement
//! runs, before its first row is given. NULL needs an [`Option`].
//!
//! A struct with a lifetime borrows from the row: nothing is copied.
//!
//! ```
//! # extern crate aquifer_driver as aquifer;
//! # use aquifer_derive::FromRow;
//! use std::borrow::Cow;
//!
//! #[derive(FromRow)]
//! struct StationView<'r> {
//!     code: &'r str,
//!     river: Cow<'r, str>,
//! }
//! ```
//!
//! Generic structs get the bounds that their fields need:
//!
//! ```
//! # extern crate aquifer_driver as aquifer;
//! # use aquifer_derive::FromRow;
//! #[derive(FromRow)]
//! struct Counted<K> {
//!     key: K,
//!     count: i64,
//! }
//! ```
//!
//! A tuple struct is read by position. Its fields take `skip`, `json`, `from`, `try_from` and `with`.
//!
//! ```
//! # extern crate aquifer_driver as aquifer;
//! # use aquifer_derive::FromRow;
//! #[derive(FromRow)]
//! struct Point(f64, f64);
//! ```
//!
//! ## On the type
//!
//! - `rename_all = "..."`: how field names are written in the database: `lowercase`, `UPPERCASE`,
//!   `PascalCase`, `camelCase`, `snake_case`, `SCREAMING_SNAKE_CASE`, `kebab-case` or
//!   `SCREAMING-KEBAB-CASE`, by serde's rules. Names are taken as they are without it.
//! - `lax`: columns that no field takes are ignored. It holds for the whole row, also where the type is
//!   flattened or nested into another one.
//! - `crate = "path"`: where `aquifer` is found, for crates that rename or re-export it.
//!
//! ```
//! # extern crate aquifer_driver as aquifer;
//! # use aquifer_derive::FromRow;
//! #[derive(FromRow)]
//! #[aquifer(rename_all = "camelCase", lax)]
//! struct Reading {
//!     station_id: i64, // the column `stationId`
//!     level_m: f64,    // the column `levelM`
//! }
//! ```
//!
//! ## On a field
//!
//! - `rename = "name"`: the column's name; `rename_all` does not apply.
//! - `default`, `default = "path::to::function"`: what the field is if the result has no such column:
//!   [`Default::default`], or what the function gives. A NULL is not a missing column.
//! - `skip`: the field has no column and is no parameter. It is filled as `default` says.
//!
//! ```
//! # extern crate aquifer_driver as aquifer;
//! # use aquifer_derive::FromRow;
//! #[derive(FromRow)]
//! struct Station {
//!     #[aquifer(rename = "station_id")]
//!     id: i64,
//!     #[aquifer(default)]
//!     level_m: Option<f64>,
//!     #[aquifer(default = "unknown")]
//!     river: String,
//!     #[aquifer(skip)]
//!     alarms: Vec<String>,
//! }
//!
//! fn unknown() -> String {
//!     "unknown".to_owned()
//! }
//! ```
//!
//! - `flatten`: the field is a struct whose columns stand among this one's.
//! - `nested`, `nested = "prefix_"`: the field is a struct whose columns all start with the prefix, by
//!   default the field's name and `_`. An `Option` is `None` if all of these columns are NULL, as on
//!   the outer side of a LEFT JOIN. As parameters, its fields are `:owner_name` and also `:owner.name`;
//!   those of a `None` are NULL.
//!
//! ```
//! # extern crate aquifer_driver as aquifer;
//! # use aquifer_derive::{FromRow, ToParams};
//! #[derive(FromRow, ToParams)]
//! struct Station {
//!     id: i64,
//!     #[aquifer(flatten)]
//!     audit: Audit, // the columns `created_by`, `created_at`
//!     #[aquifer(nested)]
//!     owner: Option<Owner>, // the columns `owner_id`, `owner_name`
//! }
//!
//! #[derive(FromRow, ToParams)]
//! struct Audit {
//!     created_by: String,
//!     created_at: i64,
//! }
//!
//! #[derive(FromRow, ToParams)]
//! struct Owner {
//!     id: i64,
//!     name: String,
//! }
//! ```
//!
//! - `json`: the column holds a JSON document, which serde reads and writes. An `Option` is `None` for
//!   NULL and for the document `null`. Needs the feature `serde_json`.
//! - `from = "Type"`: the column is read as `Type` and becomes the field by [`From`].
//! - `try_from = "Type"`: likewise by [`TryFrom`]. A failure is a conversion error that names the column
//!   and ends with the failure's own text, so that text should not quote secrets.
//! - `into = "Type"`: as a parameter, the field is cloned and becomes `Type` by [`Into`].
//! - `with = "path::to::function"`: the function reads the cell, with the signature of
//!   `FromValue::from_cell`: for types of other crates.
//!
//! Through all four, an `Option` is `None` for NULL, and the conversion is asked for the rest only
//! (unless `Type` is an `Option` itself).
//!
//! ```
//! # extern crate aquifer_driver as aquifer;
//! # use aquifer_derive::{FromRow, ToParams};
//! use std::net::IpAddr;
//! # use aquifer::FromValue as _;
//! use aquifer::{Cell, ConversionError, ValueRef};
//!
//! #[derive(FromRow, ToParams)]
//! struct Probe {
//!     #[aquifer(json)]
//!     labels: Vec<String>,
//!     #[aquifer(try_from = "i64", into = "i64")]
//!     port: Port,
//!     #[aquifer(try_from = "i64", into = "i64")]
//!     spare_port: Option<Port>,
//! }
//!
//! #[derive(FromRow)]
//! struct Host {
//!     #[aquifer(with = "address")]
//!     address: IpAddr,
//! }
//!
//! fn address(cell: Cell<'_>) -> Result<IpAddr, ConversionError> {
//!     let text = <&str>::from_cell(cell)?;
//!     text.parse().map_err(|_| {
//!         ConversionError::value("IpAddr", &ValueRef::Text(text), "it is not an address")
//!     })
//! }
//!
//! #[derive(Clone)]
//! struct Port(u16);
//!
//! impl TryFrom<i64> for Port {
//!     type Error = std::num::TryFromIntError;
//!
//!     fn try_from(port: i64) -> Result<Self, Self::Error> {
//!         port.try_into().map(Port)
//!     }
//! }
//!
//! impl From<Port> for i64 {
//!     fn from(port: Port) -> Self {
//!         port.0.into()
//!     }
//! }
//! ```
//!
//! # Values
//!
//! A newtype is what it holds. Further fields are markers, which are skipped:
//!
//! ```
//! # extern crate aquifer_driver as aquifer;
//! # use aquifer_derive::{FromValue, ToValue};
//! use std::marker::PhantomData;
//!
//! #[derive(FromValue, ToValue)]
//! struct StationId(i64);
//!
//! #[derive(FromValue, ToValue)]
//! struct Id<T>(i64, #[aquifer(skip)] PhantomData<T>);
//! ```
//!
//! An enum is text: its variants' names, exactly as they are written. Another text is a conversion error
//! that lists the variants.
//!
//! ```
//! # extern crate aquifer_driver as aquifer;
//! # use aquifer_derive::{FromValue, ToValue};
//! #[derive(FromValue, ToValue)]
//! #[aquifer(rename_all = "snake_case")]
//! enum Status {
//!     InReview, // 'in_review'
//!     #[aquifer(rename = "ok")]
//!     Accepted, // 'ok'
//! }
//! ```
//!
//! An enum with an integer `#[repr]`, or with `repr` as an attribute, is a number: its discriminant.
//!
//! ```
//! # extern crate aquifer_driver as aquifer;
//! # use aquifer_derive::{FromValue, ToValue};
//! #[derive(FromValue, ToValue)]
//! #[aquifer(repr = "i16")]
//! enum Priority {
//!     Low = 1,
//!     High = 10,
//! }
//! ```
//!
//! A struct can be a composite type of PostgreSQL's: its fields are the type's, in the same order, whatever
//! their names. NULL needs an `Option`; a field may be a composite, an enum, or (to be read) a `Vec`. An array of
//! composites is a `postgres::List`. It is read
//! out of its text, so nothing is borrowed, and a `bytea` within it is text. Needs the feature `postgres`.
//!
//! ```
//! # mod aquifer { pub use aquifer_driver::*; pub mod postgres {
//! #     use aquifer_driver::{Cell, ConversionError, FromValue, ParamSink, Result, ValueRef};
//! #     pub struct CompositeFields;
//! #     impl CompositeFields {
//! #         pub fn of(_: Cell<'_>, _: &str, _: usize) -> Result<Self, ConversionError> { Ok(Self) }
//! #         pub fn next<T: for<'a> FromValue<'a>>(&mut self, _: &str) -> Result<T, ConversionError> { panic!() }
//! #     }
//! #     pub struct CompositeText;
//! #     impl CompositeText {
//! #         pub fn new() -> Self { Self }
//! #         pub fn finish(self, _: &mut dyn ParamSink) -> Result<()> { Ok(()) }
//! #     }
//! #     impl ParamSink for CompositeText { fn put(&mut self, _: ValueRef<'_>) -> Result<()> { Ok(()) } }
//! # } }
//! # use aquifer_derive::{FromValue, ToValue};
//! #[derive(FromValue, ToValue)]
//! # #[aquifer(crate = "crate::aquifer")]
//! #[aquifer(composite)]
//! struct Address { // CREATE TYPE address AS (street text, number int, floor int)
//!     street: String,
//!     number: i32,
//!     floor: Option<i32>,
//! }
//! # fn main() {}
//! ```
//!
//! ## On the type
//!
//! - `composite`: see above. A field with `skip` is no field of the type's, and [`Default`] when it is read.
//! - `rename_all = "..."`, and `rename = "name"` on a variant: as for rows, from `PascalCase`.
//! - `repr = "i16"`: the enum is a number of that type (`i8` to `i64`, `u8` to `u64`, `isize`, `usize`);
//!   a discriminant that does not fit stops the build. `repr = "text"` makes it text whatever its
//!   `#[repr]` says.
//! - `json`: the value is a JSON document, which serde reads and writes, whatever the type's shape.
//!   Needs the feature `serde_json`.
//! - `from = "Type"`, `try_from = "Type"`: the value is read as `Type` and converted; without them it is
//!   read by its shape.
//! - `into = "Type"`: the value is cloned and written as `Type`; without it, it is written by its shape.
//! - `crate = "path"`: as for rows.
//!
//! ```
//! # extern crate aquifer_driver as aquifer;
//! # use aquifer_derive::{FromValue, ToValue};
//! #[derive(FromValue, ToValue)]
//! #[aquifer(try_from = "String")]
//! struct Email(String);
//!
//! impl TryFrom<String> for Email {
//!     type Error = &'static str;
//!
//!     fn try_from(text: String) -> Result<Self, Self::Error> {
//!         if text.contains('@') { Ok(Self(text)) } else { Err("it has no @") }
//!     }
//! }
//!
//! #[derive(FromValue, ToValue, Clone)]
//! #[aquifer(from = "i64", into = "i64")]
//! struct Span {
//!     hours: i64,
//!     minutes: i64,
//! }
//! #
//! # impl From<i64> for Span {
//! #     fn from(minutes: i64) -> Self {
//! #         Self { hours: minutes / 60, minutes: minutes % 60 }
//! #     }
//! # }
//! #
//! # impl From<Span> for i64 {
//! #     fn from(span: Span) -> Self {
//! #         span.hours * 60 + span.minutes
//! #     }
//! # }
//! ```

#![forbid(unsafe_code)]

/// `quote!` whose local names are the macro's own: a user's function called `row` or `value` stays
/// what it is.
macro_rules! code {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned!(::proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}

/// `code!` whose errors point at the user's tokens, as in `code_at!(&ty=> ...)`.
macro_rules! code_at {
    ($at:expr=> $($tokens:tt)*) => {{
        let span = ::syn::spanned::Spanned::span($at);
        ::quote::quote_spanned!(::proc_macro2::Span::mixed_site().located_at(span)=> $($tokens)*)
    }};
}

mod attributes;
mod conversion;
mod diagnostics;
mod from_row;
mod from_value;
mod generics;
mod rename;
mod row;
mod to_params;
mod to_value;
mod value;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Reads a struct from a row: by name, or a tuple struct by position.
///
/// The [crate's page](crate#rows) has every attribute. Enums and newtypes are values: derive
/// [`FromValue`](macro@FromValue) for them.
#[proc_macro_derive(FromRow, attributes(aquifer))]
pub fn from_row(input: TokenStream) -> TokenStream {
    from_row::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes a struct's fields named parameters, under the names of the columns that
/// [`FromRow`](macro@FromRow) reads.
///
/// The [crate's page](crate#rows) has every attribute; those that are only about reading (`default`,
/// `lax`, `from`, `try_from`, `with`) change nothing here.
#[proc_macro_derive(ToParams, attributes(aquifer))]
pub fn to_params(input: TokenStream) -> TokenStream {
    to_params::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// Reads a newtype or an enum from one column.
///
/// The [crate's page](crate#values) has every attribute.
#[proc_macro_derive(FromValue, attributes(aquifer))]
pub fn from_value(input: TokenStream) -> TokenStream {
    from_value::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes a newtype or an enum an argument, in the form that [`FromValue`](macro@FromValue) reads.
///
/// The [crate's page](crate#values) has every attribute.
#[proc_macro_derive(ToValue, attributes(aquifer))]
pub fn to_value(input: TokenStream) -> TokenStream {
    to_value::derive(&parse_macro_input!(input as DeriveInput)).into()
}
