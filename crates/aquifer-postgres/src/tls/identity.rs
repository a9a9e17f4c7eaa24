//! The client certificate and its key.

use aquifer_driver::{Error, ErrorKind, Result};
use aquifer_net::tls::Roots;
use aquifer_net::{Files, is_missing};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use zeroize::Zeroizing;

use crate::config::{PemSource, Secret, SslCertMode, SslConfig};

/// What proves to the server who the client is.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// Longer chains than this are not completed.
const CHAIN_MAX: usize = 8;

/// Reads certificate and key. Without a certificate (a missing file is none) there is no identity; a
/// certificate without its key is an error.
pub(super) fn load(
    config: &SslConfig,
    files: &dyn Files,
    roots: Option<&Roots>,
) -> Result<Option<Identity>> {
    let required = config.cert_mode == SslCertMode::Require;
    let (false, Some(source)) = (config.cert_mode == SslCertMode::Disable, &config.cert) else {
        return if required { Err(none("`sslcert` is not given")) } else { Ok(None) };
    };
    let Some(pem) = source.read("sslcert", files)? else {
        return if required { Err(none("the file of `sslcert` does not exist")) } else { Ok(None) };
    };
    let mut chain = source.certificates("sslcert", &pem)?;
    if let Some(roots) = roots {
        complete(&mut chain, &roots.certificates);
    }
    let Some(source) = &config.key else {
        return Err(Error::new(ErrorKind::Configuration, "there is `sslcert`, but no `sslkey`"));
    };
    Ok(Some(Identity { chain, key: key(source, config.key_password.as_ref(), files)? }))
}

#[cold]
fn none(why: &str) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!("`sslcertmode=require` needs a client certificate, and {why}"),
    )
}

fn key(
    source: &PemSource,
    password: Option<&Secret>,
    files: &dyn Files,
) -> Result<PrivateKeyDer<'static>> {
    if let PemSource::File(path) = source {
        let stat = files.stat(path).map_err(|error| {
            let why = if is_missing(&error) {
                "it does not exist, and the client certificate needs it".to_owned()
            } else {
                error.to_string()
            };
            source.malformed("sslkey", &why).with_source(error)
        })?;
        if !stat.is_file {
            return Err(source.malformed("sslkey", "it is not a file"));
        }
        // The rule of libpq: root may share a key with a group, others with nobody.
        let (open, allowed) = if stat.owned_by_root { (0o037, "0640") } else { (0o077, "0600") };
        if stat.mode.is_some_and(|mode| mode & open != 0) {
            return Err(source
                .malformed("sslkey", "others than its owner have access to it")
                .with_hint(format!("its mode must be {allowed} or less")));
        }
    }
    let bytes = source.read_needed("sslkey", files)?;
    if let Ok(key) = PrivateKeyDer::from_pem_slice(&bytes) {
        return Ok(key);
    }
    let has = |text: &[u8]| memchr::memmem::find(&bytes, text).is_some();
    if let Some(encrypted) = encrypted(&bytes) {
        return open(&encrypted, source, password);
    }
    if has(b"ENCRYPTED") {
        return Err(source
            .malformed("sslkey", "the key is encrypted in a form that is not supported")
            .with_hint("convert it to PKCS#8: openssl pkcs8 -topk8"));
    }
    if has(b"-----BEGIN") {
        return Err(source.malformed("sslkey", "it has no key that can be read"));
    }
    PrivateKeyDer::try_from(bytes.to_vec())
        .map_err(|_| source.malformed("sslkey", "it is a key neither in PEM nor in DER form"))
}

/// The encrypted key of PKCS#8 in a PEM text (RFC 7468, 11), or the whole of a file that is one in DER form.
fn encrypted(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    const BEGIN: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
    const END: &[u8] = b"-----END ENCRYPTED PRIVATE KEY-----";
    if let Some(at) = memchr::memmem::find(bytes, BEGIN) {
        let body = &bytes[at + BEGIN.len()..];
        let body = &body[..memchr::memmem::find(body, END)?];
        let digits = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
        let digits = Zeroizing::new(digits.collect::<Vec<u8>>());
        return BASE64_STANDARD.decode(&*digits).ok().map(Zeroizing::new);
    }
    EncryptedPrivateKeyInfoRef::try_from(bytes).is_ok().then(|| Zeroizing::new(bytes.to_vec()))
}

const UNKNOWN: &str = "the key is encrypted in a way that is not supported, or damaged";

fn open(
    encrypted: &[u8],
    source: &PemSource,
    password: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>> {
    let Some(password) = password else {
        return Err(source
            .malformed("sslkey", "the key is encrypted")
            .with_hint("give `sslpassword`, or store it unencrypted, readable by its owner only"));
    };
    let sealed = EncryptedPrivateKeyInfoRef::try_from(encrypted)
        .map_err(|_| source.malformed("sslkey", UNKNOWN))?;
    let opened = sealed.decrypt(password.expose()).map_err(|error| {
        let why = match error {
            pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm {
                ..
            }) => "the key is encrypted in a way that is not supported",
            _ => "`sslpassword` does not open it",
        };
        source.malformed("sslkey", why)
    })?;
    Ok(PrivateKeyDer::Pkcs8(opened.as_bytes().to_vec().into()))
}

/// Appends the issuers that are found among the roots, as OpenSSL does: some users keep intermediate
/// certificates there. The self-signed end of the chain is not sent.
fn complete(chain: &mut Vec<CertificateDer<'static>>, roots: &[CertificateDer<'static>]) {
    let parse = |der: &CertificateDer<'_>| Certificate::from_der(der).ok();
    let known: Vec<_> = roots.iter().filter_map(|der| Some((der, parse(der)?))).collect();
    let Some(mut last) = chain.last().and_then(parse) else {
        return;
    };
    while chain.len() < CHAIN_MAX {
        let issuer = last.tbs_certificate().issuer();
        let next = known.iter().find(|(_, certificate)| {
            let tbs = certificate.tbs_certificate();
            tbs.subject() == issuer && tbs.subject() != tbs.issuer()
        });
        let Some((der, certificate)) = next else {
            return;
        };
        if chain.contains(der) {
            return;
        }
        chain.push((*der).clone());
        last = certificate.clone();
    }
}
