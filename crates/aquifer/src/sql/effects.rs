//! Functions and views of PostgreSQL's whose place is a session of one's own, by name.
//!
//! From the catalogues of PostgreSQL 15 and 18 (`pg_proc.dat`: what is volatile, and what is stable and tells about the
//! session it runs in), the scripts of the modules that come with them (`contrib/*/*.sql`: what changes its session and is not
//! volatile there), the lists of functions in the manuals of 15 to 18 (chapter "Functions and Operators", appendix
//! "Additional Supplied Modules"), and what a transaction that is read only lets through
//! (`src/backend/access/transam/README.parallel`, `ExecCheckXactReadOnly`, `PreventCommandIfReadOnly`): advisory
//! locks, settings, signals to other sessions, statistics, log files and connections to elsewhere.
//!
//! Most of them are volatile as well; here they are refused whatever the catalogue says, and before it was asked.

/// Sorted.
const FUNCTIONS: &[&str] = &[
    "current_setting",
    "currval",
    "inet_client_port",
    // Declared immutable before isn 1.3, and yet it sets a mode of the session.
    "isn_weak",
    "lastval",
    "loread",
    "lowrite",
    "nextval",
    "pg_backend_pid",
    "pg_current_xact_id",
    "pg_current_xact_id_if_assigned",
    "pg_cursor",
    "pg_extension_config_dump",
    "pg_get_backend_memory_contexts",
    "pg_is_other_temp_schema",
    "pg_listening_channels",
    "pg_my_temp_schema",
    "pg_nextoid",
    "pg_notify",
    "pg_prepared_statement",
    "pg_prewarm",
    "pg_promote",
    "pg_show_all_settings",
    "pg_stat_clear_snapshot",
    "pg_stat_force_next_flush",
    "pg_stat_get_snapshot_timestamp",
    "pg_sync_replication_slots",
    "set_config",
    "set_limit",
    "setseed",
    "setval",
    "show_limit",
    "txid_current",
    "txid_current_if_assigned",
    "xpath_table",
];

/// Whole families, those of modules that run texts of their caller's or keep connections among them.
const FAMILIES: &[&str] = &[
    "binary_upgrade_",
    "connectby",
    "crosstab",
    "cursor_to_xml",
    "dblink",
    "lo_",
    "pg_advisory_",
    "pg_backup_",
    "pg_cancel_",
    "pg_clear_",
    "pg_copy_",
    "pg_create_",
    "pg_drop_",
    "pg_export_",
    "pg_file_",
    "pg_import_",
    "pg_log_",
    "pg_logical_",
    "pg_reload_",
    "pg_replication_",
    "pg_restore_",
    "pg_rotate_",
    "pg_sleep",
    "pg_stat_get_xact_",
    "pg_stat_reset",
    "pg_switch_",
    "pg_terminate_",
    "pg_try_advisory_",
    "pg_wal_replay_",
    "postgres_fdw_",
    "query_to_xml",
];

/// Sorted.
const VIEWS: &[&str] =
    &["pg_backend_memory_contexts", "pg_cursors", "pg_prepared_statements", "pg_settings"];

/// Whether a function of this name, in any schema, keeps or changes something in its session, tells about it, waits, or
/// does what a transaction that is read only does not refuse. `name` as the server folds it.
pub(super) fn is_about_the_session(name: &str) -> bool {
    FUNCTIONS.binary_search(&name).is_ok() || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Whether a table or view of this name shows the session it is read in. `name` in any case.
pub(super) fn shows_the_session(name: &str) -> bool {
    starts_with(name, "pg_stat_xact_") || VIEWS.iter().any(|view| name.eq_ignore_ascii_case(view))
}

/// Whether a schema of this name is that of the session's temporary tables. `name` in any case.
pub(super) fn is_temporary_schema(name: &str) -> bool {
    name.eq_ignore_ascii_case("pg_temp")
        || starts_with(name, "pg_temp_")
        || starts_with(name, "pg_toast_temp_")
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.as_bytes()
        .get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_folded() {
        for list in [FUNCTIONS, FAMILIES, VIEWS] {
            assert!(list.is_sorted());
            assert!(list.iter().all(|name| !name.bytes().any(|byte| byte.is_ascii_uppercase())));
        }
    }
}
