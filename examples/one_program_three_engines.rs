//! A small application that runs on SQLite, PostgreSQL and MariaDB; the URL, its argument or
//! `DATABASE_URL`, decides which. It prints the same on each.
//!
//! The SQL is the same, too, but for three words of CREATE TABLE. Types, generated keys, named and positional
//! arguments, transactions, batches, streams and the kinds of errors are those of every engine.
#![forbid(unsafe_code)]

use aquifer::{Db, ErrorKind, Executor, FromRow, Result, ToParams, TxOptions, list};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

/// What engines call differently in CREATE TABLE.
struct Words {
    /// A key that the engine generates.
    key: &'static str,
    /// A number with two exact digits behind the point. SQLite has none, and keeps decimals as text.
    money: &'static str,
    /// A point in time.
    instant: &'static str,
}

fn words(engine: &str) -> Words {
    match engine {
        "postgresql" => Words {
            key: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            money: "DECIMAL(12,2)",
            instant: "TIMESTAMPTZ",
        },
        "mysql" | "mariadb" => Words {
            key: "BIGINT AUTO_INCREMENT PRIMARY KEY",
            money: "DECIMAL(12,2)",
            instant: "TIMESTAMP(6)",
        },
        _ => Words { key: "INTEGER PRIMARY KEY", money: "TEXT", instant: "TEXT" },
    }
}

#[derive(ToParams)]
struct NewBook {
    isbn: &'static str,
    title: &'static str,
    price: Decimal,
    published: Option<Date>,
    copies: i32,
    lent_out: bool,
}

#[derive(Debug, FromRow)]
struct Book {
    id: i64,
    title: String,
    price: Decimal,
    published: Option<Date>,
    copies: i32,
    lent_out: bool,
}

#[derive(ToParams)]
struct Loan {
    book_id: i64,
    reader: String,
    at: Timestamp,
}

fn books() -> Vec<NewBook> {
    let book = |isbn, title, cents, published: Option<(i16, i8, i8)>, copies| NewBook {
        isbn,
        title,
        price: Decimal::new(cents, 2),
        published: published.map(|(year, month, day)| jiff::civil::date(year, month, day)),
        copies,
        lent_out: false,
    };
    vec![
        book("978-0", "Die Kunst des Wartens", 1250, Some((1999, 12, 31)), 3),
        book("978-1", "L'eau qui dort", 800, Some((2024, 2, 29)), 1),
        book("978-2", "Ohne Datum \u{1f4d6} \"?\" \\ 'x'", 999_999_999_999, None, 0),
        book("978-3", "Kleine Flüsse", 5, Some((1582, 10, 4)), 7),
    ]
}

/// Works on a pool, a connection or a transaction.
async fn show(mut db: impl Executor, when: &str) -> Result<()> {
    let all: Vec<Book> = db
        .select("SELECT id, title, price, published, copies, lent_out FROM books ORDER BY id", ())
        .await?;
    println!("-- {when}");
    for Book { id, title, price, published, copies, lent_out } in all {
        let published = published.map_or("undated".to_owned(), |date| date.to_string());
        println!("{id} | {title} | {price} | {published} | {copies} | {lent_out}");
    }
    Ok(())
}

/// Takes a copy from the shelf; fails with `CheckViolation` if there is none, and with `NoRows` if the book is
/// unknown.
async fn lend(mut db: impl Executor, book: i64, reader: &str, at: Timestamp) -> Result<()> {
    db.exec("UPDATE books SET copies = copies - 1, lent_out = ? WHERE id = ?", (true, book))
        .await?
        .expect(1)?;
    let loan = Loan { book_id: book, reader: reader.to_owned(), at };
    db.exec_named("INSERT INTO loans (book_id, reader, at) VALUES (:book_id, :reader, :at)", &loan)
        .await?;
    Ok(())
}

/// The kind of error that a statement ends with; the same on every engine.
async fn kind_of(db: &Db, what: &str, sql: &str) {
    match db.exec(sql, ()).await {
        Ok(_) => println!("{what}: done"),
        Err(error) => println!("{what}: {:?}, {:?}", error.kind(), error.retry()),
    }
}

