//! Connecting.

use std::task::Poll;

use aquifer_driver::{Access, ErrorKind, Layout, Status};

use super::case::{Case, INSERT, SELECT, Verdict, expect_error, rule};

pub(super) async fn a_fresh_connection_is_idle(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    rule!(
        owner.status() == Status::Idle,
        "connect: a fresh connection is Idle, got {:?}",
        owner.status()
    );
    rule!(
        owner.connection.take_description().is_none(),
        "take_description: nothing was prepared yet, so there is nothing to take"
    );
    owner.must_be_usable("connecting").await
}

pub(super) async fn the_connector_describes_itself(case: &Case) -> Verdict {
    let connector = case.connector();
    let dialect = *connector.dialect();
    rule!(!dialect.name.is_empty(), "dialect: an engine has a name");
    rule!(dialect.params_max > 0, "dialect: a statement can have at least one argument");
    rule!(!connector.target().is_empty(), "target: messages need a word for where connections go");
    Ok(())
}

pub(super) async fn two_connections_see_one_database(case: &Case) -> Verdict {
    let mut writer = case.with_table().await?;
    writer.insert("a", 1).await?;
    let mut beside = case.connect_beside().await?;
    let seen = beside.count().await?;
    rule!(seen == 1, "connect: connections of one connector see one database, got {seen} rows");
    Ok(())
}

pub(super) async fn a_connection_for_reading_refuses_writes(case: &Case) -> Verdict {
    case.needs(case.target.read_only_access, "the engine ignores the wish to read only")?;
    case.needs(case.connector().layout() != Layout::One, "the database has one connection only")?;
    let mut writer = case.with_table().await?;
    writer.insert("a", 1).await?;
    let mut reader = case.connect_for(Access::ReadOnly).await?;
    let refused = reader.run(INSERT, &("b", 2)).await;
    expect_error(refused, ErrorKind::ReadOnly, "a write on a connection for reading")?;
    let refused = reader.run("CREATE TABLE u (a INTEGER)", &()).await;
    expect_error(refused, ErrorKind::ReadOnly, "CREATE TABLE on a connection for reading")?;
    let set = reader.run(SELECT, &()).await?;
    rule!(set.rows.len() == 1, "a connection for reading reads, got {} rows", set.rows.len());
    reader.must_be_usable("a refused write").await
}

pub(super) async fn a_dropped_connect_leaves_nothing_behind(case: &Case) -> Verdict {
    case.needs(case.connector().layout() != Layout::One, "the database has one connection only")?;
    let mut dial = case.connector().connect(Access::ReadWrite);
    // One poll, then it is dropped.
    std::future::poll_fn(|cx| {
        let _ = dial.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
    drop(dial);
    let mut owner = case.with_table().await?;
    owner.insert("a", 1).await?;
    owner.must_be_usable("a dial that was dropped").await
}
