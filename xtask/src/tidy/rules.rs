//! The rules. Each is a pure function from the tree to findings, and each finding says why.
//!
//! A rule that today's code breaks gets a ratchet: a list of what is allowed that may only shrink.

use super::{Finding, Source, Tree};

const RULES: &[fn(&Tree) -> Vec<Finding>] = &[
    no_ignored_test,
    no_unfinished_code,
    no_long_file,
    folder_is_package,
    unsafe_is_forbidden,
    unsafe_stays_in_its_place,
    no_machine_path,
    crates_io_only,
];

/// Files beyond the limit that were there when the rule came, with their lines. Only to be lowered.
const LONG_FILES: &[(&str, usize)] = &[];
const FILE_LINES_MAX: usize = 1_200;

/// Crates whose root cannot forbid unsafe code, since one place in each needs it.
const HOLD_UNSAFE: &[&str] = &["aquifer-sqlite", "aquifer-testkit"];
/// These places: the calls into the C library, and the allocator that counts.
const UNSAFE_PLACES: &[&str] = &[
    "crates/aquifer-sqlite/src/raw",
    "crates/aquifer-testkit/src/alloc",
    // A workspace of its own that nobody depends on: it counts allocations, pins threads, reads clocks.
    "bench/src/affinity.rs",
    "bench/src/allocation.rs",
    "bench/src/measure.rs",
    "bench/src/process_clock.rs",
];

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    RULES.iter().flat_map(|rule| rule(tree)).collect()
}

impl Tree {
    fn rust(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }
}

impl Source {
    fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    /// A finding for each line of code that `wrong` objects to.
    fn code_lines(&self, what: &str, wrong: impl Fn(&str) -> bool) -> Vec<Finding> {
        numbered(&self.code)
            .filter(|(_, line)| wrong(line))
            .map(|(number, _)| self.finding(number, what))
            .collect()
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// Whether `word` stands in `line` as a word of its own.
fn has_word(line: &str, word: &str) -> bool {
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(of_word) && !after.is_some_and(of_word)
    })
}

fn no_ignored_test(tree: &Tree) -> Vec<Finding> {
    let what = "an ignored test is run by nobody: make it run, or remove it";
    let ignored = |line: &str| line.contains("#[") && has_word(line, "ignore");
    tree.rust().flat_map(|file| file.code_lines(what, ignored)).collect()
}

/// Clippy denies these too, but not in code that a feature or platform leaves out.
fn no_unfinished_code(tree: &Tree) -> Vec<Finding> {
    let what = "unfinished code does not land: implement it, or return a typed error";
    let unfinished =
        |line: &str| ["todo", "unimplemented"].iter().any(|name| calls_macro(line, name));
    tree.rust().flat_map(|file| file.code_lines(what, unfinished)).collect()
}

fn calls_macro(line: &str, name: &str) -> bool {
    has_word(line, name) && line.contains(&format!("{name}!"))
}

fn no_long_file(tree: &Tree) -> Vec<Finding> {
    let is_test = |path: &str| {
        let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
        path.ends_with("/tests.rs")
            || folders.split('/').any(|f| matches!(f, "test" | "tests" | "benches" | "fuzz"))
    };
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| !is_test(&file.path)) {
        let lines = file.text.lines().count();
        let allowed = LONG_FILES.iter().find(|(path, _)| *path == file.path);
        let max = allowed.map_or(FILE_LINES_MAX, |(_, lines)| *lines);
        if lines > max {
            let what = format!(
                "{lines} lines, {max} at most: it may have a second reason to change; split it there"
            );
            findings.push(file.finding(max + 1, what));
        } else if allowed.is_some() && lines < max {
            let what = format!(
                "{lines} lines now: lower its entry in LONG_FILES, so that it cannot grow back"
            );
            findings.push(file.finding(1, what));
        }
    }
    findings
}

/// Whoever reads a package name in an error finds its folder without searching.
fn folder_is_package(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let Some(folder) = crate_of(&file.path, "/Cargo.toml") else {
            continue;
        };
        let package = numbered(&file.text)
            .skip_while(|(_, line)| line.trim() != "[package]")
            .find_map(|(number, line)| {
                Some((number, line.strip_prefix("name")?.trim_start().strip_prefix('=')?))
            });
        match package {
            Some((_, name)) if name.trim().trim_matches('"') == folder => {}
            Some((line, name)) => {
                let what = format!(
                    "the package is called {}, its folder {folder}; make them one",
                    name.trim()
                );
                findings.push(file.finding(line, what));
            }
            None => findings.push(file.finding(1, "no package name found")),
        }
    }
    findings
}

