//! What was measured beside what was expected, and the verdict.

use crate::Result;
use crate::baseline::{self, Baseline};
use crate::count::{self, Counts};
use crate::instructions;
use crate::operation::Operation;
use crate::servers::Servers;

/// How many times the instructions may become before that is a regression; the other counts must stay.
const INSTRUCTIONS_AT_MOST: f64 = 1.03;

/// One operation.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    about: &'static str,
    expected: Counts,
    measured: Counts,
    /// Whether the instructions of both are those of one compiler.
    comparable: bool,
}

impl Row {
    pub(crate) fn measure(
        operation: &'static Operation,
        servers: &Servers,
        baseline: &Baseline,
    ) -> Result<Self> {
        let expected = baseline.get(operation)?;
        let comparable = baseline.built == baseline::built()?;
        let measured = count::counts(operation, servers)?;
        let enough = match comparable {
            true => expected.instructions.map(|expected| expected * INSTRUCTIONS_AT_MOST),
            // One measurement does.
            false => Some(f64::INFINITY),
        };
        let measured = measured.with(instructions::least(operation, servers, enough)?);
        Ok(Self { name: operation.name, about: operation.about, expected, measured, comparable })
    }

    /// The counts by name: expected, measured, and whether the measured one is too much.
    fn cells(&self) -> [(&'static str, Option<f64>, Option<f64>, bool); 5] {
        let (expected, measured) = (&self.expected, &self.measured);
        let more = |expected: Option<f64>, measured: Option<f64>, times: f64| match expected {
            Some(expected) => measured.is_none_or(|measured| measured > expected * times),
            None => false,
        };
        let exact =
            |name, expected, measured| (name, expected, measured, more(expected, measured, 1.0));
        let (before, now) = (expected.instructions, measured.instructions);
        let slower = self.comparable && more(before, now, INSTRUCTIONS_AT_MOST);
        [
            ("instructions", before, now, slower),
            exact("round trips", expected.round_trips, measured.round_trips),
            exact("Syncs", expected.syncs, measured.syncs),
            exact("allocations", expected.allocations, measured.allocations),
            exact("tasks", expected.tasks, measured.tasks),
        ]
    }
}

/// A table with the expected counts where they differ from the measured ones.
pub(crate) fn text(rows: &[Row], baseline: &Baseline) -> String {
    let mut text = format!("baseline: {}\n", baseline.built);
    for row in rows {
        text += &format!("\n{} ({})\n", row.name, row.about);
        for (name, expected, measured, too_much) in row.cells() {
            let shown =
                |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| v.to_string());
            if expected.is_none() && measured.is_none() {
                continue;
            }
            text += &format!("  {name:<14}{:>10}", shown(measured));
            if expected != measured {
                text += &format!("  expected {}", shown(expected));
                if let (Some(expected), Some(measured)) = (expected, measured) {
                    text += &format!(" ({:+.1} %)", (measured / expected - 1.0) * 100.0);
                }
            }
            text += if too_much { "  TOO MUCH\n" } else { "\n" };
        }
        if !row.comparable {
            text += "  (instructions are not compared: another compiler or machine)\n";
        }
    }
    text
}

/// What to say if something costs more than was committed.
pub(crate) fn verdict(rows: &[Row]) -> Option<String> {
    let too_much: Vec<String> = rows
        .iter()
        .flat_map(|row| row.cells().map(|(name, .., too_much)| (row.name, name, too_much)))
        .filter(|(.., too_much)| *too_much)
        .map(|(operation, name, _)| format!("{operation}: {name}"))
        .collect();
    (!too_much.is_empty()).then(|| {
        format!(
            "more than was committed to: {}; if that is meant, type: cargo xtask counters --update",
            too_much.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(instructions: f64, syncs: f64) -> Row {
        let expected =
            Counts { instructions: Some(1_000.0), syncs: Some(1.0), ..Counts::default() };
        let measured =
            Counts { instructions: Some(instructions), syncs: Some(syncs), ..Counts::default() };
        Row { name: "x", about: "", expected, measured, comparable: true }
    }

    #[test]
    fn three_per_cent_more_instructions_pass_and_a_thousandth_of_a_sync_more_does_not() {
        assert_eq!(verdict(&[row(1_030.0, 1.0), row(500.0, 0.5)]), None);
        let message = verdict(&[row(1_031.0, 1.0), row(1_000.0, 1.001)]).unwrap();
        assert!(message.contains("x: instructions, x: Syncs;"), "{message}");
    }

    #[test]
    fn another_compilers_instructions_are_shown_and_not_judged() {
        let row = Row { comparable: false, ..row(9_000.0, 1.0) };
        assert_eq!(verdict(std::slice::from_ref(&row)), None);
        assert!(verdict(&[Row { measured: Counts::default(), ..row }]).is_some());
    }
}
