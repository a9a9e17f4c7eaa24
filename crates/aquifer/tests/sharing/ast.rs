//! What another parser's tree says about a statement.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArguments, ObjectName, ObjectNamePart, Query, Select, Statement,
    TableFactor, Visit, Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    Read,
    Write,
    /// A lock, a definition, a setting, and all the rest; or several statements.
    Other,
}

/// What a tree says.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) does: Does,
    /// The functions in it, each folded as the server does it, without its schema.
    pub(crate) calls: BTreeSet<String>,
}

/// What the tree of this text says; `None` if the parser refuses the text.
pub(crate) fn told(sql: &str) -> Option<Told> {
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).ok()?;
    let mut walk = Walk::default();
    let _ = statements.visit(&mut walk);
    let does = match statements.as_slice() {
        [statement] => walk.does(statement),
        _ => Does::Other,
    };
    Some(Told { does, calls: walk.calls })
}

#[derive(Default)]
struct Walk {
    calls: BTreeSet<String>,
    writes: bool,
    locks: bool,
    other: bool,
}

impl Walk {
    fn does(&self, statement: &Statement) -> Does {
        match statement {
            Statement::Explain { .. } if self.writes => Does::Other,
            _ if self.other => Does::Other,
            _ if self.writes => Does::Write,
            _ if self.locks => Does::Other,
            _ => Does::Read,
        }
    }

    fn call(&mut self, name: &ObjectName) {
        let Some(ObjectNamePart::Identifier(last)) = name.0.last() else {
            self.other = true;
            return;
        };
        let folded = match last.quote_style {
            Some(_) => last.value.clone(),
            None => last.value.to_ascii_lowercase(),
        };
        if name.0.len() > 1 || last.quote_style.is_some() || !SYNTAX.contains(&folded.as_str()) {
            self.calls.insert(folded);
        }
    }
}

/// What the server's grammar reads as an expression of its own, and this parser as a function.
const SYNTAX: [&str; 13] = [
    "array",
    "coalesce",
    "current_timestamp",
    "exists",
    "greatest",
    "grouping",
    "least",
    "localtime",
    "normalize",
    "nullif",
    "row",
    "symmetric",
    "xmlconcat",
];

impl Visitor for Walk {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        match statement {
            Statement::Query(_) | Statement::Explain { .. } => {}
            Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Merge(_) => {
                self.writes = true;
            }
            _ => self.other = true,
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.locks |= !query.locks.is_empty();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.other |= select.into.is_some();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                self.call(name)
            }
            TableFactor::UNNEST { .. } => drop(self.calls.insert("unnest".to_owned())),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            // `CURRENT_TIMESTAMP`
            Expr::Function(Function { args: FunctionArguments::None, .. }) => {}
            Expr::Function(function) => self.call(&function.name),
            Expr::Ceil { .. } => drop(self.calls.insert("ceil".to_owned())),
            Expr::Floor { .. } => drop(self.calls.insert("floor".to_owned())),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
