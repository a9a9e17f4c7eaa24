//! A script without `async`: the same names under `aquifer::blocking`.
#![forbid(unsafe_code)]

use aquifer::blocking::{Db, Executor};
use aquifer::{FromRow, Result, ToParams};

#[derive(Debug, FromRow, ToParams)]
struct Station {
    code: String,
    level_m: Option<f64>,
}

fn highest(mut db: impl Executor) -> Result<Option<Station>> {
    db.get_optional("SELECT code, level_m FROM stations ORDER BY level_m DESC LIMIT 1", ())
}

fn main() -> Result<()> {
    let db = Db::connect("sqlite::memory:")?;
    db.exec("CREATE TABLE stations (code TEXT PRIMARY KEY, level_m REAL)", ())?;

    let stations: Vec<Station> = (1..=5)
        .map(|n| Station {
            code: format!("N-{n:02}"),
            level_m: Some(f64::from(n * 37 % 100) / 50.0),
        })
        .collect();
    let done = db.exec_named("INSERT INTO stations VALUES (:code, :level_m)", &stations[..])?;
    println!("{} stations", done.rows_affected());

    let mut rows = db.query("SELECT code, level_m FROM stations ORDER BY code", ())?;
    while let Some(row) = rows.next()? {
        let (code, level_m): (&str, f64) = row.scan()?;
        println!("{code} {level_m:.2} {}", "#".repeat((level_m * 20.0) as usize));
    }
    println!("highest: {:?}", highest(&db)?);

    let removed = db.transaction(|tx| {
        let removed = tx.exec("DELETE FROM stations WHERE level_m > ?", (1.0,))?.rows_affected();
        println!("highest of the rest: {:?}", highest(tx)?);
        Ok(removed)
    })?;
    println!("removed {removed}");

    // Rows as an iterator of owned values.
    let left: Result<Vec<String>> = db.stream("SELECT code FROM stations", ()).collect();
    println!("left: {:?}", left?);
    println!("closed cleanly: {}", db.close()?.is_clean());
    Ok(())
}
