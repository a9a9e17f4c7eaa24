//! Each rule on a virtual clock, and a model that tries them all at once.

mod model;
mod rules;
