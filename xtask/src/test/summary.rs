//! Reads along with cargo and libtest, line by line, and counts. Pure: lines in, a table out.

use std::time::Duration;

/// The kinds of suites, as cargo announces them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Unit,
    Integration,
    Documentation,
}

const KINDS: [(Kind, &str); 3] = [
    (Kind::Unit, "unit"),
    (Kind::Integration, "integration"),
    (Kind::Documentation, "documentation"),
];

#[derive(Debug)]
struct Suite {
    name: String,
    kind: Kind,
    /// Whether a result line came; a program that aborts prints none.
    finished: bool,
    passed: usize,
    failed: usize,
    ignored: usize,
    seconds: f64,
    failures: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Total {
    pub(super) suites: usize,
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) ignored: usize,
    seconds: f64,
}

#[derive(Debug, Default)]
pub(super) struct Summary {
    suites: Vec<Suite>,
    /// Whether a process that a test started outlived all of them.
    pub(super) straggler: bool,
}

impl Summary {
    pub(super) fn line(&mut self, line: &str) {
        let line = without_colour(line);
        let words = line.trim();
        if let Some((name, kind)) = announced(words) {
            self.suites.push(Suite {
                name,
                kind,
                finished: false,
                passed: 0,
                failed: 0,
                ignored: 0,
                seconds: 0.0,
                failures: Vec::new(),
            });
            return;
        }
        let Some(suite) = self.suites.last_mut() else {
            return;
        };
        if let Some(counts) = words.strip_prefix("test result: ") {
            // Documentation tests of one crate may report in two parts.
            suite.finished = true;
            suite.passed += count(counts, "passed");
            suite.failed += count(counts, "failed");
            suite.ignored += count(counts, "ignored");
            suite.seconds += seconds(counts);
        } else if let Some(test) = words.strip_prefix("test ")
            && let Some(name) = test.strip_suffix(" ... FAILED")
        {
            suite.failures.push(name.trim_end_matches(" - should panic").to_owned());
        }
    }

    pub(super) fn total(&self) -> Total {
        total(self.suites.iter())
    }

    /// What failed, and where: one entry per test, or per suite that did not report.
    pub(super) fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for suite in &self.suites {
            let name = &suite.name;
            failures.extend(suite.failures.iter().map(|test| format!("{name}: {test}")));
            if !suite.finished {
                failures.push(format!("{name}: ended without a result"));
            } else if suite.failed > 0 && suite.failures.is_empty() {
                failures.push(format!("{name}: {} failed", suite.failed));
            }
        }
        failures
    }

    /// `elapsed` is the time of the whole run; what the suites did not use of it went into building.
    pub(super) fn table(&self, elapsed: Duration) -> String {
        let mut table =
            format!("{:<14}{:>7}{:>8}{:>8}{:>10}\n", "tests", "suites", "passed", "failed", "time");
        let mut row = |name: &str, total: Total| {
            let Total { suites, passed, failed, seconds, .. } = total;
            table += &format!("{name:<14}{suites:>7}{passed:>8}{failed:>8}{seconds:>8.1} s\n");
        };
        for (kind, name) in KINDS {
            row(name, total(self.suites.iter().filter(|suite| suite.kind == kind)));
        }
        let mut all = self.total();
        all.seconds = elapsed.as_secs_f64();
        row("with building", all);
        table
    }
}

fn total<'a>(suites: impl Iterator<Item = &'a Suite>) -> Total {
    suites.fold(Total::default(), |mut total, suite| {
        total.suites += 1;
        total.passed += suite.passed;
        total.failed += suite.failed;
        total.ignored += suite.ignored;
        total.seconds += suite.seconds;
        total
    })
}

/// `Running unittests src/lib.rs (.../deps/aquifer_pool-0a1b)`, `Running tests/model.rs (...)`,
/// `Doc-tests aquifer`.
fn announced(line: &str) -> Option<(String, Kind)> {
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some((format!("{name} documentation"), Kind::Documentation));
    }
    let (source, program) = line.strip_prefix("Running ")?.split_once(" (")?;
    let program = program.strip_suffix(')')?;
    let file = program.rsplit(['/', '\\']).next()?;
    let (name, _hash) = file.rsplit_once('-')?;
    if source.starts_with("unittests ") {
        Some((name.replace('_', "-"), Kind::Unit))
    } else {
        Some((name.to_owned(), Kind::Integration))
    }
}

/// The number before `word` in `ok. 3 passed; 0 failed; ...`.
fn count(counts: &str, word: &str) -> usize {
    let words: Vec<&str> = counts.split([' ', ';']).filter(|w| !w.is_empty()).collect();
    let found = words.windows(2).find(|pair| pair[1] == word);
    found.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

fn seconds(counts: &str) -> f64 {
    let time = counts.split_once("finished in ").map(|(_, time)| time.trim_end_matches('s'));
    time.and_then(|time| time.parse().ok()).unwrap_or(0.0)
}

/// The line without terminal escapes (`ESC [ ... letter`).
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            characters.by_ref().find(|c| c.is_ascii_alphabetic());
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> Summary {
        let mut summary = Summary::default();
        output.lines().for_each(|line| summary.line(line));
        summary
    }

    const RUN: &str = "\
   Compiling aquifer-pool v0.1.0
     Running unittests src/lib.rs (target/debug/deps/aquifer_pool-0a1b2c)

running 2 tests
test state::tests::hands_over ... ok
test state::tests::never_overtakes ... FAILED

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.50s

     Running tests/model.rs (target/debug/deps/model-77aa)
test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.25s
   Doc-tests aquifer
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.20s
";

    #[test]
    fn suites_are_counted_by_kind() {
        let table = read(RUN).table(Duration::from_millis(9_000));
        let rows: Vec<Vec<&str>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["unit", "1", "1", "1", "0.5", "s"]);
        assert_eq!(rows[2], ["integration", "1", "4", "0", "1.2", "s"]);
        assert_eq!(rows[3], ["documentation", "1", "5", "0", "0.3", "s"]);
        assert_eq!(rows[4], ["with", "building", "3", "10", "1", "9.0", "s"]);
    }

    #[test]
    fn failures_name_suite_and_test() {
        assert_eq!(read(RUN).failures(), ["aquifer-pool: state::tests::never_overtakes"]);
        assert_eq!(read(RUN).total().ignored, 1);
    }

    #[test]
    fn a_suite_that_aborts_is_reported_although_it_printed_no_result() {
        let summary =
            read("     Running tests/crash.rs (target/debug/deps/crash-1)\nrunning 1 test\n");
        assert_eq!(summary.failures(), ["crash: ended without a result"]);
    }

    #[test]
    fn colours_do_not_hide_a_result() {
        let summary = read(
            "\u{1b}[1m\u{1b}[32m     Running\u{1b}[0m unittests src/lib.rs (target/debug/deps/aquifer-1)\n\
             test result: \u{1b}[32mok\u{1b}[m. 7 passed; 0 failed; 0 ignored; finished in 0.00s\n",
        );
        assert_eq!(summary.total().passed, 7);
    }
}
