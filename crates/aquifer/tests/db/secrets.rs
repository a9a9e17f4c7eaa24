//! No password and no bound parameter in anything that is shown.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use aquifer::{Call, Db, Error, ErrorKind, Map, Observer, Registry, TransactionEnd};
use aquifer_testkit::fake::{FakeOptions, FakeServer, Fault, Operation};

use crate::support::*;

const SECRET: &str = "hunter2-s3cret";

/// Writes down everything that it is shown, in every form that it has.
#[derive(Default)]
struct Scribe(Mutex<String>);

impl Scribe {
    fn note(&self, what: &impl Debug) {
        write!(self.0.lock().unwrap(), "{what:?}{what:#?}").unwrap();
    }
}

impl Observer for Scribe {
    fn call(&self, call: &Call<'_>) {
        self.note(call);
    }

    fn slow(&self, call: &Call<'_>) {
        self.note(call);
    }

    fn transaction(&self, end: &TransactionEnd<'_>) {
        self.note(end);
    }
}

/// An error with its causes, in every form.
fn shown(error: &(dyn std::error::Error + 'static)) -> String {
    let mut out = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        write!(out, "{error} {error:?} {error:#?}").unwrap();
        next = error.source();
    }
    out
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_shown_holds_a_bound_parameter() {
    for options in [FakeOptions::new(), FakeOptions::like_postgres()] {
        let server = FakeServer::with_options(options);
        let scribe = Arc::new(Scribe::default());
        let db = builder(&server)
            .max_open(1)
            .slow_call(ms(0))
            .observer(Arc::clone(&scribe) as _)
            .open()
            .unwrap();
        let mut text = String::new();
        let mut errors: Vec<Error> = Vec::new();
        db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT UNIQUE, n INTEGER)", ())
            .await
            .unwrap();
        db.exec("INSERT INTO t (id, word) VALUES (?, ?)", (1, SECRET)).await.unwrap();
        let insert = "INSERT INTO t (id, word) VALUES (?, ?)";
        errors.push(db.exec(insert, (2, SECRET)).await.unwrap_err());
        errors.push(db.exec(insert, (SECRET,)).await.unwrap_err());
        errors.push(db.exec("SELECT ? FROM nothing", (SECRET,)).await.unwrap_err());
        errors
            .push(db.get::<i64>("SELECT word FROM t WHERE word = ?", (SECRET,)).await.unwrap_err());
        errors.push(
            db.get::<i64>("SELECT id FROM t WHERE word = ?", (format!("{SECRET}x"),))
                .await
                .unwrap_err(),
        );
        errors.push(db.timeout(ms(1)).exec("SLEEP 1000; SELECT 1", ()).await.unwrap_err());
        let mut map = Map::new();
        map.insert("word", SECRET);
        errors.push(db.exec_named("INSERT INTO t (word) VALUES (:wrod)", &map).await.unwrap_err());
        errors.push(
            db.exec_named("INSERT INTO t (id, word) VALUES (1, :word)", &map).await.unwrap_err(),
        );
        server.fail_next(Operation::Execute, Fault::LostUndone);
        errors.push(db.exec(insert, (3, SECRET)).await.unwrap_err());
        let mut tx = db.begin().await.unwrap();
        errors.push(tx.exec(insert, (4, SECRET)).await.unwrap_err());
        write!(text, "{tx:?}").unwrap();
        drop(tx.commit().await);

        let list = [SECRET, SECRET];
        let list = aquifer::list(&list);
        write!(text, "{list:?}").unwrap();
        let mut rows = db.query("SELECT word FROM t WHERE word IN (?)", (list,)).await.unwrap();
        write!(text, "{:?}", rows.next().await.unwrap()).unwrap();
        write!(text, "{rows:?}").unwrap();
        drop(rows);
        let stream = db.stream::<String>("SELECT ?", (SECRET,));
        write!(text, "{stream:?}").unwrap();
        drop(stream);
        let mut batch = db.batch();
        let ticket = batch.exec(insert, (5, SECRET));
        write!(text, "{batch:?} {ticket:?}").unwrap();
        let mut done = batch.send().await.unwrap();
        write!(text, "{done:?}").unwrap();
        errors.push(done.take(ticket).unwrap_err());
        let mut conn = db.acquire().await.unwrap();
        drop(conn.exec("SET word = ?", (SECRET,)).await);
        write!(text, "{conn:?} {:?} {db:?} {:?}", conn.info(), db.stats()).unwrap();
        drop(conn);
        let stmt = db.prepare("SELECT word FROM t WHERE word = ?").await.unwrap();
        write!(text, "{stmt:?}").unwrap();
        for error in &errors {
            text.push_str(&shown(error));
        }
        text.push_str(&scribe.0.lock().unwrap());
        assert!(!text.contains(SECRET) && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_shown_holds_a_password() {
    let server = FakeServer::new();
    let mut registry = Registry::new();
    registry.register(server.driver()).unwrap();
    let url = format!("fake://app:{SECRET}@db1/shop");
    let builder = Db::builder(&url).unwrap().registry(registry.clone());
    let mut text = format!("{builder:?} {registry:?}");
    let db = builder.open().unwrap();
    write!(text, "{db:?} {} {:?} {:?}", db.location(), db.options(), db.stats()).unwrap();
    server.fail_next(Operation::Connect, Fault::FailForGood(ErrorKind::Authentication));
    text.push_str(&shown(&db.ping().await.unwrap_err()));
    for wrong in [
        format!("fake://app:{SECRET}@db1/shop?mode=x"),
        format!("fake://app:{SECRET}@db1/shop?pool_max_opn=x"),
        format!("fake://app:{SECRET}@db1/shop?pool_max_open=many"),
        format!("nothing://app:{SECRET}@db1/shop"),
        SECRET.to_owned(),
    ] {
        let error = match Db::builder(&wrong) {
            Ok(builder) => builder.registry(registry.clone()).open().unwrap_err(),
            Err(error) => error,
        };
        text.push_str(&shown(&error));
    }
    assert!(!text.contains(SECRET) && !text.contains("hunter2"), "{text}");
    assert_eq!(db.location(), "db1/shop");
}
