//! The table of types in docs/types.md says what servers' values are read as.

use aquifer_driver::{Encoding, Value};

use crate::support::{SERVER, connect, run};

/// The kinds that cells of an encoding are, as the table calls them.
fn kind(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::I8 | Encoding::I16Le | Encoding::I32Le | Encoding::I64Le => "integer",
        Encoding::U8 | Encoding::U16Le | Encoding::U32Le | Encoding::U64Le => "integer",
        Encoding::F32Le | Encoding::F64Le => "float",
        Encoding::Decimal => "decimal",
        Encoding::Text => "text",
        Encoding::Bytes => "bytes",
        Encoding::Uuid => "UUID",
        Encoding::Json => "JSON",
        Encoding::DateLe => "date",
        Encoding::TimeLe => "time",
        Encoding::TimestampLe => "timestamp",
        Encoding::TimestampTzLe => "timestamp tz",
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_table_of_types_says_what_each_is_read_as() {
    let document = include_str!("../../../../docs/types.md");
    let table = document.split("<!-- mysql -->").nth(1).unwrap();
    let table = table.split("<!-- end of mysql -->").next().unwrap();
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        let mut checked = 0;
        for line in table.lines().filter(|line| line.contains('`')) {
            let [_, types, said, _]: [&str; 4] =
                line.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap();
            let said = said.split([';', ',', '(', ':']).next().unwrap().trim();
            for name in types.split('`').skip(1).step_by(2) {
                let ddl = name.replace("(n)", "(3)").replace("(…)", "('a','b')");
                let sql = format!("CREATE OR REPLACE TABLE t (v {ddl} NULL)");
                session.query(&sql, &()).await.unwrap();
                session.query("INSERT INTO t VALUES (NULL)", &()).await.unwrap();
                for text in [false, true] {
                    let sql = "SELECT v FROM t";
                    let rows = match text {
                        true => session.script(sql).await.unwrap(),
                        false => session.query(sql, &()).await.unwrap(),
                    };
                    assert_eq!(rows, [[Value::Null]], "{name}");
                    let column = &session.batch.columns()[0];
                    assert_eq!(kind(column.encoding), said, "{name}");
                    assert_eq!(column.nullable, Some(true), "{name}");
                    checked += 1;
                }
            }
        }
        assert!(checked > 60, "{checked}");
    });
}

#[test]
fn a_column_s_length_is_the_one_that_was_declared() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let ddl = "CREATE TABLE t (a VARCHAR(20), b CHAR(5), c VARBINARY(300), d BINARY(4), \
                   e VARCHAR(7) CHARACTER SET latin1, f INT)";
        for charset in ["utf8mb4", "utf8mb3"] {
            let url = format!("{}?charset={charset}", database.url());
            let mut session = connect(&url).await.unwrap();
            session.query("DROP TABLE IF EXISTS t", &()).await.unwrap();
            session.query(ddl, &()).await.unwrap();
            session.query("SELECT * FROM t", &()).await.unwrap();
            let lengths: Vec<_> = session.batch.columns().iter().map(|c| c.length).collect();
            let declared = [Some(20), Some(5), Some(300), Some(4), Some(7), None];
            assert_eq!(lengths, declared, "{charset}");
        }
    });
}

#[test]
fn a_column_that_is_never_null_says_so_unless_a_join_makes_it_so() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session.query("CREATE TABLE t (id INT PRIMARY KEY, v DATE)", &()).await.unwrap();
        session.query("INSERT INTO t VALUES (1, NULL)", &()).await.unwrap();
        for (sql, nullable) in [
            ("SELECT id, v, 1 FROM t", [Some(false), Some(true), Some(false)]),
            (
                "SELECT b.id, a.v, a.id FROM t a LEFT JOIN t b ON b.id = a.id + 1",
                [Some(true), Some(true), Some(false)],
            ),
        ] {
            for text in [false, true] {
                match text {
                    true => session.script(sql).await.unwrap(),
                    false => session.query(sql, &()).await.unwrap(),
                };
                let columns = session.batch.columns();
                let said: Vec<_> = columns.iter().map(|column| column.nullable).collect();
                assert_eq!(said, nullable, "{sql} {text}");
            }
        }
    });
}
