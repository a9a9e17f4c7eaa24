extern crate aquifer_driver as aquifer;

use aquifer_derive::FromRow;

#[derive(FromRow)]
struct Unit;

#[derive(FromRow)]
struct Empty {}

#[derive(FromRow)]
struct Newtype(i64);

#[derive(FromRow)]
struct Marked(i64, #[aquifer(skip)] std::marker::PhantomData<u8>);

#[derive(FromRow)]
enum Status {
    Open,
}

#[derive(FromRow)]
union Bits {
    a: u32,
}

fn main() {}
