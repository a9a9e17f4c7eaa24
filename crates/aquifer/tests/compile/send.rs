//! Every public future is `Send`, and handles go everywhere. Compiling is the test; nothing runs.

use std::time::Duration;

use aquifer::{
    Batch, BatchDone, Builder, Conn, ConnTx, Db, Error, Executor, Map, NamedStmt, Result,
    RowStream, Rows, Savepoint, Stats, Stmt, StmtOn, Tx, TxOptions,
};

fn send<T: Send>(_: T) {}
fn is_send<T: Send>() {}
fn is_static<T: Send + 'static>() {}
fn is_shared<T: Clone + Send + Sync + 'static>() {}

const SQL: &str = "SELECT ?";
const ARGS: &[(&str, i64)] = &[("n", 1)];

#[test]
fn handles_go_everywhere() {
    is_shared::<Db>();
    is_shared::<Stmt>();
    is_shared::<NamedStmt>();
    is_static::<Conn>();
    is_static::<Tx>();
    is_static::<Rows<'static>>();
    is_static::<RowStream<'static, String>>();
    is_static::<BatchDone>();
    is_static::<Builder>();
    is_static::<Stats>();
    is_send::<Rows<'_>>();
    is_send::<ConnTx<'_>>();
    is_send::<Savepoint<'_>>();
    is_send::<StmtOn<'_>>();
    is_send::<Batch<'_>>();
    is_static::<Error>();
    #[cfg(feature = "blocking")]
    {
        use aquifer::blocking;
        is_shared::<blocking::Db>();
        is_shared::<blocking::Stmt>();
        is_shared::<blocking::NamedStmt>();
        is_static::<blocking::Conn>();
        is_static::<blocking::Tx>();
        is_static::<blocking::Rows<'static>>();
        is_static::<blocking::RowStream<'static, String>>();
    }
}

/// The calls that every place has, `&mut` or not.
macro_rules! calls {
    ($on:expr) => {
        send($on.exec(SQL, (1,)));
        send($on.query(SQL, (1,)));
        send($on.get::<i64>(SQL, (1,)));
        send($on.get_optional::<(i64, String)>(SQL, (1,)));
        send($on.select::<Map>(SQL, (1,)));
        send($on.exec_named(SQL, &ARGS));
        send($on.get_named::<i64>(SQL, &ARGS));
        send($on.get_optional_named::<i64>(SQL, &ARGS));
        send($on.select_named::<i64>(SQL, &ARGS));
    };
}

macro_rules! calls_of_a_place {
    ($on:expr) => {
        calls!($on);
        send($on.query_named(SQL, &ARGS));
        send($on.stream::<i64>(SQL, (1,)));
        send($on.stream::<i64>(SQL, (1,)).try_next());
        send($on.batch().send());
    };
}

/// The calls of a transaction and a savepoint.
macro_rules! queueing_calls {
    ($on:expr) => {
        send($on.enqueue(SQL, (1,)));
        send($on.enqueue_named(SQL, &ARGS));
        send($on.flush());
    };
}

#[expect(dead_code, reason = "compiling it is the test")]
fn futures_of_a_db(db: &Db) {
    send(Db::connect(""));
    send(async { Db::builder("")?.connect().await });
    calls_of_a_place!(db);
    send(db.ping());
    send(db.close());
    send(db.close_within(Duration::ZERO));
    send(db.warm_up(1));
    send(db.begin());
    send(db.begin_with(TxOptions::new()));
    send(db.prepare(SQL));
    send(db.prepare_named(SQL));
    send(db.acquire());
    send(db.transaction(async |tx| tx.get::<i64>(SQL, (1,)).await));
    send(db.try_transaction(TxOptions::new(), async |tx| -> Result<i64> {
        tx.get::<i64>(SQL, (1,)).await
    }));
    send(db.transaction_retry(TxOptions::new(), 3, async |tx| tx.get::<i64>(SQL, (1,)).await));
}

