//! Servers that break the protocol during a COPY: typed errors, bounded memory, and a connection of which it is
//! known what it is still good for.

use std::time::Duration;

use aquifer_driver::{ErrorKind, Result, Status};
use aquifer_testkit::allocations_of;
use aquifer_testkit::postgres::backend::{self, message};
use aquifer_testkit::scripted::{Script, Scripted};

use super::support::{Postgres, Session, connect, run, until};
use super::{BYTES_MAX, PASSWORD, assert_silent, frames, greeting, spoiled, url};

const INT4: u32 = 23;
const TEXT: u32 = 25;
const COLUMNS: [(&str, u32, i16); 2] = [("id", INT4, 4), ("name", TEXT, -1)];
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TAIL: &[u8] = b"\xff\xff";
const ROW: &[u8] = b"\0\x02\0\0\0\x04\0\0\0\x07\0\0\0\x04Elbe";

fn begins(tag: u8, binary: bool, columns: u16) -> Vec<u8> {
    let format = u8::from(binary);
    let mut body = vec![format];
    body.extend_from_slice(&columns.to_be_bytes());
    (0..columns).for_each(|_| body.extend_from_slice(&[0, format]));
    message(tag, &body)
}

fn data(bytes: &[u8]) -> Vec<u8> {
    message(b'd', bytes)
}

fn done() -> Vec<u8> {
    message(b'c', &[])
}

fn ends() -> Vec<Vec<u8>> {
    vec![backend::command_complete("COPY 2"), backend::ready_for_query(b'I')]
}

fn refused() -> Vec<Vec<u8>> {
    let error = [(b'S', "ERROR"), (b'C', "22P02"), (b'M', "invalid input"), (b'W', "line 1")];
    vec![backend::error_response(&error), backend::ready_for_query(b'I')]
}

fn aside() -> Vec<u8> {
    [
        backend::notice_response(&[(b'S', "WARNING"), (b'C', "01000"), (b'M', "by the way")]),
        backend::parameter_status("TimeZone", "Europe/Berlin"),
        backend::notification_response(7, "channel", "payload"),
    ]
    .concat()
}

/// What the server says to the question that comes before a COPY of rows.
fn described() -> Vec<u8> {
    frames(&[
        backend::parse_complete(),
        backend::parameter_description(&[]),
        backend::row_description(&COLUMNS, false),
        backend::ready_for_query(b'I'),
    ])
}

fn begun() -> Script {
    Script::new().startup().send(frames(&greeting()))
}

/// The next command is answered: the connection is in step.
fn and_goes_on(script: Script) -> Script {
    let answer = [
        backend::row_description(&[("n", INT4, 4)], false),
        backend::data_row(&[Some(b"7")]),
        backend::command_complete("SELECT 1"),
        backend::ready_for_query(b'I'),
    ];
    script.expect("Q").send(frames(&answer))
}

async fn assert_goes_on(session: &mut Session) {
    session.recover().await.unwrap();
    assert_eq!(session.status(), Status::Idle);
    assert_eq!(session.script("SELECT 7").await.unwrap(), [[7.into()]]);
}

async fn copy_out(session: &mut Session) -> Result<(Vec<u8>, u64)> {
    let mut copy = session.postgres().copy_out("COPY rivers TO STDOUT").await?;
    let mut all = Vec::new();
    while let Some(chunk) = copy.try_next().await? {
        all.extend_from_slice(chunk);
    }
    Ok((all, copy.rows()))
}

async fn rows_out(session: &mut Session) -> Result<Vec<(i32, String)>> {
    let rows = session.postgres().copy_out_rows("SELECT id, name FROM rivers").await?;
    rows.collect().await
}

async fn copy_in(session: &mut Session) -> Result<u64> {
    let mut copy = session.postgres().copy_in("COPY rivers FROM STDIN").await?;
    copy.send(b"7\tElbe\n").await?;
    copy.finish().await
}

fn out_in_text() -> Vec<Vec<u8>> {
    [vec![begins(b'H', false, 2), data(b"7\tElbe\n"), data(b"8\tOder\n"), done()], ends()].concat()
}

fn out_in_binary() -> Vec<Vec<u8>> {
    let first = data(&[HEAD, ROW].concat());
    [vec![begins(b'H', true, 2), first, data(ROW), data(TAIL), done()], ends()].concat()
}

