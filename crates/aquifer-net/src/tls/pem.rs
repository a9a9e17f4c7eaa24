//! Certificates and keys in PEM form, and the errors that name where they should have been.

use std::path::PathBuf;

use aquifer_driver::{Error, ErrorKind, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use zeroize::Zeroizing;

use crate::{Files, Secret, is_missing};

/// Where certificates or keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PemSource {
    /// In a file.
    File(PathBuf),
    /// In the connection string itself, as PEM text.
    Inline(Secret),
}

/// The parameter that a source is the value of goes along everywhere: errors name it.
impl PemSource {
    /// The text, or `None` if its file is missing.
    ///
    /// # Errors
    ///
    /// `Configuration` if the file is there and cannot be read.
    pub fn read(&self, parameter: &str, files: &dyn Files) -> Result<Option<Zeroizing<Vec<u8>>>> {
        match self {
            Self::Inline(text) => Ok(Some(Zeroizing::new(text.expose().as_bytes().to_vec()))),
            Self::File(path) => match files.read(path) {
                Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
                Err(error) if is_missing(&error) => Ok(None),
                Err(error) => Err(self.malformed(parameter, &error.to_string()).with_source(error)),
            },
        }
    }

    /// The text, which must be there.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and if the file is missing.
    pub fn read_needed(&self, parameter: &str, files: &dyn Files) -> Result<Zeroizing<Vec<u8>>> {
        let read = self.read(parameter, files)?;
        read.ok_or_else(|| self.malformed(parameter, "it does not exist"))
    }

    /// The certificates in this source's text.
    ///
    /// # Errors
    ///
    /// `Configuration` if there is none, or one is damaged.
    pub fn certificates(
        &self,
        parameter: &str,
        pem: &[u8],
    ) -> Result<Vec<CertificateDer<'static>>> {
        let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| self.malformed(parameter, &error.to_string()))?;
        if found.is_empty() {
            return Err(self.malformed(parameter, "it has no certificate in PEM form"));
        }
        Ok(found)
    }

    /// An error about what the source has, naming the file or the parameter.
    #[cold]
    #[must_use]
    pub fn malformed(&self, parameter: &str, why: &str) -> Error {
        let message = match self {
            Self::File(path) => {
                format!("the file {} of `{parameter}` cannot be used: {why}", path.display())
            }
            Self::Inline(_) => format!("the text of `{parameter}` cannot be used: {why}"),
        };
        Error::new(ErrorKind::Configuration, message)
    }
}

/// Trusted certificates as they were read, and what their issuers have revoked.
#[derive(Debug)]
pub struct Roots {
    /// The certificates of trusted issuers.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Lists of certificates that do not count any more.
    pub revoked: Vec<CertificateRevocationListDer<'static>>,
}

impl Roots {
    /// The certificates that the operating system trusts. `parameter` is what to give instead. Reads files.
    ///
    /// # Errors
    ///
    /// `Configuration` if the system has none.
    pub fn of_system(parameter: &str) -> Result<Self> {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("the operating system's trusted certificates cannot be had{why}"),
            )
            .with_hint(format!(
                "install them (on Debian the package ca-certificates), or give `{parameter}` a file",
            )));
        }
        Ok(Self { certificates: found.certs, revoked: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GivenFiles;

    #[test]
    fn errors_name_the_file_or_the_parameter_and_never_the_text() {
        let file = PemSource::File("/ca".into());
        let files = GivenFiles(vec![("/ca".into(), b"junk".to_vec(), 0o600)]);
        let pem = file.read_needed("tlsCa", &files).unwrap();
        let error = file.certificates("tlsCa", &pem).unwrap_err().to_string();
        assert!(error.contains("/ca of `tlsCa`"), "{error}");
        let inline = PemSource::Inline(Secret::new("junk"));
        let pem = inline.read_needed("sslcert", &files).unwrap();
        let error = inline.certificates("sslcert", &pem).unwrap_err().to_string();
        assert!(error.contains("the text of `sslcert`") && !error.contains("junk"), "{error}");
    }

    #[test]
    fn a_missing_file_is_nothing_unless_it_is_needed() {
        let (missing, files) = (PemSource::File("/none".into()), GivenFiles::default());
        assert!(missing.read("tlsCa", &files).unwrap().is_none());
        let error = missing.read_needed("tlsCa", &files).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("/none of `tlsCa`"), "{error}");
    }
}
