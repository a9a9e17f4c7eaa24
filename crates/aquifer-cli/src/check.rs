//! `aquifer check`.

use std::time::Instant;

use aquifer::driver::ProcessEnvironment;
use aquifer_service::{Checked, Diagnostic, Query, Storage};
use serde_json::{Value, json};

use crate::args::{Check, Format};
use crate::failure::Failure;
use crate::source::{self, Purpose, Source};

/// Runs the command.
pub(crate) async fn run(args: &Check) -> Result<(), Failure> {
    let started = Instant::now();
    let result = verify(args).await;
    if args.format == Format::Json {
        let report = match &result {
            Ok((source, checked)) => report(source, checked),
            Err(Failure::Queries(diagnostics)) => {
                let errors: Vec<_> = diagnostics.iter().map(mistake).collect();
                json!({ "ok": false, "queries": [], "errors": errors })
            }
            // What is not about the queries is told on stderr.
            Err(_) => return result.map(drop),
        };
        println!("{report}");
    }
    let (source, checked) = result?;
    if args.format == Format::Text {
        let (count, ms) = (checked.len(), started.elapsed().as_millis());
        let plural = if count == 1 { "y" } else { "ies" };
        eprintln!("{count} quer{plural} checked against {} in {ms} ms", source.described());
    }
    let _ = source.db.close().await;
    Ok(())
}

async fn verify(args: &Check) -> Result<(Source, Vec<Checked>), Failure> {
    let source = source::open(&args.source, &ProcessEnvironment, Purpose::Check).await?;
    let checked = source.check().await?;
    Ok((source, checked))
}

fn report(source: &Source, checked: &[Checked]) -> Value {
    let queries: Vec<_> = source
        .catalog
        .queries()
        .iter()
        .zip(checked)
        .map(|(query, checked)| described(query, checked))
        .collect();
    json!({ "ok": true, "queries": queries, "errors": [] })
}

fn described(query: &Query, checked: &Checked) -> Value {
    let parameters: Vec<_> = query
        .parameters
        .iter()
        .map(|parameter| {
            json!({
                "name": parameter.name,
                "type": parameter.ty.to_string(),
                "as": parameter.storage.map(Storage::as_str),
                "required": !parameter.optional && parameter.default.is_none(),
            })
        })
        .collect();
    let columns: Vec<_> = checked
        .statement
        .columns()
        .iter()
        .map(|column| {
            json!({ "name": column.name, "type": column.type_name, "nullable": column.nullable })
        })
        .collect();
    json!({
        "name": query.name,
        "kind": query.kind.as_str(),
        "method": query.route.method.as_str(),
        "path": query.route.path.to_string(),
        "file": query.location.file,
        "line": query.location.name.0,
        "reads_only": checked.statement.is_read_only(),
        "parameters": parameters,
        "columns": columns,
    })
}

fn mistake(diagnostic: &Diagnostic) -> Value {
    json!({
        "file": diagnostic.file,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
    })
}
