//! Structs in both directions: `:name` placeholders filled from one, rows read into another, with a
//! renamed column, an enum, a nested struct from a LEFT JOIN, and a field that borrows.
#![forbid(unsafe_code)]

use aquifer::{Db, FromRow, FromValue, Result, ToParams, ToValue};

#[derive(Debug, Clone, Copy, FromValue, ToValue)]
#[aquifer(rename_all = "snake_case")]
enum State {
    InService,
    Closed,
}

#[derive(ToParams)]
struct NewStation {
    code: &'static str,
    river_id: Option<i64>,
    state: State,
}

#[derive(Debug, FromRow)]
struct Station {
    #[aquifer(rename = "id")]
    number: i64,
    code: String,
    state: State,
    /// All columns that start with `river_`; `None` if they are all NULL.
    #[aquifer(nested)]
    river: Option<River>,
}

#[derive(Debug, FromRow)]
struct River {
    id: i64,
    name: String,
}

#[derive(FromRow)]
struct CodeOnly<'r> {
    code: &'r str,
}

#[tokio::main]
async fn main() -> Result<()> {
    let db = Db::connect("sqlite::memory:").await?;
    db.exec(
        "CREATE TABLE rivers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT, river_id INTEGER, state TEXT);
         INSERT INTO rivers VALUES (1, 'Nera');",
        (),
    )
    .await?;

    let insert = "INSERT INTO stations (code, river_id, state) VALUES (:code, :river_id, :state)";
    let new = NewStation { code: "N-07", river_id: Some(1), state: State::InService };
    db.exec_named(insert, &new).await?;
    let new = NewStation { code: "X-00", river_id: None, state: State::Closed };
    db.exec_named(insert, &new).await?;

    let all: Vec<Station> = db
        .select(
            "SELECT s.id, s.code, s.state, r.id AS river_id, r.name AS river_name
             FROM stations s LEFT JOIN rivers r ON r.id = s.river_id ORDER BY s.id",
            (),
        )
        .await?;
    for Station { number, code, state, river } in &all {
        let river = river.as_ref().map(|river| format!("{} (no. {})", river.name, river.id));
        println!("{number}  {code}  {state:?}  {}", river.as_deref().unwrap_or("no river"));
    }

    // Rows lend: `code` points into the row, nothing is copied.
    let mut rows = db.query("SELECT code FROM stations WHERE state = ?", (State::Closed,)).await?;
    while let Some(row) = rows.next().await? {
        let CodeOnly { code } = row.scan()?;
        println!("closed: {code}");
    }
    Ok(())
}
