//! What is collected must not borrow from the rows.

async fn run(db: aquifer::Db) -> aquifer::Result<Vec<&'static str>> {
    db.select::<&str>("SELECT code FROM stations", ()).await
}

fn main() {
    let _ = run;
}
