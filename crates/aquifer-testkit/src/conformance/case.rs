//! What a check works with: a fresh database, and the owner's side of a connection.

use std::fmt;
use std::sync::Arc;

use aquifer_driver::{
    Access, Batch, Command, Connection, Connector, Error, ErrorKind, Layout, Params, Placeholder,
    Result, RowBatch, Status, Step, Value, Want,
};

use super::target::{Database, Target};
use crate::client::{self, Set};

/// Why a check did not pass.
#[derive(Debug)]
pub(super) enum Stop {
    /// A rule of the contract was broken.
    Broken(String),
    /// The target has said that it cannot do this.
    NotApplicable(&'static str),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Broken(format!("an error where none may be: {error} [{:?}]", error.kind()))
    }
}

/// The result of a check.
pub(super) type Verdict = std::result::Result<(), Stop>;

/// Fails the check with the rule that was broken, unless the condition holds.
macro_rules! rule {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err($crate::conformance::case::Stop::Broken(format!($($message)+)));
        }
    };
}
pub(super) use rule;

/// One check's surroundings.
pub(super) struct Case {
    pub(super) target: Target,
    database: Database,
}

impl Case {
    pub(super) fn new(target: &Target) -> Self {
        Self { target: target.clone(), database: (target.make)() }
    }

    pub(super) fn connector(&self) -> Arc<dyn Connector> {
        Arc::clone(&self.database.connector)
    }

    pub(super) fn needs(&self, ability: bool, what: &'static str) -> Verdict {
        if ability { Ok(()) } else { Err(Stop::NotApplicable(what)) }
    }

    /// A connection that may write.
    pub(super) async fn connect(&self) -> std::result::Result<Owner, Stop> {
        self.connect_for(Access::ReadWrite).await
    }

    pub(super) async fn connect_for(&self, access: Access) -> std::result::Result<Owner, Stop> {
        let connector = self.connector();
        let dollar = connector.dialect().placeholder == Placeholder::Dollar;
        let connection = connector.connect(access).await.map_err(|error| {
            Stop::Broken(format!("connect: a fresh database takes a connection; got {error}"))
        })?;
        Ok(Owner { connection, dollar })
    }

    /// A second connection, to look from outside.
    pub(super) async fn connect_beside(&self) -> std::result::Result<Owner, Stop> {
        match self.connector().layout() {
            Layout::One => Err(Stop::NotApplicable("the database has one connection only")),
            Layout::ReadersAndWriter => self.connect_for(Access::ReadOnly).await,
            _ => self.connect().await,
        }
    }

    /// A connection and the table `t (id, s, n)` with a generated key and a unique, non-NULL text.
    pub(super) async fn with_table(&self) -> std::result::Result<Owner, Stop> {
        let mut owner = self.connect().await?;
        let Target { auto_key, text, integer, .. } = self.target;
        owner
            .run(
                &format!("CREATE TABLE t (id {auto_key}, s {text} NOT NULL UNIQUE, n {integer})"),
                &(),
            )
            .await?;
        Ok(owner)
    }
}

pub(super) const INSERT: &str = "INSERT INTO t (s, n) VALUES (?, ?)";
pub(super) const SELECT: &str = "SELECT s, n FROM t ORDER BY id";

/// The owner of a connection.
pub(super) struct Owner {
    pub(super) connection: Box<dyn Connection>,
    dollar: bool,
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Owner").field(&self.connection).finish()
    }
}

impl Owner {
    /// The text with the engine's placeholders. The suite's texts have no `?` elsewhere.
    pub(super) fn sql(&self, sql: &str) -> String {
        if !self.dollar {
            return sql.to_owned();
        }
        let mut out = String::with_capacity(sql.len() + 8);
        let mut n = 0;
        for c in sql.chars() {
            if c == '?' {
                n += 1;
                out.push_str(&format!("${n}"));
            } else {
                out.push(c);
            }
        }
        out
    }

    pub(super) async fn run(&mut self, sql: &str, params: &dyn Params) -> Result<Set> {
        self.run_for(sql, params, Want::All).await
    }

    pub(super) async fn run_for(
        &mut self,
        sql: &str,
        params: &dyn Params,
        want: Want,
    ) -> Result<Set> {
        let sql = self.sql(sql);
        client::execute_for(&mut *self.connection, &sql, params, want).await
    }

    pub(super) fn start(&mut self, sql: &str, params: &dyn Params) -> Result<()> {
        let sql = self.sql(sql);
        self.connection.start(Command::Execute { sql: &sql, params, want: Want::All })
    }

    pub(super) async fn command(&mut self, command: Command<'_>) -> Result<()> {
        client::command(&mut *self.connection, command).await
    }

    pub(super) async fn step(&mut self, batch: &mut RowBatch) -> Result<Step> {
        client::step(&mut *self.connection, batch).await
    }

    pub(super) async fn read(&mut self) -> Result<Vec<Result<Set>>> {
        client::read(&mut *self.connection, None).await
    }

    pub(super) async fn batch(&mut self, batch: Batch) -> Result<Vec<Result<Set>>> {
        client::batch(&mut *self.connection, batch).await
    }

    pub(super) async fn insert(&mut self, s: &str, n: i64) -> Result<Set> {
        self.run(INSERT, &(s, n)).await
    }

    pub(super) async fn begin(&mut self) -> Result<()> {
        client::begin(&mut *self.connection).await
    }

    pub(super) async fn commit(&mut self) -> Result<()> {
        client::commit(&mut *self.connection).await
    }

    pub(super) async fn rollback(&mut self) -> Result<()> {
        client::rollback(&mut *self.connection).await
    }

    pub(super) async fn recover(&mut self) -> Result<()> {
        std::future::poll_fn(|cx| self.connection.poll_recover(cx)).await
    }

    pub(super) fn status(&self) -> Status {
        self.connection.status()
    }

    /// How many rows `t` has.
    pub(super) async fn count(&mut self) -> std::result::Result<i64, Stop> {
        self.integer("SELECT count(*) FROM t").await
    }

    /// The integer in the only cell.
    pub(super) async fn integer(&mut self, sql: &str) -> std::result::Result<i64, Stop> {
        match self.run(sql, &()).await?.scalar() {
            Some(Value::Int(n)) => Ok(*n),
            other => Err(Stop::Broken(format!("`{sql}` must give one integer, got {other:?}"))),
        }
    }

    /// The connection is idle and does what it is told.
    pub(super) async fn must_be_usable(&mut self, after: &str) -> Verdict {
        rule!(
            self.status() == Status::Idle,
            "status: a connection is Idle after {after}, got {:?}",
            self.status()
        );
        match self.integer("SELECT 7").await {
            Ok(7) => Ok(()),
            Ok(other) => Err(Stop::Broken(format!("after {after}, `SELECT 7` gave {other}"))),
            Err(Stop::Broken(why)) => Err(Stop::Broken(format!(
                "a connection stays usable after {after}, but then: {why}"
            ))),
            Err(other) => Err(other),
        }
    }
}

/// The error that must come, of the right kind.
pub(super) fn expect_error<T>(
    got: Result<T>,
    kind: ErrorKind,
    what: &str,
) -> std::result::Result<Error, Stop> {
    match got {
        Err(error) if error.kind() == kind => Ok(error),
        Err(error) => Err(Stop::Broken(format!(
            "{what} is an error of kind {kind:?}, got {:?}: {error}",
            error.kind()
        ))),
        Ok(_) => {
            Err(Stop::Broken(format!("{what} is an error of kind {kind:?}, but it succeeded")))
        }
    }
}
