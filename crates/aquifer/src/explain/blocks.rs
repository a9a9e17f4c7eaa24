//! Plans as MariaDB and MySQL give them in JSON: blocks of a query in one another, named by what they do.
//!
//! The servers promise no form: what is an object, or a list of objects, is a step of the plan, unless it is known to
//! be a detail; everything else is a property. MySQL's second form (`explain_json_format_version = 2`) is a tree of
//! operations, which are read as those of its text are.

use std::time::Duration;

use aquifer_driver::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use super::plan::{Actual, PlanNode, QueryPlan};
use super::tree;

/// Objects that tell more of a step and are none.
const DETAILS: [&str; 6] = [
    "cost_info",
    "query_optimization",
    "r_engine_stats",
    "rowid_filter",
    "sorts",
    "json_schema_version",
];

/// What is done to a table besides reading it.
const CHANGES: [&str; 4] = ["insert", "update", "delete", "replace"];

/// Reads the one document, or MySQL's text of a plan that was run.
///
/// # Errors
///
/// `Protocol` if it has another form.
pub(super) fn read(documents: &[String]) -> Result<QueryPlan> {
    let Some(document) = documents.first() else { return Err(unreadable("no row")) };
    if !document.trim_start().starts_with('{') {
        return tree::read(document).ok_or_else(|| unreadable("neither JSON nor a tree"));
    }
    // Its depth is bounded by the reader.
    let raw: Value =
        serde_json::from_str(document).map_err(|error| unreadable("no JSON").with_source(error))?;
    let Some(top) = raw.as_object() else { return Err(unreadable("no object")) };
    let mut plan =
        QueryPlan { nodes: Vec::new(), planning: None, execution: None, raw: Value::Null };
    if let Some(block) = top.get("query_block").and_then(Value::as_object) {
        plan.nodes = children(block);
        if let [only] = &mut plan.nodes[..] {
            only.cost = only.cost.or_else(|| cost(block));
        }
        plan.planning =
            top.get("query_optimization").and_then(|planning| total(planning.as_object()?));
        plan.execution = total(block);
    } else {
        let root = top.get("query_plan").and_then(Value::as_object).unwrap_or(top);
        plan.nodes = match root.contains_key("operation") {
            true => vec![operation(root)],
            false => operations(root),
        };
    }
    if plan.nodes.is_empty() {
        return Err(unreadable("it has no steps"));
    }
    plan.raw = raw;
    Ok(plan)
}

/// Whether the plan is that nothing is to be found, as it is for arguments that nothing has.
pub(super) fn finds_nothing(plan: &QueryPlan) -> bool {
    plan.iter().any(|node| {
        let message = node.raw.get("message").and_then(Value::as_str).unwrap_or_default();
        let message = message.to_ascii_lowercase();
        ["impossible", "no matching"].iter().any(|word| message.contains(word))
    })
}

#[cold]
fn unreadable(what: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("the engine's plan cannot be read: {what}"))
}

/// The steps in an object, in its order.
fn children(of: &Map<String, Value>) -> Vec<PlanNode> {
    let mut nodes = Vec::new();
    for (name, value) in of.iter().filter(|(name, _)| !DETAILS.contains(&name.as_str())) {
        match value {
            Value::Object(step) => nodes.push(node(name, step)),
            Value::Array(steps) if !steps.is_empty() && steps.iter().all(Value::is_object) => {
                // Each is an object with its name: `{"table": {..}}`.
                let inner: Vec<_> =
                    steps.iter().filter_map(Value::as_object).flat_map(children).collect();
                nodes.extend(together(name, inner));
            }
            _ => {}
        }
    }
    nodes
}

/// Steps of one list: a single one stands for itself.
fn together(name: &str, mut steps: Vec<PlanNode>) -> Option<PlanNode> {
    if steps.len() < 2 {
        return steps.pop();
    }
    let mut node = PlanNode::new(name);
    node.children = steps;
    Some(node)
}

fn node(name: &str, from: &Map<String, Value>) -> PlanNode {
    let mut children = children(from);
    if name == "query_block" && children.len() == 1 {
        return children.remove(0);
    }
    let text = |name: &str| from.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = text("access_type").or_else(|| text("message"));
    let mut node = PlanNode::new(kind.unwrap_or_else(|| name.to_owned()));
    node.relation = text("table_name");
    node.index = text("key");
    node.condition = text("index_condition").or_else(|| lookup(from));
    node.filter = text("attached_condition").or_else(|| text("having_condition"));
    node.cost = cost(from);
    node.rows = number(from, "rows").or_else(|| number(from, "rows_examined_per_scan"));
    node.actual = actual(from);
    node.children = children;
    node.raw = from.clone();
    node.raw.retain(|name, value| {
        let objects = |list: &Vec<Value>| !list.is_empty() && list.iter().all(Value::is_object);
        DETAILS.contains(&name.as_str())
            || !(value.is_object() || value.as_array().is_some_and(objects))
    });
    let change = CHANGES.iter().find(|name| {
        from.get(**name).is_some_and(|set| set.as_bool() == Some(true) || set.as_i64() == Some(1))
    });
    let Some(change) = change else { return node };
    let mut changes = PlanNode::new(*change);
    changes.relation.clone_from(&node.relation);
    changes.children.push(node);
    changes
}

