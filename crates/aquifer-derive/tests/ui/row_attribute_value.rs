extern crate aquifer_driver as aquifer;

use aquifer_derive::FromRow;

#[derive(FromRow)]
#[aquifer(crate = "not a path", rename_all = "camelcase")]
struct Values {
    #[aquifer(default = "1 + 1")]
    a: i64,
    #[aquifer(try_from = "Vec<")]
    b: i64,
    #[aquifer(from = "")]
    c: i64,
    #[aquifer(with = "|cell| 1")]
    d: i64,
    #[aquifer(into = "-")]
    e: i64,
    #[aquifer(nested = "")]
    f: Inner,
    #[aquifer(rename = "")]
    g: i64,
}

#[derive(FromRow)]
#[aquifer(rename_all = "title")]
struct Inner {
    a: i64,
}

fn main() {}
