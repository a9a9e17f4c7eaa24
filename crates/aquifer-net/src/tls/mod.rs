//! TLS: what is trusted, what is checked, and what a failed handshake means.
//!
//! The provider is `ring`, given explicitly by the drivers; the process's default provider is neither used nor set.

mod pem;
mod reload;
mod verify;

use std::io;

use aquifer_driver::{Error, ErrorKind, Retry};
use rustls::CertificateError;

pub use pem::{PemSource, Roots};
pub use reload::Reload;
pub use verify::{Anybody, Chain};

/// An error about what TLS was configured with.
#[cold]
#[must_use]
pub fn unusable(
    message: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::new(ErrorKind::Configuration, format!("{message}: {source}")).with_source(source)
}

/// Completes the error of a handshake that failed by `cause`: with what can be done about a certificate, and with
/// [`Retry::Never`] where TLS itself has objected, since what is not accepted now will not be accepted at once,
/// either. `roots` is the parameter that says who is trusted.
#[cold]
#[must_use]
pub fn handshake_failed(failed: Error, cause: io::Error, roots: &str) -> Error {
    let tls = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let hint = match tls {
        Some(rustls::Error::InvalidCertificate(why)) => Some(match why {
            CertificateError::UnknownIssuer => {
                format!("its certificate was issued by none of those in `{roots}`")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another host; only the names in subjectAltName count"
                    .to_owned()
            }
            _ => "its certificate is not accepted".to_owned(),
        }),
        _ => None,
    };
    let failed = if tls.is_some() { failed.with_retry(Retry::Never) } else { failed };
    let failed = match hint {
        Some(hint) => failed.with_hint(hint),
        None => failed,
    };
    failed.with_source(cause)
}
