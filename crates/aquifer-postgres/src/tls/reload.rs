//! [`TlsSource`]: the TLS of a configuration, read again when one of its files has changed.
//!
use std::path::{Path, PathBuf};

use aquifer_driver::Result;
use aquifer_net::Files;
use aquifer_net::tls::Reload;

use super::{Tls, roots};
use crate::config::{PemSource, RootCert, SslConfig, SslMode};

/// Loads at the first connect, and again when a file has appeared, changed or gone.
#[derive(Debug)]
pub(crate) struct TlsSource {
    config: SslConfig,
    loaded: Reload<Tls>,
}

impl TlsSource {
    pub(crate) fn new(config: SslConfig) -> Self {
        Self { config, loaded: Reload::new() }
    }

    /// The TLS for a connect that begins now. Reads files: not for a task that must not block.
    ///
    /// # Errors
    ///
    /// As [`Tls::load`]. What was loaded before is not used any more then: its files are not what they
    /// were.
    pub(crate) fn get(&self, files: &dyn Files) -> Result<Tls> {
        if self.config.mode == SslMode::Disable {
            // No file is read then, so none is looked at.
            return Tls::load(&self.config, files);
        }
        let root = match &self.config.root_cert {
            Some(RootCert::Pem(source)) => Some(source),
            Some(RootCert::System) | None => None,
        };
        let named =
            [self.config.cert.as_ref(), self.config.key.as_ref(), root, self.config.crl.as_ref()]
                .into_iter()
                .map(|source| match source {
                    Some(PemSource::File(path)) => Some(path.as_path()),
                    Some(PemSource::Inline(_)) | None => None,
                });
        let directory = self.config.crl_dir.as_ref();
        let listed = directory.and_then(|directory| roots::lists_in(directory, files).ok());
        let listed: Vec<PathBuf> = listed.unwrap_or_default();
        let paths = named.chain(listed.iter().map(|path| Some(Path::new(path))));
        self.loaded.get(files, paths, || Tls::load(&self.config, files))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aquifer_driver::{Dsn, EmptyEnvironment};

    use super::super::authority::Authority;
    use super::*;
    use crate::config::Config;
    use aquifer_net::{GivenFiles, Stat};

    #[test]
    fn without_encryption_no_file_is_looked_at() {
        struct Untouched;
        impl Files for Untouched {
            fn read(&self, path: &std::path::Path) -> std::io::Result<Vec<u8>> {
                panic!("{} is read", path.display())
            }

            fn list(&self, path: &std::path::Path) -> std::io::Result<Vec<std::path::PathBuf>> {
                panic!("{} is listed", path.display())
            }

            fn stat(&self, path: &std::path::Path) -> std::io::Result<Stat> {
                panic!("{} is looked at", path.display())
            }
        }
        let text = "user=app sslmode=disable sslrootcert=/root sslcert=/cert sslkey=/key";
        let config =
            Config::read(&Dsn::native("postgres", text), &EmptyEnvironment, &GivenFiles::default());
        let source = TlsSource::new(config.unwrap().ssl);
        source.get(&Untouched).unwrap();
        source.get(&Untouched).unwrap();
    }

    #[test]
    fn files_are_read_again_only_when_they_have_changed() {
        let (old, new) = (Authority::new("old").pem, Authority::new("a longer name").pem);
        let file = |pem: &str| GivenFiles(vec![("/root".into(), pem.into(), 0o600)]);
        let text = "user=app sslmode=verify-ca sslrootcert=/root";
        let config =
            Config::read(&Dsn::native("postgres", text), &EmptyEnvironment, &GivenFiles::default());
        let source = TlsSource::new(config.unwrap().ssl);
        let client = |files: &GivenFiles| source.get(files).unwrap().client(false).unwrap();
        let first = client(&file(&old));
        assert!(Arc::ptr_eq(&first, &client(&file(&old))));
        let second = client(&file(&new));
        assert!(!Arc::ptr_eq(&first, &second));
        source.get(&GivenFiles::default()).unwrap_err();
        source.get(&file("junk")).unwrap_err();
        assert!(Arc::ptr_eq(&second, &client(&file(&new))));
    }
}
