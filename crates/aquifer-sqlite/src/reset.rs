//! Putting a session back into the state it had after connecting.

use aquifer_driver::Result;

use crate::engine::{Engine, Place};
use crate::errors::{self, Doing};

/// Rolls back what is open, drops temporary tables, views and triggers, detaches databases, and sets what
/// PRAGMAs have changed of the session back (the list is `session::SETTINGS`).
///
/// Not restored: functions and collations of loaded extensions, and `last_insert_rowid()`.
pub(crate) fn reset(engine: &mut Engine) -> Result<()> {
    engine.rollback(Place::Worker)?;
    engine.handle.begin();
    engine.restore_limits();
    let mut session = std::mem::take(&mut engine.session);
    let restored = session.restore(engine);
    session.changed = restored.is_err();
    engine.session = session;
    restored.map_err(|raw| errors::error(&raw, Doing::Running))
}
