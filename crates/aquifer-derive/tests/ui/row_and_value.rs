extern crate aquifer_driver as aquifer;

use aquifer_derive::{FromRow, FromValue};

// By shape, only one of the two is possible.
#[derive(FromRow, FromValue)]
struct Named {
    id: i64,
}

#[derive(FromRow, FromValue)]
struct Newtype(i64);

fn main() {}
