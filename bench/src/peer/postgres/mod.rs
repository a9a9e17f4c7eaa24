//! Who is measured with a PostgreSQL server.

pub mod aquifer;
pub mod aquifer_copy;
pub mod aquifer_driver;
pub mod aquifer_plain;
pub mod aquifer_shared;
pub mod aquifer_tx;
pub mod caller;
pub mod deadpool;
pub mod diesel;
pub mod floor;
pub mod floor_connect;
pub mod floor_copy;
pub mod libpq;
mod socket;
pub mod sqlx;
pub mod sqlx_shared;
pub mod sqlx_tx;
pub mod tokio_postgres;
pub mod tokio_postgres_shared;
pub mod tokio_postgres_tx;
mod wire;
