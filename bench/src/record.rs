//! `--readme`: what was measured, as tables in docs/performance.md, from which `cargo xtask generate` takes the
//! README's. Only whole families are written, so that a section has one date and one way of being taken.

use std::path::PathBuf;
use std::time::SystemTime;

use time::OffsetDateTime;

use crate::failure::{Failure, Result};
use crate::goal::Goal;
use crate::machine;
use crate::registry::{Choice, Mode};
use crate::rounds::{Compared, Effort};
use crate::workload::{FAMILIES, Family};

const END: &str = "<!-- end -->";
/// Where the versions of the peers stand.
const MANIFEST: &str = include_str!("../Cargo.toml");

/// The tables of a run, so far.
#[derive(Debug)]
pub struct Record {
    families: Vec<Section>,
}

#[derive(Debug)]
struct Section {
    family: &'static Family,
    /// How it was taken.
    head: String,
    goals: String,
    figures: String,
}

impl Record {
    /// A record of what `selection` will measure.
    ///
    /// # Errors
    ///
    /// If it has only a part of a family, or none that has a section.
    pub fn of(selection: &[Choice]) -> Result<Self> {
        let chosen = |name: &str| selection.iter().any(|choice| choice.workload.name == name);
        let mut families = Vec::new();
        for family in FAMILIES.iter().filter(|family| family.section.is_some()) {
            let mut names = family.workloads.iter().map(|workload| workload.name);
            if !names.clone().any(chosen) {
                continue;
            }
            if let Some(missing) = names.find(|name| !chosen(name)) {
                return Err(Failure::new(format!(
                    "--readme writes whole sections: {missing} is missing from this run"
                )));
            }
            families.push(Section {
                family,
                head: String::new(),
                goals: String::new(),
                figures: String::new(),
            });
        }
        match families.is_empty() {
            true => Err(Failure::new("--readme: none of these workloads has a section of figures")),
            false => Ok(Self { families }),
        }
    }

    /// Adds a table.
    pub fn add(&mut self, choice: &Choice, effort: &Effort, compared: &Compared) {
        let name = choice.workload.name;
        let of = |section: &&mut Section| section.family.workloads.iter().any(|w| w.name == name);
        if let Some(section) = self.families.iter_mut().find(of) {
            if section.head.is_empty() {
                section.head = head(section.family, choice, effort, compared);
            }
            section.goals += &goals(choice, compared);
            section.figures += &figures(choice, compared);
        }
    }

