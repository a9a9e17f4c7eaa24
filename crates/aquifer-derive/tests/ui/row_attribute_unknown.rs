extern crate aquifer_driver as aquifer;

use aquifer_derive::{FromRow, ToParams};

#[derive(FromRow)]
#[aquifer(rename_al = "camelCase", strict)]
struct Near {
    #[aquifer(renam = "x")]
    a: i64,
    #[aquifer(primary_key)]
    b: i64,
    #[aquifer(lax)]
    c: i64,
}

#[derive(ToParams)]
#[aquifer(skip)]
struct Parameters {
    a: i64,
}

fn main() {}
