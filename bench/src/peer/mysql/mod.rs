//! Who is measured with a MariaDB server.

pub mod aquifer;
pub mod aquifer_driver;
pub mod floor;
pub mod floor_connect;
pub mod floor_insert;
pub mod mysql_async;
pub mod sqlx;
mod wire;
