//! Values there and back.

use aquifer_driver::{ErrorKind, Value, ValueRef};

use super::case::{Case, Owner, Stop, Verdict, rule};

/// Equal in every bit.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        _ => left == right,
    }
}

async fn table(case: &Case, ddl: &str) -> Result<Owner, Stop> {
    let mut owner = case.connect().await?;
    let key = case.target.auto_key;
    owner.run(&format!("CREATE TABLE vals (id {key}, v {ddl})"), &()).await?;
    Ok(owner)
}

/// Binds each value, reads it back, by a new and by a cached statement.
async fn round_trip(case: &Case, ddl: &str, cases: &[(Value, Value)]) -> Verdict {
    let mut owner = table(case, ddl).await?;
    for (value, _) in cases {
        owner.run("INSERT INTO vals (v) VALUES (?)", &(value,)).await?;
    }
    for round in ["first use", "cached use"] {
        let got = owner.run("SELECT v FROM vals ORDER BY id", &()).await?.first_column();
        rule!(
            got.len() == cases.len(),
            "{ddl}: {} values are right, got {}",
            cases.len(),
            got.len()
        );
        for ((value, back), got) in cases.iter().zip(&got) {
            rule!(
                same(got, back),
                "a {} in a column {ddl} comes back as it went ({round}): {back:?} is right, got {got:?}",
                value.as_ref().kind()
            );
        }
    }
    owner.must_be_usable("reading values").await
}

fn unchanged<T: Into<Value>>(values: impl IntoIterator<Item = T>) -> Vec<(Value, Value)> {
    values
        .into_iter()
        .map(|value| {
            let value = value.into();
            (value.clone(), value)
        })
        .collect()
}

pub(super) async fn integers_round_trip(case: &Case) -> Verdict {
    let values = [
        0,
        1,
        -1,
        127,
        128,
        255,
        256,
        -128,
        -129,
        32_767,
        32_768,
        i64::from(i32::MAX),
        i64::from(i32::MIN),
        i64::from(u32::MAX),
        1 << 53,
        i64::MAX,
        i64::MIN,
    ];
    round_trip(case, case.target.integer, &unchanged(values)).await
}

pub(super) async fn floats_round_trip(case: &Case) -> Verdict {
    let values = [
        0.0,
        1.5,
        -2.25,
        0.1,
        1e300,
        1e-300,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        f64::EPSILON,
        f64::from_bits(1),
        9_007_199_254_740_993.0,
    ];
    // An engine without them must refuse them, which the check of what is refused sees to.
    let infinities = [f64::INFINITY, f64::NEG_INFINITY]
        .into_iter()
        .filter(|value| !case.target.refused.contains(&Value::Float(*value)));
    let values: Vec<f64> = values.into_iter().chain(infinities).collect();
    round_trip(case, case.target.real, &unchanged(values)).await
}

pub(super) async fn not_a_number_is_never_another_number(case: &Case) -> Verdict {
    let mut owner = table(case, case.target.real).await?;
    match owner.run("INSERT INTO vals (v) VALUES (?)", &(f64::NAN,)).await {
        Ok(_) => {
            let set = owner.run("SELECT v FROM vals", &()).await?;
            rule!(
                matches!(set.scalar(), Some(Value::Null))
                    || matches!(set.scalar(), Some(Value::Float(v)) if v.is_nan()),
                "NaN comes back as NaN or NULL, or is refused; got {:?}",
                set.scalar()
            );
        }
        Err(error) => rule!(
            matches!(error.kind(), ErrorKind::Argument | ErrorKind::Data),
            "a refused NaN is an error of kind Argument or Data, got {:?}",
            error.kind()
        ),
    }
    owner.must_be_usable("NaN").await
}

pub(super) async fn text_round_trips(case: &Case) -> Verdict {
    let long = "Überfluß ".repeat(5_000);
    let values = [
        "",
        " ",
        "Nera",
        "it's",
        "\"quoted\"",
        "back\\slash",
        "line\nfeed\r\ttab",
        "é ß 漢字 🌊 \u{10ffff}",
        "NULL",
        "0",
        "1.5",
        &long,
    ];
    round_trip(case, case.target.text, &unchanged(values)).await
}

pub(super) async fn a_nul_in_text_is_kept_or_refused(case: &Case) -> Verdict {
    let mut owner = table(case, case.target.text).await?;
    let text = "a\0b";
    match owner.run("INSERT INTO vals (v) VALUES (?)", &(text,)).await {
        Ok(_) => {
            let set = owner.run("SELECT v FROM vals", &()).await?;
            rule!(
                set.scalar() == Some(&text.into()),
                "a NUL in text is kept or refused, never the end of the text"
            );
        }
        Err(error) => rule!(
            matches!(error.kind(), ErrorKind::Argument | ErrorKind::Data),
            "a refused NUL is an error of kind Argument or Data, got {:?}: {error}",
            error.kind()
        ),
    }
    owner.must_be_usable("a NUL in text").await
}

pub(super) async fn bytes_round_trip(case: &Case) -> Verdict {
    let every: Vec<u8> = (0..=255).collect();
    let values = vec![vec![], vec![0], vec![0xff, 0xfe, 0x00], every, vec![7; 100_000]];
    round_trip(case, case.target.blob, &unchanged(values)).await
}