    /// Writes the sections; the file's name.
    ///
    /// # Errors
    ///
    /// If a section's markers are missing, or the file cannot be written.
    pub fn write(&self) -> Result<PathBuf> {
        let bench = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let path = bench.join("../docs/performance.md");
        let mut text = std::fs::read_to_string(&path)?;
        for Section { family, head, goals, figures } in &self.families {
            let content = format!(
                "{head}\n\n| workload | goal | measured |\n|---|---|---|\n{goals}\n{FIGURES}{figures}"
            );
            text = replaced(&text, family.section.unwrap_or_default(), &content)?;
        }
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

/// The document with this content in a section.
fn replaced(document: &str, section: &str, content: &str) -> Result<String> {
    let begin = format!("<!-- measured: {section} -->");
    let missing = |what: &str| Failure::new(format!("docs/performance.md: `{what}` is missing"));
    let (before, rest) = document.split_once(&begin).ok_or_else(|| missing(&begin))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| missing(END))?;
    Ok(format!("{before}{begin}\n\n{}\n\n{END}{after}", content.trim_end()))
}

fn head(family: &Family, choice: &Choice, effort: &Effort, compared: &Compared) -> String {
    let date = OffsetDateTime::from(SystemTime::now()).date();
    let mut text = format!("{date}, {}", machine::describe().replace('\n', "; "));
    if let Some(version) = compared.version {
        text += &format!("; {version} over {}", choice.socket.name());
    }
    let peers = versions(MANIFEST, |name| {
        let peers = family.workloads.iter().flat_map(|workload| workload.peers);
        let name = name.replace('-', "_");
        peers.into_iter().any(|peer| name.starts_with(peer.name))
    });
    text += &format!(
        "; {peers}. Medians of {} interleaved rounds of about {} ms. Where all shares one CPU, ratios of speed are by \
         the CPU time of client and server together. Command: `cargo xtask bench {}`.",
        effort.rounds,
        effort.slot.as_millis(),
        std::env::args().skip(1).collect::<Vec<_>>().join(" "),
    );
    text
}

/// The dependencies with an exact version that `wanted` names, as `sqlx 0.9.0, tokio-postgres 0.7.18`.
fn versions(manifest: &str, wanted: impl Fn(&str) -> bool) -> String {
    let pinned = manifest.lines().filter_map(|line| {
        let (name, rest) = line.split_once(" = ")?;
        let (version, _) = rest.split_once("\"=")?.1.split_once('"')?;
        wanted(name).then(|| format!("{name} {version}"))
    });
    pinned.collect::<Vec<_>>().join(", ")
}

/// A row for each promise; the first names the workload.
fn goals(choice: &Choice, compared: &Compared) -> String {
    let workload = choice.workload;
    let mut text = String::new();
    for (number, goal) in workload.goals.iter().enumerate() {
        let first = match number {
            0 => format!("`{}`: {} ", choice.name(), workload.about),
            _ => String::new(),
        };
        let measured = match goal.judge(compared) {
            Some((figure, true)) => shown(goal, figure),
            Some((figure, false)) => format!("**{}: missed**", shown(goal, figure)),
            None => "not measured".to_owned(),
        };
        text += &format!("| {first}| {goal} | {measured} |\n");
    }
    text
}

fn shown(goal: &Goal, figure: f64) -> String {
    match goal {
        Goal::InstructionsEach { .. } => format!("{figure:.0}"),
        _ => format!("{figure:.2}"),
    }
}

const FIGURES: &str = "| where | peer | ours / it | p50 us | p99 us | client CPU us | server CPU us | allocations | instructions | max/min |\n\
     |---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n";

fn figures(choice: &Choice, compared: &Compared) -> String {
    let Some(ours) = compared.figures.first().map(|ours| ours.peer.name) else {
        return String::new();
    };
    let placed = match choice.mode {
        Mode::Same => "one CPU".to_owned(),
        mode => format!("{} CPUs, {}", mode.name(), choice.threads.name()),
    };
    let cell = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    let mut text = String::new();
    for (number, figures) in compared.figures.iter().enumerate() {
        let name = figures.peer.name;
        let ratio = match compared.by_cpu {
            true => compared.work_ratio(ours, name),
            false => compared.ratio(ours, name),
        };
        let first = match number {
            0 => format!("{}, {placed} ", choice.name()),
            _ => String::new(),
        };
        let cells = [
            cell(ratio, 2),
            cell(figures.p50_us, 0),
            cell(figures.p99_us, 0),
            cell(Some(figures.cpu_us_op), 2),
            cell(figures.server_us_op, 2),
            cell(figures.allocations, 2),
            cell(figures.instructions, 0),
            cell(figures.service, 2),
        ];
        text += &format!("| {first}| {name} | {} |\n", cells.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let document = "a\n<!-- measured: x -->\nold\n<!-- end -->\nb\n";
        let expected = "a\n<!-- measured: x -->\n\nnew\n\n<!-- end -->\nb\n";
        assert_eq!(replaced(document, "x", "new\n").unwrap(), expected);
        let error = replaced(document, "y", "").unwrap_err().to_string();
        assert!(error.contains("<!-- measured: y -->"), "{error}");
    }

    #[test]
    fn exact_versions_are_read_from_the_manifest() {
        let manifest =
            "a = \"=1.2.3\"\nb = { version = \"=4.5\", features = [\"x\"] }\nc = \"6\"\n";
        assert_eq!(versions(manifest, |_| true), "a 1.2.3, b 4.5");
        assert_eq!(versions(manifest, |name| name == "b"), "b 4.5");
    }

    #[test]
    fn a_part_of_a_family_is_refused_and_so_is_what_has_no_section() {
        let arguments = |line: &str| -> crate::arguments::Arguments {
            clap::Parser::parse_from(line.split(' '))
        };
        let selection = |line: &str| match arguments(line).task() {
            Ok(crate::arguments::Task::Compare(selection)) => Record::of(&selection),
            _ => Err(Failure::new("not a comparison")),
        };
        assert!(selection("bench pg_shared").is_ok());
        let part = selection("bench pg_shared_64").unwrap_err().to_string();
        assert!(part.contains("pg_shared_1000 is missing"), "{part}");
        let none = selection("bench pool_1").unwrap_err().to_string();
        assert!(none.contains("none of these"), "{none}");
    }
}
