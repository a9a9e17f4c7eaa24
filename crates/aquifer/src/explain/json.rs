//! Plans as PostgreSQL's `FORMAT JSON` gives them: an array with one object.

use std::time::Duration;

use aquifer_driver::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use super::plan::{Actual, Buffers, PlanNode, QueryPlan};

/// What a node is asked for, by the names that the kinds of nodes have for it.
const CONDITIONS: [&str; 6] =
    ["Index Cond", "Hash Cond", "Merge Cond", "Recheck Cond", "TID Cond", "Join Filter"];

/// Reads the document; a statement with rules has several.
///
/// # Errors
///
/// `Protocol` if it has another form.
pub(super) fn read(documents: &[String]) -> Result<QueryPlan> {
    let Some(document) = documents.first() else { return Err(unreadable("no row")) };
    // Its depth is bounded by the reader.
    let raw: Value =
        serde_json::from_str(document).map_err(|error| unreadable("no JSON").with_source(error))?;
    let Some(queries) = raw.as_array() else { return Err(unreadable("no array")) };
    let mut plan =
        QueryPlan { nodes: Vec::new(), planning: None, execution: None, raw: Value::Null };
    for query in queries {
        if let Some(top) = query.get("Plan").and_then(Value::as_object) {
            plan.nodes.push(node(top));
        }
        plan.planning = plan.planning.or_else(|| millis(query.get("Planning Time")));
        plan.execution = plan.execution.or_else(|| millis(query.get("Execution Time")));
    }
    plan.raw = raw;
    Ok(plan)
}

#[cold]
fn unreadable(what: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("the engine's plan cannot be read: {what}"))
}

fn node(from: &Map<String, Value>) -> PlanNode {
    let text = |name: &str| from.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| from.get(name).and_then(Value::as_f64);
    let count = |name: &str| from.get(name).and_then(Value::as_u64);
    let mut node = PlanNode::new(text("Node Type").unwrap_or_default());
    if let Some(operation) = text("Operation") {
        // `ModifyTable` says nothing to those who wrote `DELETE`.
        node.node_type = operation;
    }
    node.relation =
        text("Relation Name").or_else(|| text("CTE Name")).or_else(|| text("Function Name"));
    node.alias = text("Alias").filter(|alias| Some(alias) != node.relation.as_ref());
    node.index = text("Index Name");
    node.condition = CONDITIONS.iter().find_map(|name| text(name));
    node.filter = text("Filter");
    node.startup_cost = number("Startup Cost");
    node.cost = number("Total Cost");
    node.rows = number("Plan Rows");
    node.width = count("Plan Width");
    node.actual = number("Actual Rows").map(|rows| Actual {
        rows,
        rows_removed: number("Rows Removed by Filter"),
        loops: number("Actual Loops").map_or(0, |loops| loops as u64),
        startup: millis(from.get("Actual Startup Time")),
        time: millis(from.get("Actual Total Time")),
    });
    node.buffers = count("Shared Hit Blocks").map(|shared_hit| Buffers {
        shared_hit,
        shared_read: count("Shared Read Blocks").unwrap_or_default(),
        shared_dirtied: count("Shared Dirtied Blocks").unwrap_or_default(),
        shared_written: count("Shared Written Blocks").unwrap_or_default(),
        temp_read: count("Temp Read Blocks").unwrap_or_default(),
        temp_written: count("Temp Written Blocks").unwrap_or_default(),
    });
    let children = from.get("Plans").and_then(Value::as_array);
    node.children =
        children.into_iter().flatten().filter_map(Value::as_object).map(self::node).collect();
    node.raw = from.clone();
    node.raw.remove("Plans");
    node
}

fn millis(value: Option<&Value>) -> Option<Duration> {
    let millis = value?.as_f64()?;
    Duration::try_from_secs_f64(millis / 1000.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_that_was_run() {
        let document = r#"[{"Plan": {"Node Type": "Hash Join", "Total Cost": 60.5, "Startup Cost": 1.25,
            "Plan Rows": 13, "Plan Width": 8, "Actual Rows": 3.5, "Actual Loops": 2,
            "Actual Total Time": 0.125, "Hash Cond": "(r.id = s.river)",
            "Shared Hit Blocks": 7, "Shared Read Blocks": 1,
            "Plans": [
              {"Node Type": "Seq Scan", "Relation Name": "rivers", "Alias": "r", "Filter": "(id > 2)",
               "Actual Rows": 1, "Actual Loops": 1, "Rows Removed by Filter": 4},
              {"Node Type": "Index Scan", "Relation Name": "s", "Alias": "s", "Index Name": "s_pkey",
               "Actual Rows": 0, "Actual Loops": 0}]},
            "Planning Time": 0.5, "Execution Time": 2}]"#;
        let plan = read(&[document.to_owned()]).unwrap();
        assert_eq!(plan.execution, Some(Duration::from_millis(2)));
        let top = &plan.nodes[0];
        assert_eq!(top.buffers.unwrap().shared_hit, 7);
        assert_eq!(top.actual.unwrap().time, Some(Duration::from_micros(125)));
        assert!(top.raw.contains_key("Plan Width") && !top.raw.contains_key("Plans"));
        let types: Vec<_> = plan.iter().map(|node| &*node.node_type).collect();
        assert_eq!(types, ["Hash Join", "Seq Scan", "Index Scan"]);
        assert_eq!(
            plan.to_string(),
            "Hash Join  (cost 60.50, rows 13) (actual rows 3.5, time 125µs, loops 2)\n    \
             condition: (r.id = s.river)\n    \
             buffers: 7 hit, 1 read\n  \
             Seq Scan on rivers r (actual rows 1)\n      \
             filter: (id > 2) (removed 4)\n  \
             Index Scan using s_pkey on s (never run)\n\
             planning: 500µs\nexecution: 2ms\n"
        );
    }

    #[test]
    fn what_is_no_plan_is_an_error() {
        for document in ["", "{}", "[", "7"] {
            assert_eq!(read(&[document.to_owned()]).unwrap_err().kind(), ErrorKind::Protocol);
        }
        assert!(read(&[]).is_err());
        assert_eq!(read(&["[{}, 1, {\"Plan\": 3}]".to_owned()]).unwrap().nodes, []);
    }
}
