//! Asks a new session which numbers the types that codecs are registered for have.
//!
//! Each session is asked, in one round trip of its own before it is used, and only if there are codecs: an
//! extension that was created again has other numbers, and so have other hosts and databases. Nothing is
//! ever looked up while a statement is under way.

use aquifer_driver::{Command, Connection, Error, ErrorKind, Result, RowBatch, Step};

use crate::connection::PostgresConnection;
use crate::types::{self, Codecs, Registered};

/// Gives a session its codecs.
///
/// # Errors
///
/// The server's, if a name is none of a type, or the connection's.
pub(crate) async fn learn(
    connection: &mut PostgresConnection,
    registered: &[Registered],
) -> Result<()> {
    if registered.is_empty() {
        return Ok(());
    }
    // A simple query: it leaves no statement behind, also none in a pooler.
    let sql = types::lookup(registered);
    connection.start(Command::Script { sql: &sql })?;
    let mut batch = RowBatch::new();
    let mut codecs = None;
    loop {
        let step = std::future::poll_fn(|cx| connection.poll_next(cx, &mut batch)).await;
        let step = step.map_err(|error| not_found(error, registered))?;
        if let Some(row) = batch.row(0) {
            let mut found = Vec::new();
            for (index, one) in registered.iter().enumerate() {
                // The last registration of a type counts.
                if let Some(oid) = row.get::<Option<u32>>(index)? {
                    found.retain(|(known, _)| *known != oid);
                    found.push((oid, one.clone()));
                }
            }
            codecs = Some(Codecs::new(found.into_iter()));
        }
        if matches!(step, Step::End(_)) {
            let none = || Error::new(ErrorKind::Protocol, "the server did not tell of its types");
            connection.set_codecs(codecs.ok_or_else(none)?);
            return Ok(());
        }
    }
}

#[cold]
fn not_found(error: Error, registered: &[Registered]) -> Error {
    if error.is_connection_lost() {
        return error;
    }
    let names: Vec<_> = registered.iter().map(|one| &*one.name).collect();
    Error::new(
        ErrorKind::Configuration,
        format!("the types with codecs ({}) could not be looked up", names.join(", ")),
    )
    .with_hint("register codecs under names as SQL has them: vector, public.vector, \"Quoted\"")
    .with_source(error)
}
