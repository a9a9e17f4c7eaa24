extern crate aquifer_driver as aquifer;

use aquifer_derive::{FromValue, ToValue};

#[derive(FromValue)]
#[aquifer(rename_all = "camelCase", repr = "i64", lax)]
struct Newtype(#[aquifer(json)] i64);

#[derive(ToValue)]
#[aquifer(json, into = "i64", repr = "i8")]
struct Document(i64);

#[derive(FromValue)]
#[aquifer(from = "i64", try_from = "i32")]
struct Sources(i64);

#[derive(FromValue)]
enum Variants {
    #[aquifer(renam = "a")]
    A,
    #[aquifer(skip)]
    B,
    #[aquifer(rename = "D")]
    C,
    D,
}

fn main() {}
