//! Named parameters: `:name` in the text, values from a struct, a map, or many of them.

use std::sync::Arc;

use aquifer_driver::{
    Argument, Error, ErrorKind, ParamBuf, Params, Result, ToParams, ToValue, Want,
};

use crate::db::Db;
use crate::done::Done;
use crate::session::Scoped;
use crate::sql::{Arg, Padding, ParsedNamed};
use crate::target::{Place, Target};
use crate::text::{Text, refused};

/// What the `_named` calls take: a reference to one set of named arguments, or to a slice of them for a
/// bulk insert.
///
/// Implemented for `&T` and `&[T]` where `T` is [`ToParams`]; not meant to be implemented elsewhere.
pub trait NamedArgs: sealed::Sealed + Send {}

mod sealed {
    use super::*;

    /// One set or many; asked by position.
    pub trait Sealed {
        /// `None` for a single set.
        fn rows(&self) -> Option<usize>;
        /// The argument of that name in the set at `row`.
        fn argument(&self, row: usize, name: &str) -> Option<Argument<'_>>;
        /// The names that there are, for messages.
        fn names(&self) -> Vec<String>;
    }

    impl<T: ToParams> Sealed for &T {
        fn rows(&self) -> Option<usize> {
            None
        }

        fn argument(&self, _row: usize, name: &str) -> Option<Argument<'_>> {
            self.param(name)
        }

        fn names(&self) -> Vec<String> {
            let mut names = Vec::new();
            ToParams::names(*self, &mut |name| names.push(name.to_owned()));
            names
        }
    }

    impl<T: ToParams> Sealed for &[T] {
        fn rows(&self) -> Option<usize> {
            Some(self.len())
        }

        fn argument(&self, row: usize, name: &str) -> Option<Argument<'_>> {
            self.get(row)?.param(name)
        }

        fn names(&self) -> Vec<String> {
            let mut names = Vec::new();
            if let Some(first) = self.first() {
                first.names(&mut |name| names.push(name.to_owned()));
            }
            names
        }
    }
}

impl<T: ToParams + Sync> NamedArgs for &T {}
impl<T: ToParams + Sync> NamedArgs for &[T] {}

/// The text and the arguments of a statement with one set of named arguments.
pub(crate) fn bind(db: &Db, sql: &str, args: &impl NamedArgs) -> Result<(Arc<Text>, ParamBuf)> {
    try_bind(db, sql, args).map_err(|error| db.refused(sql, error))
}

fn try_bind(db: &Db, sql: &str, args: &impl NamedArgs) -> Result<(Arc<Text>, ParamBuf)> {
    let parsed = parse(db, sql)?;
    if let Some(rows) = args.rows() {
        let mut made = bulk(db, sql, &parsed, args, 0..rows)?;
        return match made.len() {
            1 => Ok(made.remove(0)),
            _ => Err(db.named(
                Error::new(
                    ErrorKind::ArgumentMismatch,
                    format!("{rows} rows need more arguments than one statement takes"),
                )
                .with_hint("use `exec_named`, which splits them, or fewer rows"),
            )),
        };
    }
    single(db, sql, &parsed, args)
}

/// The names of a text, and the text as the engine would get it for one set.
pub(crate) fn prepared(db: &Db, sql: &str) -> Result<(Vec<String>, Text)> {
    let parsed = parse(db, sql)?;
    let text = parsed.text(db.texts().style());
    let names = parsed.names().map(str::to_owned).collect();
    let params = text.slots.len();
    Ok((names, db.texts().made(sql.into(), text.text.into(), params, true)))
}

/// Runs a statement with one set of named arguments, or a bulk with many.
pub(crate) async fn exec(target: Target<'_>, sql: &str, args: impl NamedArgs) -> Result<Done> {
    let made = statements(target.handle(), sql, &args);
    drop(args);
    run_bulk(target, made?).await
}

/// The statement with one set of named arguments; with many, those that the bulk needs, at least one.
pub(crate) fn statements(
    db: &Db,
    sql: &str,
    args: &impl NamedArgs,
) -> Result<Vec<(Arc<Text>, ParamBuf)>> {
    match args.rows() {
        None => bind(db, sql, args).map(|one| vec![one]),
        Some(rows) => parse(db, sql)
            .and_then(|parsed| bulk(db, sql, &parsed, args, 0..rows))
            .map_err(|error| db.refused(sql, error)),
    }
}

/// All or nothing: more than one statement runs in a transaction, or within the caller's as a savepoint.
async fn run_bulk(target: Target<'_>, statements: Vec<(Arc<Text>, ParamBuf)>) -> Result<Done> {
    let alone = statements.len() == 1;
    match target.0 {
        Place::Db(db) if alone => run_all(Target::db(db), statements).await,
        Place::Db(db) => {
            let mut tx = db.begin().await?;
            let done = run_each(&mut tx, statements).await?;
            tx.commit().await?;
            Ok(done)
        }
        Place::Session(session) if alone => run_all(Target::session(session), statements).await,
        Place::Session(session) if session.is_within_transaction() => {
            let mut savepoint = crate::tx::Savepoint::begin(session).await?;
            let done = run_each(&mut savepoint, statements).await?;
            savepoint.release().await?;
            Ok(done)
        }
        Place::Session(session) => {
            let mut tx = crate::tx::ConnTx::begin(session, Default::default()).await?;
            let done = run_each(&mut tx, statements).await?;
            tx.commit().await?;
            Ok(done)
        }
        Place::Scoped(scope, None) => Box::pin(run_bulk(Target::db(&scope), statements)).await,
        Place::Scoped(scope, Some(session)) => {
            let scoped = Scoped::new(session, *scope);
            Box::pin(run_bulk(Target::session(scoped.session), statements)).await
        }
    }
}

