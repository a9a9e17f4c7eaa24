//! Servers that break the protocol at every place: typed errors, bounded memory, no panic, no secrets.

mod support;

#[path = "hostile/copy.rs"]
mod copy;

use aquifer_driver::{Error, ErrorKind, Result, Status, Value};
use aquifer_testkit::postgres::backend::{self, message};
use aquifer_testkit::scripted::{Script, Scripted};
use aquifer_testkit::{CountingAllocator, allocations_of, client};

use support::{Postgres, SERVER, Session, connect, connector, run, until};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

const PASSWORD: &str = "hunter2-s3cret";

/// What a login or a query over a few bytes may allocate, whatever the bytes claim.
const BYTES_MAX: u64 = 1 << 20;

fn url(server: &Scripted) -> String {
    server.url().replace(":aquifer@", &format!(":{PASSWORD}@"))
}

/// No text of the error contains `secret`.
fn assert_silent(error: &Error, secret: &str) {
    let mut texts = vec![format!("{error} {error:?} {error:#?} {:?}", error.hint())];
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        texts.push(format!("{cause} {cause:?}"));
        source = cause.source();
    }
    assert!(!texts.concat().contains(secret), "{texts:?}");
}

/// The frames of some messages.
fn frames(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.concat()
}

/// Every way to spoil a transcript, with a name for it.
fn spoiled(messages: &[Vec<u8>]) -> Vec<(String, Vec<u8>)> {
    let whole = frames(messages);
    let mut cases = Vec::new();
    for cut in 0..whole.len() {
        cases.push((format!("cut after {cut} bytes"), whole[..cut].to_vec()));
    }
    let mut at = 0;
    for (index, message) in messages.iter().enumerate() {
        for tag in [
            0, b'?', b'D', b'E', b'N', b'S', b'Z', b'R', b'K', b'T', b't', b'1', b'2', b'3', b'C',
            b'I', b'n', b's', b'A', b'G', b'H', b'W', b'd', b'c', b'v', b'V', 0xff,
        ] {
            let mut bytes = whole.clone();
            bytes[at] = tag;
            cases.push((format!("message {index} has the tag {tag}"), bytes));
        }
        for length in [0, 1, 3, 5, 29_000, 4_000_000, 1 << 30, (1 << 30) + 5, 1 << 31, u32::MAX] {
            let mut bytes = whole.clone();
            bytes[at + 1..at + 5].copy_from_slice(&u32::to_be_bytes(length));
            cases.push((format!("message {index} claims {length} bytes"), bytes));
        }
        // Counts and lengths inside of a message.
        for place in 5..message.len().min(40) {
            for byte in [0, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at + place] = byte;
                cases.push((format!("byte {place} of message {index} is {byte}"), bytes));
            }
        }
        let mut twice = messages.to_vec();
        twice.insert(index, message.clone());
        cases.push((format!("message {index} comes twice"), frames(&twice)));
        let mut without = messages.to_vec();
        without.remove(index);
        cases.push((format!("message {index} is missing"), frames(&without)));
        for other in index + 1..messages.len() {
            let mut swapped = messages.to_vec();
            swapped.swap(index, other);
            cases.push((format!("messages {index} and {other} change places"), frames(&swapped)));
        }
        at += message.len();
    }
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    for case in 0..60 {
        let bytes = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 56) as u8
        });
        cases.push((format!("noise {case}"), bytes.take(1 + case * 7).collect()));
    }
    cases
}

fn greeting() -> Vec<Vec<u8>> {
    vec![
        backend::authentication(0, &[]),
        backend::parameter_status("server_version", "15.0"),
        backend::parameter_status("in_hot_standby", "off"),
        backend::backend_key_data(4711, &[1, 2, 3, 4]),
        backend::ready_for_query(b'I'),
    ]
}

#[test]
fn no_spoiled_login_does_harm() {
    let cases = spoiled(&greeting());
    let scripts = cases.iter().map(|(_, bytes)| Script::new().startup().send(bytes.clone()));
    let server = Scripted::start(scripts).unwrap();
    run(async {
        let url = url(&server);
        for (name, _) in &cases {
            let (opened, spent) = allocations_of(connect(&url)).await;
            assert!(spent.bytes < BYTES_MAX, "{name}: {} bytes", spent.bytes);
            match opened {
                // What was spoiled does not matter to a session, such as the text of a setting.
                Ok(session) => assert_eq!(session.status(), Status::Idle),
                Err(error) => {
                    assert_silent(&error, PASSWORD);
                    assert!(
                        matches!(
                            error.kind(),
                            ErrorKind::Connect
                                | ErrorKind::Protocol
                                | ErrorKind::Authentication
                                | ErrorKind::Unsupported
                        ),
                        "{name}: {error:?}"
                    );
                    assert!(error.nothing_sent(), "{name}");
                }
            }
        }
    });
}

