//! Who is measured: a file per library, with one function per workload that it can do.

pub mod aquifer;
pub mod aquifer_driver;
pub mod aquifer_pool;
pub mod bb8;
pub mod deadpool;
pub mod mysql;
pub mod postgres;
pub mod program;
pub mod rusqlite;
pub mod semaphore;
pub mod server_driver;
pub mod sqlx;
