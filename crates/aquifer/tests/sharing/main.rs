//! Which statements of PostgreSQL's may share a session: against another parser, against what people expect, and
//! whatever is done to a text that does not change what it says.

mod ast;
mod changed;
mod texts;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aquifer::sql::{Lexis, Sharing, Unshared, Verdict, sharing};
use proptest::prelude::*;

use crate::ast::{Does, told};

fn ours(sql: &str) -> Sharing {
    sharing(sql, &Lexis::postgres())
}

/// As it is written before the statements in `written.sql`.
fn said(sharing: &Sharing) -> String {
    let verdict = match sharing.verdict {
        Verdict::Read => "read",
        Verdict::Write => "write",
        Verdict::Never(reason) => return format!("{reason:?}"),
    };
    match &*sharing.functions {
        [] => verdict.to_owned(),
        names => format!("{verdict}: {}", names.join(" ")),
    }
}

#[test]
fn written_statements_are_what_was_expected_of_them() {
    let written = texts::written();
    assert!(written.len() > 250, "{}", written.len());
    let wrong: Vec<_> = written
        .iter()
        .filter(|(expected, sql)| said(&ours(sql)) != *expected)
        .map(|(expected, sql)| format!("{sql}\n  is {}, expected {expected}", said(&ours(sql))))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What comparing has shown.
#[derive(Debug, Default, PartialEq)]
struct Comparison {
    compared: usize,
    unparsed: usize,
    /// The other parser takes them for a read or a write, and we refuse them: how many, for which reason.
    refused: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

/// Looks for statements that we let share and should not, and for functions that we miss.
fn compare<'a>(texts: impl IntoIterator<Item = &'a str>) -> Comparison {
    let mut out = Comparison::default();
    for sql in texts {
        let Some(told) = told(sql) else {
            out.unparsed += 1;
            continue;
        };
        out.compared += 1;
        let ours = ours(sql);
        let missed: Vec<_> = told
            .calls
            .iter()
            .filter(|name| !ours.functions.iter().any(|known| **known == ***name))
            .collect();
        match (ours.verdict, told.does) {
            (Verdict::Never(_), Does::Other) => {}
            (Verdict::Never(reason), _) => {
                *out.refused.entry(format!("{reason:?}")).or_default() += 1
            }
            (Verdict::Read, Does::Read) | (Verdict::Write, Does::Write) if missed.is_empty() => {}
            (verdict, does) => out.wrong.push(format!(
                "{sql}\n  is {verdict:?} to us, {does:?} to the other; missed {missed:?}"
            )),
        }
    }
    out
}

/// How many we refuse, by reason, beyond what the other parser would.
fn refused(of: &Comparison) -> Vec<(&str, usize)> {
    of.refused.iter().map(|(reason, count)| (&**reason, *count)).collect()
}

#[test]
fn nothing_shares_that_another_parser_takes_for_more_than_it_is_to_us() {
    let written = compare(texts::written().into_iter().map(|(_, sql)| sql));
    assert!(written.wrong.is_empty(), "{}", written.wrong.join("\n"));
    // The parser has no `TABLE t`, `FOR NO KEY UPDATE`, `SEARCH`, and such; and some are no SQL.
    assert_eq!((written.compared, written.unparsed), (257, 59));
    // All but three are functions, views and schemas of the session.
    assert_eq!(
        refused(&written),
        [
            ("SessionFunction", 40),
            ("SessionView", 5),
            ("Temporary", 6),
            ("Unknown", 1),
            ("Unreadable", 1)
        ]
    );
}

#[test]
fn statements_of_this_repository_share_or_are_refused_for_a_reason() {
    let found = compare(texts::found());
    assert!(found.wrong.is_empty(), "{}", found.wrong.join("\n"));
    assert_eq!((found.compared, found.unparsed), (764, 0));
    assert_eq!(refused(&found), [("Explain", 1), ("SessionFunction", 33), ("SessionView", 1)]);
}

#[test]
fn every_call_is_found_wherever_it_stands() {
    let texts = texts::put_together();
    let together = compare(texts.iter().map(|sql| &**sql));
    assert!(together.wrong.is_empty(), "{}", together.wrong.join("\n"));
    assert_eq!((together.compared, together.unparsed), (4772, 2));
    // The three expressions with such functions.
    assert_eq!(refused(&together), [("SessionFunction", 138)]);
}

static ALL: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut all = texts::put_together();
    all.extend(texts::written().into_iter().map(|(_, sql)| sql.to_owned()));
    all.extend(texts::found().into_iter().map(str::to_owned));
    all
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn blanks_comments_case_and_quotes_change_nothing(
        which in any::<proptest::sample::Index>(),
        changes in changed::changes(),
    ) {
        let sql = which.get(&ALL);
        let before = ours(sql);
        // Where a quote is open, a change may close it.
        prop_assume!(before.verdict != Verdict::Never(Unshared::Unreadable));
        let changed = changed::changed(sql, &changes);
        let after = ours(&changed);
        prop_assert_eq!(before, after, "{}", changed);
    }
}
