//! Composite types as structs, by derive.

use aquifer_derive::{FromValue, ToValue};
use aquifer_driver::{Array, Date, ErrorKind, FromValue, Params};
use aquifer_postgres::List;
use aquifer_testkit::postgres::Database;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{SERVER, Session, connect, run};

/// What the derives find in `aquifer`.
mod aquifer {
    pub(crate) use aquifer_driver::*;
    pub(crate) mod postgres {
        pub(crate) use aquifer_postgres::*;
    }
}

const TYPES: &str = "
    CREATE TYPE kind AS ENUM ('home', 'the office');
    CREATE TYPE place AS (street text, number int4, kind kind);
    CREATE TYPE person AS (name text, born date, place place, score float8, tags text[]);
    CREATE DOMAIN checked AS place CHECK ((VALUE).number > 0);
    CREATE TYPE wide AS (a int, b int, c int, d int, e int, f int, g int, h int, i int, j int, k int, l int, m int, n int);
";

#[derive(Debug, Clone, Copy, PartialEq, FromValue, ToValue)]
#[aquifer(crate = "crate::composites::aquifer", rename_all = "lowercase")]
enum Kind {
    Home,
    #[aquifer(rename = "the office")]
    Office,
}

#[derive(Debug, Clone, PartialEq, FromValue, ToValue)]
#[aquifer(crate = "crate::composites::aquifer", composite)]
struct Place {
    street: Option<String>,
    number: i32,
    #[aquifer(skip)]
    seen: u8,
    kind: Option<Kind>,
}

#[derive(Debug, Clone, PartialEq, FromValue)]
#[aquifer(crate = "crate::composites::aquifer", composite)]
struct Person<S> {
    name: String,
    born: Date,
    place: Option<Place>,
    score: S,
    tags: Option<Vec<Option<String>>>,
}

/// The same, as an argument.
#[derive(Debug, ToValue)]
#[aquifer(crate = "crate::composites::aquifer", composite)]
struct NewPerson<'a>(&'a str, Date, Option<Place>, f64, Option<Array<'a, Option<String>>>);

#[derive(Debug, Clone, PartialEq, FromValue, ToValue)]
#[aquifer(crate = "crate::composites::aquifer", composite)]
struct Wide(i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, Option<i32>);

fn database() -> Database {
    let database = SERVER.fresh_database().unwrap();
    database.psql(TYPES).unwrap();
    database
}

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

fn place(street: Option<&str>, kind: Option<Kind>) -> Place {
    Place { street: street.map(str::to_owned), number: 7, seen: 0, kind }
}

#[test]
fn structs_are_composites_with_their_nulls_nested_in_arrays_and_under_domains() {
    run(async {
        let database = database();
        let mut session = connect(database.url()).await.unwrap();
        let session = &mut session;
        let places = [
            place(Some("a \"b\", (c) \\ 'd'"), Some(Kind::Office)),
            place(Some(""), Some(Kind::Home)),
            place(Some("NULL"), None),
            place(None, None),
        ];
        for place in &places {
            let given: Place = read(session, "SELECT $1::place", &(place,)).await;
            assert_eq!(given, *place);
            let given: Place = read(session, "SELECT $1::checked", &(place,)).await;
            assert_eq!(given, *place);
            let street: Option<String> =
                read(session, "SELECT ($1::place).street", &(place,)).await;
            assert_eq!(street, place.street);
        }
        let list = (Array(&places[..]),);
        let given: List<Place> = read(session, "SELECT $1::place[]", &list).await;
        assert_eq!(given.0, places);
        let some = [Some(places[0].clone()), None];
        let given: List<Option<Place>> =
            read(session, "SELECT $1::place[]", &(Array(&some),)).await;
        assert_eq!(given.0, some);
        let given: Option<Place> = read(session, "SELECT NULL::place", &()).await;
        assert_eq!(given, None);
        let given: Place = read(session, "SELECT ROW('x', 7, 'home'::kind)", &()).await;
        assert_eq!(given, place(Some("x"), Some(Kind::Home)));

        session.script("CREATE TABLE held (p place, ps place[], c checked)").await.unwrap();
        let insert = "INSERT INTO held VALUES ($1, $2, $3)";
        for _ in 0..2 {
            session.query(insert, &(&places[0], Array(&places[..]), &places[1])).await.unwrap();
        }
        let given: List<Place> =
            read(session, "SELECT ps FROM held WHERE p = $1::place", &(&places[0],)).await;
        assert_eq!(given.0, places);
        let bad = Place { number: -1, ..places[0].clone() };
        let refused = session.query(insert, &(&places[0], Array(&places[..]), &bad)).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::CheckViolation);

        let wide = Wide(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, None);
        assert_eq!(read::<Wide>(session, "SELECT $1::wide", &(&wide,)).await, wide);
    });
}

