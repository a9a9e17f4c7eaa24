//! The inputs kept for each target, in `corpus/<target>/`.

use std::io;
use std::path::{Path, PathBuf};

/// A kept input and the file it came from.
#[derive(Debug, Clone)]
pub struct Input {
    /// Where it is kept.
    pub path: PathBuf,
    /// What a target is fed.
    pub bytes: Vec<u8>,
}

/// The folder of this crate: `corpus/` and `artifacts/` are in it.
pub fn folder() -> PathBuf {
    // Cargo sets it for whatever it runs; the compiled-in path serves a program started by hand.
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// The inputs of one target, in the order of their names, so that a seed means the same everywhere.
///
/// # Errors
///
/// If the folder or a file in it cannot be read.
pub fn of(folder: &Path, target: &str) -> io::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for entry in folder.join("corpus").join(target).read_dir()? {
        let path = entry?.path();
        let bytes = std::fs::read(&path)?;
        inputs.push(Input { path, bytes });
    }
    inputs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(inputs)
}

/// The names of all folders in `corpus/`, in order.
///
/// # Errors
///
/// If `corpus/` cannot be read.
pub fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries: io::Result<Vec<_>> = folder.join("corpus").read_dir()?.collect();
    let mut names: Vec<String> =
        entries?.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    Ok(names)
}
