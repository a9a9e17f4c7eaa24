//! Who we are: the answers to the server's authentication requests, without I/O.