const SQL: &str = "SELECT $1::int8, 'x'::text";
const COLUMNS: [(&str, u32, i16); 2] = [("n", 20, 8), ("t", 25, -1)];

fn first_use() -> Vec<Vec<u8>> {
    vec![
        backend::parse_complete(),
        backend::parameter_description(&[20]),
        backend::row_description(&COLUMNS, false),
        backend::bind_complete(),
        backend::data_row(&[Some(b"7"), Some(b"x")]),
        backend::data_row(&[Some(b"8"), None]),
        backend::command_complete("SELECT 2"),
        backend::ready_for_query(b'I'),
    ]
}

fn cached_use() -> Vec<Vec<u8>> {
    vec![
        backend::bind_complete(),
        backend::data_row(&[Some(&7_i64.to_be_bytes()), Some(b"x")]),
        backend::data_row(&[Some(&8_i64.to_be_bytes()), None]),
        backend::command_complete("SELECT 2"),
        backend::ready_for_query(b'I'),
    ]
}

fn right() -> Vec<Vec<Value>> {
    vec![vec![Value::Int(7), "x".into()], vec![Value::Int(8), Value::Null]]
}

/// Checks the end of a use whose answer was spoiled.
fn assert_contained(name: &str, session: &Session, result: Result<Vec<Vec<Value>>>) {
    let Err(error) = result else { return };
    assert_silent(&error, PASSWORD);
    assert!(!error.nothing_sent(), "{name}: {error:?}");
    let status = session.status();
    match error.kind() {
        ErrorKind::Protocol | ErrorKind::ConnectionLost => {
            assert_eq!(status, Status::Broken, "{name}: {error:?}");
        }
        // What cannot be read is found by the reader, in the middle of the command.
        ErrorKind::Conversion => {}
        // A server may say any error.
        _ => assert_ne!(status, Status::Busy, "{name}: {error:?}"),
    }
}

async fn spoiled_use(cached: bool) {
    let cases = spoiled(&if cached { cached_use() } else { first_use() });
    let scripts = cases.iter().map(|(_, bytes)| {
        let script = Script::new().startup().send(frames(&greeting())).expect("PDBES");
        match cached {
            true => script.send(frames(&first_use())).expect("BES").send(bytes.clone()),
            false => script.send(bytes.clone()),
        }
    });
    let server = Scripted::start(scripts).unwrap();
    let url = url(&server);
    for (name, _) in &cases {
        let mut session = connect(&url).await.unwrap();
        if cached {
            assert_eq!(session.query(SQL, &(1,)).await.unwrap(), right());
        }
        let (result, spent) = allocations_of(session.query(SQL, &(1,))).await;
        assert!(spent.bytes < BYTES_MAX, "{name}: {} bytes", spent.bytes);
        assert_contained(name, &session, result);
        // Whatever was believed, what follows ends as well.
        let next = session.query("SELECT 1", &()).await;
        assert!(next.is_err(), "{name}: {next:?}");
    }
}

#[test]
fn no_spoiled_answer_to_a_first_use_does_harm() {
    run(spoiled_use(false));
}

#[test]
fn no_spoiled_answer_to_a_cached_use_does_harm() {
    run(spoiled_use(true));
}

#[test]
fn no_spoiled_answer_to_a_script_does_harm() {
    let answer = [
        backend::row_description(&COLUMNS, false),
        backend::data_row(&[Some(b"7"), Some(b"x")]),
        backend::command_complete("SELECT 1"),
        message(b'I', &[]),
        backend::command_complete("INSERT 0 1"),
        backend::ready_for_query(b'I'),
    ];
    let cases = spoiled(&answer);
    let scripts = cases.iter().map(|(_, bytes)| {
        Script::new().startup().send(frames(&greeting())).expect("Q").send(bytes.clone())
    });
    let server = Scripted::start(scripts).unwrap();
    run(async {
        for (name, _) in &cases {
            let mut session = connect(&url(&server)).await.unwrap();
            let (result, spent) = allocations_of(session.script("SELECT 7; ; INSERT")).await;
            assert!(spent.bytes < BYTES_MAX, "{name}: {} bytes", spent.bytes);
            assert_contained(name, &session, result);
        }
    });
}

