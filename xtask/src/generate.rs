//! `cargo xtask generate`: the sections of documents, and the source files, that are written by a program.
//!
//! What stands in two places drifts apart, so a table that the code already knows is generated from
//! it. To add one, put the two marker lines into the document and an entry into [`DOCUMENTS`]; the
//! text may come from another crate, by running one of its programs with [`Workspace::cargo`]. A file
//! that is generated as a whole has its entry in [`FILES`].

use crate::COMMANDS;
use crate::arguments::Arguments;
use crate::failure::{Failure, Outcome};
use crate::requirements::REQUIREMENTS;
use crate::sqlstates;
use crate::workspace::Workspace;
use std::fs;

struct Document {
    path: &'static str,
    sections: &'static [Section],
}

struct Section {
    name: &'static str,
    text: fn(&Workspace) -> Outcome<String>,
}

const DOCUMENTS: &[Document] = &[Document {
    path: "CONTRIBUTING.md",
    sections: &[
        Section { name: "commands", text: |_| Ok(commands()) },
        Section { name: "requirements", text: |_| Ok(requirements()) },
    ],
}];

/// A file that nobody edits.
struct Generated {
    path: &'static str,
    text: fn(&Workspace) -> Outcome<String>,
}

const FILES: &[Generated] =
    &[Generated { path: "crates/aquifer-postgres/src/sqlstate/codes.rs", text: sqlstates::table }];

const END: &str = "<!-- end -->";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    let mut arguments = Arguments::new(arguments);
    let check = arguments.switch("--check");
    arguments.words()?;
    let stale = stale(workspace)?;
    if check && !stale.is_empty() {
        let names: Vec<&str> = stale.iter().map(|stale| stale.path).collect();
        let names = names.join(", ");
        return Err(Failure::new(format!("out of date: {names}; type: cargo xtask generate")));
    }
    for Stale { path, text } in &stale {
        fs::write(workspace.root.join(path), text).map_err(Failure::new)?;
        println!("generate: wrote {path}");
    }
    if stale.is_empty() {
        println!("generate: everything is up to date");
    }
    Ok(())
}

/// A file whose generated text is not what the code says now.
#[derive(Debug)]
pub(crate) struct Stale {
    pub(crate) path: &'static str,
    /// The whole file as it should be.
    text: String,
}

pub(crate) fn stale(workspace: &Workspace) -> Outcome<Vec<Stale>> {
    let mut stale = Vec::new();
    for Document { path, sections } in DOCUMENTS {
        let failed = |error: String| Failure::new(format!("{path}: {error}"));
        let now =
            fs::read_to_string(workspace.root.join(path)).map_err(|e| failed(e.to_string()))?;
        let mut text = now.clone();
        for section in *sections {
            text = replaced(&text, section.name, &(section.text)(workspace)?).map_err(failed)?;
        }
        if text != now {
            stale.push(Stale { path, text });
        }
    }
    for Generated { path, text } in FILES {
        let text = text(workspace)?;
        // One that is missing is as stale as one that differs.
        if fs::read_to_string(workspace.root.join(path)).ok().as_ref() != Some(&text) {
            stale.push(Stale { path, text });
        }
    }
    Ok(stale)
}

/// The document with `content` between the markers of section `name`.
fn replaced(document: &str, name: &str, content: &str) -> Result<String, String> {
    let begin = format!("<!-- generated: {name} -->");
    let (before, rest) =
        document.split_once(&begin).ok_or_else(|| format!("the marker `{begin}` is missing"))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| format!("no `{END}` after `{begin}`"))?;
    Ok(format!("{before}{begin}\n{}\n{END}{after}", content.trim_end()))
}

fn commands() -> String {
    let mut table = String::from("| command | what it does |\n|---|---|\n");
    for command in COMMANDS {
        let usage = format!("cargo xtask {} {}", command.name, command.arguments);
        table += &format!("| `{}` | {} |\n", usage.trim_end(), command.summary);
    }
    table
}

fn requirements() -> String {
    let mut table = String::from("| needed | Debian packages | why |\n|---|---|---|\n");
    for requirement in REQUIREMENTS {
        let packages = requirement.packages.join(" ");
        table += &format!("| {} | `{packages}` | {} |\n", requirement.name, requirement.why);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_between_the_markers_is_replaced() {
        let document = "a\n<!-- generated: x -->\nold\n<!-- end -->\nb\n<!-- generated: y -->\nkept\n<!-- end -->\n";
        let once = replaced(document, "x", "new\n").unwrap();
        assert_eq!(once, document.replace("old", "new"));
        assert_eq!(replaced(&once, "x", "new\n").unwrap(), once);
    }

    #[test]
    fn a_missing_marker_is_named() {
        assert!(replaced("text", "x", "new").unwrap_err().contains("<!-- generated: x -->"));
        assert!(replaced("<!-- generated: x -->", "x", "new").unwrap_err().contains(END));
    }
}
