//! A transaction that is over cannot be used.

async fn run(db: aquifer::Db) -> aquifer::Result<()> {
    let mut tx = db.begin().await?;
    tx.exec("DELETE FROM stations", ()).await?;
    tx.commit().await?;
    tx.exec("DELETE FROM rivers", ()).await?;
    Ok(())
}

fn main() {
    let _ = run;
}