/// What each part of the key is looked up by.
fn lookup(from: &Map<String, Value>) -> Option<String> {
    let texts = |name: &str| Some(from.get(name)?.as_array()?.iter().filter_map(Value::as_str));
    let pairs: Vec<_> = texts("used_key_parts")?
        .zip(texts("ref")?)
        .map(|(part, by)| format!("{part} = {by}"))
        .collect();
    (!pairs.is_empty()).then(|| pairs.join(" and "))
}

/// MySQL writes its costs as texts.
fn cost(from: &Map<String, Value>) -> Option<f64> {
    let info = from.get("cost_info").and_then(Value::as_object);
    let costs = ["prefix_cost", "query_cost", "sort_cost"];
    let told = info.and_then(|info| costs.iter().find_map(|name| info.get(*name)));
    number(from, "cost").or_else(|| told?.as_str()?.parse().ok())
}

fn actual(from: &Map<String, Value>) -> Option<Actual> {
    if !["r_loops", "r_rows", "r_output_rows"].iter().any(|name| from.contains_key(*name)) {
        return None;
    }
    let loops = number(from, "r_loops").unwrap_or(1.0);
    // What was read; a part of it passes.
    let read = number(from, "r_rows").or_else(|| number(from, "r_output_rows")).unwrap_or_default();
    let passed = number(from, "r_filtered").map(|share| read * share / 100.0);
    let sum = number(from, "r_total_time_ms").or_else(|| {
        let table = number(from, "r_table_time_ms")?;
        Some(table + number(from, "r_other_time_ms").unwrap_or_default())
    });
    Some(Actual {
        rows: passed.unwrap_or(read),
        rows_removed: passed.map(|passed| read - passed),
        loops: loops as u64,
        startup: None,
        time: sum.and_then(|sum| millis(sum / loops.max(1.0))),
    })
}

/// MySQL's second form.
fn operations(of: &Map<String, Value>) -> Vec<PlanNode> {
    let inputs = of.get("inputs").and_then(Value::as_array);
    inputs.into_iter().flatten().filter_map(Value::as_object).map(operation).collect()
}

fn operation(from: &Map<String, Value>) -> PlanNode {
    let text = |name: &str| from.get(name).and_then(Value::as_str);
    let mut node = PlanNode::new("");
    tree::describe(&mut node, text("operation").unwrap_or_default());
    if let Some(table) = text("table_name") {
        let alias = text("alias").filter(|alias| *alias != table);
        (node.relation, node.alias) = (Some(table.to_owned()), alias.map(str::to_owned));
    }
    node.startup_cost = number(from, "estimated_first_row_cost");
    node.cost = number(from, "estimated_total_cost");
    node.rows = number(from, "estimated_rows");
    node.actual = number(from, "actual_loops").map(|loops| Actual {
        rows: number(from, "actual_rows").unwrap_or_default(),
        rows_removed: None,
        loops: loops as u64,
        startup: number(from, "actual_first_row_ms").and_then(millis),
        time: number(from, "actual_last_row_ms").and_then(millis),
    });
    node.children = operations(from);
    node.raw = from.clone();
    node.raw.remove("inputs");
    node
}

fn total(of: &Map<String, Value>) -> Option<Duration> {
    number(of, "r_total_time_ms").and_then(millis)
}

fn number(of: &Map<String, Value>, name: &str) -> Option<f64> {
    of.get(name).and_then(Value::as_f64)
}

