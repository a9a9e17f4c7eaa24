//! What is checked of a server's certificate: everything, all but the name, or nothing.
//!
//! The signature in the handshake is checked in every mode: without it, channel binding would bind to a
//! certificate that the other side does not own.

use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::Result;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

use super::pem::Roots;
use super::unusable;

/// Accepts what one of the roots has issued, for the host's name if that is asked for; and a root itself.
#[derive(Debug)]
pub struct Chain {
    webpki: Arc<WebPkiServerVerifier>,
    /// The roots themselves: a server may present one of them as its own.
    roots: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
    check_name: bool,
}

impl Chain {
    /// The certificates of `roots`, without those that are revoked. `check_name` if the certificate must be the
    /// host's, too.
    ///
    /// # Errors
    ///
    /// `Configuration` if there is no certificate among them that can be used, or a list of revoked ones cannot.
    pub fn new(roots: Roots, check_name: bool, provider: &Arc<CryptoProvider>) -> Result<Self> {
        let mut store = RootCertStore::empty();
        // Some stores have certificates that webpki does not read; those trust nobody.
        store.add_parsable_certificates(roots.certificates.iter().cloned());
        let webpki =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
                .with_crls(roots.revoked)
                .build()
                .map_err(|error| unusable("the trusted certificates cannot be used", error))?;
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { webpki, roots: roots.certificates, algorithms, check_name })
    }

    /// A certificate that is itself among the roots is trusted like one issued by them: self-signed
    /// servers are set up so, and OpenSSL takes them. webpki does not if they are marked as authorities,
    /// which those made by `openssl req -x509` are.
    fn verify_root(
        &self,
        end_entity: &CertificateDer<'_>,
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let bad = || Error::InvalidCertificate(CertificateError::BadEncoding);
        let certificate = Certificate::from_der(end_entity).map_err(|_| bad())?;
        let validity = certificate.tbs_certificate().validity();
        let now = Duration::from_secs(now.as_secs());
        if now < validity.not_before.to_unix_duration() {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > validity.not_after.to_unix_duration() {
            return Err(CertificateError::Expired.into());
        }
        if self.check_name {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for Chain {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.roots.iter().any(|root| root == end_entity) {
            return self.verify_root(end_entity, server_name, now);
        }
        let verified = self.webpki.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // webpki looks at the name last, when everything else is in order; the tests hold it to that.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.check_name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature_13(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Accepts every certificate whose key the server has.
#[derive(Debug)]
pub struct Anybody {
    algorithms: WebPkiSupportedAlgorithms,
}

impl Anybody {
    /// By the signatures that the provider can check.
    #[must_use]
    pub fn new(provider: &Arc<CryptoProvider>) -> Self {
        Self { algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature_13(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Checks that the server has the key of its certificate. Certificates of version 1, as
/// `openssl x509 -req` makes them, are not read by webpki; their keys are.
fn signature_13(
    message: &[u8],
    cert: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    match verify_tls13_signature(message, cert, dss, algorithms) {
        Err(Error::InvalidCertificate(
            CertificateError::BadEncoding | CertificateError::Other(_),
        )) => {
            let key = Certificate::from_der(cert)
                .and_then(|cert| cert.tbs_certificate().subject_public_key_info().to_der())
                .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
            let key = SubjectPublicKeyInfoDer::from(key);
            verify_tls13_signature_with_raw_key(message, &key, dss, algorithms)
        }
        verified => verified,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use aquifer_testkit::postgres::{Certificates, ServerCertificate};
    use rustls::crypto::ring::default_provider;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    /// What somebody who trusts these roots says of the server's certificate.
    fn check(roots: &[&str], server: &str, check_name: bool) -> Result<(), Error> {
        let certificates = roots.iter().map(|pem| der(pem)).collect();
        let roots = Roots { certificates, revoked: Vec::new() };
        let chain = Chain::new(roots, check_name, &Arc::new(default_provider())).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        chain.verify_server_cert(&der(server), &[], &name, &[], UnixTime::now()).map(drop)
    }

    #[test]
    fn what_a_root_has_issued_is_accepted_for_its_name_and_its_time() {
        let made = |server| Certificates::new(server).unwrap();
        let good = made(ServerCertificate::Good);
        check(&[&good.authority], &good.server, true).unwrap();
        let other = made(ServerCertificate::WrongHost);
        check(&[&other.authority], &other.server, true).unwrap_err();
        check(&[&other.authority], &other.server, false).unwrap();
        let expired = made(ServerCertificate::Expired);
        check(&[&expired.authority], &expired.server, false).unwrap_err();
        check(&[&good.authority], &other.server, false).unwrap_err();
    }

    #[test]
    fn a_root_is_accepted_as_a_server_for_its_name_and_its_time_too() {
        let made = |server| Certificates::new(server).unwrap().server;
        let good = made(ServerCertificate::Good);
        check(&[&good], &good, true).unwrap();
        let other = made(ServerCertificate::WrongHost);
        check(&[&other], &other, true).unwrap_err();
        check(&[&other], &other, false).unwrap();
        let expired = made(ServerCertificate::Expired);
        check(&[&expired], &expired, false).unwrap_err();
        check(&[&other], &good, false).unwrap_err();
    }

    #[test]
    fn nobody_is_trusted_by_no_certificate() {
        let roots = Roots { certificates: Vec::new(), revoked: Vec::new() };
        let error = Chain::new(roots, true, &Arc::new(default_provider())).unwrap_err();
        assert_eq!(error.kind(), aquifer_driver::ErrorKind::Configuration);
    }
}