#[test]
fn no_spoiled_answer_to_a_transaction_makes_a_commit_of_a_failure() {
    let answer = [backend::command_complete("COMMIT"), backend::ready_for_query(b'I')];
    let cases = spoiled(&answer);
    let begun = [
        vec![
            backend::parse_complete(),
            backend::bind_complete(),
            backend::command_complete("BEGIN"),
        ],
        first_use()[..7].to_vec(),
        vec![backend::ready_for_query(b'T')],
    ]
    .concat();
    let scripts = cases.iter().map(|(_, bytes)| {
        let script = Script::new().startup().send(frames(&greeting())).expect("PBEPDBES");
        script.send(frames(&begun)).expect("Q").send(bytes.clone())
    });
    let server = Scripted::start(scripts).unwrap();
    run(async {
        for (name, bytes) in &cases {
            let mut session = connect(&url(&server)).await.unwrap();
            client::begin(&mut *session.connection).await.unwrap();
            session.query(SQL, &(1,)).await.unwrap();
            match client::commit(&mut *session.connection).await {
                Ok(()) => assert!(
                    bytes.windows(7).any(|text| text == b"COMMIT\0") && bytes.contains(&b'Z'),
                    "{name}"
                ),
                Err(error) => {
                    assert_silent(&error, PASSWORD);
                    let broken = session.status() == Status::Broken;
                    if broken {
                        assert_eq!(error.kind(), ErrorKind::CommitUnknown, "{name}: {error:?}");
                    }
                }
            }
        }
    });
}

#[test]
fn what_a_server_may_say_at_any_time_disturbs_nothing() {
    let asides = [
        backend::notice_response(&[(b'S', "WARNING"), (b'C', "01000"), (b'M', "by the way")]),
        backend::parameter_status("TimeZone", "Europe/Berlin"),
        backend::notification_response(7, "channel", "payload"),
    ];
    let mut scripts = Vec::new();
    for (first, later) in (0..=8).flat_map(|n| (0..=5).map(move |m| (n, m))) {
        // After the last message it belongs to the next use.
        let with = |mut messages: Vec<Vec<u8>>, at: usize| {
            for aside in &asides {
                messages.insert(at.min(messages.len()), aside.clone());
            }
            frames(&messages)
        };
        scripts.push(
            Script::new()
                .startup()
                .send(frames(&greeting()))
                .expect("PDBES")
                .send_in_pieces(with(first_use(), first), 1)
                .expect("BES")
                .send_in_pieces(with(cached_use(), later), 3)
                .await_close(),
        );
    }
    let many = scripts.len();
    let server = Scripted::start(scripts).unwrap();
    run(async {
        for _ in 0..many {
            let mut session = connect(&url(&server)).await.unwrap();
            for _ in 0..2 {
                assert_eq!(session.query(SQL, &(1,)).await.unwrap(), right());
            }
            assert_eq!(session.status(), Status::Idle);
        }
    });
}

#[test]
fn what_comes_unasked_ends_the_session_before_anything_is_sent() {
    let unasked = [
        backend::data_row(&[Some(b"7")]),
        backend::ready_for_query(b'T'),
        backend::command_complete("SELECT 1"),
        backend::authentication(3, &[]),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
    ];
    let scripts = unasked.iter().map(|bytes| {
        Script::new()
            .startup()
            .send(frames(&greeting()))
            .pause(std::time::Duration::from_millis(20))
            .send(bytes.clone())
            .await_close()
    });
    let server = Scripted::start(scripts).unwrap();
    let address = url(&server);
    run(async {
        for _ in &unasked {
            let mut session = connect(&address).await.unwrap();
            // It is there when the session is used next, and the runtime has heard of it.
            let mut waited = 0;
            until(|| {
                waited += 1;
                waited > 20
            })
            .await;
            let error = session.query("SELECT 1", &()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
            assert!(error.nothing_sent());
            assert_eq!(session.status(), Status::Broken);
        }
    });
    for played in server.finish() {
        assert_eq!(played.client_flights(), ["^"], "nothing but the startup packet");
    }
}

#[test]
fn a_server_that_does_not_prove_that_it_knows_the_password_is_not_believed() {
    let sasl = || {
        Script::new().startup().send(backend::authentication(10, b"SCRAM-SHA-256\0\0")).expect("p")
    };
    let first = |text: &'static str| {
        sasl().answer(move |frames| {
            let body = String::from_utf8_lossy(&frames[0].body).into_owned();
            let nonce = body.rsplit("r=").next().unwrap_or_default().to_owned();
            backend::authentication(11, text.replace("NONCE", &nonce).as_bytes())
        })
    };
    let rest = || frames(&greeting());
    let good = "r=NONCEserver,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    let scripts = vec![
        sasl().send(rest()),
        sasl().send(backend::authentication(3, &[])),
        sasl().send(backend::authentication(12, b"v=AAAA")),
        first("").await_close(),
        first("r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").await_close(),
        first("r=NONCE,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").await_close(),
        first("r=NONCEserver,s=!!!,i=4096").await_close(),
        first("r=NONCEserver,s=,i=4096").await_close(),
        first("r=NONCEserver,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0").await_close(),
        first("r=NONCEserver,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000").await_close(),
        first("m=must,r=NONCEserver,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").await_close(),
        first(good).expect("p").send(rest()),
        first(good).expect("p").send(backend::authentication(12, b"e=other-error")),
        first(good).expect("p").send(
            [
                backend::authentication(12, b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
                rest(),
            ]
            .concat(),
        ),
        Script::new().startup().send(backend::authentication(10, b"SCRAM-MD5\0OTHER\0\0")),
        Script::new().startup().send(backend::authentication(10, b"\0")),
        Script::new().startup().send(backend::authentication(10, b"SCRAM-SHA-256")),
        // The offer of channel binding without TLS is a forgery.
        Script::new().startup().send(backend::authentication(10, b"SCRAM-SHA-256-PLUS\0\0")),
    ];
    let many = scripts.len();
    let server = Scripted::start(scripts).unwrap();
    run(async {
        for case in 0..many {
            let (opened, spent) = allocations_of(connect(&url(&server))).await;
            let error = opened.err().unwrap_or_else(|| panic!("case {case} was believed"));
            assert_silent(&error, PASSWORD);
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::Authentication | ErrorKind::Protocol | ErrorKind::Unsupported
                ),
                "case {case}: {error:?}"
            );
            assert!(spent.bytes < BYTES_MAX);
        }
    });
}

