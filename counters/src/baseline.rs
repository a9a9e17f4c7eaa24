//! The committed counts: `counters/baseline.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::count::Counts;
use crate::operation::Operation;

const HEAD: &str = "\
# What one operation costs. Written by `cargo xtask counters --update`, compared with by `cargo xtask counters`.
# Instructions are those of the profile `counters`, not of a release: see Cargo.toml.

";

/// What was committed to, and what it was measured with.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Baseline {
    /// Instructions are compared only with those of the same compiler and machine.
    pub(crate) built: String,
    operations: BTreeMap<String, Counts>,
}

impl Baseline {
    /// An empty one, for this compiler.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { built: built()?, operations: BTreeMap::new() })
    }

    pub(crate) fn set(&mut self, operation: &Operation, counts: Counts) {
        self.operations.insert(operation.name.to_owned(), counts);
    }

    pub(crate) fn read() -> Result<Self> {
        let path = path();
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(toml::from_str(&text)?)
    }

    pub(crate) fn write(&self) -> Result<PathBuf> {
        let path = path();
        std::fs::write(&path, format!("{HEAD}{}", toml::to_string(self)?))?;
        Ok(path)
    }

    /// # Errors
    ///
    /// If nothing was committed: a new operation.
    pub(crate) fn get(&self, operation: &Operation) -> Result<Counts> {
        let name = operation.name;
        self.operations.get(name).copied().ok_or_else(|| {
            format!("{name} is not in baseline.toml; type: cargo xtask counters --update").into()
        })
    }
}

fn path() -> PathBuf {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    folder.join("baseline.toml")
}

/// The compiler and what it compiles for: other ones make other instructions of the same source.
pub(crate) fn built() -> Result<String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler).arg("--version").output();
    let output = output.map_err(|error| format!("cannot start rustc: {error}"))?;
    let version = String::from_utf8_lossy(&output.stdout);
    let (arch, system) = (std::env::consts::ARCH, std::env::consts::OS);
    Ok(format!("{} for {arch} {system}", version.trim()))
}
