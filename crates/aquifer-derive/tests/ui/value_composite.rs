extern crate aquifer_driver as aquifer;

use aquifer_derive::{FromValue, ToValue};

#[derive(FromValue)]
#[aquifer(composite)]
enum Mood {
    Calm,
}

#[derive(ToValue)]
#[aquifer(composite)]
struct Nothing {}

#[derive(FromValue)]
#[aquifer(composite)]
struct View<'r> {
    street: &'r str,
}

#[derive(ToValue)]
#[aquifer(composite, json)]
struct Both {
    a: i32,
}

#[derive(ToValue)]
#[aquifer(composite)]
struct Renamed {
    #[aquifer(rename = "b")]
    a: i32,
}

fn main() {}
