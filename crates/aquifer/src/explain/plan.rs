//! [`QueryPlan`]: the tree, the same for all engines.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

/// How the engine goes about a statement.
///
/// `Display` prints it as an indented tree.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QueryPlan {
    /// What is done at the top: one node on PostgreSQL, one after the other elsewhere.
    pub nodes: Vec<PlanNode>,
    /// How long the planning took, if the engine says so.
    pub planning: Option<Duration>,
    /// How long the execution took, if it was run.
    pub execution: Option<Duration>,
    /// The engine's answer, whole.
    pub raw: Value,
}

/// One step of a plan.
///
/// Rows and costs are the engine's estimates, in its own units. Texts such as [`filter`](Self::filter)
/// quote the statement, and with it what stands there literally.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PlanNode {
    /// What is done: `Seq Scan`, `Hash Join`; `SCAN`, `SEARCH`; `ref`, `filesort`.
    pub node_type: String,
    /// The table that is read or written.
    pub relation: Option<String>,
    /// What the statement calls that table, where it is another name.
    pub alias: Option<String>,
    /// The index that is used.
    pub index: Option<String>,
    /// What the index or the join is asked for.
    pub condition: Option<String>,
    /// What rows must pass after that.
    pub filter: Option<String>,
    /// The estimated cost up to the first row.
    pub startup_cost: Option<f64>,
    /// The estimated cost up to the last row.
    pub cost: Option<f64>,
    /// How many rows are expected, for each time that the node is run.
    pub rows: Option<f64>,
    /// How many bytes a row is expected to have.
    pub width: Option<u64>,
    /// What really happened, if the statement was run.
    pub actual: Option<Actual>,
    /// The pages that this node and those below it used, if that was asked.
    pub buffers: Option<Buffers>,
    /// Where this node's rows come from.
    pub children: Vec<PlanNode>,
    /// The engine's own properties of this node, without its children.
    pub raw: Map<String, Value>,
}

/// What happened in a node. Rows and times are means over [`loops`](Self::loops).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Actual {
    /// Rows given, for each time that the node was run.
    pub rows: f64,
    /// Rows that the filter threw away, for each time that the node was run.
    pub rows_removed: Option<f64>,
    /// How often the node was run; 0 if it never was.
    pub loops: u64,
    /// Up to the first row; `None` without timing.
    pub startup: Option<Duration>,
    /// Up to the last row; `None` without timing.
    pub time: Option<Duration>,
}

/// Pages of 8 KiB, as the engine counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Buffers {
    /// Found in the shared cache.
    pub shared_hit: u64,
    /// Not found there.
    pub shared_read: u64,
    /// Changed.
    pub shared_dirtied: u64,
    /// Written out to make room.
    pub shared_written: u64,
    /// Read of temporary files.
    pub temp_read: u64,
    /// Written to temporary files.
    pub temp_written: u64,
}

impl QueryPlan {
    /// Every node, each before those that it takes its rows from.
    pub fn iter(&self) -> impl Iterator<Item = &PlanNode> {
        let mut rest: Vec<&PlanNode> = self.nodes.iter().rev().collect();
        std::iter::from_fn(move || {
            let node = rest.pop()?;
            rest.extend(node.children.iter().rev());
            Some(node)
        })
    }
}

impl PlanNode {
    pub(super) fn new(node_type: impl Into<String>) -> Self {
        Self {
            node_type: node_type.into(),
            relation: None,
            alias: None,
            index: None,
            condition: None,
            filter: None,
            startup_cost: None,
            cost: None,
            rows: None,
            width: None,
            actual: None,
            buffers: None,
            children: Vec::new(),
            raw: Map::new(),
        }
    }

    fn show(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let margin = depth * 2;
        write!(f, "{:margin$}{}", "", self.node_type)?;
        if let Some(index) = &self.index {
            write!(f, " using {index}")?;
        }
        if let Some(relation) = &self.relation {
            write!(f, " on {relation}")?;
        }
        if let Some(alias) = &self.alias {
            write!(f, " {alias}")?;
        }
        if let Some(cost) = self.cost {
            write!(f, "  (cost {cost:.2}")?;
            if let Some(rows) = self.rows {
                write!(f, ", rows {rows}")?;
            }
            f.write_str(")")?;
        }
        if let Some(actual) = &self.actual {
            if actual.loops == 0 {
                f.write_str(" (never run)")?;
            } else {
                write!(f, " (actual rows {}", actual.rows)?;
                if let Some(time) = actual.time {
                    write!(f, ", time {time:?}")?;
                }
                if actual.loops != 1 {
                    write!(f, ", loops {}", actual.loops)?;
                }
                f.write_str(")")?;
            }
        }
        f.write_str("\n")?;
        let margin = margin + 4;
        if let Some(condition) = &self.condition {
            writeln!(f, "{:margin$}condition: {condition}", "")?;
        }
        if let Some(filter) = &self.filter {
            write!(f, "{:margin$}filter: {filter}", "")?;
            match self.actual.and_then(|actual| actual.rows_removed) {
                Some(removed) if removed > 0.0 => writeln!(f, " (removed {removed})")?,
                _ => writeln!(f)?,
            }
        }
        if let Some(buffers) = &self.buffers {
            let Buffers { shared_hit, shared_read, .. } = buffers;
            writeln!(f, "{:margin$}buffers: {shared_hit} hit, {shared_read} read", "")?;
        }
        self.children.iter().try_for_each(|child| child.show(f, depth + 1))
    }
}

impl fmt::Display for QueryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.iter().try_for_each(|node| node.show(f, 0))?;
        if let Some(planning) = self.planning {
            writeln!(f, "planning: {planning:?}")?;
        }
        if let Some(execution) = self.execution {
            writeln!(f, "execution: {execution:?}")?;
        }
        Ok(())
    }
}
