//! PostgreSQL: many statements in one flight, each alone or all or nothing, and a long result read a
//! page at a time.
//!
//! Takes the URL as its argument or from `DATABASE_URL`; makes a schema of its own and drops it again.
#![forbid(unsafe_code)]

use aquifer::{Db, Result};

const MOVE: &str = "UPDATE example_tanks.tanks SET litres = litres + ? WHERE id = ?";

fn url() -> String {
    let given = std::env::args().nth(1).or_else(|| std::env::var("DATABASE_URL").ok());
    given.unwrap_or_else(|| "postgres://localhost/postgres".to_owned())
}

async fn show(db: &Db, when: &str) -> Result<()> {
    let litres: Vec<i32> =
        db.select("SELECT litres FROM example_tanks.tanks ORDER BY id", ()).await?;
    println!("{when}: {litres:?}");
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let db = Db::connect(&url()).await?;
    db.exec(
        "DROP SCHEMA IF EXISTS example_tanks CASCADE;
         CREATE SCHEMA example_tanks;
         CREATE TABLE example_tanks.tanks (id int PRIMARY KEY, litres int CHECK (litres >= 0));
         INSERT INTO example_tanks.tanks VALUES (1, 100), (2, 100)",
        (),
    )
    .await?;

    // Each statement commits by itself, and has its own result.
    let mut batch = db.batch();
    let filled = batch.exec(MOVE, (50, 1));
    let too_much = batch.exec(MOVE, (-1_000, 2));
    let count = batch.get::<i64>("SELECT count(*) FROM example_tanks.tanks", ());
    let mut done = batch.send().await?;
    println!("{} filled, {} tanks", done.take(filled)?.rows_affected(), done.take(count)?);
    if let Err(error) = done.take(too_much) {
        println!("{:?}: {error}", error.kind());
    }
    show(&db, "each alone").await?;

    // All or nothing: one flight, one Sync, no BEGIN and COMMIT.
    for litres in [30, 1_000] {
        let mut batch = db.batch().atomic();
        let tickets = [batch.exec(MOVE, (litres, 2)), batch.exec(MOVE, (-litres, 1))];
        match batch.send().await {
            Ok(mut done) => {
                for ticket in tickets {
                    done.take(ticket)?;
                }
            }
            Err(error) => println!("{:?}: {error}", error.statement()),
        }
        show(&db, "together").await?;
    }

    // What depends on a result belongs into a transaction, whose batches are one flight, too.
    let mut tx = db.begin().await?;
    let mut batch = tx.batch();
    let moved = [batch.exec(MOVE, (-10, 1)), batch.exec(MOVE, (10, 3))];
    let mut done = batch.send().await?;
    let moved: u64 =
        moved.into_iter().map(|one| done.take(one).map_or(0, |one| one.rows_affected())).sum();
    if moved == 2 {
        tx.commit().await?;
    } else {
        println!("only {moved} of 2 tanks are there");
        tx.rollback().await?;
    }
    show(&db, "not at all").await?;

    // The server computes a page when its first row is asked for.
    let series = "SELECT generate_series(1, 1000000000)";
    let mut rows = db.cursor(series, ()).fetch_size(100).await?;
    let mut sum = 0;
    while let Some(row) = rows.next().await? {
        sum += row.get::<i64>(0)?;
        if sum > 1_000 {
            break;
        }
    }
    println!("{sum}");
    drop(rows);

    db.exec("DROP SCHEMA example_tanks CASCADE", ()).await?;
    assert!(db.close().await.is_clean());
    Ok(())
}
