//! Certificates for one server, made when it starts: an authority, the server's, a client's.

use super::account::Account;
use super::error::Error;
use super::settings::ServerCertificate;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    SignatureAlgorithm, date_time_ymd,
};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The role that the client certificate names.
const CLIENT: &str = "aquifer";

type Authority = CertifiedIssuer<'static, KeyPair>;

/// Certificates and keys in PEM, as a [`Server`](super::Server) with TLS has them in files: for a
/// [`Script`](crate::scripted::Script), or a server of another kind.
#[derive(Clone)]
pub struct Certificates {
    /// The authority's certificate: what a client trusts.
    pub authority: String,
    /// The server's certificate.
    pub server: String,
    /// The key of the server's certificate.
    pub server_key: String,
    /// A client's certificate, for the role `aquifer`.
    pub client: String,
    /// The key of the client's certificate.
    pub client_key: String,
}

impl Certificates {
    /// Makes new ones. All serve for one test: nobody else trusts the authority.
    ///
    /// # Errors
    ///
    /// [`Error::Certificates`] if the system has no randomness.
    pub fn new(server: ServerCertificate) -> Result<Self, Error> {
        make(server).map_err(|error| Error::Certificates(error.to_string()))
    }
}

impl std::fmt::Debug for Certificates {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

/// Writes `ca.crt`, `server.crt`, `server.key`, `client.crt` and `client.key` into `directory`.
pub(crate) fn write(
    directory: &Path,
    account: Account,
    server: ServerCertificate,
) -> Result<(), Error> {
    let made = Certificates::new(server)?;
    for (name, text) in [
        ("ca.crt", made.authority),
        ("server.crt", made.server),
        ("server.key", made.server_key),
        ("client.crt", made.client),
        ("client.key", made.client_key),
    ] {
        let path = directory.join(name);
        fs::write(&path, text).map_err(Error::io("writing a certificate"))?;
        // The server insists that nobody else can read a key.
        fs::set_permissions(&path, Permissions::from_mode(0o600))
            .map_err(Error::io("protecting a key"))?;
        account.own(&path)?;
    }
    Ok(())
}

fn make(server: ServerCertificate) -> Result<Certificates, rcgen::Error> {
    let algorithm = match server {
        ServerCertificate::Sha384 => &PKCS_ECDSA_P384_SHA384,
        ServerCertificate::Ed25519 => &PKCS_ED25519,
        _ => &PKCS_ECDSA_P256_SHA256,
    };
    // The hash in a certificate is that of its issuer's signature, so the authority has the algorithm too.
    let trusted = authority("Aquifer test authority", algorithm)?;
    let signer = match server {
        ServerCertificate::UnknownAuthority => &authority("Somebody else", algorithm)?,
        _ => &trusted,
    };
    let names: &[&str] = match server {
        ServerCertificate::WrongHost => &["other.example"],
        _ => &["localhost", "127.0.0.1", "::1"],
    };
    let mut params = params(names, "aquifer test server", ExtendedKeyUsagePurpose::ServerAuth)?;
    if server == ServerCertificate::Expired {
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
    }
    let server_key = KeyPair::generate_for(algorithm)?;
    let server = params.signed_by(&server_key, signer)?;
    let client_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let client = self::params(&[], CLIENT, ExtendedKeyUsagePurpose::ClientAuth)?;
    let client = client.signed_by(&client_key, &trusted)?;
    Ok(Certificates {
        authority: trusted.pem(),
        server: server.pem(),
        server_key: key_pem(&server_key),
        client: client.pem(),
        client_key: key_pem(&client_key),
    })
}

/// The key as OpenSSL reads it: of an Ed25519 key, ring writes the second version of PKCS #8 (RFC 5958), which
/// OpenSSL 3.0 does not know. The first is its beginning with another length and version, and no public key.
fn key_pem(key: &KeyPair) -> String {
    const VERSION_1_OF_ED25519: [u8; 16] =
        [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let der = key.serialized_der();
    if !key.is_compatible(&PKCS_ED25519) {
        return key.serialize_pem();
    }
    let secret = der.iter().skip(VERSION_1_OF_ED25519.len()).take(32);
    let der: Vec<u8> = VERSION_1_OF_ED25519.iter().chain(secret).copied().collect();
    pem::encode(&pem::Pem::new("PRIVATE KEY", der))
}

fn authority(
    name: &str,
    algorithm: &'static SignatureAlgorithm,
) -> Result<Authority, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate_for(algorithm)?)
}

fn params(
    names: &[&str],
    common_name: &str,
    purpose: ExtendedKeyUsagePurpose,
) -> Result<CertificateParams, rcgen::Error> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}
