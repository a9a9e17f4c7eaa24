//! PostgreSQL: rows of structs in and out by COPY, and notifications that come with a commit.
//!
//! Takes the URL as its argument or from `DATABASE_URL`; makes a schema of its own and drops it again.
#![forbid(unsafe_code)]

use aquifer::postgres::{Event, Listener, PostgresConnection};
use aquifer::{Db, FromRow, Result, ToParams};

#[derive(Debug, FromRow, ToParams)]
struct Reading {
    station: String,
    minute: i32,
    level_m: Option<f64>,
}

fn url() -> String {
    let given = std::env::args().nth(1).or_else(|| std::env::var("DATABASE_URL").ok());
    given.unwrap_or_else(|| "postgres://localhost/postgres".to_owned())
}

#[tokio::main]
async fn main() -> Result<()> {
    let url = url();
    let db = Db::connect(&url).await?;
    db.exec(
        "DROP SCHEMA IF EXISTS example_levels CASCADE;
         CREATE SCHEMA example_levels;
         CREATE TABLE example_levels.readings (station text, minute int, level_m float8)",
        (),
    )
    .await?;

    // A connection of its own, which is made again whenever it is lost.
    let mut listener = Listener::connect(&url).await?;
    listener.listen("example_levels").await?;

    let readings: Vec<Reading> = (0..10_000)
        .map(|minute| Reading {
            station: format!("N-{:02}", minute % 7),
            minute,
            level_m: (minute % 100 != 0).then(|| 1.5 + f64::from(minute % 20) / 100.0),
        })
        .collect();

    // The fastest way in: binary rows, by the names of the fields, as a part of the transaction.
    let mut tx = db.begin().await?;
    let pg: &mut PostgresConnection = tx.driver()?;
    let columns = &["station", "minute", "level_m"];
    let rows = pg.copy_in_rows("example_levels.readings", columns).send_named(&readings).await?;
    // Nobody hears of it before the commit, or if there is none.
    pg.notify("example_levels", &format!("{rows} readings")).await?;
    tx.commit().await?;

    while let Some(event) = listener.recv().await {
        match event {
            Event::Notification(heard) => {
                println!("{}: {}", heard.channel, heard.payload);
                break;
            }
            Event::Missed(_) => println!("something may have come in between: look at the table"),
            Event::Disconnected(error) => println!("{error}"),
            _ => {}
        }
    }

    // And out again: as structs, or as a file that other programs read.
    let mut conn = db.acquire().await?;
    let pg: &mut PostgresConnection = conn.driver()?;
    let lost = "SELECT * FROM example_levels.readings WHERE level_m IS NULL ORDER BY minute";
    let lost: Vec<Reading> = pg.copy_out_rows(lost).await?.collect().await?;
    println!("{} without a level, the first: {:?}", lost.len(), lost.first());
    let mut csv = Vec::new();
    let few = "COPY (SELECT * FROM example_levels.readings ORDER BY minute LIMIT 3) TO STDOUT (FORMAT csv, HEADER)";
    let copy = pg.copy_out(few).await?;
    copy.write_to(&mut csv).await?;
    print!("{}", String::from_utf8_lossy(&csv));
    drop(conn);

    db.exec("DROP SCHEMA example_levels CASCADE", ()).await?;
    assert!(db.close().await.is_clean());
    Ok(())
}
