//! Dates and times: those that the calendar does not have, spans, and sessions in other zones.

use std::time::Duration;

use aquifer_driver::{Command, Date, ErrorKind, FromValue, Interval, Result, Value, Want};

use crate::support::{SERVER, Session, connect, run};

/// Has the first rows of a query in the batch, by either protocol.
async fn ask(session: &mut Session, sql: &str, text: bool) {
    session.connection.abandon();
    session.recover().await.unwrap();
    let command = match text {
        true => Command::Script { sql },
        false => Command::Execute { sql, params: &(), want: Want::All },
    };
    session.connection.start(command).unwrap();
    session.step().await.unwrap();
}

/// A cell of the first row.
fn cell<T: for<'r> FromValue<'r>>(session: &Session, index: usize) -> Result<T> {
    session.batch.row(0).expect("a row").get(index)
}

async fn with_zero_dates(url: &str) -> Session {
    let mut session = connect(url).await.unwrap();
    session
        .script(
            "CREATE OR REPLACE TABLE t (n INT, d DATE NOT NULL, m DATETIME(2) NOT NULL, \
             s TIMESTAMP NOT NULL DEFAULT 0); \
             SET sql_mode = 'ALLOW_INVALID_DATES'; \
             INSERT INTO t VALUES (1, '0000-00-00', '2026-02-00 08:15:00.25', 0), \
             (2, '2026-02-31', '0000-00-00 00:00:00', '2026-11-20 08:15:00')",
        )
        .await
        .unwrap();
    session
}

#[test]
fn a_zero_date_is_an_error_of_its_cell_alone() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = with_zero_dates(database.url()).await;
        for text in [false, true] {
            ask(&mut session, "SELECT n, d, m, s FROM t", text).await;
            assert_eq!(cell::<i64>(&session, 0).unwrap(), 1);
            for column in 1..4 {
                let error = cell::<Option<Value>>(&session, column).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Conversion, "{error}");
                assert!(error.to_string().contains("zero date"), "{error}");
                assert!(error.hint().is_some_and(|hint| hint.contains("zeroDates")), "{error:?}");
            }
        }
    });
}

#[test]
fn zero_dates_are_null_or_text_where_that_is_asked_for() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let url = format!("{}?zeroDates=null", database.url());
        let mut session = with_zero_dates(&url).await;
        let moment = Value::TimestampTz(1_795_162_500_000_000);
        let expected =
            [[Value::Null, Value::Null, Value::Null], [Value::Null, Value::Null, moment]];
        let sql = "SELECT d, m, s FROM t ORDER BY n";
        assert_eq!(session.query(sql, &()).await.unwrap(), expected);
        assert_eq!(session.batch.columns()[0].nullable, Some(true));
        assert_eq!(session.script(sql).await.unwrap(), expected);
        {
            let url = format!("{}?zeroDates=text", database.url());
            let mut session = connect(&url).await.unwrap();
            let expected = [
                ["0000-00-00", "2026-02-00 08:15:00.25", "0000-00-00 00:00:00"],
                ["2026-02-31", "0000-00-00 00:00:00.00", "2026-11-20 08:15:00"],
            ]
            .map(|row| row.map(|text| Value::Text(text.into())));
            assert_eq!(session.query(sql, &()).await.unwrap(), expected);
            assert_eq!(session.script(sql).await.unwrap(), expected);
        }
    });
}

#[test]
fn a_time_reads_as_a_span_of_either_sign_and_any_length() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        let sql = "SELECT CAST('-838:59:59.000001' AS TIME(6)), CAST('100:00:01.5' AS TIME(6))";
        for text in [false, true] {
            ask(&mut session, sql, text).await;
            let negative = -jiff::SignedDuration::new(3_020_399, 1_000);
            assert_eq!(cell::<jiff::SignedDuration>(&session, 0).unwrap(), negative);
            assert_eq!(cell::<String>(&session, 0).unwrap(), "-838:59:59.000001");
            assert!(cell::<Duration>(&session, 0).is_err(), "it is negative");
            let long = Duration::from_millis(360_001_500);
            assert_eq!(cell::<Duration>(&session, 1).unwrap(), long);
            let long = Interval { months: 0, days: 0, micros: 360_001_500_000 };
            assert_eq!(cell::<Interval>(&session, 1).unwrap(), long);
        }
        session.connection.abandon();
        session.recover().await.unwrap();
        let span = Duration::from_millis(360_001_500);
        let rows = session.query("SELECT CAST(? AS TIME(1))", &(span,)).await.unwrap();
        assert_eq!(rows, [[Value::Time(360_001_500_000)]]);
    });
}

#[test]
fn an_instant_stays_the_same_in_a_session_of_another_offset() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let url = format!("{}?time_zone=%2B05:30", database.url());
        let mut east = connect(&url).await.unwrap();
        let mut utc = connect(database.url()).await.unwrap();
        east.query("CREATE TABLE t (s TIMESTAMP(6) NOT NULL, m DATETIME)", &()).await.unwrap();
        let instant = Value::TimestampTz(1_795_162_500_000_001);
        let local = Value::Timestamp(0);
        let both = vec![instant.clone(), local.clone()];
        east.query("INSERT INTO t VALUES (?, ?)", &both).await.unwrap();
        let sql = "SELECT s, m FROM t";
        for session in [&mut east, &mut utc] {
            assert_eq!(session.query(sql, &()).await.unwrap(), std::slice::from_ref(&both));
            assert_eq!(session.script(sql).await.unwrap(), std::slice::from_ref(&both));
        }
        let rows = east.query("SELECT s FROM t WHERE s = ?", &(instant.clone(),)).await.unwrap();
        assert_eq!(rows, [std::slice::from_ref(&instant)]);
        // The session's own SET is followed, and so are statements that are prepared already.
        utc.query("SET time_zone = '-03:00'", &()).await.unwrap();
        for _ in 0..2 {
            assert_eq!(utc.query(sql, &()).await.unwrap(), std::slice::from_ref(&both));
        }
        utc.query("SET time_zone = 'SYSTEM'", &()).await.unwrap();
        let rows = utc.query(sql, &()).await.unwrap();
        assert!(matches!(rows[0][0], Value::Timestamp(_)), "{rows:?}");
        let error = utc.query("SELECT ?", &(instant,)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
        utc.command(Command::Reset).await.unwrap();
        assert_eq!(utc.query(sql, &()).await.unwrap(), [both]);
        let dates = utc.query("SELECT DATE'9999-12-31', DATE'0001-01-01'", &()).await.unwrap();
        assert_eq!(dates, [[Value::Date(Date(2_932_896)), Value::Date(Date(-719_162))]]);
    });
}
