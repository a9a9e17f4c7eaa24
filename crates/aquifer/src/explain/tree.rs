//! Plans as MySQL's `EXPLAIN ANALYZE` gives them: a text of lines, each behind an arrow and indented below the one
//! that it gives its rows to. MySQL promises no form of the lines; what is not recognised stays whole.

use serde_json::{Map, Value};

use super::blocks::millis;
use super::plan::{Actual, PlanNode, QueryPlan};

/// Deeper than any plan: what is below is read as if it stood there.
const DEPTH_MAX: usize = 128;

/// The plan; `None` if the text has no line with an arrow.
pub(super) fn read(text: &str) -> Option<QueryPlan> {
    // Conditions may have lines of their own.
    let mut lines: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        let step = line.trim_start();
        match (step.strip_prefix("-> "), lines.last_mut()) {
            (Some(step), _) if !step.is_empty() => {
                lines.push((line.len() - line.trim_start().len(), step.to_owned()));
            }
            (_, Some((_, last))) => {
                last.push('\n');
                last.push_str(line);
            }
            (_, None) => {}
        }
    }
    // The steps that are open, each within the one before.
    let mut open: Vec<(usize, PlanNode)> = Vec::new();
    let mut nodes = Vec::new();
    for (depth, line) in &lines {
        while open.last().is_some_and(|(above, _)| above >= depth) || open.len() > DEPTH_MAX {
            close(&mut open, &mut nodes);
        }
        open.push((*depth, node(line)));
    }
    while !open.is_empty() {
        close(&mut open, &mut nodes);
    }
    (!nodes.is_empty()).then(|| QueryPlan {
        nodes,
        planning: None,
        execution: None,
        raw: Value::String(text.to_owned()),
    })
}

fn close(open: &mut Vec<(usize, PlanNode)>, nodes: &mut Vec<PlanNode>) {
    let Some((_, node)) = open.pop() else { return };
    match open.last_mut() {
        Some((_, above)) => above.children.push(node),
        None => nodes.push(node),
    }
}

fn node(line: &str) -> PlanNode {
    let mut node = PlanNode::new("");
    let (mut rest, mut ran) = (line.trim_end(), None);
    if let Some(before) = rest.strip_suffix("(never executed)") {
        rest = before.trim_end();
        ran = Some(Actual { rows: 0.0, rows_removed: None, loops: 0, startup: None, time: None });
    } else if let Some((before, told)) = parenthesis(rest, "(actual ") {
        rest = before;
        let (startup, time) = range(told, "time=");
        ran = Some(Actual {
            rows: value(told, "rows=").unwrap_or_default(),
            rows_removed: None,
            loops: value(told, "loops=").unwrap_or_default() as u64,
            startup: startup.and_then(millis),
            time: time.and_then(millis),
        });
    }
    if let Some((before, told)) = parenthesis(rest, "(cost=") {
        rest = before;
        (node.startup_cost, node.cost) = range(told, "cost=");
        node.rows = value(told, "rows=");
    }
    node.actual = ran;
    describe(&mut node, rest);
    node.raw = Map::from_iter([("step".to_owned(), Value::from(line))]);
    node
}

/// What is in the parenthesis that ends the line, if it begins so; and what is before it.
fn parenthesis<'a>(line: &'a str, begins: &str) -> Option<(&'a str, &'a str)> {
    let at = line.rfind(begins)?;
    let told = line[at + 1..].strip_suffix(')')?;
    Some((line[..at].trim_end(), told))
}

/// The word behind this name.
fn word<'a>(told: &'a str, name: &str) -> Option<&'a str> {
    told.split_whitespace().find_map(|word| word.strip_prefix(name))
}

fn value(told: &str, name: &str) -> Option<f64> {
    word(told, name)?.parse().ok()
}