#[test]
fn no_spoiled_copy_does_harm() {
    type Call = fn(&mut Session) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + '_>>;
    let calls: [(&str, Vec<Vec<u8>>, Call); 3] = [
        ("out", out_in_text(), |session| Box::pin(async { copy_out(session).await.map(|_| ()) })),
        ("rows", out_in_binary(), |session| {
            Box::pin(async { rows_out(session).await.map(|_| ()) })
        }),
        ("in", [vec![begins(b'G', false, 2)], ends()].concat(), |session| {
            Box::pin(async { copy_in(session).await.map(|_| ()) })
        }),
    ];
    for (call, answer, run_call) in calls {
        let cases = spoiled(&answer);
        let scripts = cases.iter().map(|(_, bytes)| {
            let script = match call {
                "rows" => begun().expect("PDS").send(described()),
                _ => begun(),
            };
            script.expect("Q").send(bytes.clone()).half_close().await_close()
        });
        let server = Scripted::start(scripts).unwrap();
        run(async {
            let url = url(&server);
            for (name, _) in &cases {
                let mut session = connect(&url).await.unwrap();
                let (result, spent) = allocations_of(run_call(&mut session)).await;
                assert!(spent.bytes < BYTES_MAX, "{call}, {name}: {} bytes", spent.bytes);
                let Err(error) = result else { continue };
                assert_silent(&error, PASSWORD);
                assert!(!error.nothing_sent(), "{call}, {name}: {error:?}");
                if error.is_connection_lost() {
                    assert_eq!(session.status(), Status::Broken, "{call}, {name}: {error:?}");
                }
                // Whatever is left of the COPY comes to an end.
                let recovered = session.recover().await;
                assert_ne!(session.status(), Status::Busy, "{call}, {name}: {recovered:?}");
            }
        });
    }
}

#[test]
fn what_a_server_may_say_at_any_time_disturbs_no_copy() {
    let mut scripts = Vec::new();
    let places = out_in_text().len();
    for at in 0..=places {
        let mut out = out_in_text();
        out.insert(at, aside());
        let mut into = ends();
        into.insert(at.min(into.len()), aside());
        let script = begun().expect("Q").send_in_pieces(frames(&out), 3);
        let script = script.expect("Q").send([aside(), begins(b'G', false, 2), aside()].concat());
        scripts.push(and_goes_on(script.expect("dc").send_in_pieces(frames(&into), 1)));
    }
    let server = Scripted::start(scripts).unwrap();
    run(async {
        for _ in 0..=places {
            let mut session = connect(&url(&server)).await.unwrap();
            let out = copy_out(&mut session).await.unwrap();
            assert_eq!(out, (b"7\tElbe\n8\tOder\n".to_vec(), 2));
            assert_eq!(copy_in(&mut session).await.unwrap(), 2);
            assert_goes_on(&mut session).await;
        }
    });
}

#[test]
fn messages_that_no_copy_has_end_the_session() {
    let out = |messages: &[Vec<u8>]| [messages.concat(), frames(&ends())].concat();
    let start = || begins(b'H', false, 2);
    let answers = [
        ("data after its end", out(&[start(), done(), data(b"8\n")])),
        ("data before its beginning", out(&[data(b"8\n")])),
        ("an end before its beginning", out(&[done()])),
        ("fewer columns than it says", out(&[message(b'H', b"\0\x7f\xff\0\0")])),
        ("more columns than it says", out(&[message(b'H', b"\0\0\x01\0\0\0\0")])),
        ("half a count of columns", out(&[message(b'H', b"\0\0")])),
        ("an end without one", [start(), backend::ready_for_query(b'I')].concat()),
        ("a password request", out(&[start(), backend::authentication(3, &[])])),
    ];
    let scripts = answers.iter().map(|(_, answer)| begun().expect("Q").send(answer.clone()));
    let server = Scripted::start(scripts).unwrap();
    run(async {
        let mut believed = Vec::new();
        for (name, _) in &answers {
            let mut session = connect(&url(&server)).await.unwrap();
            let kind = copy_out(&mut session).await.map_err(|error| error.kind());
            if (&kind, session.status()) != (&Err(ErrorKind::Protocol), Status::Broken) {
                believed.push((name, kind, session.status()));
            }
        }
        assert!(believed.is_empty(), "{believed:?}");
    });
}

