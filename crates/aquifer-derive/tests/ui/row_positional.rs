extern crate aquifer_driver as aquifer;

use aquifer_derive::FromRow;

#[derive(FromRow)]
#[aquifer(rename_all = "camelCase")]
struct Pair(#[aquifer(rename = "x")] i64, #[aquifer(default)] i64, #[aquifer(skip, json)] i64);

fn main() {}
