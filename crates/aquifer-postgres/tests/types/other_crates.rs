//! Types of other crates, to the server and back, by both paths.

use aquifer_driver::{FromValue, Json, Params, ToValue};
use serde::{Deserialize, Serialize};

use crate::support::{SERVER, connect, run};

/// What the server makes of the value, at its first use and at a later one.
async fn comes_back<T>(of: &str, value: T)
where
    T: for<'r> FromValue<'r> + ToValue + PartialEq + std::fmt::Debug,
    for<'t> (&'t T,): Params,
{
    let mut session = connect(&SERVER.url()).await.unwrap();
    let sql = format!("SELECT $1::{of}");
    for _ in 0..2 {
        session.query(&sql, &(&value,)).await.unwrap();
        let got: T =
            session.batch.row(0).unwrap().decode(0).unwrap_or_else(|e| panic!("{of}: {e}"));
        assert_eq!(got, value, "{of}");
    }
    let sql = format!("SELECT ARRAY[NULL, $1::{of}]");
    for _ in 0..2 {
        session.query(&sql, &(&value,)).await.unwrap();
        let got: Vec<Option<T>> = session.batch.row(0).unwrap().decode(0).unwrap();
        assert_eq!(got[1].as_ref(), Some(&value), "{of}[]");
        assert!(got[0].is_none());
    }
}

#[test]
fn dates_and_times_of_chrono() {
    run(async {
        let date = chrono::NaiveDate::from_ymd_opt(1969, 12, 31).unwrap();
        let time = chrono::NaiveTime::from_hms_micro_opt(23, 59, 59, 999_999).unwrap();
        comes_back("date", date).await;
        comes_back("date", chrono::NaiveDate::from_ymd_opt(-43, 3, 15).unwrap()).await;
        comes_back("time", time).await;
        comes_back("timestamp", date.and_time(time)).await;
        comes_back("timestamptz", date.and_time(time).and_utc()).await;
        comes_back("interval", chrono::TimeDelta::microseconds(-1_500_001)).await;
    });
}

#[test]
fn dates_and_times_of_time() {
    run(async {
        use time::macros::{date, datetime, time};
        comes_back("date", date!(2000 - 02 - 29)).await;
        comes_back("time", time!(00:00:00.000001)).await;
        comes_back("timestamp", datetime!(1999-12-31 23:59:59.5)).await;
        comes_back("timestamptz", datetime!(2026-11-20 08:15 UTC)).await;
        comes_back("interval", time::Duration::milliseconds(90_061_500)).await;
    });
}

#[test]
fn dates_and_times_of_jiff() {
    run(async {
        comes_back("date", jiff::civil::date(-1, 1, 1)).await;
        comes_back("time", jiff::civil::time(8, 15, 0, 250_000_000)).await;
        comes_back("timestamp", jiff::civil::date(2026, 11, 20).at(8, 15, 0, 1_000)).await;
        comes_back(
            "timestamptz",
            "2026-11-20T08:15:00.000001Z".parse::<jiff::Timestamp>().unwrap(),
        )
        .await;
        comes_back("interval", jiff::SignedDuration::from_millis(-1)).await;
    });
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
    tags: Vec<String>,
    note: Option<String>,
}

#[test]
fn uuids_decimals_and_documents() {
    run(async {
        comes_back("uuid", uuid::Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8)).await;
        for text in
            ["0", "-12.50", "0.0000000000000000000000000001", "79228162514264337593543950335"]
        {
            let decimal: rust_decimal::Decimal = text.parse().unwrap();
            comes_back("numeric", decimal).await;
        }
        let order = || Order { id: 7, tags: vec!["a\"b\\".into(), "\u{1f980}".into()], note: None };
        comes_back("json", Json(order())).await;
        comes_back("jsonb", Json(order())).await;
        comes_back("jsonb", serde_json::json!({ "a": [1, null, 1.5], "b": { "c": "\u{e9}" } }))
            .await;
    });
}
