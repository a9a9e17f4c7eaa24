//! Open a database, write a row, read it back: the destination type decides what a row becomes.
#![forbid(unsafe_code)]

use aquifer::{Db, FromRow, Result};

#[derive(Debug, FromRow)]
struct Station {
    id: i64,
    code: String,
    level_m: Option<f64>,
}

#[tokio::main]
async fn main() -> Result<()> {
    // A URL chooses the driver: `postgres://...` and `mysql://...` read the same from here on.
    let db = Db::connect("sqlite::memory:").await?;
    db.exec("CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT, level_m REAL)", ()).await?;

    let insert = "INSERT INTO stations (code, level_m) VALUES (?, ?)";
    let done = db.exec(insert, ("N-07", 1.84)).await?;
    println!("inserted {} row, id {:?}", done.rows_affected(), done.last_insert_id());
    db.exec(insert, ("T-01", None::<f64>)).await?;

    let count: i64 = db.get("SELECT count(*) FROM stations", ()).await?;
    println!("a scalar:     {count}");

    let pair: (i64, String) = db.get("SELECT id, code FROM stations WHERE id = ?", (1,)).await?;
    println!("a tuple:      {pair:?}");

    let station: Station = db.get("SELECT * FROM stations WHERE code = ?", ("T-01",)).await?;
    println!("a struct:     {} {} {:?}", station.id, station.code, station.level_m);

    let missing: Option<Station> =
        db.get_optional("SELECT * FROM stations WHERE id = ?", (99,)).await?;
    println!("maybe a row:  {missing:?}");

    let all: Vec<Station> = db.select("SELECT * FROM stations ORDER BY id", ()).await?;
    println!("all of them:  {} rows, the first is {:?}", all.len(), all[0]);
    Ok(())
}
