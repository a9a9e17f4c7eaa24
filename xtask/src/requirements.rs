//! What the tests need from the machine besides the Rust toolchain, and how it gets there.
//!
//! To add one, add an entry to [`REQUIREMENTS`]; CONTRIBUTING.md lists them from this table.
//! Deciding ([`plan`]) is apart from looking ([`Machine::look`]) and doing ([`ensure`]).

use crate::failure::{Failure, Outcome};
use crate::workspace::{line, succeeds};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One thing the tests cannot do without.
#[derive(Debug)]
pub(crate) struct Requirement {
    pub(crate) name: &'static str,
    pub(crate) probe: Probe,
    /// The Debian packages that bring it.
    pub(crate) packages: &'static [&'static str],
    /// Shell commands that root runs before the packages are installed, so that they start nothing.
    pub(crate) before: &'static [&'static str],
    pub(crate) why: &'static str,
}

/// How to find out whether it is there.
#[derive(Debug)]
pub(crate) enum Probe {
    /// One of these programs is on the PATH, or in one of these folders (`*` stands for one name),
    /// where Debian keeps servers that it does not put on the PATH.
    Program { any_of: &'static [&'static str], also_in: &'static [&'static str] },
    /// A C compiler that finds the headers of the C library; `$CC` counts.
    CompilesC,
}

pub(crate) const REQUIREMENTS: &[Requirement] = &[
    Requirement {
        name: "a C compiler",
        probe: Probe::CompilesC,
        packages: &["gcc", "libc6-dev"],
        before: &[],
        why: "builds the SQLite that is embedded",
    },
    Requirement {
        name: "git",
        probe: Probe::Program { any_of: &["git"], also_in: &[] },
        packages: &["git"],
        before: &[],
        why: "`cargo xtask tidy` checks the files that git tracks",
    },
    Requirement {
        name: "PostgreSQL",
        probe: Probe::Program { any_of: &["initdb"], also_in: &["/usr/lib/postgresql/*/bin"] },
        packages: &["postgresql"],
        // Debian would make a cluster and run it.
        before: &[
            "mkdir -p /etc/postgresql-common/createcluster.d",
            "echo create_main_cluster = false >/etc/postgresql-common/createcluster.d/aquifer.conf",
        ],
        why: "tests start servers of their own with it",
    },
    Requirement {
        name: "PgBouncer",
        probe: Probe::Program { any_of: &["pgbouncer"], also_in: &["/usr/sbin"] },
        packages: &["pgbouncer"],
        // A service whose unit is this is never started.
        before: &[
            "mkdir -p /etc/systemd/system",
            "ln -sf /dev/null /etc/systemd/system/pgbouncer.service",
        ],
        why: "the PostgreSQL driver is tested through it",
    },
    Requirement {
        name: "MariaDB",
        probe: Probe::Program { any_of: &["mariadbd"], also_in: &["/usr/sbin"] },
        packages: &["mariadb-server"],
        // A service whose unit is this is never started.
        before: &[
            "mkdir -p /etc/systemd/system",
            "ln -sf /dev/null /etc/systemd/system/mariadb.service",
        ],
        why: "tests of the MySQL driver start servers of their own with it",
    },
    Requirement {
        name: "strace",
        probe: Probe::Program { any_of: &["strace"], also_in: &[] },
        packages: &["strace"],
        before: &[],
        why: "a test counts the PostgreSQL driver's system calls with it",
    },
    Requirement {
        name: "valgrind",
        probe: Probe::Program { any_of: &["valgrind"], also_in: &[] },
        packages: &["valgrind"],
        before: &[],
        why: "the unsafe layer over SQLite is tested under it",
    },
];

/// What matters about the machine for the decision.
#[derive(Debug)]
struct Machine {
    root: bool,
    /// Debian or one of its descendants, with apt-get.
    debian: bool,
}

impl Machine {
    fn look() -> Machine {
        let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
        Machine {
            root: id.is_ok_and(|id| id.stdout.trim_ascii() == b"0"),
            debian: Path::new("/etc/debian_version").exists() && find("apt-get", &[]).is_some(),
        }
    }
}

/// Returns once everything is there, after installing it if that is possible without asking.
pub(crate) fn ensure(requirements: &'static [Requirement]) -> Outcome {
    let missing = missing(requirements);
    if missing.is_empty() {
        return Ok(());
    }
    match plan(&missing, &Machine::look()) {
        Plan::Stop(message) => return Err(Failure::new(message)),
        Plan::Install(commands) => {
            for (program, arguments) in commands {
                let mut command = Command::new(program);
                command.args(arguments).stdin(Stdio::null());
                println!("installing what the tests need: {}", line(&command));
                command.env("DEBIAN_FRONTEND", "noninteractive");
                if !succeeds(&mut command)? {
                    return Err(Failure::new(format!("failed: {}", line(&command))));
                }
            }
        }
    }
    match self::missing(requirements).as_slice() {
        [] => Ok(()),
        still => Err(Failure::new(format!(
            "the packages were installed, but this is still missing:\n{}",
            list(still)
        ))),
    }
}

/// Installs the packages named by its arguments while the system's policy is to start no service; whoever has
/// such a policy already, as containers do, keeps it.
const INSTALL: &str = r#"policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
fi
apt-get install -y --no-install-recommends "$@""#;

