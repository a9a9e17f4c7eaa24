extern crate aquifer_driver as aquifer;

use aquifer_derive::FromRow;

#[derive(FromRow)]
struct Two<'a, 'b> {
    code: &'a str,
    river: &'b str,
}

#[derive(FromRow)]
struct Static {
    code: &'static str,
    #[aquifer(skip)]
    fine: &'static str,
}

fn main() {}