#[expect(dead_code, reason = "compiling it is the test")]
fn futures_of_what_holds_a_connection(
    mut conn: Conn,
    mut tx: Tx,
    mut on: ConnTx<'_>,
    mut sp: Savepoint<'_>,
) {
    calls_of_a_place!(conn);
    send(conn.begin());
    send(conn.begin_with(TxOptions::new()));
    send(conn.ping());
    send(conn.reset());
    calls_of_a_place!(tx);
    queueing_calls!(tx);
    send(tx.savepoint());
    calls_of_a_place!(on);
    queueing_calls!(on);
    send(on.savepoint());
    calls_of_a_place!(sp);
    queueing_calls!(sp);
    send(sp.savepoint());
    send(sp.release());
    send(on.commit());
    send(tx.rollback());
}

#[expect(dead_code, reason = "compiling it is the test")]
fn futures_of_statements_and_rows(stmt: Stmt, named: NamedStmt, mut tx: Tx, mut rows: Rows<'_>) {
    send(stmt.exec((1,)));
    send(stmt.query((1,)));
    send(stmt.get::<i64>((1,)));
    send(stmt.get_optional::<i64>((1,)));
    send(stmt.select::<i64>((1,)));
    send(stmt.on(&mut tx).exec((1,)));
    send(stmt.on(&mut tx).enqueue((1,)));
    send(stmt.on(&mut tx).query((1,)));
    send(stmt.on(&mut tx).get::<i64>((1,)));
    send(stmt.on(&mut tx).get_optional::<i64>((1,)));
    send(stmt.on(&mut tx).select::<i64>((1,)));
    send(named.exec(&ARGS));
    send(named.query(&ARGS));
    send(named.get::<i64>(&ARGS));
    send(named.get_optional::<i64>(&ARGS));
    send(named.select::<i64>(&ARGS));
    send(named.on(&mut tx).exec(&ARGS));
    send(named.on(&mut tx).enqueue(&ARGS));
    send(named.on(&mut tx).query(&ARGS));
    send(named.on(&mut tx).get::<i64>(&ARGS));
    send(named.on(&mut tx).get_optional::<i64>(&ARGS));
    send(named.on(&mut tx).select::<i64>(&ARGS));
    send(rows.next());
    send(rows.next_result_set());
    send(rows.collect::<i64>());
}

#[expect(dead_code, reason = "compiling it is the test")]
fn futures_of_an_unknown_executor(mut db: impl Executor) {
    calls!(db);
    calls!(&mut db);
    send(twice(&mut db));
}

async fn twice(mut db: impl Executor) -> Result<()> {
    once(&mut db).await?;
    once(db).await
}

async fn once(mut db: impl Executor) -> Result<()> {
    let mut rows = db.query(SQL, (1,)).await?;
    while let Some(row) = rows.next().await? {
        let text: &str = row.get(0)?;
        tokio::task::yield_now().await;
        assert!(!text.is_empty());
    }
    Ok(())
}

#[expect(dead_code, reason = "compiling it is the test")]
fn tasks_take_what_they_own(db: Db) {
    let owned = db.clone();
    tokio::spawn(async move { twice(&owned).await });
    let owned = db.clone();
    tokio::spawn(async move {
        let mut tx = owned.begin().await?;
        twice(&mut tx).await?;
        let mut savepoint = tx.savepoint().await?;
        twice(&mut savepoint).await?;
        savepoint.release().await?;
        tx.commit().await
    });
    let owned = db.clone();
    let name = String::from("N-07");
    tokio::spawn(async move {
        owned
            .transaction(async |tx| {
                twice(&mut *tx).await?;
                tx.exec(SQL, (&name,)).await
            })
            .await
    });
    let owned = db.clone();
    let name = String::from("N-07");
    tokio::spawn(async move {
        owned
            .transaction_retry(TxOptions::new(), 3, async move |tx| {
                twice(&mut *tx).await?;
                tx.exec(SQL, (&name,)).await
            })
            .await
    });
    tokio::spawn(async move {
        let mut stream = db.stream::<String>(SQL, ("x",));
        let mut all = Vec::new();
        while let Some(text) = stream.try_next().await? {
            all.push(text);
        }
        Ok::<_, Error>(all)
    });
}
