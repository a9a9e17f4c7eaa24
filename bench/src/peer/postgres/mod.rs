//! Who is measured with a PostgreSQL server.

pub mod aquifer;
pub mod aquifer_copy;
pub mod aquifer_driver;
pub mod deadpool;
pub mod diesel;
pub mod floor;
pub mod floor_connect;
pub mod floor_copy;
pub mod libpq;
pub mod sqlx;
pub mod tokio_postgres;
mod wire;
