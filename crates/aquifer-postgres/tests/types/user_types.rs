//! Types that are not built in: enums, domains, composites, ranges, and those of extensions.

use aquifer_derive::{FromValue, ToValue};
use aquifer_driver::{Array, Command, ErrorKind, FromValue, Params, Value, Want};
use aquifer_postgres::{Composite, Hstore, PostgresConnection, Range};
use aquifer_testkit::postgres::Database;

use crate::paths::{Paths, arrays, few, query, scalars, texts};
use crate::support::{Postgres, SERVER, Session, connect, run};

const TYPES: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'very happy', '42', 'it''s', 'a,b');
    CREATE DOMAIN natural_number AS int4 CHECK (VALUE >= 0);
    CREATE DOMAIN frame AS mood CHECK (VALUE <> 'sad');
    CREATE DOMAIN hash AS bytea;
    CREATE DOMAIN list AS int4[];
    CREATE DOMAIN price AS numeric(10, 2);
    CREATE TYPE pair AS (a int4, b text);
    CREATE TYPE nested AS (p pair, m mood, at timestamptz, tags text[]);
    CREATE TYPE text_range AS RANGE (subtype = text);
    CREATE SCHEMA other;
    CREATE TYPE other.\"Odd name\" AS ENUM ('x');
    CREATE EXTENSION hstore;
    CREATE EXTENSION citext;
    CREATE EXTENSION ltree;
    CREATE EXTENSION cube;
    CREATE EXTENSION isn;
    CREATE TABLE row_of (id int8, m mood);";

const NAMES: [&str; 16] = [
    "mood",
    "natural_number",
    "frame",
    "hash",
    "list",
    "price",
    "pair",
    "nested",
    "text_range",
    "text_multirange",
    "other.\"Odd name\"",
    "hstore",
    "citext",
    "ltree",
    "cube",
    "row_of",
];

fn database() -> Database {
    let database = SERVER.fresh_database().unwrap();
    database.psql(TYPES).unwrap();
    database
}

#[test]
fn types_of_users_and_extensions_take_and_give_the_same_on_every_path() {
    run(async {
        let database = database();
        let mut paths = Paths::open(database.url(), "").await;
        let mut values = few(scalars(), 2);
        values.extend(texts(&[
            "sad",
            "ok",
            "very happy",
            "it's",
            "OK",
            "x",
            "(1,a)",
            "(,)",
            "(1,\"a \"\"b\"\" \\\\\")",
            "(\"(1,a)\",ok,\"2026-11-20 08:15:00+00\",\"{a,NULL,\"\"b c\"\"}\")",
            "[a,c)",
            "{[a,c)}",
            "\"a\"=>\"1\", \"b\"=>NULL",
            "a=>1",
            "Top.Science",
            "(1, 2),(3, 4)",
            "{1,2}",
            "\\x00",
            "12.345",
            "(7,sad)",
        ]));
        let mut lists = few(arrays(), 9);
        lists.extend(values.iter().map(|value| Value::Array(vec![value.clone(), Value::Null])));
        lists.extend([
            Value::Array(texts(&["sad", "a,b", "it's"])),
            Value::Array(vec![Value::Array(texts(&["ok"])), Value::Array(texts(&["sad"]))]),
            "{ok,\"very happy\",NULL}".into(),
        ]);
        let mut differences = Vec::new();
        let mut taken = 0;
        for name in NAMES {
            let array = format!("{name}[]");
            let both = values.iter().map(|v| (name, v)).chain(lists.iter().map(|v| (&*array, v)));
            for (of, value) in both {
                let first = paths.compare(&query(of), value.clone(), &mut differences).await;
                taken += usize::from(first.is_ok());
            }
        }
        assert!(differences.is_empty(), "{}:\n{}", differences.len(), differences.join("\n"));
        assert!(taken > 300, "{taken}");
    });
}

#[derive(Debug, Clone, Copy, PartialEq, FromValue, ToValue)]
#[aquifer(rename_all = "lowercase")]
enum Mood {
    Sad,
    Ok,
    #[aquifer(rename = "very happy")]
    VeryHappy,
}

#[derive(Debug, Clone, PartialEq, FromValue, ToValue)]
struct Natural(i32);

/// Runs a query twice, which is once down each path; its one cell must be the same.
async fn read<T>(session: &mut Session, sql: &str, params: &dyn Params) -> T
where
    T: for<'r> FromValue<'r> + PartialEq + std::fmt::Debug,
{
    let mut both = Vec::new();
    for _ in 0..2 {
        session.query(sql, params).await.unwrap();
        let row = session.batch.row(0).expect("a row");
        both.push(row.decode::<T>(0).unwrap_or_else(|error| panic!("{sql}: {error}")));
    }
    assert_eq!(both[0], both[1], "{sql}");
    both.remove(0)
}

