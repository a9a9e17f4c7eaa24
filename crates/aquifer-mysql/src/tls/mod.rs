//! TLS: what is trusted, what is checked, the handshake.

mod verify;

use std::path::Path;
use std::sync::Arc;

use aquifer_driver::{Error, ErrorKind, Result, Retry};
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::config::{Config, TlsMode};
use crate::dial::Stream;

/// Everything that handshakes need. Files are read when this is made.
#[derive(Clone)]
pub(crate) struct Tls {
    client: Option<Arc<ClientConfig>>,
    mode: TlsMode,
}

impl Tls {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    ///
    /// `Configuration`, naming the file.
    pub(crate) fn load(config: &Config) -> Result<Self> {
        let mode = config.tls;
        if mode == TlsMode::Disabled || config.socket.is_some() {
            return Ok(Self { client: None, mode });
        }
        let provider = Arc::new(ring::default_provider());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable("TLS cannot be set up", error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier(config, &provider)?);
        let client = match (&config.tls_cert, &config.tls_key) {
            (Some(certificate), Some(key)) => client
                .with_client_auth_cert(certificates(certificate, "tlsCert")?, private_key(key)?)
                .map_err(|error| {
                    unusable("the client certificate and its key cannot be used", error)
                })?,
            _ => client.with_no_client_auth(),
        };
        Ok(Self { client: Some(Arc::new(client)), mode })
    }

    /// Goes on encrypted.
    ///
    /// # Errors
    ///
    /// `Connect` if the handshake fails; it does not help to try again when a certificate is not as it must be.
    pub(crate) async fn encrypt(&self, stream: Stream, host: &str) -> Result<Stream> {
        let (Some(client), Stream::Tcp(tcp)) = (&self.client, stream) else {
            return Err(Error::new(
                ErrorKind::Configuration,
                "a TLS handshake was asked for where there is none",
            ));
        };
        let name = match ServerName::try_from(host.to_owned()) {
            Ok(name) => name,
            Err(error) if self.mode == TlsMode::Verify => {
                return Err(unusable(
                    "the host's name is not one that a certificate can have",
                    error,
                ));
            }
            // Nobody checks it.
            Err(_) => ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()),
        };
        let connector = TlsConnector::from(Arc::clone(client));
        match connector.connect(name, tcp).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(error) => Err(failed(error)),
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("mode", &self.mode).finish_non_exhaustive()
    }
}

fn verifier(
    config: &Config,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>> {
    let check_name = match config.tls {
        TlsMode::Verify => true,
        TlsMode::VerifyCa => false,
        _ => return Ok(Arc::new(verify::Anybody::new(provider))),
    };
    let mut roots = RootCertStore::empty();
    match &config.tls_ca {
        Some(path) => {
            roots.add_parsable_certificates(certificates(path, "tlsCa")?);
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(Error::new(
            ErrorKind::Configuration,
            "there are no certificates of trusted issuers to check the server by",
        )
        .with_hint("give `tlsCa` a file, or install the system's (on Debian ca-certificates)"));
    }
    Ok(Arc::new(verify::Chain::new(roots, check_name, provider)?))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let pem = std::fs::read(path).map_err(|error| file(path, "tlsKey", &error))?;
    let pem = zeroize::Zeroizing::new(pem);
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        let error = file(path, "tlsKey", &"it has no key in PEM form that can be read");
        error.with_hint("store it unencrypted, readable by its owner only")
    })
}

#[cold]
fn file(path: &Path, parameter: &str, why: &dyn std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!("the file {} of `{parameter}` cannot be used: {why}", path.display()),
    )
}

fn certificates(path: &Path, parameter: &str) -> Result<Vec<CertificateDer<'static>>> {
    let file = |why: &dyn std::fmt::Display| file(path, parameter, why);
    let pem = std::fs::read(path).map_err(|error| file(&error))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| file(&error))?;
    if found.is_empty() { Err(file(&"it has no certificate in PEM form")) } else { Ok(found) }
}

#[cold]
fn failed(error: std::io::Error) -> Error {
    let certificate = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .is_some_and(|inner| matches!(inner, rustls::Error::InvalidCertificate(_)));
    let failed = Error::new(ErrorKind::Connect, format!("the TLS handshake failed: {error}"));
    let failed = if certificate {
        failed
            .with_retry(Retry::Never)
            .with_hint("`tlsCa` names who is trusted; `tls=verify-ca` does not check the name")
    } else {
        failed.with_retry(Retry::Safe)
    };
    failed.with_source(error)
}

#[cold]
fn unusable(
    message: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::new(ErrorKind::Configuration, format!("{message}: {source}")).with_source(source)
}
