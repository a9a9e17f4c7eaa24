//! Short programs, one per everyday task; see the files beside this one. Each runs without arguments:
//! `cargo run -p aquifer-examples --example first_row`.
#![forbid(unsafe_code)]
