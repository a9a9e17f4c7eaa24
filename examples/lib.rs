//! Ten short programs, one per everyday task; see the files beside this one.
#![forbid(unsafe_code)]