#[test]
fn data_that_is_no_copy_of_rows_is_refused_and_the_session_goes_on() {
    let start = || begins(b'H', true, 2);
    let with = |row: &[u8]| vec![start(), data(&[HEAD, row, TAIL].concat()), done()];
    let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("half a head", vec![start(), data(&HEAD[..13]), done()]),
        ("no head", vec![start(), data(ROW), data(TAIL), done()]),
        ("no data", vec![start(), done()]),
        ("no end", vec![start(), data(HEAD), data(ROW), done()]),
        ("a row after the end", vec![start(), data(&[HEAD, TAIL, ROW].concat()), done()]),
        ("a row of a negative count", with(b"\xff\xfe\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff")),
        ("a row of too many", with(b"\0\x03\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff\xff\xff\xff\xff")),
        ("a negative length", with(b"\0\x02\0\0\0\x04\0\0\0\x07\xff\xff\xff\xfe")),
        ("a huge length", with(b"\0\x02\0\0\0\x04\0\0\0\x07\x7f\xff\xff\xff")),
        ("lengths that are huge together", with(b"\0\x02\x3f\xff\xff\xff\x3f\xff\xff\xff")),
        ("an extension of 4 GiB", {
            let head = [&HEAD[..15], b"\xff\xff\xff\xff"].concat();
            vec![start(), data(&head), data(ROW), data(TAIL), done()]
        }),
        ("text", vec![begins(b'H', false, 2), data(b"7\tElbe\n"), done()]),
    ];
    let scripts = cases.iter().map(|(_, messages)| {
        let answer = [frames(messages), frames(&ends())].concat();
        and_goes_on(begun().expect("PDS").send(described()).expect("Q").send(answer))
    });
    let server = Scripted::start(scripts).unwrap();
    run(async {
        for (name, _) in &cases {
            let mut session = connect(&url(&server)).await.unwrap();
            let (read, spent) = allocations_of(rows_out(&mut session)).await;
            let error = read.expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Conversion, "{name}: {error:?}");
            assert!(!error.is_connection_lost(), "{name}: {error:?}");
            assert!(spent.bytes < BYTES_MAX, "{name}: {} bytes", spent.bytes);
            assert_goes_on(&mut session).await;
        }
    });
}

#[test]
fn after_data_that_cannot_be_read_there_are_no_rows() {
    let wrong = data(b"\0\x02\0\0\0\x04\0\0\0\x08\xff\xff\xff\xfe");
    let answer = [
        vec![begins(b'H', true, 2), data(&[HEAD, ROW].concat()), wrong, data(ROW), data(TAIL)],
        vec![done()],
        ends(),
    ];
    let script = begun().expect("PDS").send(described()).expect("Q").send(answer.concat().concat());
    let server = Scripted::start([and_goes_on(script)]).unwrap();
    run(async {
        let mut session = connect(&url(&server)).await.unwrap();
        let mut rows =
            session.postgres().copy_out_rows("SELECT id, name FROM rivers").await.unwrap();
        let mut errors = Vec::new();
        for _ in 0..4 {
            match rows.try_next::<(i32, String)>().await {
                Ok(row) => assert_eq!(row, Some((7, "Elbe".to_owned()))),
                Err(error) => errors.push(error.kind()),
            }
        }
        assert_eq!(errors.first(), Some(&ErrorKind::Conversion));
        assert!(errors[1..].iter().all(|kind| *kind == ErrorKind::Closed), "{errors:?}");
        drop(rows);
        assert_goes_on(&mut session).await;
    });
}

#[test]
fn a_copy_that_nobody_asked_for_is_refused_and_the_session_goes_on() {
    let script = || begun().expect("Q");
    let given = [vec![begins(b'H', false, 1), data(b"7\n"), done()], ends()].concat();
    let scripts = [
        // To an ordinary statement, and to a COPY of the other direction.
        script().send(begins(b'G', false, 1)).expect("f").send(frames(&refused())),
        script().send(frames(&given)),
        script().send(begins(b'G', false, 1)).expect("f").send(frames(&refused())),
        script().send(frames(&given)),
    ];
    let server = Scripted::start(scripts.map(and_goes_on)).unwrap();
    run(async {
        for case in 0..4 {
            let mut session = connect(&url(&server)).await.unwrap();
            let error = match case {
                0 | 1 => session.script("SELECT copies()").await.unwrap_err(),
                2 => copy_out(&mut session).await.unwrap_err(),
                _ => copy_in(&mut session).await.unwrap_err(),
            };
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{case}: {error:?}");
            assert_goes_on(&mut session).await;
        }
    });
}