async fn create(db: &Db) -> Result<()> {
    let Words { key, money, instant } = words(db.dialect().name);
    // A text of several statements, on every engine.
    db.exec("DROP TABLE IF EXISTS loans; DROP TABLE IF EXISTS books", ()).await?;
    db.exec(
        &format!(
            "CREATE TABLE books (
                 id {key},
                 isbn VARCHAR(20) NOT NULL UNIQUE,
                 title VARCHAR(200) NOT NULL,
                 price {money} NOT NULL,
                 published DATE,
                 copies INTEGER NOT NULL,
                 lent_out BOOLEAN NOT NULL,
                 CONSTRAINT not_more_than_all CHECK (copies >= 0)
             );
             CREATE TABLE loans (
                 id {key},
                 book_id BIGINT NOT NULL,
                 reader VARCHAR(100) NOT NULL,
                 at {instant} NOT NULL,
                 FOREIGN KEY (book_id) REFERENCES books (id)
             )"
        ),
        (),
    )
    .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let given = std::env::args().nth(1).or_else(|| std::env::var("DATABASE_URL").ok());
    let db = Db::connect(given.as_deref().unwrap_or("sqlite::memory:")).await?;
    create(&db).await?;

    // One row with its generated key, the others at once.
    let mut new = books();
    let first = new.remove(0);
    let insert = "INSERT INTO books (isbn, title, price, published, copies, lent_out)
                  VALUES (:isbn, :title, :price, :published, :copies, :lent_out)";
    let id: i64 = db.get_named(&format!("{insert} RETURNING id"), &first).await?;
    let done = db.exec_named(insert, &new[..]).await?;
    println!("the first is number {id}, and {} more", done.rows_affected());
    show(&db, "at first").await?;

    // A transaction; what goes wrong within its savepoint leaves the rest of it.
    let at = Timestamp::constant(1_795_242_600, 123_456_000);
    let mut tx = db.begin().await?;
    lend(&mut tx, 1, "Ada", at).await?;
    let mut savepoint = tx.savepoint().await?;
    let refused = lend(&mut savepoint, 3, "Bob", at).await.unwrap_err();
    savepoint.rollback().await?;
    println!("no copy left: {:?}", refused.kind());
    lend(&mut tx, 4, "Cy", at).await?;
    tx.commit().await?;
    show(&db, "after two loans").await?;

    // Dropped, a transaction has never been.
    let mut tx = db.begin().await?;
    lend(&mut tx, 2, "Dee", at).await?;
    drop(tx);

    // One that only reads, and whose statements see the same.
    let mut tx = db.begin_with(TxOptions::serializable().read_only()).await?;
    let loans: i64 = tx.get("SELECT count(*) FROM loans", ()).await?;
    let when: Timestamp = tx.get("SELECT max(at) FROM loans", ()).await?;
    let refused = lend(&mut tx, 1, "Eve", at).await.unwrap_err();
    tx.rollback().await?;
    println!("{loans} loans, the latest at {when}; one more: {:?}", refused.kind());

    // Many statements in one flight, each with its own result.
    let mut batch = db.batch();
    let returned = batch.exec("UPDATE books SET copies = copies + ? WHERE id = ?", (1, 1));
    let again = batch.exec("INSERT INTO books (isbn) VALUES (?)", ("978-1",));
    let average = batch.get::<f64>("SELECT avg(copies) FROM books", ());
    let mut done = batch.send().await?;
    println!("{} returned", done.take(returned)?.rows_affected());
    println!("without a title: {:?}", done.take(again).unwrap_err().kind());
    println!("{} copies on average", done.take(average)?);

    // Streamed, and added up where the numbers are exact.
    let mut worth = Decimal::ZERO;
    let sql = "SELECT title, price, copies FROM books WHERE id IN (?) ORDER BY title DESC";
    let mut rows = db.query(sql, (list(&[1, 2, 4]),)).await?;
    while let Some(row) = rows.next().await? {
        let (title, price, copies): (&str, Decimal, i32) = row.scan()?;
        println!("{title}: {copies} of {price}");
        worth += price * Decimal::from(copies);
    }
    println!("worth {worth} in all");

    // The kinds of errors, and whether to run what failed again.
    let insert = "INSERT INTO books (isbn, title, price, copies, lent_out) VALUES";
    for (what, sql) in [
        ("taken", &*format!("{insert} ('978-1', 'x', '1.00', 1, FALSE)")),
        ("no title", &*format!("{insert} ('978-9', NULL, '1.00', 1, FALSE)")),
        ("fewer than none", &*format!("{insert} ('978-9', 'x', '1.00', -1, FALSE)")),
        ("in use", "DELETE FROM books WHERE id = 1"),
        ("no such table", "SELECT * FROM readers"),
        ("no such column", "SELECT pages FROM books"),
        ("not SQL", "SELEKT 1"),
        ("nothing to do", "DELETE FROM books WHERE id = 99"),
    ] {
        kind_of(&db, what, sql).await;
    }
    let found: Option<Book> = db
        .get_optional(
            "SELECT id, title, price, published, copies, lent_out FROM books WHERE isbn = ?",
            ("nowhere",),
        )
        .await?;
    println!("found: {}", found.is_some());
    let missing = db.get::<i64>("SELECT id FROM books WHERE isbn = ?", ("nowhere",)).await;
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NoRows);
    let changed = db.exec("UPDATE books SET copies = copies WHERE copies > ?", (0,)).await?;
    println!("found by an UPDATE that changes nothing: {}", changed.rows_affected());

    db.exec("DROP TABLE loans; DROP TABLE books", ()).await?;
    assert!(db.close().await.is_clean());
    Ok(())
}