pub(super) async fn null_empty_text_and_empty_bytes_differ(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    let (text, blob) = (case.target.text, case.target.blob);
    owner.run(&format!("CREATE TABLE vals (a {text}, b {blob})"), &()).await?;
    let rows: [(Option<&str>, Option<&[u8]>); 3] =
        [(None, None), (Some(""), None), (None, Some(b""))];
    for row in rows {
        owner.run("INSERT INTO vals (a, b) VALUES (?, ?)", &row).await?;
    }
    for (condition, right) in [
        ("a IS NULL AND b IS NULL", vec![Value::Null, Value::Null]),
        ("a IS NOT NULL", vec!["".into(), Value::Null]),
        ("b IS NOT NULL", vec![Value::Null, Value::Bytes(Vec::new())]),
    ] {
        let set = owner.run(&format!("SELECT a, b FROM vals WHERE {condition}"), &()).await?;
        rule!(
            set.rows == [right.clone()],
            "NULL, empty text and empty bytes are three things: {condition} gave {:?}, right is {right:?}",
            set.rows
        );
    }
    Ok(())
}

pub(super) async fn declared_kinds_round_trip(case: &Case) -> Verdict {
    case.needs(!case.target.kinds.is_empty(), "the target declares no further kinds")?;
    for (index, kind) in case.target.kinds.iter().enumerate() {
        let mut owner = case.connect().await?;
        let (name, ddl) = (format!("vals_{index}"), kind.ddl);
        owner.run(&format!("CREATE TABLE {name} (v {ddl})"), &()).await?;
        owner.run(&format!("INSERT INTO {name} (v) VALUES (?)"), &(&kind.value,)).await?;
        for round in ["first use", "cached use"] {
            let set = owner.run(&format!("SELECT v FROM {name}"), &()).await?;
            rule!(
                set.scalar().is_some_and(|got| same(got, &kind.back)),
                "a {} in a column {ddl} comes back as {:?} ({round}), got {:?}",
                kind.value.as_ref().kind(),
                kind.back,
                set.scalar()
            );
        }
        if case.connector().layout() == aquifer_driver::Layout::One {
            // The next connection would be another database; this one may be used again.
            owner.run(&format!("DROP TABLE {name}"), &()).await?;
        }
        let _ = owner.connection.close().await;
    }
    Ok(())
}

pub(super) async fn null_round_trips_in_every_kind(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    let target = &case.target;
    let mut types = vec![target.integer, target.real, target.text, target.blob];
    types.extend(target.kinds.iter().map(|kind| kind.ddl));
    let columns: Vec<_> = types.iter().enumerate().map(|(i, ddl)| format!("c{i} {ddl}")).collect();
    owner.run(&format!("CREATE TABLE vals ({})", columns.join(", ")), &()).await?;
    let marks = vec!["?"; types.len()].join(", ");
    let nulls = vec![Value::Null; types.len()];
    owner.run(&format!("INSERT INTO vals VALUES ({marks})"), &nulls).await?;
    let set = owner.run("SELECT * FROM vals", &()).await?;
    rule!(set.rows == [nulls], "NULL is NULL in a column of every type, got {:?}", set.rows);
    Ok(())
}

pub(super) async fn first_and_cached_use_give_the_same(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    let target = &case.target;
    let (integer, real, text, blob) = (target.integer, target.real, target.text, target.blob);
    let ddl = format!("CREATE TABLE vals (a {integer}, b {real}, c {text}, d {blob})");
    owner.run(&ddl, &()).await?;
    let row: Vec<Value> = vec![7.into(), 0.5.into(), "Nera".into(), vec![1u8, 2].into()];
    owner.run("INSERT INTO vals VALUES (?, ?, ?, ?)", &row).await?;
    owner.run("INSERT INTO vals VALUES (?, ?, ?, ?)", &vec![Value::Null; 4]).await?;
    let mut seen: Option<Vec<Vec<Value>>> = None;
    for use_no in 1..=6 {
        let set = owner.run("SELECT a, b, c, d FROM vals", &()).await?;
        rule!(set.rows.first() == Some(&row), "use {use_no} gave {:?}", set.rows);
        if let Some(first) = &seen {
            rule!(
                *first == set.rows,
                "every use of a statement gives the same values; use {use_no} gave others"
            );
        }
        seen = Some(set.rows);
    }
    Ok(())
}

pub(super) async fn refused_kinds_leave_the_connection_as_it_was(case: &Case) -> Verdict {
    case.needs(!case.target.refused.is_empty(), "the driver refuses no kind of argument")?;
    let mut owner = case.with_table().await?;
    for value in &case.target.refused {
        let kind = value.as_ref().kind();
        for round in ["first use", "cached use"] {
            let before = owner.connection.counters().rounds;
            let started = owner.start("SELECT n FROM t WHERE n = ?", &(value,));
            let Err(error) = started else {
                return Err(Stop::Broken(format!(
                    "start: an argument that the engine cannot take ({kind}) is refused at once"
                )));
            };
            rule!(
                error.kind() == ErrorKind::Argument && error.nothing_sent(),
                "start: a refused {kind} is an error of kind Argument with nothing sent, got {:?}",
                error.kind()
            );
            rule!(
                owner.connection.counters().rounds == before,
                "start: nothing is sent for a refused {kind} ({round})"
            );
            owner.must_be_usable("a refused argument").await?;
            owner.run("SELECT n FROM t WHERE n = ?", &(ValueRef::Int(1),)).await?;
        }
    }
    Ok(())
}
