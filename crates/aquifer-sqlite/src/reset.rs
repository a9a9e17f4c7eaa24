//! Putting a session back into the state it had after connecting.

use aquifer_driver::Result;

use crate::engine::{Engine, Place};
use crate::errors::{self, Doing};
use crate::raw::{self, Cell, Code, Persistence};

/// Rolls back what is open, drops temporary tables, views and triggers, detaches databases, and sets the
/// settings of the URL again: locks' timeout, foreign keys, cache, synchronous, reading only.
///
/// Not restored: other PRAGMAs, functions and collations of loaded extensions, and
/// `last_insert_rowid()`.
pub(crate) fn reset(engine: &mut Engine) -> Result<()> {
    engine.rollback(Place::Worker)?;
    engine.handle.begin();
    engine.restore_limits();
    restore(engine).map_err(|raw| errors::error(&raw, Doing::Running))
}

fn restore(engine: &mut Engine) -> Result<(), raw::Error> {
    // Dropping temporary tables is a write.
    engine.exec("PRAGMA query_only = off")?;
    let objects = texts(
        engine,
        "SELECT type || ' temp.\"' || replace(name, '\"', '\"\"') || '\"' FROM temp.sqlite_schema \
         WHERE type IN ('table', 'view', 'trigger') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY type = 'table'",
    )?;
    for object in objects {
        match engine.exec(&format!("DROP {object}")) {
            // A trigger goes with its table or view, the tables of a virtual table with it.
            Err(raw) if raw.code().primary() == Code::ERROR => {}
            other => other?,
        }
    }
    let attached = texts(
        engine,
        "SELECT '\"' || replace(name, '\"', '\"\"') || '\"' FROM pragma_database_list \
         WHERE name NOT IN ('main', 'temp')",
    )?;
    for name in attached {
        engine.exec(&format!("DETACH {name}"))?;
    }
    crate::open::settings(engine)?;
    if engine.is_reader() {
        engine.exec("PRAGMA query_only = on")?;
    }
    Ok(())
}

/// The first column of a query, as text.
fn texts(engine: &mut Engine, sql: &str) -> Result<Vec<String>, raw::Error> {
    let Some(id) = engine.handle.prepare(sql, Persistence::Transient)?.statement else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let read = engine.handle.statement(id).and_then(|mut statement| {
        while let Some(row) = statement.next_row()? {
            if let Cell::Text(text) = row.cell(0)? {
                found.push(String::from_utf8_lossy(text).into_owned());
            }
        }
        Ok(())
    });
    engine.handle.finalize(id);
    read.map(|()| found)
}