#[test]
fn a_composite_that_does_not_fit_its_struct_is_an_error_that_names_the_field() {
    run(async {
        let database = database();
        let mut session = connect(database.url()).await.unwrap();
        for (sql, parts) in [
            ("SELECT ROW('hunter2', 'hunter2', 'home')", ["Place", "`number`"]),
            ("SELECT ROW('hunter2', NULL, 'home')", ["Place", "`number`"]),
            ("SELECT ROW('hunter2', 1, 'hunter2')", ["`kind`", "none of"]),
            ("SELECT ROW('hunter2', 1)", ["Place", "2 fields, the type 3"]),
            ("SELECT 'hunter2'::text", ["Place", ""]),
        ] {
            for _ in 0..2 {
                session.query(sql, &()).await.unwrap();
                let error = session.batch.row(0).unwrap().decode::<Place>(0).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Conversion);
                let shown = format!("{error} {}", error.hint().unwrap_or_default());
                assert!(parts.iter().all(|part| shown.contains(part)), "{sql}: {shown}");
                assert!(!shown.contains("hunter2"), "{shown}");
            }
        }
    });
}

#[test]
fn made_up_composites_come_back() {
    let text = || {
        prop_oneof![
            any::<String>().prop_map(|text| text.replace('\0', " ")),
            "[{}\",\\\\; ()'%NULa\u{1}\u{a0}\u{1f980}]{0,12}",
        ]
    };
    let kind = || prop_oneof![Just(None), Just(Some(Kind::Home)), Just(Some(Kind::Office))];
    let places = (option::of(text()), any::<i32>(), kind())
        .prop_map(|(street, number, kind)| Place { street, number, seen: 0, kind });
    let tags = option::of(vec(option::of(text()), 0..4));
    let score =
        prop_oneof![Just(f64::INFINITY), Just(-0.0), any::<i32>().prop_map(|n| f64::from(n) / 8.0)];
    let people = (text(), -700_000..100_000i32, option::of(places), score, tags).prop_map(
        |(name, born, place, score, tags)| Person { name, born: Date(born), place, score, tags },
    );
    let database = database();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = database.url();
    let mut sessions = runtime.block_on(async {
        let simple = format!("{url}?default_query_exec_mode=simple_protocol");
        [connect(url).await.unwrap(), connect(&simple).await.unwrap()]
    });
    let sessions = std::cell::RefCell::new(&mut sessions);
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&vec(people, 1..3), |people| {
        let arguments: Vec<_> = people
            .iter()
            .map(|Person { name, born, place, score, tags }| {
                NewPerson(name, *born, place.clone(), *score, tags.as_deref().map(Array))
            })
            .collect();
        for session in sessions.borrow_mut().iter_mut() {
            runtime.block_on(async {
                let given: List<Person<f64>> =
                    read(session, "SELECT $1::person[]", &(Array(&arguments),)).await;
                prop_assert_eq!(&given.0, &people);
                let one: Person<f64> = read(session, "SELECT $1::person", &(&arguments[0],)).await;
                prop_assert_eq!(&one, &people[0]);
                Ok(())
            })?;
        }
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}