async fn run_all(target: Target<'_>, mut statements: Vec<(Arc<Text>, ParamBuf)>) -> Result<Done> {
    match statements.pop() {
        Some((text, buf)) => target.exec_of_text(text, buf).await,
        None => Err(Error::new(ErrorKind::ArgumentMismatch, "there are no rows to insert")),
    }
}

async fn run_each(
    executor: &mut impl crate::Executor,
    statements: Vec<(Arc<Text>, ParamBuf)>,
) -> Result<Done> {
    let mut total = aquifer_driver::Outcome::default();
    for (text, buf) in statements {
        let outcome = executor
            .target()
            .open_text(text, buf, Want::Outcome, &mut None)
            .await?
            .finish()
            .await?;
        total.rows_affected = total.rows_affected.saturating_add(outcome.rows_affected);
        total.last_insert_id = outcome.last_insert_id.or(total.last_insert_id);
    }
    Ok(Done::new(total))
}

fn parse(db: &Db, sql: &str) -> Result<ParsedNamed> {
    ParsedNamed::parse(sql, db.texts().lexis()).map_err(|error| db.named(refused(error)))
}

fn single(
    db: &Db,
    sql: &str,
    parsed: &ParsedNamed,
    args: &impl NamedArgs,
) -> Result<(Arc<Text>, ParamBuf)> {
    let texts = db.texts();
    let arguments = set(db, parsed, args, 0)?;
    let lists: Vec<_> =
        arguments.iter().map(|argument| argument.list_len().map_or(Arg::One, Arg::List)).collect();
    let text = if lists.iter().all(|arg| *arg == Arg::One) {
        parsed.text(texts.style())
    } else {
        parsed
            .expand(texts.style(), &lists, Padding::UpTo(texts.params_max()))
            .map_err(|error| db.named(refused(error)))?
    };
    let mut values = Vec::with_capacity(arguments.len());
    for argument in &arguments {
        values.push(ParamBuf::of(std::slice::from_ref(argument))?);
    }
    let mut buf = ParamBuf::new();
    for slot in &text.slots {
        let value = &values[slot.name];
        // A padded list repeats its last element.
        let element = slot.element.min(value.len().saturating_sub(1));
        value.bind_range(element..element + 1, &mut buf)?;
    }
    let params = buf.len();
    Ok((texts.made_again(sql, text.text, params), buf))
}

/// The arguments of the set at `row`, in the order of the text's names.
fn set<'a>(
    db: &Db,
    parsed: &ParsedNamed,
    args: &'a impl NamedArgs,
    row: usize,
) -> Result<Vec<Argument<'a>>> {
    parsed
        .names()
        .enumerate()
        .map(|(index, name)| {
            args.argument(row, name).ok_or_else(|| {
                let names = args.names();
                let known = names.iter().map(String::as_str);
                db.named(refused(parsed.unknown_name(index, known)))
            })
        })
        .collect()
}

fn bulk(
    db: &Db,
    sql: &str,
    parsed: &ParsedNamed,
    args: &impl NamedArgs,
    rows: std::ops::Range<usize>,
) -> Result<Vec<(Arc<Text>, ParamBuf)>> {
    let texts = db.texts();
    let refuse = |error| db.named(refused(error));
    if rows.is_empty() {
        return Err(db.named(
            Error::new(ErrorKind::ArgumentMismatch, "there are no rows to insert")
                .with_nothing_sent(true),
        ));
    }
    let at_once = if rows.len() == 1 {
        1
    } else {
        parsed.rows_per_statement(texts.style(), texts.params_max()).map_err(refuse)?
    };
    let mut statements: Vec<(Arc<Text>, ParamBuf)> = Vec::new();
    let mut row = rows.start;
    while row < rows.end {
        let count = at_once.min(rows.end - row);
        let bulk = parsed.bulk(texts.style(), count).map_err(refuse)?;
        let mut buf = ParamBuf::new();
        for row in row..row + count {
            let arguments = set(db, parsed, args, row)?;
            for &name in &bulk.row {
                let argument = &arguments[name];
                if argument.list_len().is_some() {
                    return Err(db.named(Error::new(
                        ErrorKind::ArgumentMismatch,
                        "a bulk statement takes no lists",
                    )));
                }
                argument.bind(&mut buf)?;
            }
        }
        // Full statements share one text, so that the engine prepares it once.
        let text = match statements.last() {
            Some((text, _)) if *text.sql() == *bulk.text => Arc::clone(text),
            _ => texts.made_again(sql, bulk.text, buf.count()),
        };
        statements.push((text, buf));
        row += count;
    }
    Ok(statements)
}
