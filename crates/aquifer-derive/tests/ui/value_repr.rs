extern crate aquifer_driver as aquifer;

use aquifer_derive::{FromValue, ToValue};

#[derive(FromValue)]
#[repr(u8)]
#[aquifer(rename_all = "lowercase")]
enum Named {
    #[aquifer(rename = "a")]
    A,
}

#[derive(ToValue)]
#[aquifer(repr = "int32")]
enum Near {
    A,
}

#[derive(ToValue)]
#[aquifer(repr = "number")]
enum Far {
    A,
}

#[derive(ToValue)]
#[aquifer(repr = "u128")]
enum Wide {
    A,
}

fn main() {}
