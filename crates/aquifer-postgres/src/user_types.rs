//! Types that are not built in: their numbers, for codecs, and their names, for those who ask.
//!
//! Reading and writing values of such types needs no lookup: their text is enough. So a lookup happens at
//! two places only, each a command of its own that its caller waits for, and none behind rows that nobody
//! reads.
//!
//! For the codecs a session is asked, in one round trip of its own before it is used, and only if there are
//! codecs. What it answers is kept for the sessions that follow to the same database, for a while: an extension
//! that was created again has other numbers, and so have other hosts and databases.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aquifer_driver::{Command, Connection, Error, ErrorKind, Result, RowBatch, Step};

use crate::connection::PostgresConnection;
use crate::types::{self, Codecs, Oid, Registered};

/// Names that one session keeps, at most.
const NAMES_MAX: usize = 1024;

/// The names that were asked for.
#[derive(Debug, Default)]
pub(crate) struct TypeNames(HashMap<Oid, Box<str>>);

impl PostgresConnection {
    /// The names of the types with these numbers ([`Column::type_id`](aquifer_driver::Column::type_id)):
    /// for built-in types as [`Column::type_name`](aquifer_driver::Column::type_name) has them (`INT4`,
    /// `TEXT[]`), for others as SQL writes them (`mood`, `mood[]`, `shop."Odd"`), which columns do not know.
    /// `None` where the database has no such type.
    ///
    /// Asks the server, in one round trip, for what this session has not been asked before; a type that is
    /// renamed meanwhile keeps its old name here. A domain's columns have the number of the type below it.
    /// The future may be dropped, as any command's.
    ///
    /// # Errors
    ///
    /// `Protocol`, with nothing sent, while rows of a command are still to be read; the server's errors
    /// (a failed transaction takes no query), and the connection's.
    pub async fn type_names(&mut self, oids: &[u32]) -> Result<Vec<Option<String>>> {
        let asked = |oid: &u32| types::name(*oid).is_empty() && !self.names().0.contains_key(oid);
        let mut missing: Vec<Oid> = oids.iter().copied().filter(asked).collect();
        missing.sort_unstable();
        missing.dedup();
        let found = self.ask_names(&missing).await?;
        let kept = &mut self.names_mut().0;
        for (oid, name) in &found {
            if kept.len() < NAMES_MAX {
                kept.insert(*oid, name.clone());
            }
        }
        let name = |oid: &u32| match types::name(*oid) {
            "" => self.names().0.get(oid).or_else(|| found.get(oid)).map(|name| name.to_string()),
            known => Some(known.to_owned()),
        };
        Ok(oids.iter().map(name).collect())
    }

    async fn ask_names(&mut self, missing: &[Oid]) -> Result<HashMap<Oid, Box<str>>> {
        let mut found = HashMap::new();
        if missing.is_empty() {
            return Ok(found);
        }
        let numbers: Vec<_> = missing.iter().map(Oid::to_string).collect();
        let sql = format!(
            "SELECT oid, pg_catalog.format_type(oid, NULL) FROM pg_catalog.pg_type \
             WHERE oid = ANY ('{{{}}}'::pg_catalog.oid[])",
            numbers.join(",")
        );
        self.start(Command::Script { sql: &sql })?;
        let mut batch = RowBatch::new();
        loop {
            let step = std::future::poll_fn(|cx| self.poll_next(cx, &mut batch)).await?;
            for row in batch.rows() {
                found.insert(row.get(0)?, row.get::<String>(1)?.into());
            }
            if matches!(step, Step::End(_)) {
                return Ok(found);
            }
        }
    }
}

/// Databases whose numbers one connector keeps, at most.
const DATABASES_MAX: usize = 64;

/// For how long sessions are opened with the numbers that another session was told.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// The numbers of types that sessions were told, by the database that told them.
#[derive(Debug, Default)]
pub(crate) struct KnownTypes(Mutex<HashMap<Box<str>, (Instant, Codecs)>>);

impl KnownTypes {
    fn find(&self, database: &str, now: Instant) -> Option<Codecs> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, codecs) = known.get(database)?;
        (now.saturating_duration_since(*told) < KEPT_FOR).then(|| codecs.clone())
    }

    fn keep(&self, database: &str, codecs: &Codecs, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (told, _)| now.saturating_duration_since(*told) < KEPT_FOR);
        if known.len() < DATABASES_MAX {
            known.insert(database.into(), (now, codecs.clone()));
        }
    }
}

/// Gives a session its codecs. `database` names where it goes, and whatever else decides what a type's name
/// means there.
///
/// # Errors
///
/// The server's, if a name is none of a type, or the connection's.
pub(crate) async fn learn(
    connection: &mut PostgresConnection,
    registered: &[Registered],
    known: &KnownTypes,
    database: &str,
) -> Result<()> {
    if registered.is_empty() {
        return Ok(());
    }
    if let Some(codecs) = known.find(database, Instant::now()) {
        connection.set_codecs(codecs);
        return Ok(());
    }
    // A simple query: it leaves no statement behind, also none in a pooler.
    let sql = types::lookup(registered);
    connection.start(Command::Script { sql: &sql })?;
    let mut batch = RowBatch::new();
    let mut codecs = None;
    let mut complete = true;
    loop {
        let step = std::future::poll_fn(|cx| connection.poll_next(cx, &mut batch)).await;
        let step = step.map_err(|error| not_found(error, registered))?;
        if let Some(row) = batch.row(0) {
            let mut found = Vec::new();
            for (index, one) in registered.iter().enumerate() {
                // The last registration of a type counts.
                let oid = row.get::<Option<u32>>(index)?;
                complete &= oid.is_some();
                if let Some(oid) = oid {
                    found.retain(|(known, _)| *known != oid);
                    found.push((oid, one.clone()));
                }
            }
            codecs = Some(Codecs::new(found.into_iter()));
        }
        if matches!(step, Step::End(_)) {
            let none = || Error::new(ErrorKind::Protocol, "the server did not tell of its types");
            let codecs = codecs.ok_or_else(none)?;
            // A type that is missing may be made any moment: by a migration, before the application starts.
            if complete {
                known.keep(database, &codecs, Instant::now());
            }
            connection.set_codecs(codecs);
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
