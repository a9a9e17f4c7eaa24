//! Values and rows whose number or shape is known only at run time: IN lists, named arguments from maps,
//! rows as maps, and names that no parameter can stand for.
#![forbid(unsafe_code)]

use std::collections::HashMap;

use aquifer::{Db, Ident, Map, Record, Result, Value, list};

#[tokio::main]
async fn main() -> Result<()> {
    let db = Db::connect("sqlite::memory:").await?;
    db.exec(
        "CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT, level_m REAL);
         INSERT INTO stations VALUES (1, 'N-01', 1.5), (2, 'N-02', NULL), (3, 'T-01', 0.25);",
        (),
    )
    .await?;

    // One `?` for a whole list.
    let ids = [3, 1];
    let codes: Vec<String> =
        db.select("SELECT code FROM stations WHERE id IN (?) ORDER BY id", (list(&ids),)).await?;
    println!("in a list:       {codes:?}");
    let empty: &[i64] = &[];
    let refused =
        db.select::<String>("SELECT code FROM stations WHERE id IN (?)", (list(empty),)).await;
    println!("an empty one:    {}", refused.unwrap_err());

    // Named arguments from a map, and from pairs.
    let wanted = HashMap::from([("code", "N-02")]);
    let id: i64 = db.get_named("SELECT id FROM stations WHERE code = :code", &wanted).await?;
    println!("named:           {id}");
    let pairs = [("low", 0.2), ("high", 1.0)];
    let between: Vec<String> = db
        .select_named("SELECT code FROM stations WHERE level_m BETWEEN :low AND :high", &pairs)
        .await?;
    println!("from pairs:      {between:?}");

    // Any row as names and values.
    let row: Map = db.get("SELECT * FROM stations WHERE id = ?", (1,)).await?;
    for (name, value) in row.iter() {
        println!("a map:           {name} = {value:?}");
    }
    // A map is also a set of named arguments: read a row, change it, write it back.
    let mut changed = row;
    changed.insert("level_m", Value::Null);
    db.exec_named("UPDATE stations SET level_m = :level_m WHERE id = :id", &changed).await?;

    // By position, with the columns' descriptions.
    let record: Record = db.get("SELECT * FROM stations WHERE id = ?", (1,)).await?;
    for (column, value) in record.columns().iter().zip(record.values()) {
        println!("a record:        {} {} = {value:?}", column.name, column.type_name);
    }

    // A table's or column's name cannot be bound; `Ident` quotes it, whatever it is.
    let column = Ident::new("level_m")?;
    let sql = format!("SELECT count({column}) FROM stations");
    println!("{sql}: {}", db.get::<i64>(&sql, ()).await?);
    Ok(())
}
