//! What is queued by other means than a text and its arguments: by names, and as prepared statements.

use aquifer::{Db, ErrorKind, Map, Result, Retry, list};

use crate::{ADD, ALL, COUNT, LITRES, TAKE, all, watched};

pub(crate) const ADD_NAMED: &str = "INSERT INTO tanks (id, litres) VALUES (:id, :litres)";
const TAKE_NAMED: &str = "UPDATE tanks SET litres = litres - :litres WHERE id = :id";

type Tank = [(&'static str, i64); 2];

fn tank(id: i64, litres: i64) -> Tank {
    [("id", id), ("litres", litres)]
}

on_every_engine! {
    named_arguments_are_queued_in_the_order_of_the_calls
    a_bulk_is_queued_whole_whatever_it_is_split_into
    a_failed_bulk_of_several_statements_leaves_none_of_them
    prepared_statements_are_queued_on_transactions
    a_failed_named_or_prepared_statement_is_named
    wrong_names_and_places_are_refused_with_nothing_queued
}

async fn named_arguments_are_queued_in_the_order_of_the_calls(db: &Db) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.enqueue_named(ADD_NAMED, &tank(3, 30)).await?;
    tx.enqueue_named(TAKE_NAMED, &tank(3, 1)).await?;
    tx.enqueue_named(TAKE_NAMED, &tank(3, 2)).await?;
    let map: Map = [("id", 3), ("litres", 3), ("unused", 0)].into_iter().collect();
    tx.enqueue_named(TAKE_NAMED, &map).await?;
    tx.enqueue(TAKE, (4, 3)).await?;
    assert_eq!(tx.get::<i64>(LITRES, (3,)).await?, 20);
    // A name that occurs twice, and a text without names.
    tx.enqueue_named(
        "UPDATE tanks SET litres = litres - :n WHERE id = 3 AND litres > :n",
        &[("n", 10)],
    )
    .await?;
    tx.enqueue_named("UPDATE tanks SET litres = litres + 1 WHERE id = 3", &Map::new()).await?;
    let mut savepoint = tx.savepoint().await?;
    savepoint.enqueue_named(TAKE_NAMED, &tank(3, 5)).await?;
    savepoint.rollback().await?;
    let mut savepoint = tx.savepoint().await?;
    savepoint.enqueue_named(TAKE_NAMED, &tank(1, 5)).await?;
    savepoint.release().await?;
    tx.commit().await?;
    assert_eq!(all(db).await?, [(1, 95), (2, 100), (3, 11)]);
    Ok(())
}

async fn a_bulk_is_queued_whole_whatever_it_is_split_into(db: &Db) -> Result<()> {
    let few = [tank(3, 3), tank(4, 4)];
    let many: Vec<_> = (10..100_010).map(|id| tank(id, 1)).collect();
    let mut tx = db.begin().await?;
    tx.enqueue(TAKE, (1, 1)).await?;
    tx.enqueue_named(ADD_NAMED, &few[..]).await?;
    assert_eq!(tx.get::<i64>(COUNT, ()).await?, 4);
    tx.enqueue_named(ADD_NAMED, &many[..]).await?;
    tx.enqueue(TAKE, (1, 2)).await?;
    tx.commit().await?;
    assert_eq!(db.get::<i64>(COUNT, ()).await?, 100_004);
    let sum: i64 = db.get("SELECT CAST(sum(litres) AS DECIMAL(20)) FROM tanks", ()).await?;
    assert_eq!(sum, 99 + 99 + 7 + 100_000);
    Ok(())
}

async fn a_failed_bulk_of_several_statements_leaves_none_of_them(db: &Db) -> Result<()> {
    let mut many: Vec<_> = (10..100_010).map(|id| tank(id, 1)).collect();
    many.push(tank(1, 1));
    let mut tx = db.begin().await?;
    tx.enqueue(TAKE, (1, 1)).await?;
    // More than the queue has room for: it is sent at once.
    let error = tx.enqueue_named(ADD_NAMED, &many[..]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UniqueViolation);
    assert!(error.statement().is_some_and(|number| number > 2), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains(ADD_NAMED)), "{error:?}");
    assert_eq!(tx.get::<i64>(COUNT, ()).await.unwrap_err().kind(), ErrorKind::TxFailed);
    assert_eq!(tx.commit().await.unwrap_err().kind(), ErrorKind::TxFailed);
    assert_eq!(all(db).await?, [(1, 100), (2, 100)]);
    Ok(())
}

