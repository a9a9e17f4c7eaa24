extern crate aquifer_driver as aquifer;

use aquifer_derive::{FromRow, ToParams};

#[derive(FromRow)]
#[aquifer(rename_all = "UPPERCASE")]
struct Columns {
    id: i64,
    #[aquifer(rename = "ID")]
    key: i64,
    #[aquifer(nested = "OWNER_")]
    by: Inner,
    #[aquifer(nested)]
    owner: Inner,
}

#[derive(ToParams)]
struct Parameters {
    #[aquifer(rename = "key")]
    id: i64,
    key: i64,
}

#[derive(FromRow)]
struct Inner {
    a: i64,
}

fn main() {}
