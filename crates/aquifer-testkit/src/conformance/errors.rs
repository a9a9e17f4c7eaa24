//! Errors: their kinds, what they tell, and what they must not tell.

use std::error::Error as _;
use std::fmt::Write as _;

use aquifer_driver::{Error, ErrorKind, Params, Retry};

use super::case::{Case, INSERT, Owner, SELECT, Stop, Verdict, expect_error, rule};

/// The statement fails with that kind, twice, and the connection does not mind.
async fn fails(
    owner: &mut Owner,
    sql: &str,
    params: &dyn Params,
    kind: ErrorKind,
) -> Result<Error, Stop> {
    let mut last = None;
    for _ in 0..2 {
        let error = expect_error(owner.run(sql, params).await, kind, &format!("`{sql}`"))?;
        rule!(
            error.retry() == Retry::Never,
            "`{sql}` would fail again: retry is Never, got {:?}",
            error.retry()
        );
        owner.must_be_usable("a failed statement").await?;
        last = Some(error);
    }
    last.ok_or(Stop::NotApplicable("nothing ran"))
}

pub(super) async fn a_syntax_error(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    fails(&mut owner, "SELEC 1", &(), ErrorKind::Syntax).await?;
    fails(&mut owner, "SELECT FROM WHERE", &(), ErrorKind::Syntax).await.map(drop)
}

pub(super) async fn an_empty_text_does_not_break_the_connection(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    for sql in ["", "  ", "-- nothing"] {
        // Engines differ on whether this is an error.
        if let Err(error) = owner.run(sql, &()).await {
            rule!(
                matches!(error.kind(), ErrorKind::Syntax | ErrorKind::ArgumentMismatch),
                "an empty text is nothing or a syntax error, got {:?}",
                error.kind()
            );
        }
        owner.must_be_usable("an empty text").await?;
    }
    Ok(())
}

pub(super) async fn a_missing_table(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    fails(&mut owner, "SELECT a FROM missing", &(), ErrorKind::UndefinedObject).await.map(drop)
}

pub(super) async fn a_missing_column(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    fails(&mut owner, "SELECT missing FROM t", &(), ErrorKind::UndefinedObject).await.map(drop)
}

fn names_it(error: &Error) -> Verdict {
    rule!(
        error.constraint().is_some_and(|name| !name.is_empty()),
        "a violation names its constraint (or the columns): constraint() is None of {error}"
    );
    rule!(!error.nothing_sent(), "the engine has seen a statement that violates: {error}");
    Ok(())
}

pub(super) async fn a_unique_violation(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    owner.insert("a", 1).await?;
    let error = fails(&mut owner, INSERT, &("a", 2), ErrorKind::UniqueViolation).await?;
    names_it(&error)
}

pub(super) async fn a_primary_key_violation(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    let integer = case.target.integer;
    owner.run(&format!("CREATE TABLE k (k {integer} PRIMARY KEY)"), &()).await?;
    owner.run("INSERT INTO k (k) VALUES (?)", &(5,)).await?;
    let error =
        fails(&mut owner, "INSERT INTO k (k) VALUES (?)", &(5,), ErrorKind::UniqueViolation)
            .await?;
    names_it(&error)
}

pub(super) async fn a_not_null_violation(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let params = (None::<&str>, 1);
    fails(&mut owner, INSERT, &params, ErrorKind::NotNullViolation).await.map(drop)
}

pub(super) async fn a_check_violation(case: &Case) -> Verdict {
    case.needs(case.target.checks, "the engine does not enforce CHECK")?;
    let mut owner = case.connect().await?;
    let integer = case.target.integer;
    owner
        .run(&format!("CREATE TABLE k (n {integer} CONSTRAINT positive CHECK (n > 0))"), &())
        .await?;
    let sql = "INSERT INTO k (n) VALUES (?)";
    let error = fails(&mut owner, sql, &(-1,), ErrorKind::CheckViolation).await?;
    names_it(&error)?;
    rule!(
        error.constraint() == Some("positive"),
        "a CHECK with a name is named, got {:?}",
        error.constraint()
    );
    Ok(())
}

pub(super) async fn a_foreign_key_violation(case: &Case) -> Verdict {
    case.needs(case.target.foreign_keys, "the engine does not enforce REFERENCES")?;
    let mut owner = case.with_table().await?;
    let integer = case.target.integer;
    owner.run(&format!("CREATE TABLE k (p {integer} REFERENCES t (id))"), &()).await?;
    let sql = "INSERT INTO k (p) VALUES (?)";
    fails(&mut owner, sql, &(99,), ErrorKind::ForeignKeyViolation).await.map(drop)
}

pub(super) async fn an_error_repeats_from_the_cache(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    for n in 0..5 {
        let text = format!("s{n}");
        owner.insert(&text, n).await?;
        let again = owner.insert(&text, n).await;
        expect_error(again, ErrorKind::UniqueViolation, "a duplicate by a cached statement")?;
    }
    let count = owner.count().await?;
    rule!(count == 5, "good and bad uses of one statement alternate: 5 rows, got {count}");
    Ok(())
}

/// Everything that a log could show of an error.
fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, " {cause} {cause:?}");
        source = cause.source();
    }
    text
}

pub(super) async fn no_error_shows_an_argument(case: &Case) -> Verdict {
    let secret = "hunter2-4711";
    let mut owner = case.with_table().await?;
    owner.insert(secret, 1).await?;
    let statements: [(&str, Vec<aquifer_driver::Value>); 6] = [
        (INSERT, vec![secret.into(), 2.into()]),
        (INSERT, vec![secret.into()]),
        (INSERT, vec![secret.into(), 1.into(), secret.into()]),
        ("INSERT INTO t (s, n) VALUES (NULL, ?)", vec![secret.into()]),
        ("SELECT ? FROM missing", vec![secret.into()]),
        ("INSERT INTO t (id, s) VALUES (?, ?)", vec![secret.into(), "x".into()]),
    ];
    for (sql, params) in statements {
        if let Err(error) = owner.run(sql, &params).await {
            let text = shown(&error);
            rule!(
                !text.contains("hunter2") && !text.contains("4711"),
                "an error never shows a bound argument; that of `{sql}` does: {text}"
            );
        }
        owner.must_be_usable("an error").await?;
    }
    Ok(())
}

pub(super) async fn a_failed_statement_has_done_nothing(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let sql = "INSERT INTO t (s, n) VALUES (?, ?), (?, ?), (?, ?)";
    let params: Vec<aquifer_driver::Value> =
        vec!["a".into(), 1.into(), "b".into(), 2.into(), "a".into(), 3.into()];
    expect_error(owner.run(sql, &params).await, ErrorKind::UniqueViolation, "a duplicate")?;
    let set = owner.run(SELECT, &()).await?;
    rule!(set.rows.is_empty(), "a statement that fails has done nothing, got {:?}", set.rows);
    Ok(())
}
