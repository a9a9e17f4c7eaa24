//! The operating system's account that servers run under.
//!
//! PostgreSQL and PgBouncer refuse to run as root; then they run as `postgres` or `nobody`. Anyone else
//! runs them as themselves.

use super::error::Error;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Who a server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
    /// Whether it differs from the account of this process.
    other: bool,
}

impl Account {
    /// The account for servers that this process starts.
    pub(crate) fn for_servers() -> Result<Self, Error> {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        if !uid.is_root() {
            return Ok(Self { uid: uid.as_raw(), gid: gid.as_raw(), other: false });
        }
        let accounts = std::fs::read_to_string("/etc/passwd");
        let accounts = accounts.map_err(Error::io("reading /etc/passwd"))?;
        let (uid, gid) = ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| find(&accounts, name))
            .ok_or(Error::NoAccount)?;
        Ok(Self { uid, gid, other: true })
    }

    pub(crate) fn uid(self) -> u32 {
        self.uid
    }

    /// Gives a file or directory to this account.
    pub(crate) fn own(self, path: &Path) -> Result<(), Error> {
        if !self.other {
            return Ok(());
        }
        chown(path, Some(self.uid), Some(self.gid))
            .map_err(Error::io("giving a file to the server"))
    }

    /// Whether what `path` names, itself and not the target of a link, is this account's.
    pub(crate) fn owns(self, path: &Path) -> bool {
        std::fs::symlink_metadata(path).is_ok_and(|found| found.uid() == self.uid)
    }

    /// A command run by this account in `directory`. It sees nothing of the environment but `PATH`:
    /// variables like `PGHOST` or a locale must not change what a test does.
    pub(crate) fn command(self, program: &Path, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("LC_ALL", "C").env("TZ", "UTC").env("HOME", directory);
        command.current_dir(directory);
        if self.other {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }
}

/// The ids of the account `name` in the text of `/etc/passwd`.
fn find(accounts: &str, name: &str) -> Option<(u32, u32)> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let text =
            "root:x:0:0:root:/:/bin/sh\npostgresql:x:1:2::/:\npostgres:x:101:104::/:/bin/sh\n";
        assert_eq!(find(text, "postgres"), Some((101, 104)));
        assert_eq!(find(text, "nobody"), None);
    }

    #[test]
    fn servers_never_run_as_root() {
        assert_ne!(Account::for_servers().unwrap().uid(), 0);
    }
}
