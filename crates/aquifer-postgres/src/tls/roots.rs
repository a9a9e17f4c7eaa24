//! The certificates of trusted issuers, and what they have revoked.

use std::path::{Path, PathBuf};

use aquifer_driver::{Error, ErrorKind, Result};
use aquifer_net::Files;
use aquifer_net::tls::Roots;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;

use crate::config::{PemSource, RootCert, SslConfig, SslMode};

/// Reads what the mode needs: nothing below `require`, and with `require` only a file that exists.
pub(super) fn load(config: &SslConfig, files: &dyn Files) -> Result<Option<Roots>> {
    if config.mode < SslMode::Require {
        return Ok(None);
    }
    let certificates = match &config.root_cert {
        None => return Ok(None),
        Some(RootCert::System) => Roots::of_system("sslrootcert")?.certificates,
        Some(RootCert::Pem(source)) => {
            let Some(pem) = source.read("sslrootcert", files)? else {
                if config.mode == SslMode::Require {
                    return Ok(None);
                }
                return Err(missing(source, config.mode));
            };
            source.certificates("sslrootcert", &pem)?
        }
    };
    let mut revoked = Vec::new();
    if let Some(source) = &config.crl
        && let Some(pem) = source.read("sslcrl", files)?
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
            if let Some(pem) = source.read("sslcrldir", files)? {
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
        .map_err(|error| source.malformed(parameter, &error.to_string()))
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

#[cold]
fn missing(source: &PemSource, mode: SslMode) -> Error {
    let error = source.malformed(
        "sslrootcert",
        &format!("it does not exist, and `sslmode={}` needs it", mode.word()),
    );
    error.with_hint(
        "give `sslrootcert` a file, or `system` for the operating system's trusted certificates",
    )
}
