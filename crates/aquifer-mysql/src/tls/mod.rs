//! TLS: what is trusted, what is checked, the handshake.

use std::path::Path;
use std::sync::Arc;

use aquifer_driver::{Error, ErrorKind, Result, Retry};
use aquifer_net::tls::{Anybody, Chain, PemSource, Roots, handshake_failed, unusable};
use aquifer_net::{Stream, SystemFiles};
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::TlsConnector;

use crate::config::{Config, TlsMode};

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
            Err(error) => {
                let message = format!("the TLS handshake failed: {error}");
                let failed = Error::new(ErrorKind::Connect, message).with_retry(Retry::Safe);
                Err(handshake_failed(failed, error, "tlsCa"))
            }
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
        _ => return Ok(Arc::new(Anybody::new(provider))),
    };
    let roots = match &config.tls_ca {
        Some(path) => Roots { certificates: certificates(path, "tlsCa")?, revoked: Vec::new() },
        None => Roots::of_system("tlsCa")?,
    };
    Ok(Arc::new(Chain::new(roots, check_name, provider)?))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let source = PemSource::File(path.to_owned());
    let pem = source.read_needed("tlsKey", &SystemFiles)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        source
            .malformed("tlsKey", "it has no key in PEM form that can be read")
            .with_hint("store it unencrypted, readable by its owner only")
    })
}

fn certificates(path: &Path, parameter: &str) -> Result<Vec<CertificateDer<'static>>> {
    let source = PemSource::File(path.to_owned());
    source.certificates(parameter, &source.read_needed(parameter, &SystemFiles)?)
}
