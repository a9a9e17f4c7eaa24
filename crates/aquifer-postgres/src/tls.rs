//! TLS: the modes of libpq on rustls, and the data for channel binding.
