//! The certificates of trusted issuers, and what they have revoked.

use std::path::{Path, PathBuf};

use aquifer_driver::{Error, ErrorKind, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use crate::config::{Files, PemSource, RootCert, SslConfig, SslMode, is_missing};

/// Trusted certificates as they were read.
#[derive(Debug)]
pub(super) struct Roots {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) revoked: Vec<CertificateRevocationListDer<'static>>,
}

/// Reads what the mode needs: nothing below `require`, and with `require` only a file that exists.
pub(super) fn load(config: &SslConfig, files: &dyn Files) -> Result<Option<Roots>> {
    if config.mode < SslMode::Require {
        return Ok(None);
    }
    let certificates = match &config.root_cert {
        None => return Ok(None),
        Some(RootCert::System) => system()?,
        Some(RootCert::Pem(source)) => {
            let Some(pem) = read(source, "sslrootcert", files)? else {
                if config.mode == SslMode::Require {
                    return Ok(None);
                }
                return Err(missing(source, config.mode));
            };
            certificates(&pem, source, "sslrootcert")?
        }
    };
    let mut revoked = Vec::new();
    if let Some(source) = &config.crl
        && let Some(pem) = read(source, "sslcrl", files)?
    {
        revoked = lists(&pem, source, "sslcrl")?;
    }
    if let Some(directory) = &config.crl_dir {
        let paths = lists_in(directory, files)?;
        if paths.is_empty() {
            return Err(no_lists(directory));
        }
        for path in paths {
            let source = PemSource::File(path);
            // One that has gone meanwhile is as good as one that went before.
            if let Some(pem) = read(&source, "sslcrldir", files)? {
                revoked.extend(lists(&pem, &source, "sslcrldir")?);
            }
        }
    }
    Ok(Some(Roots { certificates, revoked }))
}

/// Without a list nothing would be checked; OpenSSL, too, accepts no certificate then.
#[cold]
fn no_lists(directory: &Path) -> Error {
    let directory = directory.display();
    Error::new(
        ErrorKind::Configuration,
        format!("the directory {directory} of `sslcrldir` has no list of revoked certificates"),
    )
    .with_hint("`openssl rehash` names the lists so that they are found: 0a1b2c3d.r0")
}

/// The lists of revoked certificates in a PEM text.
fn lists(
    pem: &[u8],
    source: &PemSource,
    parameter: &str,
) -> Result<Vec<CertificateRevocationListDer<'static>>> {
    CertificateRevocationListDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(source, parameter, &error.to_string()))
}

/// The files of a directory that OpenSSL would take for lists: eight digits of a hash, `.r`, a number.
///
/// # Errors
///
/// `Configuration` if it cannot be read. OpenSSL then accepts no certificate, without saying why.
pub(super) fn lists_in(directory: &Path, files: &dyn Files) -> Result<Vec<PathBuf>> {
    let found = files.list(directory).map_err(|error| {
        Error::new(
            ErrorKind::Configuration,
            format!("the directory {} of `sslcrldir` cannot be read: {error}", directory.display()),
        )
        .with_source(error)
    })?;
    let is_list = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.split_once(".r").is_some_and(|(hash, number)| {
            let digits = |text: &str, is: fn(&u8) -> bool| text.bytes().all(|byte| is(&byte));
            hash.len() == 8
                && digits(hash, u8::is_ascii_hexdigit)
                && !number.is_empty()
                && digits(number, u8::is_ascii_digit)
        })
    };
    Ok(found.into_iter().filter(is_list).collect())
}

fn system() -> Result<Vec<CertificateDer<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(Error::new(
            ErrorKind::Configuration,
            format!("the operating system's trusted certificates cannot be had{why}"),
        )
        .with_hint(
            "install them (on Debian the package ca-certificates), or give `sslrootcert` a file",
        ));
    }
    Ok(found.certs)
}

/// The PEM text of a source, or `None` if its file is missing.
pub(super) fn read(
    source: &PemSource,
    parameter: &str,
    files: &dyn Files,
) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>> {
    match source {
        PemSource::Inline(text) => {
            Ok(Some(zeroize::Zeroizing::new(text.expose().as_bytes().to_vec())))
        }
        PemSource::File(path) => match files.read(path) {
            Ok(bytes) => Ok(Some(zeroize::Zeroizing::new(bytes))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(malformed(source, parameter, &error.to_string()).with_source(error)),
        },
    }
}

/// The certificates in a PEM text, of which there must be one.
pub(super) fn certificates(
    pem: &[u8],
    source: &PemSource,
    parameter: &str,
) -> Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| malformed(source, parameter, &error.to_string()))?;
    if found.is_empty() {
        return Err(malformed(source, parameter, "it has no certificate in PEM form"));
    }
    Ok(found)
}

/// An error about a source's content, naming the file or the parameter.
#[cold]
pub(super) fn malformed(source: &PemSource, parameter: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::Configuration,
        match source {
            PemSource::File(path) => {
                format!("the file {} of `{parameter}` cannot be used: {why}", path.display())
            }
            PemSource::Inline(_) => format!("the text of `{parameter}` cannot be used: {why}"),
        },
    )
}

#[cold]
fn missing(source: &PemSource, mode: SslMode) -> Error {
    let error = malformed(
        source,
        "sslrootcert",
        &format!("it does not exist, and `sslmode={}` needs it", mode.word()),
    );
    error.with_hint(
        "give `sslrootcert` a file, or `system` for the operating system's trusted certificates",
    )
}
