//! Every type against a real server: what the first use of a statement takes and gives, every use does.

mod support;

#[path = "types/codecs.rs"]
mod codecs;
#[path = "types/paths.rs"]
mod paths;
#[path = "types/same.rs"]
mod same;
