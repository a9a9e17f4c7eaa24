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

const DOCUMENTS: &[Document] = &[
    Document {
        path: "CONTRIBUTING.md",
        sections: &[
            Section { name: "commands", text: |_| Ok(commands()) },
            Section { name: "requirements", text: |_| Ok(requirements()) },
        ],
    },
    Document {
        path: "README.md",
        sections: &[
            Section { name: "figures", text: |workspace| figures(workspace, "Figures", &QUOTED) },
            Section {
                name: "figures-postgresql",
                text: |workspace| figures(workspace, "PostgreSQL", &QUOTED_POSTGRES),
            },
            Section {
                name: "figures-mysql",
                text: |workspace| figures(workspace, "MySQL and MariaDB", &QUOTED_MYSQL),
            },
            Section {
                name: "figures-multiplexing",
                text: |workspace| recorded(workspace, "Multiplexing", &QUOTED_MULTIPLEXING),
            },
            Section {
                name: "figures-transactions",
                text: |workspace| recorded(workspace, "Transactions", &QUOTED_TRANSACTIONS),
            },
        ],
    },
];

/// Where the figures are kept, with how they were taken.
const MEASURED: &str = "docs/performance.md";
/// The workloads whose rows the README repeats, good and bad.
const QUOTED: [&str; 6] = [
    "`pool_1`",
    "`pool_1000`",
    "`sqlite_point`",
    "`sqlite_scan`",
    "`Db` against the driver itself, point select",
    "`sqlite_insert`",
];

/// The same, of PostgreSQL's.
const QUOTED_POSTGRES: [&str; 7] = [
    "`pg_point`",
    "`pg_pool_1`",
    "`pg_pool_64`",
    "`pg_pipeline_64`",
    "`pg_scan`",
    "`pg_copy_in`",
    "`pg_connect`",
];

/// The same, of MySQL's.
const QUOTED_MYSQL: [&str; 6] = [
    "`mysql_point`",
    "`mysql_pool_64`",
    "`mysql_scan`",
    "`mysql_insert`",
    "`mysql_insert_keys`",
    "`mysql_connect`",
];

/// The same, of what `cargo xtask bench --readme` has written.
const QUOTED_MULTIPLEXING: [&str; 9] = [
    "`pg_shared_64`",
    "`pg_shared_1000`",
    "`pg_shared_writes`",
    "`pg_shared_each`",
    "`pg_shared_errors`",
    "`pg_shared_mt`",
    "`pg_shared_mt_8`",
    "`pg_shared_latency`",
    "`pg_shared_1`",
];

/// The same.
const QUOTED_TRANSACTIONS: [&str; 2] = ["`pg_tx4`", "`pg_enqueue`"];

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

fn figures(workspace: &Workspace, title: &str, workloads: &[&str]) -> Outcome<String> {
    let document = fs::read_to_string(workspace.root.join(MEASURED)).map_err(Failure::new)?;
    quoted(&document, title, workloads)
        .map_err(|error| Failure::new(format!("{MEASURED}: {error}")))
}

/// The same, of a section that is written by a run of the bench and empty before the first.
fn recorded(workspace: &Workspace, title: &str, workloads: &[&str]) -> Outcome<String> {
    let document = fs::read_to_string(workspace.root.join(MEASURED)).map_err(Failure::new)?;
    match is_empty(&document, title) {
        true => Ok("Not measured yet.".to_owned()),
        false => figures(workspace, title, workloads),
    }
}

/// Whether the section under a title has its marker for figures, and none.
fn is_empty(document: &str, title: &str) -> bool {
    let section = document.split_once(&format!("\n## {title}\n")).map(|(_, section)| section);
    let section = section.and_then(|section| section.split("\n## ").next()).unwrap_or_default();
    section.contains("<!-- measured: ") && !section.contains("\n|")
}

/// The paragraph that says how the figures under a title were taken, which is the one before the table, and
/// the rows of these workloads. A row whose first cell is empty belongs to the one above it.
fn quoted(document: &str, title: &str, workloads: &[&str]) -> Result<String, String> {
    let (_, section) = document
        .split_once(&format!("\n## {title}\n"))
        .ok_or_else(|| format!("there is no section `## {title}`"))?;
    let section = section.split("\n## ").next().unwrap_or(section);
    let (text, _) = section.split_once("\n\n|").ok_or("there is no table")?;
    let paragraph = text.rfind("\n\n").map_or(0, |end| end + 2);
    let mut lines = section[paragraph..].trim_start().lines();
    let taken: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let mut text = taken.join("\n") + "\n\n";
    let mut found = 0;
    let mut wanted = true;
    for (number, row) in lines.filter(|line| line.starts_with('|')).enumerate() {
        let name = row.trim_start_matches(['|', ' ']);
        if number >= 2 && !row.starts_with("| |") {
            wanted = workloads.iter().any(|quoted| name.starts_with(quoted));
            found += usize::from(wanted);
        }
        if wanted {
            text += row;
            text.push('\n');
        }
    }
    if found == workloads.len() {
        Ok(text)
    } else {
        Err(format!("{found} of {} quoted workloads have a row", workloads.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_quoted_with_how_they_were_taken_and_the_rows_that_continue_them() {
        let rows: String =
            QUOTED.iter().map(|name| format!("| {name}: x | 1 |\n| | 2 |\n")).collect();
        let head = "a day,\na machine\n\n| workload | measured |\n|---|---|\n";
        let document = format!(
            "# P\n\n## Figures\n\nBefore.\n\n{head}| `other` | 3 |\n| | 4 |\n{rows}\n## Next\n| `pool_1` |\n"
        );
        let figures = |document: &str| quoted(document, "Figures", &QUOTED);
        assert_eq!(figures(&document).unwrap(), format!("{head}{rows}"));
        assert!(figures("# P\n").unwrap_err().contains("## Figures"));
        let fewer = document.replace("`sqlite_scan`", "`gone`");
        assert!(figures(&fewer).unwrap_err().contains("5 of 6"));
    }

    #[test]
    fn a_section_is_empty_until_the_bench_has_written_it() {
        let empty = "# P\n\n## M\n\n<!-- measured: m -->\n<!-- end -->\n\n## N\n| x |\n";
        assert!(is_empty(empty, "M"));
        assert!(!is_empty(empty, "N"));
        let written = empty.replace("m -->\n", "m -->\n\na day\n\n| workload |\n");
        assert!(!is_empty(&written, "M"));
        // A marker that is gone is a mistake, for which there is a message.
        assert!(!is_empty("# P\n\n## M\n\n## N\n", "M"));
    }

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