async fn prepared_statements_are_queued_on_transactions(db: &Db) -> Result<()> {
    let take = db.prepare(TAKE).await?;
    let take_named = db.prepare_named(TAKE_NAMED).await?;
    let fill = db.prepare("UPDATE tanks SET litres = 100 WHERE id IN (?)").await;
    let mut tx = db.begin().await?;
    for _ in 0..3 {
        take.on(&mut tx).enqueue((1, 1)).await?;
        tx.enqueue(TAKE, (1, 1)).await?;
        take_named.on(&mut tx).enqueue(&tank(1, 1)).await?;
    }
    assert_eq!(take.on(&mut tx).exec((1, 1)).await?.rows_affected(), 1);
    let mut savepoint = tx.savepoint().await?;
    take.on(&mut savepoint).enqueue((50, 2)).await?;
    drop(savepoint);
    assert_eq!(tx.select::<(i64, i64)>(ALL, ()).await?, [(1, 90), (2, 100)]);
    take.on(&mut tx).label("spent").enqueue((10, 2)).await?;
    tx.commit().await?;
    assert_eq!(all(db).await?, [(1, 90), (2, 90)]);
    // A list changes the text, and the next call has the statement's own again.
    let fill = fill?;
    let mut conn = db.acquire().await?;
    let mut tx = conn.begin().await?;
    fill.on(&mut tx).enqueue((list(&[1, 2]),)).await?;
    take.on(&mut tx).enqueue((1, 1)).await?;
    fill.on(&mut tx).enqueue((2,)).await?;
    tx.commit().await?;
    drop(conn);
    assert_eq!(all(db).await?, [(1, 99), (2, 100)]);
    // A handle of another database is worked out anew: its placeholders may be others.
    let elsewhere = Db::open("sqlite::memory:")?;
    elsewhere.exec("CREATE TABLE tanks (id INTEGER, litres INTEGER)", ()).await?;
    let foreign = elsewhere.prepare(TAKE).await?;
    let mut tx = db.begin().await?;
    foreign.on(&mut tx).enqueue((9, 1)).await?;
    tx.commit().await?;
    assert_eq!(all(db).await?, [(1, 90), (2, 100)]);
    Ok(())
}

async fn a_failed_named_or_prepared_statement_is_named(db: &Db) -> Result<()> {
    let add = db.prepare(ADD).await?;
    let add_named = db.prepare_named(ADD_NAMED).await?;
    for which in 0..3 {
        let mut tx = db.begin().await?;
        tx.enqueue_named(TAKE_NAMED, &tank(1, 1)).await?;
        let text = match which {
            0 => {
                tx.enqueue_named(ADD_NAMED, &tank(1, 1)).await?;
                ADD_NAMED
            }
            1 => {
                add.on(&mut tx).enqueue((1, 1)).await?;
                ADD
            }
            _ => {
                add_named.on(&mut tx).enqueue(&tank(1, 1)).await?;
                ADD_NAMED
            }
        };
        tx.enqueue_named(TAKE_NAMED, &tank(2, 1)).await?;
        let error = tx.commit().await.unwrap_err();
        assert_eq!((error.kind(), error.statement()), (ErrorKind::UniqueViolation, Some(2)));
        assert!(error.hint().is_some_and(|hint| hint.contains(text)), "{error:?}");
        assert_ne!(error.retry(), Retry::Unknown);
    }
    assert_eq!(all(db).await?, [(1, 100), (2, 100)]);
    Ok(())
}

async fn wrong_names_and_places_are_refused_with_nothing_queued(db: &Db) -> Result<()> {
    let take = db.prepare(TAKE).await?;
    let take_named = db.prepare_named(TAKE_NAMED).await?;
    let mut tx = db.begin().await?;
    tx.enqueue(TAKE, (1, 1)).await?;
    let error = tx.enqueue_named(TAKE_NAMED, &[("id", 1)]).await.unwrap_err();
    assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::ArgumentMismatch, true));
    let error = take_named.on(&mut tx).enqueue(&[("litre", 1)]).await.unwrap_err();
    assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::ArgumentMismatch, true));
    let error = take.on(&mut tx).label("takes").enqueue((1,)).await.unwrap_err();
    assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::ArgumentMismatch, true));
    assert_eq!(error.label(), Some("takes"));
    let none: [Tank; 0] = [];
    let error = tx.enqueue_named(ADD_NAMED, &none[..]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
    let error = tx.enqueue_named("COMMIT", &Map::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TxControl);
    let error = tx.enqueue_named("SELECT 1; SELECT 2", &Map::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
    // What was queued before is as it was.
    tx.commit().await?;
    assert_eq!(all(db).await?, [(1, 99), (2, 100)]);
    // Only a transaction has a queue: neither a `Db` nor a connection has, nor one that the user's text has begun.
    let mut anywhere = db;
    let error = take.on(&mut anywhere).enqueue((1, 1)).await.unwrap_err();
    assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::Unsupported, true));
    let error = take_named.on(&mut anywhere).label("x").enqueue(&tank(1, 1)).await.unwrap_err();
    assert_eq!((error.kind(), error.label()), (ErrorKind::Unsupported, Some("x")));
    let mut conn = db.acquire().await?;
    let error = take.on(&mut conn).enqueue((1, 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    conn.exec("BEGIN", ()).await?;
    let error = take_named.on(&mut conn).enqueue(&tank(1, 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    conn.exec("COMMIT", ()).await?;
    assert_eq!(all(db).await?, [(1, 99), (2, 100)]);
    Ok(())
}

#[tokio::test]
async fn named_and_prepared_statements_go_with_the_commit_in_one_flight() -> Result<()> {
    let (db, proxy, _database) = watched().await;
    let take = db.prepare(TAKE).await?;
    // A COMMIT is prepared when the name of its BEGIN is known to be good.
    for flight in ["PBEBEBEBEPBES", "BEBEBEBEPBES", "BEBEBEBEBES"] {
        proxy.take();
        let mut tx = db.begin().await?;
        take.on(&mut tx).enqueue((1, 1)).await?;
        tx.enqueue_named(TAKE_NAMED, &tank(1, 1)).await?;
        tx.enqueue_named(TAKE_NAMED, &tank(1, 1)).await?;
        tx.commit().await?;
        let flights = proxy.take_only().client_flights();
        // Between BEGIN and COMMIT: what `prepare` has prepared. Both texts are one and the same to the engine.
        assert_eq!(flights, [flight]);
    }
    assert_eq!(all(&db).await?, [(1, 91), (2, 100)]);
    Ok(())
}
