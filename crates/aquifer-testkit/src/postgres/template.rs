//! One `initdb` for many servers.
//!
//! `initdb` takes a second; copying what it made takes a fifth. The copy's source is kept in the system's
//! temporary directory, one per installed PostgreSQL, a day long. A lock file serialises making it against
//! copying it, over all processes of this account.

use super::account::Account;
use super::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// The account that the testkit itself uses: the one `initdb` makes.
pub(crate) const ADMIN: &str = "testkit";

/// What every server knows from the start. A line is a statement, as `postgres --single` reads them.
const FIRST_STATEMENTS: &str = "ALTER DATABASE postgres RENAME TO aquifer;
SET password_encryption = 'scram-sha-256';
CREATE ROLE aquifer SUPERUSER LOGIN PASSWORD 'aquifer';
";

/// Changes whenever what this module makes does.
const FORMAT: u32 = 1;
/// Not for ever: systems remove single old files from their temporary directories.
const AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Sources kept, for machines with several versions of PostgreSQL.
const TEMPLATES_MAX: usize = 4;
/// The last file written: without it, the making was interrupted.
const COMPLETE: &str = "complete";

/// Where a data directory is copied from.
#[derive(Debug)]
pub(crate) struct Template {
    cache: PathBuf,
    name: String,
    account: Account,
    bin: PathBuf,
}

impl Template {
    pub(crate) fn new(bin: &Path, account: Account) -> Result<Self, Error> {
        let file =
            fs::metadata(bin.join("postgres")).map_err(Error::io("looking at `postgres`"))?;
        let changed =
            file.modified().ok().and_then(|m| m.duration_since(SystemTime::UNIX_EPOCH).ok());
        let changed = changed.unwrap_or_default().as_secs();
        let place: String = bin
            .to_string_lossy()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let name = format!("template-{FORMAT}{place}-{changed}");
        let cache = std::env::temp_dir().join(format!("aquifer-testkit-{}", account.uid()));
        Ok(Self { cache, name, account, bin: bin.to_owned() })
    }

    /// Makes `target` a fresh data directory.
    pub(crate) fn copy_to(&self, target: &Path) -> Result<(), Error> {
        self.make_cache()?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.cache.join("lock"))
            .map_err(Error::io("opening the template's lock file"))?;
        // Whoever runs tests as that account, without being root, must be able to open it.
        self.account.own(&self.cache.join("lock"))?;
        let locking = || Error::io("locking the template");
        loop {
            lock.lock_shared().map_err(locking())?;
            if self.valid() {
                // Readers do not wait for each other; the lock is released with the file.
                let mut copy = self.account.command(Path::new("cp"), &self.cache);
                return run(copy.arg("-a").arg(self.path().join("data")).arg(target));
            }
            lock.unlock().map_err(locking())?;
            lock.lock().map_err(locking())?;
            if !self.valid() {
                self.make()?;
            }
            lock.unlock().map_err(locking())?;
        }
    }

    fn path(&self) -> PathBuf {
        self.cache.join(&self.name)
    }

    /// The directory is in a place where anyone may create it, so it is used only if it is ours.
    fn make_cache(&self) -> Result<(), Error> {
        use std::os::unix::fs::DirBuilderExt;
        if fs::DirBuilder::new().mode(0o700).create(&self.cache).is_ok() {
            self.account.own(&self.cache)?;
        }
        let directory = fs::symlink_metadata(&self.cache).is_ok_and(|found| found.is_dir());
        // Between two lines above it belongs to whoever made it; nobody else can.
        for _ in 0..100 {
            if directory && self.account.owns(&self.cache) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(Error::Refused(
            "the directory aquifer-testkit-* in the temporary directory is not ours",
        ))
    }

    fn valid(&self) -> bool {
        let made = fs::metadata(self.path().join(COMPLETE)).and_then(|file| file.modified());
        made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age < AGE_MAX))
    }

    fn make(&self) -> Result<(), Error> {
        self.remove_others();
        // Made aside: an `initdb` whose starter was killed may still be writing to the last attempt.
        let aside = tempfile::Builder::new().prefix("making-").tempdir_in(&self.cache);
        let aside = aside.map_err(Error::io("making the template's directory"))?;
        self.account.own(aside.path())?;
        let data = aside.path().join("data");
        let mut initdb = self.account.command(&self.bin.join("initdb"), aside.path());
        initdb.arg("-D").arg(&data).args(["-U", ADMIN, "-A", "trust"]);
        // Small write-ahead log files: less to copy.
        initdb.args(["-E", "UTF8", "--locale=C", "--no-sync", "--wal-segsize=1"]);
        run(&mut initdb)?;
        let mut single = self.account.command(&self.bin.join("postgres"), aside.path());
        single.args(["--single", "-F", "-D"]).arg(&data).arg("template1");
        run_with(&mut single, FIRST_STATEMENTS)?;
        fs::write(aside.path().join(COMPLETE), "").map_err(Error::io("completing the template"))?;
        match fs::remove_dir_all(self.path()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("removing an old template")(error));
            }
            _ => {}
        }
        fs::rename(aside.keep(), self.path()).map_err(Error::io("renaming the template"))
    }

    fn remove_others(&self) {
        let mut others: Vec<_> = self
            .cache
            .read_dir()
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter(|entry| entry.file_name().to_str() != Some(&self.name))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        others.sort_by(|a, b| b.cmp(a));
        for (_, path) in others.into_iter().skip(TEMPLATES_MAX - 1) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// Runs a program to its end; what it printed is the error if it failed.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    run_with(command, "").map(drop)
}

/// The same with standard input; returns standard output.
pub(crate) fn run_with(command: &mut Command, input: &str) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |source| Error::Io { doing: "running a program of the server's", source };
    let mut child = command.spawn().map_err(failed)?;
    let stdin = child.stdin.take();
    // Written from aside: a program that prints much before it has read everything would never end.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that ends early says why in what it prints; its closed input is no error.
            let _ = stdin.map(|mut stdin| stdin.write_all(input.as_bytes()));
        });
        child.wait_with_output()
    });
    let output = output.map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let output = format!("{}{text}", String::from_utf8_lossy(&output.stderr));
    Err(Error::Failed { program, output })
}
