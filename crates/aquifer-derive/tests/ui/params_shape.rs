extern crate aquifer_driver as aquifer;

use aquifer_derive::ToParams;

#[derive(ToParams)]
struct Pair(i64, i64);

#[derive(ToParams)]
struct Unit;

#[derive(ToParams)]
enum Status {
    Open,
}

fn main() {}
