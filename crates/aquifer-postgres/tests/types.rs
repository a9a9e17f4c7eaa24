//! Every type against a real server: what the first use of a statement takes and gives, every use does.

// What the derive macros name.
extern crate aquifer_driver as aquifer;

mod support;

#[path = "types/codecs.rs"]
mod codecs;
#[path = "types/composites.rs"]
mod composites;
#[path = "types/other_crates.rs"]
mod other_crates;
#[path = "types/paths.rs"]
mod paths;
#[path = "types/round_trips.rs"]
mod round_trips;
#[path = "types/same.rs"]
mod same;
#[path = "types/table.rs"]
mod table;
#[path = "types/user_types.rs"]
mod user_types;