fn missing(requirements: &'static [Requirement]) -> Vec<&'static Requirement> {
    requirements.iter().filter(|r| !present(&r.probe)).collect()
}

#[derive(Debug, PartialEq)]
enum Plan {
    Install(Vec<(&'static str, Vec<&'static str>)>),
    Stop(String),
}

fn plan(missing: &[&'static Requirement], machine: &Machine) -> Plan {
    let mut packages: Vec<&str> = missing.iter().flat_map(|r| r.packages).copied().collect();
    packages.sort_unstable();
    packages.dedup();
    let before: Vec<&str> = missing.iter().flat_map(|r| r.before).copied().collect();
    if machine.root && machine.debian {
        let mut commands: Vec<_> =
            before.into_iter().map(|line| ("sh", vec!["-c", line])).collect();
        commands.push(("apt-get", vec!["update"]));
        let mut install = vec!["-c", INSTALL, "install"];
        install.extend(&packages);
        commands.push(("sh", install));
        return Plan::Install(commands);
    }
    let packages = packages.join(" ");
    let list = list(missing);
    let before: String = before.iter().map(|line| format!("sudo sh -c '{line}' && ")).collect();
    Plan::Stop(if machine.debian {
        format!(
            "the tests need what is not installed:\n{list}\ntype: {before}sudo apt-get update && sudo apt-get install -y {packages}"
        )
    } else {
        format!(
            "the tests need what is not installed:\n{list}\ninstall it; the Debian packages are: {packages}"
        )
    })
}

fn list(requirements: &[&Requirement]) -> String {
    let lines: Vec<String> =
        requirements.iter().map(|r| format!("  {}: {}", r.name, r.why)).collect();
    lines.join("\n")
}

fn present(probe: &Probe) -> bool {
    match probe {
        Probe::Program { any_of, also_in } => any_of.iter().any(|p| find(p, also_in).is_some()),
        Probe::CompilesC => {
            let chosen = std::env::var("CC").unwrap_or_default();
            // `CC` may carry arguments or a wrapper: `ccache gcc`.
            let chosen: Vec<&str> = chosen.split_whitespace().collect();
            let known: [&[&str]; 4] = [&chosen, &["cc"], &["gcc"], &["clang"]];
            known.into_iter().any(compiles_c)
        }
    }
}

/// A file without content that includes a header: passes only with the headers installed.
fn compiles_c(compiler: &[&str]) -> bool {
    let Some((program, arguments)) = compiler.split_first() else {
        return false;
    };
    let checked = Command::new(program)
        .args(arguments)
        .args(["-include", "stdlib.h", "-fsyntax-only", "-x", "c", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    checked.is_ok_and(|status| status.success())
}

fn find(program: &str, also_in: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(also_in.iter().flat_map(|p| expand(p)));
    folders
        .map(|folder| folder.join(format!("{program}{}", std::env::consts::EXE_SUFFIX)))
        .find(|file| file.is_file())
}

/// The folders that a pattern names; a component `*` stands for any one name.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in Path::new(pattern).components() {
        found = if component.as_os_str() == "*" {
            let entries = found.iter().filter_map(|folder| folder.read_dir().ok());
            let mut inside: Vec<PathBuf> = entries.flatten().flatten().map(|e| e.path()).collect();
            // The newest version of a server last in name order is the one to try first.
            inside.sort_unstable_by(|a, b| b.cmp(a));
            inside
        } else {
            found.into_iter().map(|folder| folder.join(component)).collect()
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPILER: &Requirement = &REQUIREMENTS[0];
    const SERVER: &Requirement = &Requirement {
        name: "a server",
        probe: Probe::Program { any_of: &["no-such-server"], also_in: &["/no/such/*/bin"] },
        packages: &["server", "gcc"],
        before: &["echo no >/etc/server"],
        why: "the driver is tested against it",
    };

    #[test]
    fn root_on_debian_installs_each_package_once() {
        let machine = Machine { root: true, debian: true };
        let expected = vec![
            ("sh", vec!["-c", "echo no >/etc/server"]),
            ("apt-get", vec!["update"]),
            ("sh", vec!["-c", INSTALL, "install", "gcc", "libc6-dev", "server"]),
        ];
        assert_eq!(plan(&[COMPILER, SERVER], &machine), Plan::Install(expected));
    }

    #[test]
    fn anyone_else_on_debian_is_told_the_line_to_type() {
        let machine = Machine { root: false, debian: true };
        let Plan::Stop(message) = plan(&[SERVER], &machine) else {
            panic!("must not install");
        };
        assert!(message.contains("a server: the driver is tested against it"), "{message}");
        let line = "type: sudo sh -c 'echo no >/etc/server' && sudo apt-get update && sudo apt-get install -y gcc server";
        assert_eq!(message.lines().last(), Some(line));
    }

    #[test]
    fn root_elsewhere_is_told_what_is_missing() {
        let machine = Machine { root: true, debian: false };
        let Plan::Stop(message) = plan(&[COMPILER], &machine) else {
            panic!("must not install");
        };
        assert!(message.ends_with("the Debian packages are: gcc libc6-dev"), "{message}");
    }

    #[test]
    fn a_program_outside_the_path_is_found_by_pattern() {
        let root = std::env::temp_dir().join(format!("aquifer-xtask-find-{}", std::process::id()));
        for version in ["13", "15"] {
            std::fs::create_dir_all(root.join(version).join("bin")).unwrap();
            std::fs::write(root.join(version).join("bin/some-server"), "").unwrap();
        }
        let pattern = format!("{}/*/bin", root.display());
        let found = find("some-server", &[&pattern]);
        let absent = find("other-server", &[&pattern]);
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, Some(root.join("15/bin/some-server")));
        assert_eq!(absent, None);
    }

    #[test]
    fn what_is_absent_is_missing_and_what_runs_this_is_not() {
        assert!(!present(&SERVER.probe));
        assert!(present(&Probe::Program { any_of: &["no-such-server", "cargo"], also_in: &[] }));
    }
}
