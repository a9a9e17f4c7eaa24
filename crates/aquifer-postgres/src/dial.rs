//! Sockets: TCP and unix, with TLS negotiated before the startup packet where the mode asks for it.
