//! Where the programs are: on the `PATH`, or where distributions put servers without putting them there.

use super::error::Error;
use std::path::{Path, PathBuf};

/// Parents of one directory per version, with what follows the version.
const VERSIONED: &[(&str, &str)] = &[("/usr/lib/postgresql", "bin"), ("/opt/homebrew/opt", "bin")];
/// Further places, which are on the `PATH` of root only.
const FIXED: &[&str] = &["/usr/local/pgsql/bin", "/usr/sbin", "/usr/local/sbin", "/sbin"];

/// The directory that holds all of `programs`: first on the `PATH`, else the newest version installed.
pub(crate) fn find(programs: &'static [&'static str]) -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut searched: Vec<PathBuf> = std::env::split_paths(&path).collect();
    searched.extend(VERSIONED.iter().flat_map(|(parent, rest)| versions(Path::new(parent), rest)));
    searched.extend(FIXED.iter().map(PathBuf::from));
    match searched.iter().find(|folder| programs.iter().all(|p| folder.join(p).is_file())) {
        Some(folder) => Ok(folder.clone()),
        None => Err(Error::NotInstalled { programs, searched }),
    }
}

/// `parent/<name>/<rest>` for each name, the highest number in the name first.
fn versions(parent: &Path, rest: &str) -> Vec<PathBuf> {
    let mut names: Vec<_> =
        parent.read_dir().into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    let number = |name: &std::ffi::OsString| {
        let digits: String =
            name.to_string_lossy().chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
        digits.parse::<f64>().unwrap_or(0.0)
    };
    names.sort_by(|a, b| number(b).total_cmp(&number(a)));
    names.into_iter().map(|name| parent.join(name).join(rest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first_by_number_not_by_name() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9.6", "15", "17"] {
            std::fs::create_dir(root.path().join(version)).unwrap();
        }
        let found = versions(root.path(), "bin");
        let expected = ["17/bin", "15/bin", "9.6/bin"].map(|path| root.path().join(path));
        assert_eq!(found, expected);
    }

    #[test]
    fn the_error_names_what_is_missing() {
        let error = find(&["no-such-server"]).unwrap_err();
        assert!(error.to_string().starts_with("not installed: no-such-server;"), "{error}");
    }
}
