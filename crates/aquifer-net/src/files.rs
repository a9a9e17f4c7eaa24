//! The files that a configuration names, behind a trait: tests and fuzz targets have none on disk.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Reading whole, small files. Every call may block.
pub trait Files: Send + Sync {
    /// The file's content.
    ///
    /// # Errors
    ///
    /// The system's, and `FileTooLarge` for more than any certificate bundle, key or password file has.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// What is in a directory, in the order of names.
    ///
    /// # Errors
    ///
    /// The system's.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;

    /// What the file is and who may read it.
    ///
    /// # Errors
    ///
    /// The system's.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
}

/// As much of a file's metadata as secrets need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// A file, after following links: no directory, no socket.
    pub is_file: bool,
    /// The permission bits; `None` where the system has no such thing.
    pub mode: Option<u32>,
    /// Its owner is the user 0.
    pub owned_by_root: bool,
    /// When it was last changed, where the system knows.
    pub modified: Option<SystemTime>,
    /// Its size.
    pub bytes: u64,
}

/// More than any certificate bundle, key or password file has.
const BYTES_MAX: u64 = 8 << 20;

/// More entries than a directory of certificates has; the rest is not looked at.
const ENTRIES_MAX: usize = 65_536;

/// The files of this system: up to 8 MiB each, and up to 65 536 entries of a directory.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemFiles;

impl Files for SystemFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        use std::io::Read;
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 8 MiB"));
        }
        Ok(bytes)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory)?.take(ENTRIES_MAX) {
            found.push(entry?.path());
        }
        found.sort_unstable();
        Ok(found)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let metadata = std::fs::metadata(path)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Ok(Stat {
                is_file: metadata.is_file(),
                mode: Some(metadata.mode() & 0o7777),
                owned_by_root: metadata.uid() == 0,
                modified: metadata.modified().ok(),
                bytes: metadata.len(),
            })
        }
        #[cfg(not(unix))]
        Ok(Stat {
            is_file: metadata.is_file(),
            mode: None,
            owned_by_root: false,
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
        })
    }
}

/// True if the path leads nowhere, which for default files means that there is nothing to read.
#[must_use]
pub fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// No files at all, or those given, each with its content and its permission bits: for tests and fuzz targets.
#[derive(Debug, Default)]
pub struct GivenFiles(pub Vec<(PathBuf, Vec<u8>, u32)>);

impl GivenFiles {
    fn find(&self, path: &Path) -> io::Result<&(PathBuf, Vec<u8>, u32)> {
        self.0.iter().find(|file| file.0 == path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Files for GivenFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.find(path)?.1.clone())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let within = self.0.iter().map(|file| file.0.clone());
        let found: Vec<_> = within.filter(|path| path.parent() == Some(directory)).collect();
        if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let (_, content, mode) = self.find(path)?;
        Ok(Stat {
            is_file: true,
            mode: Some(*mode),
            owned_by_root: false,
            modified: None,
            bytes: content.len() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_on_disk_is_read_and_described() {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let bytes = SystemFiles.read(path).unwrap();
        assert!(bytes.starts_with(b"[package]"));
        let stat = SystemFiles.stat(path).unwrap();
        assert!(stat.is_file);
        assert_eq!(stat.mode.is_some(), cfg!(unix));
        let directory = SystemFiles.stat(path.parent().unwrap()).unwrap();
        assert!(!directory.is_file);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_missing() {
        let missing = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml/x"));
        assert!(is_missing(&SystemFiles.read(missing).unwrap_err()));
        assert!(is_missing(&GivenFiles::default().read(missing).unwrap_err()));
    }
}
