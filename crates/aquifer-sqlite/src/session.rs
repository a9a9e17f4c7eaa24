//! What of a connection outlives a command, so that a reset can put it back.
//!
//! A closed list: settings that SQLite keeps per connection and can tell, the databases that are attached,
//! the temporary objects. It is read once after connecting, and again when a fresh session is declared.

use crate::engine::Engine;
use crate::raw::{self, Cell, Persistence};

/// Settings that are integers or switches, in the order in which they are put back: SQLite derives some
/// from earlier ones.
const SETTINGS: [&str; 28] = [
    "foreign_keys",
    "ignore_check_constraints",
    "recursive_triggers",
    "defer_foreign_keys",
    "reverse_unordered_selects",
    "writable_schema",
    "trusted_schema",
    "cell_size_check",
    "automatic_index",
    "read_uncommitted",
    "legacy_alter_table",
    "full_column_names",
    "short_column_names",
    "count_changes",
    "empty_result_callbacks",
    "fullfsync",
    "checkpoint_fullfsync",
    "synchronous",
    "cache_size",
    "cache_spill",
    "temp_store",
    "secure_delete",
    "wal_autocheckpoint",
    "journal_size_limit",
    "max_page_count",
    "mmap_size",
    "threads",
    "analysis_limit",
];

const TEMPORARY: &str = "SELECT type || ' temp.\"' || replace(name, '\"', '\"\"') || '\"' FROM temp.sqlite_schema \
     WHERE type IN ('table', 'view', 'trigger') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
     ORDER BY type = 'table'";

const ATTACHED: &str = "SELECT '\"' || replace(name, '\"', '\"\"') || '\"' FROM pragma_database_list \
     WHERE name NOT IN ('main', 'temp')";

/// The session that a reset goes back to.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Something has run since that may have made the session another one.
    pub(crate) changed: bool,
    pub(crate) query_only: bool,
    pub(crate) busy_timeout_ms: u32,
    settings: Vec<(&'static str, i64)>,
    /// Of new databases, and of the main one, which in memory is always locked.
    locks_exclusively: (bool, bool),
    /// Whether `LIKE` takes `a` for `A`: there is no asking for the PRAGMA.
    like_folds_case: bool,
    /// Quoted.
    attached: Vec<String>,
    /// Type and quoted name.
    temporary: Vec<String>,
}

impl Session {
    /// The session as it is. A setting that cannot be told, such as `mmap_size` in memory, is left alone
    /// by resets.
    pub(crate) fn read(engine: &mut Engine) -> Self {
        let settings = SETTINGS.into_iter().filter_map(|name| {
            Some((name, engine.integer(&format!("PRAGMA {name}")).ok().flatten()?))
        });
        Self {
            settings: settings.collect(),
            changed: false,
            query_only: matches!(engine.integer("PRAGMA query_only"), Ok(Some(1))),
            busy_timeout_ms: engine.busy_timeout_ms,
            locks_exclusively: locks_exclusively(engine).unwrap_or_default(),
            like_folds_case: like_folds_case(engine).unwrap_or(true),
            attached: texts(engine, ATTACHED).unwrap_or_default(),
            temporary: texts(engine, TEMPORARY).unwrap_or_default(),
        }
    }

    /// Makes the session this one again. No transaction is open.
    pub(crate) fn restore(&self, engine: &mut Engine) -> Result<(), raw::Error> {
        // Dropping temporary tables is a write, and may not stumble over their foreign keys.
        engine.exec("PRAGMA query_only = off; PRAGMA foreign_keys = off")?;
        for object in texts(engine, TEMPORARY)? {
            if self.temporary.contains(&object) {
                continue;
            }
            match engine.exec(&format!("DROP {object}")) {
                // A trigger goes with its table or view, the tables of a virtual table with it.
                Err(raw) if raw.code().primary() == raw::Code::ERROR => {}
                other => other?,
            }
        }
        for name in texts(engine, ATTACHED)? {
            if !self.attached.contains(&name) {
                engine.exec(&format!("DETACH {name}"))?;
            }
        }
        if locks_exclusively(engine)? != self.locks_exclusively {
            let mode = if self.locks_exclusively.0 { "exclusive" } else { "normal" };
            engine.exec(&format!("PRAGMA locking_mode = {mode}"))?;
            // The lock is let go by the next use of the file.
            engine.integer("SELECT count(*) FROM sqlite_schema")?;
        }
        if like_folds_case(engine)? != self.like_folds_case {
            let sensitive = i32::from(!self.like_folds_case);
            engine.exec(&format!("PRAGMA case_sensitive_like = {sensitive}"))?;
        }
        for &(name, value) in &self.settings {
            if engine.integer(&format!("PRAGMA {name}"))? == Some(value) {
                continue;
            }
            match (name, value) {
                ("secure_delete", 2) => engine.exec("PRAGMA secure_delete = fast")?,
                _ => engine.exec(&format!("PRAGMA {name} = {value}"))?,
            }
        }
        if self.query_only {
            engine.exec("PRAGMA query_only = on")?;
        }
        Ok(())
    }
}

fn locks_exclusively(engine: &mut Engine) -> Result<(bool, bool), raw::Error> {
    let exclusive = |cell: Cell<'_>| Some(matches!(cell, Cell::Text(b"exclusive")));
    let of_new = engine.first("PRAGMA locking_mode", exclusive)?;
    let of_main = engine.first("PRAGMA main.locking_mode", exclusive)?;
    Ok((of_new == Some(true), of_main == Some(true)))
}

fn like_folds_case(engine: &mut Engine) -> Result<bool, raw::Error> {
    Ok(engine.integer("SELECT 'a' LIKE 'A'")? == Some(1))
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