/// `first..last`, or the last alone.
fn range(told: &str, name: &str) -> (Option<f64>, Option<f64>) {
    match word(told, name).map(|range| range.split_once("..").unwrap_or(("", range))) {
        Some((first, last)) => (first.parse().ok(), last.parse().ok()),
        None => (None, None),
    }
}

/// Takes a sentence apart: `Index lookup on t using key (a = 1)`, `Filter: (a > 1)`.
pub(super) fn describe(node: &mut PlanNode, sentence: &str) {
    if let Some((what, on)) = sentence.split_once(" on ")
        && !what.contains(':')
        && !what.contains('(')
    {
        what.clone_into(&mut node.node_type);
        let (relation, using) = match on.split_once(" using ") {
            Some((relation, using)) => (relation, Some(using)),
            None => (on, None),
        };
        node.relation = Some(relation.trim().to_owned());
        if let Some(using) = using {
            let end = using.find([' ', ',']).unwrap_or(using.len());
            let condition = using[end..].trim_start_matches(',').trim();
            let condition = condition.strip_prefix("over ").unwrap_or(condition);
            node.index = Some(using[..end].to_owned());
            node.condition = (!condition.is_empty()).then(|| condition.to_owned());
        }
        return;
    }
    let Some((what, how)) = sentence.split_once(": ") else {
        sentence.clone_into(&mut node.node_type);
        return;
    };
    if what.contains('(') {
        sentence.clone_into(&mut node.node_type);
        return;
    }
    what.clone_into(&mut node.node_type);
    if what == "Filter" {
        node.filter = Some(how.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_a_tree() {
        let text = "-> Limit: 10 row(s)  (cost=1.50 rows=1) (actual time=0.045..0.052 rows=2 loops=1)
    -> Nested loop inner join  (cost=1.10..1.50 rows=1) (actual time=0.045..0.052 rows=2 loops=1)
        -> Filter: ((o.`date` >= '2026-01-01') and
 (o.a = ' on '))  (cost=0.75 rows=1) (actual time=0.03..0.034 rows=2 loops=1)
            -> Table scan on o  (cost=0.75 rows=5) (actual time=719e-6..0.03 rows=1e+6 loops=1)
        -> Single-row index lookup on c using PRIMARY (id=o.customer)  (cost=0.35 rows=1) (never executed)
-> Covering index range scan on p using by_date over (1 <= d < 2)
";
        let plan = read(text).unwrap();
        assert_eq!(
            plan.to_string(),
            "Limit  (cost 1.50, rows 1) (actual rows 2, time 52µs)\n  \
             Nested loop inner join  (cost 1.50, rows 1) (actual rows 2, time 52µs)\n    \
             Filter  (cost 0.75, rows 1) (actual rows 2, time 34µs)\n        \
             filter: ((o.`date` >= '2026-01-01') and\n (o.a = ' on '))\n      \
             Table scan on o  (cost 0.75, rows 5) (actual rows 1000000, time 30µs)\n    \
             Single-row index lookup using PRIMARY on c  (cost 0.35, rows 1) (never run)\n        \
             condition: (id=o.customer)\n\
             Covering index range scan using by_date on p\n    \
             condition: (1 <= d < 2)\n"
        );
        assert_eq!(plan.nodes[0].children[0].startup_cost, Some(1.1));
        assert!(plan.nodes[1].raw["step"].as_str().unwrap().starts_with("Covering"));
        assert!(read("").is_none() && read("no arrow").is_none());
    }

    #[test]
    fn a_line_of_any_form_is_kept_and_depth_is_bounded() {
        for line in ["Rows fetched before execution", "Inner hash join (t.a = r.b on x)", "(cost="]
        {
            assert_eq!(read(&format!("-> {line}")).unwrap().nodes[0].node_type, line);
        }
        let mut deep = String::new();
        for depth in 0..2_000 {
            deep.push_str(&format!("{:depth$}-> x\n", ""));
        }
        let plan = read(&deep).unwrap();
        assert_eq!(plan.iter().count(), 2_000);
    }
}
