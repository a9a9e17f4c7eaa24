//! Plans as SQLite's `EXPLAIN QUERY PLAN` gives them: rows of a number, their parent's number, something
//! unused, and a sentence. SQLite promises no form of the sentence; what is not recognised stays whole.

use aquifer_driver::Result;
use serde_json::{Map, Value};

use super::plan::{PlanNode, QueryPlan};

/// A row: its number, its parent's number, unused, what is done.
pub(super) type Step = (i64, i64, i64, String);

/// Puts the rows together: a parent comes before its children.
pub(super) fn read(steps: Vec<Step>) -> Result<QueryPlan> {
    let raw = steps.iter().map(|step| Value::Object(properties(step))).collect();
    let mut nodes: Vec<(i64, i64, PlanNode)> =
        steps.iter().map(|step| (step.0, step.1, node(step))).collect();
    // From the last to the first, so that each has all its children before it goes to its own parent.
    let mut top = Vec::new();
    while let Some((_, parent, mut node)) = nodes.pop() {
        node.children.reverse();
        match nodes.iter_mut().rfind(|(id, ..)| *id == parent) {
            Some((.., above)) => above.children.push(node),
            None => top.push(node),
        }
    }
    top.reverse();
    Ok(QueryPlan { nodes: top, planning: None, execution: None, raw: Value::Array(raw) })
}

fn properties((id, parent, _, detail): &Step) -> Map<String, Value> {
    [("id", (*id).into()), ("parent", (*parent).into()), ("detail", detail.as_str().into())]
        .map(|(name, value): (&str, Value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

fn node(step: &Step) -> PlanNode {
    let detail = step.3.as_str();
    let mut node = PlanNode::new(detail);
    node.raw = properties(step);
    let Some((verb, rest)) = detail.split_once(' ') else { return node };
    if !matches!(verb, "SCAN" | "SEARCH") || rest == "CONSTANT ROW" {
        return node;
    }
    // Before 3.36: `SCAN TABLE rivers AS r`.
    let rest = rest.strip_prefix("TABLE ").unwrap_or(rest);
    let (name, using) = match rest.split_once(" USING ") {
        Some((name, using)) => (name, Some(using)),
        None => (rest, None),
    };
    let (relation, alias) = match name.split_once(" AS ") {
        Some((relation, alias)) => (relation, Some(alias.to_owned())),
        None => (name, None),
    };
    node.node_type = verb.to_owned();
    node.relation = Some(relation.to_owned());
    node.alias = alias;
    if let Some(using) = using {
        let (index, condition) = match using.split_once(" (") {
            Some((index, condition)) => (index, condition.strip_suffix(')')),
            None => (using, None),
        };
        let index = index.rsplit_once("INDEX ").map_or(index, |(_, name)| name);
        node.index = Some(index.to_owned());
        node.condition = condition.map(str::to_owned);
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(steps: &[(i64, i64, &str)]) -> QueryPlan {
        read(steps.iter().map(|(id, parent, text)| (*id, *parent, 0, (*text).to_owned())).collect())
            .unwrap()
    }

    #[test]
    fn sentences_are_taken_apart_where_they_are_known() {
        for (detail, relation, index, condition) in [
            ("SCAN rivers", Some("rivers"), None, None),
            ("SCAN TABLE rivers AS r", Some("rivers"), None, None),
            (
                "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)",
                Some("s"),
                Some("INTEGER PRIMARY KEY"),
                Some("rowid=?"),
            ),
            (
                "SEARCH s USING COVERING INDEX by_code (code>? AND code<?)",
                Some("s"),
                Some("by_code"),
                Some("code>? AND code<?"),
            ),
            ("SCAN s USING INDEX by_code", Some("s"), Some("by_code"), None),
            ("SCAN CONSTANT ROW", None, None, None),
            ("USE TEMP B-TREE FOR ORDER BY", None, None, None),
        ] {
            let node = &plan(&[(3, 0, detail)]).nodes[0];
            assert_eq!(node.relation.as_deref(), relation, "{detail}");
            assert_eq!(node.index.as_deref(), index, "{detail}");
            assert_eq!(node.condition.as_deref(), condition, "{detail}");
            assert_eq!(node.raw["detail"], detail);
        }
    }

    #[test]
    fn rows_become_a_tree_in_their_order() {
        let plan = plan(&[
            (1, 0, "COMPOUND QUERY"),
            (2, 1, "LEFT-MOST SUBQUERY"),
            (5, 2, "SCAN a"),
            (9, 1, "UNION ALL"),
            (11, 9, "SCAN b"),
            (20, 0, "USE TEMP B-TREE FOR ORDER BY"),
        ]);
        assert_eq!(
            plan.to_string(),
            "COMPOUND QUERY\n  LEFT-MOST SUBQUERY\n    SCAN on a\n  UNION ALL\n    SCAN on b\n\
             USE TEMP B-TREE FOR ORDER BY\n"
        );
        assert_eq!(plan.iter().count(), 6);
    }
}
