extern crate aquifer_driver as aquifer;

use aquifer_derive::ToValue;

#[derive(ToValue)]
#[aquifer(repr = "i8")]
enum Priority {
    Low = 1,
    High = 1_000,
}

fn main() {}
