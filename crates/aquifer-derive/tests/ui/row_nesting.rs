extern crate aquifer_driver as aquifer;

use aquifer_derive::FromRow;

#[derive(FromRow)]
struct Station {
    id: i64,
    #[aquifer(flatten)]
    owner: Option<Owner>,
}

#[derive(FromRow)]
struct Owner {
    name: String,
}

fn main() {}