#[test]
fn no_answer_to_the_request_for_tls_is_believed_but_the_two_that_exist() {
    let handshake = b"\x16\x03\x03\x00\x04\x02\x00\x00\x00".to_vec();
    let answers: Vec<Vec<u8>> = vec![
        b"X".to_vec(),
        b"H".to_vec(),
        vec![0],
        Vec::new(),
        b"S".to_vec(),
        [b"S".to_vec(), frames(&greeting())].concat(),
        [b"S".to_vec(), handshake].concat(),
        b"Ecould not fork new process for connection\n\0".to_vec(),
        backend::error_response(&[(b'S', "FATAL"), (b'C', "0A000"), (b'M', "who wrote this?")]),
        b"N".to_vec(),
    ];
    let scripts = answers.iter().map(|bytes| Script::new().expect("!").send(bytes.clone()));
    let server = Scripted::start(scripts).unwrap();
    run(async {
        let url = url(&server).replace("sslmode=disable", "sslmode=require");
        for answer in &answers {
            let (opened, spent) = allocations_of(connect(&url)).await;
            let error = opened.err().unwrap_or_else(|| panic!("{answer:?} was believed"));
            assert_eq!(error.kind(), ErrorKind::Connect, "{answer:?}: {error:?}");
            assert_silent(&error, PASSWORD);
            assert!(!error.to_string().contains("who wrote this?"), "{error}");
            assert!(spent.bytes < BYTES_MAX);
        }
    });
    for played in server.finish() {
        let sent = String::from_utf8_lossy(&played.received).into_owned();
        assert!(!sent.contains("aquifer"), "nothing is said in the clear: {sent:?}");
    }
}

#[test]
fn no_text_of_a_connector_or_a_session_has_the_password() {
    run(async {
        let address = SERVER.url().replace(":aquifer@", &format!(":{PASSWORD}@"));
        let connector = connector(&address);
        let mut session = connect(&address).await.unwrap();
        let texts = format!(
            "{connector:?} {connector:#?} {:?} {:#?} {} {:?}",
            connector.config(),
            connector.config(),
            aquifer_driver::Connector::target(&connector),
            session.postgres()
        );
        assert!(!texts.contains(PASSWORD), "{texts}");
    });
}

#[test]
fn no_text_of_an_error_has_a_bound_parameter() {
    let database = SERVER.fresh_database().unwrap();
    let table = "CREATE TABLE t (name text UNIQUE, n int NOT NULL)";
    database.psql(table).unwrap();
    run(async {
        let mut session = connect(database.url()).await.unwrap();
        let insert = "INSERT INTO t VALUES ($1, $2::int)";
        session.query(insert, &(PASSWORD, 1)).await.unwrap();
        for _ in 0..3 {
            let params: [(&str, &dyn aquifer_driver::Params); 5] = [
                (insert, &(PASSWORD, 1)),
                (insert, &(PASSWORD, None::<i32>)),
                ("SELECT $1::text::int", &(PASSWORD,)),
                ("SELECT $1::int", &(PASSWORD,)),
                ("SELECT $1::jsonb", &(PASSWORD,)),
            ];
            for (sql, params) in params {
                let error = session.query(sql, params).await.unwrap_err();
                assert_silent(&error, PASSWORD);
            }
        }
    });
}