#[test]
fn an_error_in_the_middle_of_a_copy_is_its_end() {
    let out = [vec![begins(b'H', false, 2), data(b"7\tElbe\n"), aside()], refused()].concat();
    let scripts = [
        and_goes_on(begun().expect("Q").send(frames(&out))),
        begun().expect("Q").send([begins(b'G', false, 2), aside(), refused().concat()].concat()),
        // Said before a byte of the data was sent, and heard by whoever sends it.
        begun().expect("Q").send(begins(b'G', false, 2)).expect("d").send(refused().concat()),
    ];
    let server = Scripted::start(scripts.map(Script::await_close)).unwrap();
    run(async {
        let mut session = connect(&url(&server)).await.unwrap();
        let error = copy_out(&mut session).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("22P02"), "{error:?}");
        assert_goes_on(&mut session).await;
        for _ in 0..2 {
            let mut session = connect(&url(&server)).await.unwrap();
            let mut copy = session.postgres().copy_in("COPY rivers FROM STDIN").await.unwrap();
            let error = loop {
                match copy.send(&[b'x'; 100_000]).await {
                    Ok(()) => tokio::time::sleep(Duration::from_millis(1)).await,
                    Err(error) => break error,
                }
            };
            assert_eq!(error.sqlstate(), Some("22P02"), "{error:?}");
            // It is over, and says so.
            assert_eq!(copy.send(b"x").await.unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(copy.finish().await.unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(session.status(), Status::Idle);
        }
    });
}

#[test]
fn a_copy_whose_connection_is_cut_says_so() {
    let out = [begins(b'H', false, 2), data(b"7\tElbe\n")].concat();
    let scripts = [
        begun().expect("Q").send(out.clone()),
        begun().expect("Q").send(out).reset(),
        begun().expect("Q").send(begins(b'G', false, 2)),
        begun().expect("Q").send(begins(b'G', false, 2)).expect("dc"),
    ];
    let server = Scripted::start(scripts).unwrap();
    run(async {
        for case in 0..4 {
            let mut session = connect(&url(&server)).await.unwrap();
            let error = match case {
                0 | 1 => copy_out(&mut session).await.unwrap_err(),
                _ => copy_in(&mut session).await.unwrap_err(),
            };
            assert!(error.is_connection_lost(), "{case}: {error:?}");
            assert!(!error.nothing_sent(), "{case}: {error:?}");
            assert_eq!(session.status(), Status::Broken, "{case}");
        }
    });
}

#[test]
fn a_server_that_ends_a_copy_early_is_not_believed() {
    let answer = [vec![begins(b'G', false, 2)], ends()].concat();
    let server =
        Scripted::start([begun().expect("Q").send(frames(&answer)).await_close()]).unwrap();
    run(async {
        let mut session = connect(&url(&server)).await.unwrap();
        let mut copy = session.postgres().copy_in("COPY rivers FROM STDIN").await.unwrap();
        let mut waited = 0;
        until(|| {
            waited += 1;
            waited > 20
        })
        .await;
        copy.send(b"7\tElbe\n").await.unwrap();
        let error = copy.finish().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
        assert_ne!(session.status(), Status::Busy);
    });
}

#[test]
fn a_row_within_a_copy_is_no_row_of_another_statement() {
    let row = backend::data_row(&[Some(b"8")]);
    let answer = [vec![begins(b'H', false, 2), data(b"7\tElbe\n"), row, done()], ends()].concat();
    let server =
        Scripted::start([begun().expect("Q").send(frames(&answer)).await_close()]).unwrap();
    run(async {
        let mut session = connect(&url(&server)).await.unwrap();
        let error = copy_out(&mut session).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
        assert_eq!(session.status(), Status::Broken);
    });
}
