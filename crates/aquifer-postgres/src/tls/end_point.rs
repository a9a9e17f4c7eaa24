//! The data that SCRAM-SHA-256-PLUS binds a login to: `tls-server-end-point` of RFC 5929, section 4.1.

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use x509_cert::Certificate;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
use x509_cert::der::{Decode, SliceReader, Tag, TagNumber, Tagged};

/// The hash of a server's certificate by the hash of its signature algorithm, with MD5 and SHA-1
/// replaced by SHA-256. `None` for algorithms without a hash of their own (Ed25519), for which the RFC
/// defines nothing, and for what is no certificate.
pub(crate) fn end_point_hash(certificate: &[u8]) -> Option<Vec<u8>> {
    let parsed = Certificate::from_der(certificate).ok()?;
    let algorithm = parsed.signature_algorithm();
    let hash = match algorithm.oid {
        RSA_PSS => match &algorithm.parameters {
            Some(parameters) => pss_hash(parameters.value())?,
            None => Hash::Sha256,
        },
        oid => of_signature(oid)?,
    };
    Some(match hash {
        Hash::Sha224 => Sha224::digest(certificate).to_vec(),
        Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

const RSA_PSS: ObjectIdentifier = oid("1.2.840.113549.1.1.10");

/// RSA: RFC 8017 A.2.4. ECDSA: RFC 5758 3.2, RFC 3279 2.2.3. DSA: RFC 5758 3.1.
fn of_signature(algorithm: ObjectIdentifier) -> Option<Hash> {
    const KNOWN: [(ObjectIdentifier, Hash); 15] = [
        (oid("1.2.840.113549.1.1.4"), Hash::Sha256), // RSA with MD5
        (oid("1.2.840.113549.1.1.5"), Hash::Sha256), // RSA with SHA-1
        (oid("1.3.14.3.2.29"), Hash::Sha256),        // RSA with SHA-1, by its old name
        (oid("1.2.840.113549.1.1.11"), Hash::Sha256),
        (oid("1.2.840.113549.1.1.12"), Hash::Sha384),
        (oid("1.2.840.113549.1.1.13"), Hash::Sha512),
        (oid("1.2.840.113549.1.1.14"), Hash::Sha224),
        (oid("1.2.840.10045.4.1"), Hash::Sha256), // ECDSA with SHA-1
        (oid("1.2.840.10045.4.3.1"), Hash::Sha224),
        (oid("1.2.840.10045.4.3.2"), Hash::Sha256),
        (oid("1.2.840.10045.4.3.3"), Hash::Sha384),
        (oid("1.2.840.10045.4.3.4"), Hash::Sha512),
        (oid("1.2.840.10040.4.3"), Hash::Sha256), // DSA with SHA-1
        (oid("2.16.840.1.101.3.4.3.1"), Hash::Sha224),
        (oid("2.16.840.1.101.3.4.3.2"), Hash::Sha256),
    ];
    KNOWN.iter().find(|(known, _)| *known == algorithm).map(|(_, hash)| *hash)
}

/// The hash in the parameters of RSASSA-PSS (RFC 4055, 3.1): field 0, SHA-1 if it is not there.
fn pss_hash(parameters: &[u8]) -> Option<Hash> {
    let explicit = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    let first = |bytes| AnyRef::decode(&mut SliceReader::new(bytes).ok()?).ok();
    let Some(field) = first(parameters).filter(|field| field.tag() == explicit) else {
        return Some(Hash::Sha256);
    };
    let identifier = first(field.value()).filter(|field| field.tag() == Tag::Sequence)?;
    let algorithm = first(identifier.value())?.decode_as::<ObjectIdentifier>().ok()?;
    [
        ("1.2.840.113549.2.5", Hash::Sha256),
        ("1.3.14.3.2.26", Hash::Sha256),
        ("2.16.840.1.101.3.4.2.4", Hash::Sha224),
        ("2.16.840.1.101.3.4.2.1", Hash::Sha256),
        ("2.16.840.1.101.3.4.2.2", Hash::Sha384),
        ("2.16.840.1.101.3.4.2.3", Hash::Sha512),
    ]
    .into_iter()
    .find(|(known, _)| oid(known) == algorithm)
    .map(|(_, hash)| hash)
}
