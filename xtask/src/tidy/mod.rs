//! `cargo xtask tidy`: the house rules that clippy cannot check, over the files git tracks.
//!
//! [`rules`] decide over a [`Tree`] in memory; this file reads the tree and prints the findings.

mod code;
mod rules;

use crate::arguments::Arguments;
use crate::failure::{Failure, Outcome};
use crate::generate;
use crate::workspace::{Workspace, output};
use std::fmt;
use std::process::Command;

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    Arguments::new(arguments).words()?;
    let tree = Tree::read(workspace)?;
    let mut findings = rules::findings(&tree);
    findings.extend(generate::stale(workspace)?.into_iter().map(|stale| Finding {
        path: stale.path.to_owned(),
        line: 1,
        what: "a generated text is out of date; type: cargo xtask generate".to_owned(),
    }));
    if findings.is_empty() {
        println!("tidy: {} files are in order", tree.files.len());
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    Err(Failure::new(format!("{}\ntidy: {} findings", lines.join("\n"), lines.len())))
}

/// The tracked text files.
#[derive(Debug, Default)]
struct Tree {
    files: Vec<Source>,
}

/// One file, by its path from the root with forward slashes.
#[derive(Debug)]
struct Source {
    path: String,
    text: String,
    /// Of Rust files: the text with comments and literals blanked out, else empty.
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        let code = if path.ends_with(".rs") { code::only(text) } else { String::new() };
        Source { path: path.to_owned(), text: text.to_owned(), code }
    }
}

#[derive(Debug, PartialEq)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

impl Tree {
    fn read(workspace: &Workspace) -> Outcome<Tree> {
        let mut git = Command::new("git");
        git.args(["ls-files", "-z"]).current_dir(&workspace.root);
        let listed = output(&mut git)?;
        let mut files = Vec::new();
        for path in listed.split_terminator('\0') {
            // Deleted in the work tree but not yet in the index: nothing to check. Not text: neither.
            if let Ok(bytes) = std::fs::read(workspace.root.join(path))
                && let Ok(text) = String::from_utf8(bytes)
            {
                files.push(Source::new(path, &text));
            }
        }
        Ok(Tree { files })
    }
}
