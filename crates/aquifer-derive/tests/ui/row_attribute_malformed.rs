extern crate aquifer_driver as aquifer;

use aquifer_derive::FromRow;

#[derive(FromRow)]
#[aquifer]
struct NoList {
    #[aquifer = "skip"]
    a: i64,
    #[aquifer(skip = "yes")]
    b: i64,
    #[aquifer(rename)]
    c: i64,
    #[aquifer(rename = 7)]
    d: i64,
    #[aquifer(rename = name)]
    e: i64,
    #[aquifer(default default)]
    f: i64,
    #[aquifer(default, default = "x")]
    g: i64,
    #[aquifer("h")]
    h: i64,
}

fn main() {}
