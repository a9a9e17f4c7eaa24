//! The wire protocol, version 3, without I/O.
