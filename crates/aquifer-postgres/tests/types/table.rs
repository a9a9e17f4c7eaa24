//! The table of PostgreSQL's types in docs/types.md says what servers' values are read as.

use aquifer_driver::{Encoding, Value};

use crate::support::{SERVER, connect, run};

/// The kinds that cells of an encoding are, as the table calls them.
fn kind(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Bool => "boolean",
        Encoding::I16Be | Encoding::I32Be | Encoding::I64Be | Encoding::U32Be | Encoding::U64Be => {
            "integer"
        }
        Encoding::F32Be | Encoding::F64Be => "float",
        Encoding::Decimal => "decimal",
        Encoding::Text | Encoding::Literal => "text",
        Encoding::Bytes => "bytes",
        Encoding::Uuid => "UUID",
        Encoding::Json => "JSON",
        Encoding::Date2000Be => "date",
        Encoding::TimeBe => "time",
        Encoding::Timestamp2000Be => "timestamp",
        Encoding::TimestampTz2000Be => "timestamp tz",
        Encoding::IntervalBe => "interval",
        Encoding::Array => "array",
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_table_of_types_says_what_each_is_read_as() {
    let document = include_str!("../../../../docs/types.md");
    let table = document.split("<!-- postgresql -->").nth(1).unwrap();
    let table = table.split("<!-- end of postgresql -->").next().unwrap();
    run(async {
        let database = SERVER.fresh_database().unwrap();
        database.psql("CREATE EXTENSION hstore; CREATE EXTENSION citext").unwrap();
        let mut session = connect(database.url()).await.unwrap();
        let mut checked = 0;
        for line in table.lines().filter(|line| line.contains('`')) {
            let [_, types, said, _]: [&str; 4] =
                line.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap();
            let said = said.split([';', ',', '(']).next().unwrap().trim();
            // What follows "but" is excepted from the row.
            let types = match types.split_once(" but ") {
                Some((_, rest)) => rest.split_once(',').unwrap().1,
                None => types,
            };
            for name in types.split('`').skip(1).step_by(2) {
                let sql = format!("SELECT NULL::{}", name.replace("(n)", "(3)"));
                for _ in 0..2 {
                    assert_eq!(session.scalar(&sql).await.unwrap(), Value::Null);
                    let encoding = session.batch.columns()[0].encoding;
                    assert_eq!(kind(encoding), said, "{name}");
                    checked += 1;
                }
            }
        }
        assert!(checked > 80, "{checked}");
    });
}