#[test]
fn rust_enums_are_arguments_and_results_by_their_variants_names() {
    run(async {
        let database = database();
        let mut session = connect(database.url()).await.unwrap();
        let session = &mut session;
        for mood in [Mood::Sad, Mood::Ok, Mood::VeryHappy] {
            let got: Mood = read(session, "SELECT $1::mood", &(mood,)).await;
            assert_eq!(got, mood);
        }
        let some = [Some(Mood::Ok), None];
        for mood in some {
            let got: Option<Mood> = read(session, "SELECT $1::mood", &(mood,)).await;
            assert_eq!(got, mood);
        }
        let list = vec![Mood::VeryHappy, Mood::Sad];
        let got: Vec<Mood> = read(session, "SELECT $1::mood[]", &(Array(&list),)).await;
        assert_eq!(got, list);
        let got: Vec<Option<Mood>> = read(session, "SELECT $1::mood[]", &(Array(&some),)).await;
        assert_eq!(got, some);
        let got: Option<Vec<Mood>> = read(session, "SELECT NULL::mood[]", &()).await;
        assert_eq!(got, None);
        let got: Vec<Mood> = read(session, "SELECT '{}'::mood[]", &()).await;
        assert_eq!(got, []);

        // In columns, where the server finds the parameter's type itself.
        session.script("CREATE TABLE felt (m mood, ms mood[])").await.unwrap();
        for _ in 0..2 {
            let sql = "INSERT INTO felt VALUES ($1, $2)";
            session.query(sql, &(Mood::Ok, Array(&list))).await.unwrap();
        }
        let sql = "SELECT count(*) FROM felt WHERE m = $1 AND m = ANY ($2)";
        let got: i64 = read(session, sql, &(Mood::Ok, Array(&[Mood::Ok, Mood::Sad]))).await;
        assert_eq!(got, 2);
        let wrong = session.query("SELECT $1::mood", &("glad",)).await.unwrap_err();
        assert_eq!(wrong.sqlstate(), Some("22P02"));
        session.query("SELECT 'it''s'::mood", &()).await.unwrap();
        let error = session.batch.row(0).unwrap().decode::<Mood>(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conversion);
    });
}

#[test]
fn domains_composites_ranges_and_maps_are_read_as_rust_types() {
    run(async {
        let database = database();
        let mut session = connect(database.url()).await.unwrap();
        let session = &mut session;
        let got: Natural = read(session, "SELECT $1::natural_number", &(Natural(7),)).await;
        assert_eq!(got, Natural(7));
        let got: Vec<i32> = read(session, "SELECT $1::natural_number[]", &(Array(&[1, 2]),)).await;
        assert_eq!(got, [1, 2]);
        let got: Vec<i32> = read(session, "SELECT $1::list", &(Array(&[1, 2]),)).await;
        assert_eq!(got, [1, 2]);
        let got: Vec<u8> = read(session, "SELECT $1::hash", &(vec![0u8, 255],)).await;
        assert_eq!(got, [0, 255]);
        let pair = || Composite((1i32, "a \"b\", (c) \\".to_owned()));
        let got: Composite<(i32, String)> = read(session, "SELECT $1::pair", &(pair(),)).await;
        assert_eq!(got.0, pair().0);
        let got: Range<String> =
            read(session, "SELECT $1::text_range", &(Range::from("a,b".to_owned().."z".into()),))
                .await;
        assert_eq!(got, Range::from("a,b".to_owned().."z".into()));
        let map = Hstore(
            [("a \"q\"".to_owned(), Some("1, 2 => \\".to_owned())), ("".to_owned(), None)].into(),
        );
        let got: Hstore = read(session, "SELECT $1::hstore", &(map.clone(),)).await;
        assert_eq!(got, map);
        let got: String = read(session, "SELECT $1::citext", &("MiXed",)).await;
        assert_eq!(got, "MiXed");
        let error = session.query("SELECT $1::natural_number", &(-1,)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CheckViolation);
    });
}

#[test]
fn names_of_types_are_asked_for_once_and_never_behind_rows() {
    run(async {
        let database = database();
        let mut session = connect(database.url()).await.unwrap();
        let sql = "SELECT 1, '{}'::text[], 'ok'::mood, '{}'::mood[], 'x'::other.\"Odd name\", \
                   1::natural_number";
        session.query(sql, &()).await.unwrap();
        let columns = session.batch.columns();
        let oids: Vec<u32> = (0..6).map(|n| columns[n].type_id).chain([0, u32::MAX]).collect();
        assert_eq!(&*columns[2].type_name, "");
        let expected = ["INT4", "TEXT[]", "mood", "mood[]", "other.\"Odd name\"", "INT4"];
        let expected: Vec<_> =
            expected.map(|name| Some(name.to_owned())).into_iter().chain([None, None]).collect();
        let rounds = session.connection.counters().rounds;
        for _ in 0..2 {
            assert_eq!(session.postgres().type_names(&oids[..6]).await.unwrap(), expected[..6]);
        }
        assert_eq!(session.connection.counters().rounds, rounds + 1);
        assert_eq!(session.postgres().type_names(&oids).await.unwrap(), expected);

        let sql = "SELECT 'ok'::mood FROM generate_series(1, 100000)";
        session.connection.start(Command::Execute { sql, params: &(), want: Want::All }).unwrap();
        session.step().await.unwrap();
        let postgres: &mut PostgresConnection = session.postgres();
        let error = postgres.type_names(&[70_000]).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Protocol && error.nothing_sent(), "{error}");
        // What is known needs no question.
        assert_eq!(postgres.type_names(&oids[2..3]).await.unwrap(), expected[2..3]);
        session.connection.abandon();
        session.recover().await.unwrap();
        assert_eq!(session.postgres().type_names(&[u32::MAX]).await.unwrap(), [None]);
    });
}
