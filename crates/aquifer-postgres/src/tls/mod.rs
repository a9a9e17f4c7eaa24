//! TLS: the modes of libpq on rustls, and the data for channel binding.
//!
//! [`Tls`] is made from a [`Config`]'s files once and serves any number of handshakes. The provider is
//! `ring`, given explicitly; the process's default provider is neither used nor set. No certificate is
//! ever accepted in a mode that promises to check it, whatever goes wrong on the way.

#[cfg(test)]
pub(crate) mod authority;
mod end_point;
mod identity;
pub(crate) mod reload;
mod roots;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aquifer_driver::{Error, ErrorKind, Result};
use aquifer_net::Files;
use aquifer_net::tls::{Anybody, Chain, Roots, unusable};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{DnsName, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme, SupportedProtocolVersion};

use crate::config::{HostSpec, SslCertMode, SslConfig, SslMode, TlsVersion};

pub(crate) use self::end_point::end_point_hash;

/// The protocol's name in the TLS handshake, as registered with IANA.
const ALPN: &[u8] = b"postgresql";

/// Everything that handshakes need, or nothing with `sslmode=disable`.
#[derive(Clone)]
pub(crate) struct Tls {
    configs: Option<Configs>,
    mode: SslMode,
    cert_mode: SslCertMode,
}

/// Whether a server has asked for the client's certificate, known once the handshake is over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked(Option<Arc<AtomicBool>>);

impl Asked {
    /// True if the client has shown what it had to show.
    pub(crate) fn is_enough(&self) -> bool {
        self.0.as_ref().is_none_or(|asked| asked.load(Ordering::Relaxed))
    }
}

/// Notes that the server asks for a certificate.
#[derive(Debug)]
struct Noting {
    inner: Arc<dyn ResolvesClientCert>,
    asked: Arc<AtomicBool>,
}

impl ResolvesClientCert for Noting {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let found = self.inner.resolve(root_hint_subjects, sigschemes);
        self.asked.store(found.is_some(), Ordering::Relaxed);
        found
    }

    fn has_certs(&self) -> bool {
        self.inner.has_certs()
    }
}

#[derive(Clone)]
struct Configs {
    /// After the server has agreed to encrypt.
    negotiated: Arc<ClientConfig>,
    /// From the first byte on: names the protocol.
    direct: Arc<ClientConfig>,
}

impl Tls {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    ///
    /// `Configuration`, naming the file, if one that is needed is missing, cannot be read or holds
    /// something else, or if a key is open to others than its owner.
    pub(crate) fn load(config: &SslConfig, files: &dyn Files) -> Result<Self> {
        if config.mode == SslMode::Disable {
            return Ok(Self { configs: None, mode: config.mode, cert_mode: config.cert_mode });
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = roots::load(config, files)?;
        let identity = identity::load(config, files, roots.as_ref())?;
        let verifier = verifier(config, roots, &provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions(config))
            .map_err(|error| unusable("the versions of TLS cannot be used", error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut negotiated = match identity {
            Some(identity) => {
                builder.with_client_auth_cert(identity.chain, identity.key).map_err(|error| {
                    unusable("the client certificate and its key cannot be used", error)
                })?
            }
            None => builder.with_no_client_auth(),
        };
        negotiated.enable_sni = config.sni;
        let mut direct = negotiated.clone();
        direct.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self {
            configs: Some(Configs { negotiated: Arc::new(negotiated), direct: Arc::new(direct) }),
            mode: config.mode,
            cert_mode: config.cert_mode,
        })
    }

    /// True if a connection that shows no client certificate is refused.
    pub(crate) fn needs_certificate(&self) -> bool {
        self.cert_mode == SslCertMode::Require
    }

    /// As [`client`](Self::client), for one handshake of which it must be known whether the server asked for
    /// the certificate, if that matters.
    ///
    /// # Errors
    ///
    /// As [`client`](Self::client).
    pub(crate) fn handshake(&self, direct: bool) -> Result<(Arc<ClientConfig>, Asked)> {
        let config = self.client(direct)?;
        if !self.needs_certificate() {
            return Ok((config, Asked::default()));
        }
        let asked = Arc::<AtomicBool>::default();
        let mut config = (*config).clone();
        let inner = Arc::clone(&config.client_auth_cert_resolver);
        config.client_auth_cert_resolver = Arc::new(Noting { inner, asked: Arc::clone(&asked) });
        // In a resumed session nobody is asked.
        config.resumption = Resumption::disabled();
        Ok((Arc::new(config), Asked(Some(asked))))
    }

    /// What a handshake uses; `direct` if it comes without asking the server.
    ///
    /// # Errors
    ///
    /// `Configuration` if this was loaded with `sslmode=disable`.
    pub(crate) fn client(&self, direct: bool) -> Result<Arc<ClientConfig>> {
        match &self.configs {
            Some(configs) if direct => Ok(Arc::clone(&configs.direct)),
            Some(configs) => Ok(Arc::clone(&configs.negotiated)),
            None => Err(Error::new(
                ErrorKind::Configuration,
                "a TLS handshake was asked for with `sslmode=disable`",
            )),
        }
    }

    /// The name that the server's certificate must have, and that is sent to it.
    ///
    /// # Errors
    ///
    /// `Configuration` if the host's name is checked and no certificate can have it.
    pub(crate) fn server_name(&self, host: &HostSpec, peer: IpAddr) -> Result<ServerName<'static>> {
        if let Ok(address) = host.host.parse::<IpAddr>() {
            return Ok(ServerName::IpAddress(address.into()));
        }
        match DnsName::try_from(host.host.clone()) {
            Ok(name) => Ok(ServerName::DnsName(name)),
            Err(error) if self.mode == SslMode::VerifyFull => {
                Err(unusable("the host's name is not one that a certificate can have", error))
            }
            // Nobody checks it, and an address is not sent.
            Err(_) => Ok(ServerName::IpAddress(peer.into())),
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// True if the server agreed to speak PostgreSQL's protocol.
pub(crate) fn agreed(protocol: Option<&[u8]>) -> bool {
    protocol == Some(ALPN)
}

fn verifier(
    config: &SslConfig,
    roots: Option<Roots>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>> {
    match (config.mode, roots) {
        (SslMode::VerifyFull, Some(roots)) => Ok(Arc::new(Chain::new(roots, true, provider)?)),
        // `require` with a file of roots is as good as `verify-ca`, as in libpq.
        (SslMode::VerifyCa | SslMode::Require, Some(roots)) => {
            Ok(Arc::new(Chain::new(roots, false, provider)?))
        }
        (SslMode::VerifyFull | SslMode::VerifyCa, None) => Err(Error::new(
            ErrorKind::Configuration,
            format!("`sslmode={}` needs the certificates of trusted issuers", config.mode.word()),
        )
        .with_hint("give `sslrootcert`, as a file or as `system`")),
        (SslMode::Disable | SslMode::Allow | SslMode::Prefer | SslMode::Require, _) => {
            Ok(Arc::new(Anybody::new(provider)))
        }
    }
}

fn versions(config: &SslConfig) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] =
        [&rustls::version::TLS12, &rustls::version::TLS13];
    match (config.min_version, config.max_version) {
        (TlsVersion::V1_3, _) => &BOTH[1..],
        (_, TlsVersion::V1_3) => &BOTH,
        (_, _) => &BOTH[..1],
    }
}

#[cfg(test)]
mod tests;