pub(super) fn millis(millis: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(millis / 1000.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(document: &str) -> String {
        read(&[document.to_owned()]).unwrap().to_string()
    }

    #[test]
    fn a_join_that_mariadb_has_run() {
        let document = r#"{"query_optimization": {"r_total_time_ms": 0.5},
          "query_block": {"select_id": 1, "r_loops": 1, "r_total_time_ms": 3.5,
            "filesort": {"sort_key": "count(0) desc", "r_loops": 1, "r_total_time_ms": 0.25, "r_output_rows": 4,
              "temporary_table": {"nested_loop": [
                {"table": {"table_name": "r", "access_type": "range", "key": "made", "r_loops": 1, "rows": 1879,
                   "r_rows": 1000, "r_table_time_ms": 1.5, "r_other_time_ms": 0.5, "r_filtered": 25,
                   "r_engine_stats": {"pages_accessed": 3762}, "index_condition": "r.made > 1",
                   "attached_condition": "r.length > 4"}},
                {"table": {"table_name": "t", "access_type": "ref", "key": "river", "used_key_parts": ["river"],
                   "ref": ["x.r.id"], "r_loops": 1000, "rows": 1, "r_rows": 2.5, "r_table_time_ms": 1,
                   "r_other_time_ms": 1, "r_filtered": 100}},
                {"table": {"table_name": "u", "access_type": "const", "r_loops": 0, "r_rows": null}}]}}}}"#;
        let plan = read(&[document.to_owned()]).unwrap();
        assert_eq!(
            plan.to_string(),
            "filesort (actual rows 4, time 250µs)\n  \
             temporary_table\n    \
             nested_loop\n      \
             range using made on r (actual rows 250, time 2ms)\n          \
             condition: r.made > 1\n          \
             filter: r.length > 4 (removed 750)\n      \
             ref using river on t (actual rows 2.5, time 2µs, loops 1000)\n          \
             condition: river = x.r.id\n      \
             const on u (never run)\n\
             planning: 500µs\nexecution: 3.5ms\n"
        );
        let read = plan.iter().find(|node| node.relation.as_deref() == Some("r")).unwrap();
        assert_eq!(read.raw["r_engine_stats"]["pages_accessed"], 3762);
        assert!(!plan.nodes[0].raw.contains_key("temporary_table"));
    }

    #[test]
    fn mysql_s_blocks_with_costs_unions_and_subqueries() {
        let document = r#"{"query_block": {"select_id": 1, "cost_info": {"query_cost": "0.85"},
          "ordering_operation": {"using_filesort": true, "table": {"table_name": "r", "access_type": "ALL",
            "rows_examined_per_scan": 6, "filtered": "33.33", "cost_info": {"prefix_cost": "0.85"},
            "attached_condition": "(r.id > 3)", "attached_subqueries": [{"dependent": true,
              "query_block": {"select_id": 2, "table": {"table_name": "t", "access_type": "ref", "key": "k",
                "used_key_parts": ["a", "b"], "ref": ["const", "x.r.id"]}}}]}}}}"#;
        assert_eq!(
            shown(document),
            "ordering_operation  (cost 0.85)\n  \
             ALL on r  (cost 0.85, rows 6)\n      \
             filter: (r.id > 3)\n    \
             ref using k on t\n        \
             condition: a = const and b = x.r.id\n"
        );
        let union = r#"{"query_block": {"union_result": {"table_name": "<union1,2>", "access_type": "ALL",
          "query_specifications": [{"query_block": {"select_id": 1, "table": {"message": "No tables used"}}},
            {"query_block": {"select_id": 2, "table": {"message": "No tables used"}}}]}}}"#;
        assert_eq!(
            shown(union),
            "ALL on <union1,2>\n  query_specifications\n    No tables used\n    No tables used\n"
        );
        let delete = r#"{"query_block": {"table": {"delete": true, "table_name": "r", "access_type": "range",
          "key": "PRIMARY", "rows_examined_per_scan": 4}}}"#;
        assert_eq!(shown(delete), "delete on r\n  range using PRIMARY on r\n");
        let second = r#"{"query": "/* select#1 */ select 1", "inputs": [{"operation": "Aggregate: count(0)",
          "estimated_rows": 1, "estimated_total_cost": 6.5, "inputs": [{"operation": "Table scan on o",
          "table_name": "orders", "alias": "o", "estimated_rows": 60, "actual_rows": 7, "actual_loops": 2,
          "actual_last_row_ms": 0.5}]}]}"#;
        assert_eq!(
            shown(second),
            "Aggregate  (cost 6.50, rows 1)\n  \
             Table scan on orders o (actual rows 7, time 500µs, loops 2)\n"
        );
    }

    #[test]
    fn what_is_no_plan_is_an_error_and_what_finds_nothing_is_told() {
        for document in ["", "{}", "[", "7", "{", "{\"query_block\": {}}", "-> "] {
            assert_eq!(read(&[document.to_owned()]).unwrap_err().kind(), ErrorKind::Protocol);
        }
        assert!(read(&[]).is_err());
        for (message, nothing) in [
            ("Impossible WHERE noticed after reading const tables", true),
            ("no matching row in const table", true),
            ("No tables used", false),
        ] {
            let document = format!(r#"{{"query_block": {{"table": {{"message": "{message}"}}}}}}"#);
            let plan = read(&[document]).unwrap();
            assert_eq!(finds_nothing(&plan), nothing);
            assert_eq!(plan.nodes[0].node_type, message);
        }
    }
}
