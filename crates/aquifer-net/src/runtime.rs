//! The runtime that a session lives in: the one that it was opened in.

use aquifer_driver::{Error, ErrorKind, Result};
use tokio::runtime::Handle;

/// The runtime of the caller, who opens a session with `engine`.
///
/// # Errors
///
/// `Runtime` outside of any.
pub fn runtime(engine: &str) -> Result<Handle> {
    Handle::try_current().map_err(|_| {
        Error::new(
            ErrorKind::Runtime,
            format!("a connection to {engine} needs a tokio runtime, and there is none"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_a_runtime_the_engine_is_named() {
        let error = runtime("MariaDB").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Runtime);
        assert!(error.to_string().contains("a connection to MariaDB"), "{error}");
    }

    #[tokio::test]
    async fn inside_it_is_there() {
        assert!(runtime("PostgreSQL").is_ok());
    }
}
