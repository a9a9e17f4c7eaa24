//! Rows of a connection go before the connection is used for something else.

async fn run(db: aquifer::Db) -> aquifer::Result<()> {
    let mut conn = db.acquire().await?;
    let mut rows = conn.query("SELECT code FROM stations", ()).await?;
    conn.exec("DELETE FROM stations", ()).await?;
    rows.next().await?;
    Ok(())
}

fn main() {
    let _ = run;
}
