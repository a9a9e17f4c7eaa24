//! The texts of `help`, and what is said about a name that does not exist.

use crate::failure::{Failure, Outcome};
use crate::workspace::Workspace;
use crate::{COMMANDS, Command};

pub(crate) fn run(_: &Workspace, arguments: &[String]) -> Outcome {
    match arguments.first() {
        None => println!("{}", overview()),
        Some(name) => match COMMANDS.iter().find(|command| command.name == name) {
            Some(command) => println!("{}", of(command)),
            None => return Err(unknown("command", name, COMMANDS.iter().map(|c| c.name))),
        },
    }
    Ok(())
}

pub(crate) fn overview() -> String {
    let mut text = String::from("The project's own commands.\n\nUsage: cargo xtask <COMMAND>\n\n");
    for Command { name, summary, .. } in COMMANDS {
        text += &format!("  {name:<10}{summary}\n");
    }
    text + "\n`cargo xtask help <COMMAND>` says more about one."
}

pub(crate) fn of(command: &Command) -> String {
    let Command { name, arguments, summary, details, .. } = command;
    let usage = format!("cargo xtask {name} {arguments}");
    let text = format!("Usage: {}\n\n{}: {summary}\n\n{details}", usage.trim_end(), name);
    text.trim_end().to_owned()
}

/// The usage error for a name nobody knows, with the nearest that somebody does.
pub(crate) fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let known: Vec<&str> = known.collect();
    let nearest = known
        .iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3));
    let mut message = format!("unknown {kind} `{name}`");
    match nearest {
        Some((_, candidate)) => message += &format!("; did you mean `{candidate}`?"),
        None if known.is_empty() => {}
        None => message += &format!("; known: {}", known.join(", ")),
    }
    Failure::usage(message)
}

/// Edits (insert, delete, replace, swap of neighbours) from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_suggested_and_a_far_one_lists_what_exists() {
        let near = unknown("command", "tets", ["test", "ci"].into_iter());
        assert_eq!(near.message, "unknown command `tets`; did you mean `test`?");
        assert_eq!(near.code, 2);
        let far = unknown("command", "deploy", ["test", "ci"].into_iter());
        assert_eq!(far.message, "unknown command `deploy`; known: test, ci");
    }

    #[test]
    fn distance_counts_a_swap_as_one_edit() {
        assert_eq!(distance("tets", "test"), 1);
        assert_eq!(distance("", "test"), 4);
        assert_eq!(distance("soak", "soak"), 0);
        assert_eq!(distance("bnech", "bench"), 1);
    }

    #[test]
    fn every_command_is_in_the_overview_and_explains_itself() {
        let overview = overview();
        for command in COMMANDS {
            assert!(overview.contains(command.summary), "{}", command.name);
            assert!(of(command).starts_with(&format!("Usage: cargo xtask {}", command.name)));
        }
    }
}
