//! Every type against a real server: what goes in comes out, by either protocol.

mod support;

#[path = "types/dates.rs"]
mod dates;
#[path = "types/round_trips.rs"]
mod round_trips;
#[path = "types/table.rs"]
mod table;
