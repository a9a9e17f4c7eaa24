//! A row is valid until the next one is asked for.

async fn run(db: aquifer::Db) -> aquifer::Result<()> {
    let mut rows = db.query("SELECT code FROM stations", ()).await?;
    let first: &str = match rows.next().await? {
        Some(row) => row.get("code")?,
        None => return Ok(()),
    };
    rows.next().await?;
    println!("{first}");
    Ok(())
}

fn main() {
    let _ = run;
}