/// `x` of `crates/x<rest>`.
fn crate_of<'a>(path: &'a str, rest: &str) -> Option<&'a str> {
    let name = path.strip_prefix("crates/")?.strip_suffix(rest)?;
    (!name.contains('/')).then_some(name)
}

fn unsafe_is_forbidden(tree: &Tree) -> Vec<Finding> {
    // The bench is a workspace of its own that nobody depends on.
    let is_root = |path: &str| {
        !path.starts_with("bench/")
            && (path.ends_with("/src/lib.rs")
                || path.ends_with("/src/main.rs")
                || path == "examples/lib.rs")
    };
    let holds =
        |path: &str| HOLD_UNSAFE.iter().any(|name| path.starts_with(&format!("crates/{name}/")));
    tree.rust()
        .filter(|file| is_root(&file.path) && !holds(&file.path))
        .filter(|file| !file.code.contains("#![forbid(unsafe_code)]"))
        .map(|file| file.finding(1, "the root of this crate does not say #![forbid(unsafe_code)]"))
        .collect()
}

fn unsafe_stays_in_its_place(tree: &Tree) -> Vec<Finding> {
    let what =
        "unsafe code stands only in aquifer-sqlite/src/raw and the testkit's counting allocator";
    // `forbid` and `deny` name the lint too, and are welcome anywhere.
    let wrong = |line: &str| {
        has_word(line, "unsafe") || (has_word(line, "allow") && has_word(line, "unsafe_code"))
    };
    tree.rust()
        .filter(|file| !UNSAFE_PLACES.iter().any(|place| file.path.starts_with(place)))
        .flat_map(|file| file.code_lines(what, wrong))
        .collect()
}

fn no_machine_path(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| !file.path.ends_with(".gitignore")) {
        for (number, line) in numbered(&file.text) {
            if let Some(path) = machine_path(line) {
                let what = format!(
                    "`{path}...` is a path of one machine; say it relative, or under /var or /tmp"
                );
                findings.push(file.finding(number, what));
            }
        }
    }
    findings
}

/// The beginning of an absolute path into somebody's folder, if the line has one.
fn machine_path(line: &str) -> Option<&str> {
    ["home", "root", "work", "Users"].into_iter().find_map(|folder| {
        line.match_indices(folder).find_map(|(at, _)| {
            let end = at + folder.len();
            let before = line[..at].strip_suffix('/')?.chars().next_back();
            let after = line[end..].strip_prefix('/')?.chars().next()?;
            // Below a name or a variable it is relative; after the slashes of a URL it is not.
            let relative = before.is_some_and(|c| c.is_alphanumeric() || "._-~})*".contains(c));
            let path = !relative && (after.is_alphabetic() || "._".contains(after));
            path.then(|| &line[at - 1..=end])
        })
    })
}

