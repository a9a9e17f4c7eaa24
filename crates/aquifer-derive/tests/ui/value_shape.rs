extern crate aquifer_driver as aquifer;

use aquifer_derive::{FromValue, ToValue};

#[derive(FromValue)]
struct Named {
    id: i64,
}

#[derive(ToValue)]
struct Unit;

#[derive(ToValue)]
struct Nothing();

#[derive(FromValue)]
struct Pair(i64, i64);

#[derive(FromValue)]
struct Skipped(#[aquifer(skip)] i64);

#[derive(FromValue)]
enum Never {}

#[derive(ToValue)]
enum Data {
    Plain,
    Circle(f64),
    Square { side: f64 },
}

#[derive(FromValue)]
union Bits {
    a: u32,
}

#[derive(FromValue)]
struct Static(&'static str);

#[derive(FromValue)]
struct Two<'a, 'b>(&'a str, #[aquifer(skip)] std::marker::PhantomData<&'b ()>);

fn main() {}
