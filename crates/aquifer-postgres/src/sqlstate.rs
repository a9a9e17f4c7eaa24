//! SQLSTATE codes, by name and class.
