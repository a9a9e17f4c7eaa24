extern crate aquifer_driver as aquifer;

use aquifer_derive::FromRow;

#[derive(FromRow)]
struct Conflicts {
    #[aquifer(skip, rename = "x", json)]
    a: i64,
    #[aquifer(flatten, rename = "x")]
    b: Inner,
    #[aquifer(json, flatten)]
    c: Inner,
    #[aquifer(nested = "x_", default)]
    d: Inner,
    #[aquifer(flatten, nested)]
    e: Inner,
    #[aquifer(json, try_from = "String")]
    f: i64,
    #[aquifer(from = "i32", try_from = "i64")]
    g: i64,
    #[aquifer(with = "read", from = "i64")]
    h: i64,
}

#[derive(FromRow)]
struct Inner {
    a: i64,
}

fn main() {}