/// A lock file that names another registry or a repository builds on one machine only.
fn crates_io_only(tree: &Tree) -> Vec<Finding> {
    const CRATES_IO: &str = r#"source = "registry+https://github.com/rust-lang/crates.io-index""#;
    let lock = |path: &str| path == "Cargo.lock" || path.ends_with("/Cargo.lock");
    let mut findings = Vec::new();
    for file in &tree.files {
        for (number, line) in numbered(&file.text) {
            if lock(&file.path) && line.starts_with("source = ") && line != CRATES_IO {
                findings.push(file.finding(number, format!("not from crates.io: {line}")));
            }
            if file.path.ends_with(".cargo/config.toml")
                && ["[source", "[registr"].iter().any(|s| line.starts_with(s))
            {
                findings.push(
                    file.finding(
                        number,
                        "a registry is configured per machine, not in the project",
                    ),
                );
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines found in one file, by one rule.
    fn lines(rule: fn(&Tree) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
        let tree = Tree { files: vec![Source::new(path, text)] };
        rule(&tree).into_iter().map(|finding| finding.line).collect()
    }

    const FILE: &str = "crates/aquifer-pool/src/state.rs";
    const NONE: [usize; 0] = [];

    #[test]
    fn ignored_tests_are_found_in_every_form() {
        let found = |text: &str| lines(no_ignored_test, FILE, text);
        assert_eq!(found("\n#[ignore]\n"), [2]);
        assert_eq!(found("#[ignore = \"slow\"]"), [1]);
        assert_eq!(found("#[cfg_attr(miri, ignore)]"), [1]);
        assert_eq!(found("// #[ignore]\nlet ignored = 1; ignore(x);"), NONE);
    }

    #[test]
    fn unfinished_code_is_found_but_not_talk_about_it() {
        let found = |text: &str| lines(no_unfinished_code, FILE, text);
        assert_eq!(found("fn f() { todo!() }\nfn g() { unimplemented!(\"x\") }"), [1, 2]);
        assert_eq!(found("// todo!()\nlet s = \"todo!()\"; let todo = 1;"), NONE);
    }

    #[test]
    fn a_file_has_a_longest_length_unless_it_is_a_test() {
        let long = "x;\n".repeat(FILE_LINES_MAX + 1);
        assert_eq!(lines(no_long_file, FILE, &long), [FILE_LINES_MAX + 1]);
        assert_eq!(lines(no_long_file, FILE, &long[3..]), NONE);
        assert_eq!(lines(no_long_file, "crates/aquifer-pool/tests/model.rs", &long), NONE);
    }

    #[test]
    fn a_folder_has_the_name_of_its_package() {
        let found = |path: &str, text: &str| lines(folder_is_package, path, text);
        let manifest = "[package]\nname = \"aquifer-pool\"\n";
        assert_eq!(found("crates/aquifer-pool/Cargo.toml", manifest), NONE);
        assert_eq!(found("crates/pool/Cargo.toml", manifest), [2]);
        assert_eq!(found("crates/pool/Cargo.toml", "[lib]\nname = \"pool\""), [1]);
    }

    #[test]
    fn every_crate_root_forbids_unsafe_except_two() {
        let found = |path: &str, text: &str| lines(unsafe_is_forbidden, path, text);
        assert_eq!(
            found("crates/aquifer/src/lib.rs", "//! Docs.\n#![forbid(unsafe_code)]\n"),
            NONE
        );
        assert_eq!(found("crates/aquifer/src/lib.rs", "//! #![forbid(unsafe_code)]\n"), [1]);
        assert_eq!(found("xtask/src/main.rs", "fn main() {}"), [1]);
        assert_eq!(found("crates/aquifer-sqlite/src/lib.rs", ""), NONE);
        assert_eq!(found("crates/aquifer/src/db.rs", ""), NONE);
    }

    #[test]
    fn unsafe_code_is_found_outside_its_places() {
        let text = "unsafe { x() }\n// unsafe\n#![allow(unsafe_code)]\n#![forbid(unsafe_code)]\n";
        assert_eq!(lines(unsafe_stays_in_its_place, FILE, text), [1, 3]);
        for place in ["aquifer-sqlite/src/raw/statement.rs", "aquifer-testkit/src/allocations.rs"] {
            assert_eq!(lines(unsafe_stays_in_its_place, &format!("crates/{place}"), text), NONE);
        }
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        // Put together here, or the rule would find this file.
        for folder in ["home", "root", "work", "Users"] {
            let path = format!("/{folder}/ada");
            assert_eq!(machine_path(&format!("open {path}/x")), Some(&path[..path.len() - 3]));
            assert!(machine_path(&format!("sqlite://{path}")).is_some());
            assert!(machine_path(&format!("target{path} $HOME{path} ~{path}")).is_none());
            assert!(machine_path(&format!("/{folder} /{folder}/ /{folder}s/ada")).is_none());
        }
        let path = format!("/{}/ada", "home");
        assert_eq!(lines(no_machine_path, "docs/a.md", &format!("x\n{path}")), [2]);
        assert_eq!(lines(no_machine_path, ".gitignore", &path), NONE);
    }

    #[test]
    fn lock_files_name_crates_io_alone() {
        let text = "name = \"a\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
                    source = \"git+https://example.org/a\"\n";
        assert_eq!(lines(crates_io_only, "Cargo.lock", text), [3]);
        assert_eq!(lines(crates_io_only, "bench/Cargo.lock", text), [3]);
        assert_eq!(lines(crates_io_only, ".cargo/config.toml", "[alias]\n[source.x]\n"), [2]);
    }

    #[test]
    fn all_rules_are_applied() {
        let text = "#[ignore]\nfn f() { todo!() }\n";
        let tree = Tree { files: vec![Source::new(FILE, text)] };
        assert_eq!(findings(&tree).len(), 2);
    }
}
