//! Generated code depends on nothing that the user's module happens to hold.

#![deny(warnings, missing_docs, clippy::all)]

extern crate aquifer_driver as aquifer;

mod support;

use support::{argument, read};

/// Everything of the contract under another name, as a crate that re-exports it has it.
pub mod db {
    pub use aquifer_derive::*;
    pub use aquifer_driver::*;
}

/// No prelude, and every name of it taken.
pub mod bare {
    #![no_implicit_prelude]

    use ::aquifer_derive::{FromRow, FromValue, ToParams, ToValue};

    /// Takes a name.
    #[allow(dead_code, missing_debug_implementations)]
    mod taken {
        pub(super) struct Option;
        pub(super) struct Result;
        pub(super) struct Some;
        pub(super) struct None;
        pub(super) struct Ok;
        pub(super) struct Err;
        pub(super) struct String;
        pub(super) struct Box;
    }
    #[allow(unused_imports)]
    use taken::{Box, Err, None, Ok, Option, Result, Some, String};

    /// A name that is also a local one of the generated code.
    pub fn value() -> i64 {
        3
    }

    /// Likewise.
    pub fn fields() -> i64 {
        4
    }

    /// Likewise.
    ///
    /// # Errors
    ///
    /// If it is not a number.
    pub fn cell(
        cell: ::aquifer::Cell<'_>,
    ) -> ::core::result::Result<i64, ::aquifer::ConversionError> {
        <i64 as ::aquifer::FromValue<'_>>::from_cell(cell)
    }

    /// A row whose fields and functions are called like what is generated.
    #[derive(FromRow, ToParams, Debug)]
    #[aquifer(lax)]
    pub struct Everything {
        /// A field.
        pub row: i64,
        /// A field.
        #[aquifer(default = "value")]
        pub fields: i64,
        /// A field.
        #[aquifer(skip, default = "fields")]
        pub columns: i64,
        /// A field.
        #[aquifer(with = "cell")]
        pub name: i64,
        /// A field.
        #[aquifer(try_from = "i64", into = "i64")]
        pub each: i64,
        /// A field.
        #[aquifer(json)]
        pub plan: ::std::vec::Vec<i64>,
        /// A field.
        #[aquifer(nested)]
        pub inner: ::core::option::Option<Inner>,
        /// A field.
        #[aquifer(flatten)]
        pub flat: Inner,
    }

    /// A row.
    #[derive(FromRow, ToParams, Debug)]
    pub struct Inner {
        /// A field.
        #[deprecated]
        pub id: Id,
        /// A field.
        pub kind: Kind,
        /// A field.
        pub level: Level,
    }

    /// A value.
    #[derive(FromValue, ToValue, Debug)]
    pub struct Id(pub i64);

    /// A value.
    #[derive(FromValue, ToValue, Debug)]
    pub enum Kind {
        /// A variant.
        Ok,
        /// A variant.
        r#Type,
    }

    /// A value.
    #[derive(FromValue, ToValue, Debug)]
    #[repr(u8)]
    pub enum Level {
        /// A variant.
        None = 1,
    }
}

/// Through another path.
pub mod elsewhere {
    use super::db::{FromRow, FromValue, ToParams, ToValue};

    /// A row.
    #[derive(FromRow, ToParams, Debug)]
    #[aquifer(crate = "super::db")]
    pub struct Station {
        /// A field.
        pub id: StationId,
    }

    /// A value.
    #[derive(FromValue, ToValue, Debug)]
    #[aquifer(crate = "crate::db")]
    pub struct StationId(pub i64);
}

#[test]
fn names_of_the_surrounding_module_do_not_matter() {
    let batch = row! {
        "row" => 1, "name" => 2, "each" => 5, "plan" => "[6]",
        "inner_id" => support::Put::Null, "inner_kind" => support::Put::Null,
        "inner_level" => support::Put::Null, "id" => 7, "kind" => "Type", "level" => 1,
    };
    let read = read::<bare::Everything>(&batch);
    assert_eq!((read.fields, read.columns, read.name, read.each), (3, 4, 2, 5));
    assert!(read.inner.is_none());
    assert!(matches!(read.flat.kind, bare::Kind::r#Type));
    let value = argument(&read, "kind");
    assert_eq!(value, Some(aquifer::Value::Text("Type".into())));
}

#[test]
fn the_root_of_generated_paths_may_be_given() {
    let batch = row! { "id" => 7 };
    let station = read::<elsewhere::Station>(&batch);
    assert_eq!(argument(&station, "id"), Some(aquifer::Value::Int(7)));
}
