//! Health: what the probes answer, in kube-apiserver's format.
//!
//! Pure: the outcome of every check and the probe's path and query string in, status and text out. Who
//! runs the checks is [`admin`](crate::admin).

use std::collections::BTreeSet;
use std::fmt::Write;

/// Unknown names that a warning lists.
const NAMES_SHOWN: usize = 10;

/// A named check and whether it passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) passed: bool,
}

/// What a probe answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

/// Answers `/readyz`, or another probe of that name, over its checks.
pub(crate) fn answer(probe: &str, checks: &[Check], query: Option<&str>) -> Answer {
    let mut verbose = false;
    let mut excluded = BTreeSet::new();
    for pair in query.unwrap_or_default().split('&') {
        match pair.split_once('=').unwrap_or((pair, "")) {
            ("verbose", _) => verbose = true,
            ("exclude", name) => {
                let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
                if !name.is_empty() {
                    excluded.insert(name.into_owned());
                }
            }
            _ => {}
        }
    }
    let mut text = String::new();
    let mut healthy = true;
    for check in checks {
        if excluded.remove(&check.name) {
            let _ = writeln!(text, "[+]{} excluded: ok", check.name);
        } else if check.passed {
            let _ = writeln!(text, "[+]{} ok", check.name);
        } else {
            healthy = false;
            let _ = writeln!(text, "[-]{} failed: reason withheld", check.name);
        }
    }
    if !excluded.is_empty() {
        let names: Vec<_> = excluded.iter().take(NAMES_SHOWN).map(|name| quoted(name)).collect();
        let _ = writeln!(
            text,
            "warn: some health checks cannot be excluded: no matches for {}",
            names.join(", ")
        );
    }
    if healthy {
        let _ = writeln!(text, "{probe} check passed");
        Answer { status: 200, text: if verbose { text } else { "ok".to_owned() } }
    } else {
        let _ = writeln!(text, "{probe} check failed");
        Answer { status: 503, text }
    }
}

/// A name that came with a request.
fn quoted(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    format!("\"{name}\"")
}

/// Answers `/readyz/<check>`; `None` if there is no such check.
pub(crate) fn single(name: &str, checks: &[Check]) -> Option<Answer> {
    let check = checks.iter().find(|check| check.name == name)?;
    Some(if check.passed {
        Answer { status: 200, text: "ok".to_owned() }
    } else {
        Answer { status: 503, text: format!("[-]{name} failed: reason withheld\n") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(passed: [bool; 2]) -> Vec<Check> {
        ["shutdown", "demo"]
            .into_iter()
            .zip(passed)
            .map(|(name, passed)| Check { name: name.into(), passed })
            .collect()
    }

    #[test]
    fn a_healthy_probe_says_ok_or_lists_its_checks() {
        let all = checks([true, true]);
        assert_eq!(answer("readyz", &all, None), Answer { status: 200, text: "ok".into() });
        assert_eq!(
            answer("readyz", &all, Some("verbose")).text,
            "[+]shutdown ok\n[+]demo ok\nreadyz check passed\n"
        );
    }

    #[test]
    fn a_failing_check_fails_the_probe_and_is_listed() {
        let answer = answer("readyz", &checks([true, false]), None);
        assert_eq!(answer.status, 503);
        assert_eq!(
            answer.text,
            "[+]shutdown ok\n[-]demo failed: reason withheld\nreadyz check failed\n"
        );
    }

    #[test]
    fn excluded_checks_do_not_count() {
        let all = checks([true, false]);
        let got = answer("readyz", &all, Some("verbose&exclude=demo&exclude=x"));
        assert_eq!(got.status, 200);
        assert_eq!(
            got.text,
            "[+]shutdown ok\n[+]demo excluded: ok\n\
             warn: some health checks cannot be excluded: no matches for \"x\"\nreadyz check passed\n"
        );
    }

    #[test]
    fn names_of_no_check_change_nothing_and_are_listed_once() {
        let all = checks([true, false]);
        for query in
            ["exclude=demo&exclude=demo", "exclude=&exclude&exclude=demo", "verbos&exclude=demo"]
        {
            assert_eq!(answer("readyz", &all, Some(query)).text, "ok", "{query}");
        }
        let failing = answer("readyz", &all, Some("exclude=dem&exclude=dem&exclude=a%22%0a"));
        assert_eq!(failing.status, 503);
        assert_eq!(
            failing.text,
            "[+]shutdown ok\n[-]demo failed: reason withheld\n\
             warn: some health checks cannot be excluded: no matches for \"a\"\", \"dem\"\n\
             readyz check failed\n"
        );
        let many: String = (0..5_000).map(|n| format!("exclude=x{n}&")).collect();
        assert!(answer("readyz", &all, Some(&many)).text.len() < 2_000);
    }

    #[test]
    fn one_check_can_be_asked_for() {
        let all = checks([true, false]);
        assert_eq!(single("shutdown", &all).unwrap().status, 200);
        assert_eq!(single("demo", &all).unwrap().status, 503);
        assert_eq!(single("nope", &all), None);
    }
}
