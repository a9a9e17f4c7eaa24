use aquifer_driver::{Batch, Command, Status, TxOptions};
use mysql_common::constants::CapabilityFlags;

use super::*;
use crate::config::Config;
use crate::protocol::frame;
use crate::protocol::reader::put_bytes;
use crate::setup::Server;
use aquifer_driver::{RowBatch, Step, Value, Want};

/// A pipeline, and the server's side of it by hand.
struct Talk {
    pipeline: Pipeline,
    batch: RowBatch,
}

const AUTOCOMMIT: u16 = 2;
const MORE: u16 = 8;

impl Talk {
    fn new() -> Self {
        Self::with(0)
    }

    /// With these flags of MariaDB's.
    fn with(mariadb: u32) -> Self {
        let flags = CapabilityFlags::CLIENT_DEPRECATE_EOF | CapabilityFlags::CLIENT_SESSION_TRACK;
        let settings = Settings {
            agreed: Agreed { flags: flags.bits(), mariadb },
            statements_max: 2,
            reading: crate::types::Reading::UTC,
            setup: Setup::new(
                &Config { database: Some("shop".to_owned()), ..Config::default() },
                Server { tracks: true, mariadb: true },
                "utf8mb4",
            ),
            packet_max: 1000,
            grain: 1,
            several: false,
            files: local::Files::default(),
            interpolates: false,
            reject_read_only: false,
        };
        let status = ServerStatus(AUTOCOMMIT);
        Self { pipeline: Pipeline::new(settings, status), batch: RowBatch::new() }
    }

    /// The payloads that wait to be written, which then are.
    fn sent(&mut self) -> Vec<Vec<u8>> {
        let out = self.pipeline.output().to_vec();
        self.pipeline.wrote(out.len());
        let (mut at, mut payloads) = (0, Vec::new());
        while at < out.len() {
            let len = u32::from_le_bytes([out[at], out[at + 1], out[at + 2], 0]) as usize;
            payloads.push(out[at + frame::HEADER..at + frame::HEADER + len].to_vec());
            at += frame::HEADER + len;
        }
        payloads
    }

    /// The server answers by these payloads, numbered from 1.
    fn answer(&mut self, payloads: &[&[u8]]) {
        for (index, payload) in payloads.iter().enumerate() {
            let room = self.pipeline.input().room();
            let start = frame::begin(room);
            room.extend_from_slice(payload);
            frame::finish(room, start, index as u8 + 1);
        }
    }

    fn step(&mut self) -> Result<Option<Step>, Error> {
        self.pipeline.advance(&mut self.batch)
    }

    fn end(&mut self) -> aquifer_driver::Outcome {
        match self.step() {
            Ok(Some(Step::End(outcome))) => outcome,
            other => panic!("{other:?}"),
        }
    }

    /// Why the next statement of a batch failed.
    fn failure(&mut self) -> ErrorKind {
        match self.step() {
            Ok(Some(Step::Failed(error))) => error.kind(),
            other => panic!("{other:?}"),
        }
    }

    fn execute(&mut self, sql: &str, n: i64) -> Result<(), Error> {
        self.pipeline.start(Command::Execute { sql, params: &(n,), want: Want::All })
    }

    /// Runs a statement with one argument that is not known yet.
    fn learn(&mut self, sql: &str, id: u8) {
        self.execute(sql, 1).unwrap();
        self.sent();
        self.answer(&[&[0, id, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], PARAMETER]);
        assert!(self.step().unwrap().is_none());
        self.sent();
        self.answer(&[&ok(1, AUTOCOMMIT)]);
        assert_eq!(self.end().rows_affected, 1);
    }
}

const PARAMETER: &[u8] = b"\x03def\0\0\0\x01?\0\x0c\x3f\0\0\0\0\0\x08\0\0\0\0\0";

fn ok(affected: u8, status: u16) -> [u8; 7] {
    let [low, high] = status.to_le_bytes();
    [0, affected, 0, low, high, 0, 0]
}

fn end_of_rows(status: u16) -> [u8; 7] {
    let mut packet = ok(0, status);
    packet[0] = 0xfe;
    packet
}

fn column(name: &str, kind: u8) -> Vec<u8> {
    let mut packet = b"\x03def\0\0\0".to_vec();
    put_bytes(&mut packet, name.as_bytes());
    packet.extend_from_slice(&[0, 0x0c, 63, 0, 0, 0, 0, 0, kind, 0, 0, 0, 0, 0]);
    packet
}

fn refusal(number: u16) -> Vec<u8> {
    [&[0xff], number.to_le_bytes().as_slice(), b"#HY000no"].concat()
}

#[test]
fn a_new_statement_is_prepared_then_run_and_a_known_one_is_run() {
    let mut talk = Talk::new();
    talk.execute("DO ?", 5).unwrap();
    assert_eq!(talk.sent(), [b"\x16DO ?".to_vec()]);
    assert_eq!(talk.pipeline.status(), Status::Busy);
    talk.answer(&[&[0, 7, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], PARAMETER]);
    assert!(talk.step().unwrap().is_none());
    let sent = talk.sent();
    assert_eq!(sent[0][..10], [0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0]);
    talk.answer(&[&ok(3, AUTOCOMMIT)]);
    assert_eq!(talk.end().rows_affected, 3);
    assert_eq!(talk.pipeline.status(), Status::Idle);
    talk.execute("DO ?", 5).unwrap();
    assert_eq!(talk.sent(), sent, "at once, and the same");
    talk.answer(&[&ok(3, AUTOCOMMIT)]);
    talk.end();
    let error = talk
        .pipeline
        .start(Command::Execute { sql: "DO ?", params: &(1, 2), want: Want::All })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
    assert_eq!(talk.pipeline.status(), Status::Idle);
}

#[test]
fn what_leaves_the_cache_is_closed_ahead_of_the_next_command() {
    let mut talk = Talk::new();
    talk.learn("DO ?", 1);
    talk.learn("DO ? + 1", 2);
    talk.execute("DO ? + 2", 1).unwrap();
    assert_eq!(talk.sent(), [vec![0x19, 1, 0, 0, 0], b"\x16DO ? + 2".to_vec()]);
    assert_eq!(talk.pipeline.counters().evicted, 1);
}

#[test]
fn a_refused_start_loses_no_order_to_close() {
    let mut talk = Talk::new();
    talk.learn("DO ?", 1);
    talk.learn("DO ? + 1", 2);
    let long = format!("DO ? + {}", "1".repeat(2000));
    assert_eq!(talk.execute(&long, 1).unwrap_err().kind(), ErrorKind::Argument);
    talk.pipeline.start(Command::Ping).unwrap();
    assert_eq!(talk.sent(), [vec![0x19, 1, 0, 0, 0], vec![0x0e]]);
}

#[test]
fn rows_end_with_the_step_that_has_the_last_of_them() {
    let mut talk = Talk::new();
    talk.pipeline.start(Command::Script { sql: "SELECT 1; DO 0" }).unwrap();
    talk.sent();
    let column = column("a", 8);
    talk.answer(&[&[1], &column, b"\x0212", b"\x0213", &end_of_rows(AUTOCOMMIT | MORE)]);
    assert!(matches!(talk.step().unwrap(), Some(Step::EndOfSet(_))));
    let rows: Vec<i64> = talk.batch.rows().map(|row| row.get(0).unwrap()).collect();
    assert_eq!(rows, [12, 13]);
    assert!(talk.step().unwrap().is_none());
    let room = talk.pipeline.input().room();
    let start = frame::begin(room);
    room.extend_from_slice(&ok(0, AUTOCOMMIT));
    frame::finish(room, start, 6);
    talk.end();
    assert!(talk.batch.columns().is_empty());
}

#[test]
fn rows_are_given_as_they_come_and_dropped_when_nobody_wants_them() {
    let mut talk = Talk::new();
    talk.pipeline.start(Command::Script { sql: "SELECT 1" }).unwrap();
    talk.sent();
    let column = column("a", 8);
    talk.answer(&[&[1], &column, b"\x0212"]);
    assert!(matches!(talk.step().unwrap(), Some(Step::Rows)));
    assert_eq!(talk.batch.row(0).unwrap().get::<Value>(0).unwrap(), Value::Int(12));
    assert_eq!(talk.pipeline.abandon(), Status::Busy);
    let room = talk.pipeline.input().room();
    for (index, payload) in [b"\x0213".as_slice(), &end_of_rows(AUTOCOMMIT)].iter().enumerate() {
        let start = frame::begin(room);
        room.extend_from_slice(payload);
        frame::finish(room, start, 4 + index as u8);
    }
    talk.end();
    assert!(talk.batch.is_empty());
    assert_eq!(talk.pipeline.status(), Status::Idle);
}

#[test]
fn a_batch_outside_a_transaction_is_one_flight_and_inside_one_it_stops_at_an_error() {
    let mut talk = Talk::new();
    talk.learn("DO ?", 1);
    let mut batch = Batch::new();
    for n in 0..3 {
        batch.push(&"DO ?".into(), &(n,), Want::Outcome).unwrap();
    }
    let batch = Arc::new(batch);
    talk.pipeline.start(Command::Batch(Arc::clone(&batch))).unwrap();
    assert_eq!(talk.sent().len(), 3);
    talk.answer(&[&ok(1, AUTOCOMMIT)]);
    assert!(matches!(talk.step().unwrap(), Some(Step::EndOfSet(_))));
    talk.answer(&[&refusal(1062)]);
    assert!(matches!(talk.step().unwrap(), Some(Step::Failed(_))));
    talk.answer(&[&ok(1, AUTOCOMMIT)]);
    talk.end();

    talk.pipeline.start(Command::Begin(TxOptions::new())).unwrap();
    assert_eq!(talk.sent(), [b"\x03START TRANSACTION".to_vec()]);
    talk.answer(&[&ok(0, AUTOCOMMIT | 1)]);
    talk.end();
    assert_eq!(talk.pipeline.status(), Status::Transaction);
    talk.pipeline.start(Command::Batch(batch)).unwrap();
    assert_eq!(talk.sent().len(), 1, "each waits for the one before");
    talk.answer(&[&refusal(1062)]);
    assert!(talk.step().unwrap().is_none());
    assert_eq!(talk.sent(), [vec![0x0e]], "the server is asked where the transaction stands");
    talk.answer(&[&ok(0, AUTOCOMMIT | 1)]);
    assert!(matches!(talk.step().unwrap(), Some(Step::Failed(_))));
    for _ in 0..2 {
        match talk.step().unwrap() {
            Some(Step::Failed(error)) => assert_eq!(error.kind(), ErrorKind::TxFailed),
            other => panic!("{other:?}"),
        }
    }
    talk.end();
    assert_eq!(talk.pipeline.status(), Status::Transaction);
}

#[test]
fn an_error_in_a_transaction_waits_for_the_servers_word() {
    let mut talk = Talk::new();
    talk.pipeline.start(Command::Begin(TxOptions::serializable().read_only())).unwrap();
    assert_eq!(talk.sent(), [b"\x03SET TRANSACTION ISOLATION LEVEL SERIALIZABLE".to_vec()]);
    talk.answer(&[&ok(0, AUTOCOMMIT)]);
    assert!(talk.step().unwrap().is_none());
    assert_eq!(talk.sent(), [b"\x03START TRANSACTION READ ONLY".to_vec()]);
    talk.answer(&[&ok(0, AUTOCOMMIT | 1)]);
    talk.end();
    talk.pipeline.start(Command::Script { sql: "SELECT 1" }).unwrap();
    talk.sent();
    talk.answer(&[&refusal(1213)]);
    assert!(talk.step().unwrap().is_none());
    assert_eq!(talk.sent(), [vec![0x0e]]);
    talk.answer(&[&ok(0, AUTOCOMMIT)]);
    assert_eq!(talk.step().unwrap_err().kind(), ErrorKind::Deadlock);
    assert_eq!(talk.pipeline.status(), Status::Idle);
    assert_eq!(talk.pipeline.start(Command::Commit).unwrap_err().kind(), ErrorKind::TxDone);
}

#[test]
fn a_forgotten_statement_is_prepared_and_run_again_once() {
    let mut talk = Talk::new();
    talk.learn("DO ?", 1);
    talk.execute("DO ?", 9).unwrap();
    let first = talk.sent();
    talk.answer(&[&refusal(1243)]);
    assert!(talk.step().unwrap().is_none());
    assert_eq!(talk.sent(), [b"\x16DO ?".to_vec()]);
    talk.answer(&[&[0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], PARAMETER]);
    assert!(talk.step().unwrap().is_none());
    let again = talk.sent();
    assert_eq!(again[0][1], 4);
    assert_eq!(again[0][5..], first[0][5..], "with the same arguments");
    talk.answer(&[&refusal(1243)]);
    assert!(talk.step().is_err());
}

#[test]
fn what_the_server_may_not_say_ends_the_connection() {
    for payload in [b"".as_slice(), b"\x00", b"\xfe", &[0xfc, 0, 0]] {
        let mut talk = Talk::new();
        talk.pipeline.start(Command::Script { sql: "SELECT 1" }).unwrap();
        talk.sent();
        talk.answer(&[payload]);
        assert_eq!(talk.step().unwrap_err().kind(), ErrorKind::Protocol, "{payload:?}");
        assert_eq!(talk.pipeline.status(), Status::Broken);
    }
    let mut talk = Talk::new();
    talk.answer(&[&refusal(1927)]);
    let error = talk.pipeline.receive_unasked().unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ConnectionLost, Retry::Safe));
}

#[test]
fn what_is_left_of_an_answer_is_nobodys_and_the_next_command_is_not_sent() {
    for rest in [b"\x01".as_slice(), b"\x07\0\0\x01\0", b"\x01\0\0\x01x", b"\x01\0\0\x07x"] {
        let mut talk = Talk::new();
        talk.pipeline.start(Command::Script { sql: "DO 1" }).unwrap();
        talk.sent();
        talk.answer(&[&ok(0, AUTOCOMMIT)]);
        talk.pipeline.input().bytes.extend_from_slice(rest);
        talk.end();
        talk.pipeline.start(Command::Ping).unwrap();
        let error = talk.pipeline.receive_unasked().unwrap_err();
        assert!(error.is_connection_lost() && error.nothing_sent(), "{error:?}");
        assert_eq!(error.retry(), Retry::Safe);
        assert_eq!(talk.pipeline.status(), Status::Broken);
    }
}

#[test]
fn an_answer_that_cannot_be_read_says_nothing_of_what_was_done() {
    let mut talk = Talk::new();
    talk.pipeline.start(Command::Script { sql: "INSERT INTO t VALUES (1)" }).unwrap();
    talk.sent();
    talk.answer(&[b"\x00"]);
    let error = talk.step().unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Protocol, Retry::Unknown));
}

#[test]
fn a_commit_that_breaks_is_of_unknown_end() {
    let mut talk = Talk::new();
    talk.pipeline.start(Command::Begin(TxOptions::new())).unwrap();
    talk.sent();
    talk.answer(&[&ok(0, AUTOCOMMIT | 1)]);
    talk.end();
    talk.pipeline.start(Command::Commit).unwrap();
    talk.sent();
    let error = talk.pipeline.broke(Error::new(ErrorKind::ConnectionLost, "gone"));
    assert_eq!(error.kind(), ErrorKind::CommitUnknown);
}

/// What follows a request for a file: the server's numbers go on where the client's end.
fn answer_numbered(talk: &mut Talk, payload: &[u8], sequence: u8) {
    let room = talk.pipeline.input().room();
    let start = frame::begin(room);
    room.extend_from_slice(payload);
    frame::finish(room, start, sequence);
}

#[test]
fn a_hostile_server_that_asks_for_a_file_gets_nothing() {
    for offered in [None, Some("rows")] {
        let mut talk = Talk::new();
        for sql in ["SELECT 1", "LOAD DATA LOCAL INFILE 'rows' INTO TABLE t"] {
            talk.pipeline.start(Command::Script { sql }).unwrap();
            if let Some(name) = offered {
                talk.pipeline.offer(name);
            }
            talk.sent();
            talk.answer(&[b"\xfb/etc/passwd"]);
            assert!(talk.step().unwrap().is_none());
            assert!(!talk.pipeline.wants_contents());
            assert_eq!(
                talk.pipeline.output(),
                b"\0\0\0\x02",
                "the end of contents, and no contents"
            );
            talk.sent();
            // Whatever it makes of that.
            answer_numbered(&mut talk, &ok(5, AUTOCOMMIT), 3);
            let error = talk.step().unwrap_err();
            assert_eq!(error.kind(), aquifer_driver::ErrorKind::Unsupported, "{error}");
            assert_eq!(talk.pipeline.status(), Status::Idle, "the session goes on");
        }
    }
}

#[test]
fn what_is_offered_is_given_once_and_in_numbered_pieces() {
    let mut talk = Talk::new();
    let sql = "LOAD DATA LOCAL INFILE 'rows' INTO TABLE t";
    talk.pipeline.start(Command::Script { sql }).unwrap();
    talk.pipeline.offer("rows");
    talk.sent();
    talk.answer(&[b"\xfbrows"]);
    assert!(talk.step().unwrap().is_none());
    assert!(talk.pipeline.wants_contents());
    talk.pipeline.contents(b"a\n");
    talk.pipeline.contents(b"b\n");
    talk.pipeline.contents(b"");
    assert_eq!(talk.pipeline.output(), b"\x02\0\0\x02a\n\x02\0\0\x03b\n\0\0\0\x04");
    talk.sent();
    // Asked for again it is empty.
    answer_numbered(&mut talk, b"\xfbrows", 5);
    assert!(talk.step().unwrap().is_none());
    assert_eq!(talk.sent(), [b""]);
    answer_numbered(&mut talk, &ok(2, AUTOCOMMIT), 7);
    assert!(talk.step().is_err());
}

#[test]
fn contents_that_are_given_up_end_the_session_and_not_the_file() {
    let mut talk = Talk::new();
    talk.pipeline
        .start(Command::Script { sql: "LOAD DATA LOCAL INFILE 'a' INTO TABLE t" })
        .unwrap();
    talk.pipeline.offer("a");
    talk.sent();
    talk.answer(&[b"\xfba"]);
    assert!(talk.step().unwrap().is_none());
    assert_eq!(talk.pipeline.abandon(), Status::Broken);
    assert!(talk.pipeline.output().is_empty());
}

#[test]
fn at_the_server_s_limit_of_statements_half_of_ours_are_closed_and_the_text_is_prepared_again() {
    let mut talk = Talk::new();
    talk.learn("DO ?", 1);
    talk.execute("DO ? + 1", 1).unwrap();
    talk.sent();
    talk.answer(&[&refusal(1461)]);
    assert!(talk.step().unwrap().is_none());
    assert_eq!(talk.sent(), [vec![0x19, 1, 0, 0, 0], b"\x16DO ? + 1".to_vec()]);
    talk.answer(&[&refusal(1461)]);
    let error = talk.step().unwrap_err();
    assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::Resources, true));
    // Nothing is closed twice, and a text without arguments does without.
    talk.pipeline.start(Command::Execute { sql: "DO 1", params: &(), want: Want::All }).unwrap();
    assert_eq!(talk.sent(), [b"\x16DO 1".to_vec()]);
    talk.answer(&[&refusal(1461)]);
    assert!(talk.step().unwrap().is_none());
    assert_eq!(talk.sent(), [b"\x03DO 1".to_vec()]);
    talk.answer(&[&ok(0, AUTOCOMMIT)]);
    talk.end();
}

#[test]
fn a_description_at_the_server_s_limit_has_our_statements_give_way_as_well() {
    let mut talk = Talk::new();
    talk.learn("DO ?", 1);
    talk.pipeline.start(Command::Prepare { sql: "DO 1" }).unwrap();
    talk.sent();
    talk.answer(&[&refusal(1461)]);
    assert!(talk.step().unwrap().is_none());
    assert_eq!(talk.sent(), [vec![0x19, 1, 0, 0, 0], b"\x16DO 1".to_vec()]);
    talk.answer(&[&[0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]);
    talk.end();
    assert!(talk.pipeline.take_description().is_some());
    talk.pipeline.start(Command::Prepare { sql: "DO 2" }).unwrap();
    talk.sent();
    for sent in [true, false] {
        talk.answer(&[&refusal(1461)]);
        match talk.step() {
            Ok(None) if sent => assert_eq!(talk.sent().len(), 2),
            Err(error) if !sent => assert_eq!(error.kind(), ErrorKind::Resources),
            other => panic!("{other:?}"),
        }
    }
}

/// Behind an Execute's head: no bitmap of NULLs, types, a LONGLONG.
const ARGUMENT: [u8; 12] = [0, 1, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn a_first_use_is_one_flight_in_which_nothing_but_itself_can_run() {
    let mut talk = Talk::with(crate::protocol::greeting::MARIADB_BULK_OPERATIONS);
    let blind = [&[0x17, 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0], &ARGUMENT[..]].concat();
    let prepared = |id| [0, id, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    // None was prepared before.
    talk.execute("DO ?", 1).unwrap();
    assert_eq!(talk.sent(), [b"\x16DO ?".to_vec(), blind.clone()]);
    talk.answer(&[&prepared(1), PARAMETER]);
    talk.answer(&[&ok(1, AUTOCOMMIT)]);
    talk.end();
    // Another one makes way.
    let vacated = [b"\x16DO 0".to_vec(), vec![0x19, 0xff, 0xff, 0xff, 0xff]];
    talk.execute("DO ?+1", 1).unwrap();
    let expected = [&vacated[..], &[b"\x16DO ?+1".to_vec(), blind.clone()]].concat();
    assert_eq!(talk.sent(), expected);
    talk.answer(&[&[0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]);
    talk.answer(&[&prepared(3), PARAMETER]);
    talk.answer(&[&ok(1, AUTOCOMMIT)]);
    talk.end();
    assert_eq!(talk.pipeline.counters().cached, 2);
    // Where the server is full, the last one was closed instead, and is not used again.
    talk.execute("DO ?+2", 1).unwrap();
    let mut expected = vec![vec![0x19, 2, 0, 0, 0], vec![0x19, 1, 0, 0, 0]];
    expected.extend(vacated.iter().cloned());
    expected.extend([b"\x16DO ?+2".to_vec(), blind.clone()]);
    assert_eq!(talk.sent(), expected);
    talk.answer(&[&refusal(1461)]);
    talk.answer(&[&prepared(5), PARAMETER]);
    talk.answer(&[&ok(1, AUTOCOMMIT)]);
    talk.end();
    assert_eq!(talk.pipeline.counters().cached, 1, "`DO ?+1` is gone");
    talk.execute("DO ?+2", 1).unwrap();
    let sent = talk.sent();
    assert_eq!(sent[0], [0x19, 3, 0, 0, 0], "an order too many, for proxies");
    assert_eq!(sent[1][..5], [0x17, 5, 0, 0, 0]);
    talk.answer(&[&ok(1, AUTOCOMMIT)]);
    talk.end();
    // Refused both: an Execute without a statement can only fail.
    talk.execute("DO ?+3", 1).unwrap();
    talk.sent();
    talk.answer(&[&refusal(1461)]);
    talk.answer(&[&refusal(1461)]);
    talk.answer(&[&refusal(1243)]);
    let error = talk.step().unwrap_err();
    assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::Resources, true));
    assert_eq!(talk.pipeline.counters().cached, 0);
}

#[test]
fn a_level_that_no_transaction_has_taken_is_a_change_of_the_session() {
    let serializable = || Command::Begin(TxOptions::serializable());
    let mut talk = Talk::new();
    talk.pipeline.start(serializable()).unwrap();
    assert_eq!(talk.sent().len(), 1);
    talk.pipeline.abandon();
    assert!(talk.pipeline.session_changed(), "the answer is on its way");
    // Begun, it ends with its transaction.
    let mut talk = Talk::new();
    talk.pipeline.start(serializable()).unwrap();
    talk.sent();
    talk.answer(&[&ok(0, AUTOCOMMIT)]);
    assert!(talk.step().unwrap().is_none());
    assert_eq!(talk.sent(), [b"\x03START TRANSACTION".to_vec()]);
    talk.answer(&[&ok(0, AUTOCOMMIT | 1)]);
    talk.end();
    assert!(!talk.pipeline.session_changed());
    talk.pipeline.abandon();
    assert!(!talk.pipeline.session_changed());
    // Not begun after all.
    let mut talk = Talk::new();
    talk.pipeline.start(serializable()).unwrap();
    talk.sent();
    talk.answer(&[&ok(0, AUTOCOMMIT)]);
    assert!(talk.step().unwrap().is_none());
    talk.sent();
    talk.answer(&[&refusal(1568)]);
    talk.step().unwrap_err();
    assert!(talk.pipeline.session_changed());
}

#[test]
fn a_character_set_that_is_not_utf_8_ends_the_session() {
    let mut talk = Talk::new();
    talk.pipeline.start(Command::Script { sql: "CALL p()" }).unwrap();
    talk.sent();
    let tracked = b"\x14character_set_client\x03gbk";
    let mut packet = ok(0, AUTOCOMMIT | 0x4000).to_vec();
    packet.extend_from_slice(&[0, tracked.len() as u8 + 2, 0, tracked.len() as u8]);
    packet.extend_from_slice(tracked);
    talk.answer(&[&packet]);
    let error = talk.step().unwrap_err();
    assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::Unsupported, false));
    assert_eq!(talk.pipeline.status(), Status::Broken);
}

#[test]
fn a_refused_show_warnings_leaves_its_statement_as_it_ended() {
    struct Deaf;
    impl aquifer_driver::ServerObserver for Deaf {}
    let mut talk = Talk::new();
    talk.pipeline.set_observer(Arc::new(Deaf));
    talk.pipeline.start(Command::Script { sql: "DO 1 / 0" }).unwrap();
    talk.sent();
    let mut warned = ok(3, AUTOCOMMIT);
    warned[5] = 1;
    talk.answer(&[&warned]);
    assert!(talk.step().unwrap().is_none());
    assert_eq!(talk.sent(), [b"\x03SHOW WARNINGS".to_vec()]);
    talk.answer(&[&refusal(1317)]);
    assert_eq!(talk.end().rows_affected, 3);
    assert_eq!(talk.pipeline.status(), Status::Idle);
    // With anything else in the place of a warning the session is over.
    talk.pipeline.start(Command::Script { sql: "DO 1 / 0" }).unwrap();
    talk.sent();
    talk.answer(&[&warned]);
    assert!(talk.step().unwrap().is_none());
    talk.sent();
    let column = column("a", 0xfd);
    talk.answer(&[&[1], &column, b"\x03"]);
    assert_eq!(talk.step().unwrap_err().kind(), ErrorKind::Protocol);
}

#[test]
fn a_server_that_asks_for_what_its_owner_gave_up_gets_an_empty_file() {
    let mut talk = Talk::new();
    talk.pipeline
        .start(Command::Script { sql: "LOAD DATA LOCAL INFILE 'a' INTO TABLE t" })
        .unwrap();
    talk.pipeline.offer("a");
    talk.sent();
    assert_eq!(talk.pipeline.abandon(), Status::Busy);
    talk.answer(&[b"\xfba"]);
    assert!(talk.step().unwrap().is_none());
    assert!(!talk.pipeline.wants_contents());
    assert_eq!(talk.sent(), [b""]);
    answer_numbered(&mut talk, &ok(0, AUTOCOMMIT), 3);
    talk.end();
    assert_eq!(talk.pipeline.status(), Status::Idle);
}

/// A transaction in which three rows were inserted, the last two of them as one command, and three more that wait
/// for their answer.
fn with_bulk_under_way() -> Talk {
    let mut talk = Talk::with(crate::protocol::greeting::MARIADB_BULK_OPERATIONS);
    let sql: Arc<str> = "INSERT INTO t VALUES (?)".into();
    let mut batch = Batch::new();
    (0..3).for_each(|n| batch.push(&sql, &(n,), Want::Outcome).unwrap());
    let batch = Arc::new(batch);
    talk.pipeline.start(Command::Begin(TxOptions::new())).unwrap();
    talk.sent();
    talk.answer(&[&ok(0, AUTOCOMMIT | 1)]);
    talk.end();
    talk.pipeline.start(Command::Batch(Arc::clone(&batch))).unwrap();
    talk.sent();
    talk.answer(&[&[0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], PARAMETER]);
    assert!(talk.step().unwrap().is_none());
    let sent = talk.sent();
    assert_eq!((sent.len(), sent[0][0]), (2, 0x17), "a row alone, and whether it can be undone");
    talk.answer(&[&ok(1, AUTOCOMMIT | 1)]);
    assert!(matches!(talk.step().unwrap(), Some(Step::EndOfSet(_))));
    let more = ok(0, AUTOCOMMIT | 1 | MORE);
    talk.answer(&[&more, &more, &ok(0, AUTOCOMMIT | 1)]);
    assert!(talk.step().unwrap().is_none());
    let sent = talk.sent();
    assert_eq!(sent[0][..10], [0xfa, 1, 0, 0, 0, 128, 0, 8, 0, 0]);
    talk.answer(&[&ok(2, AUTOCOMMIT | 1)]);
    assert!(matches!(talk.step().unwrap(), Some(Step::EndOfSet(_))));
    assert_eq!(talk.end().rows_affected, 1);
    talk.pipeline.start(Command::Batch(batch)).unwrap();
    assert_eq!(talk.sent().len(), 1, "all as one");
    talk
}

#[test]
fn a_bulk_that_was_stopped_is_not_sent_again() {
    let mut talk = with_bulk_under_way();
    talk.answer(&[&refusal(1317)]);
    assert_eq!([talk.failure(), talk.failure()], [ErrorKind::Cancelled, ErrorKind::TxFailed]);
    assert!(talk.step().unwrap().is_none());
    assert_eq!(talk.sent(), [vec![0x0e]]);
    talk.answer(&[&ok(0, AUTOCOMMIT | 1)]);
    assert_eq!(talk.failure(), ErrorKind::TxFailed);
    talk.end();
    assert_eq!(talk.pipeline.status(), Status::Transaction);
}

#[test]
fn a_bulk_that_nobody_waits_for_is_not_sent_again() {
    let mut talk = with_bulk_under_way();
    assert_eq!(talk.pipeline.abandon(), Status::Busy);
    talk.answer(&[&refusal(1062)]);
    assert!(talk.step().unwrap().is_none());
    assert_eq!(talk.sent(), [vec![0x0e]]);
    talk.answer(&[&ok(0, AUTOCOMMIT | 1)]);
    talk.end();
    assert_eq!(talk.pipeline.status(), Status::Transaction);
}

#[test]
fn a_bulk_of_a_transaction_that_ended_is_not_sent_again() {
    let mut talk = with_bulk_under_way();
    talk.answer(&[&refusal(1062)]);
    assert!(talk.step().unwrap().is_none());
    assert!(talk.sent()[0].starts_with(b"\x03SAVEPOINT"));
    talk.answer(&[&ok(0, AUTOCOMMIT | MORE), &refusal(1305)]);
    for kind in [ErrorKind::UniqueViolation, ErrorKind::TxFailed, ErrorKind::TxFailed] {
        assert_eq!(talk.failure(), kind);
    }
    talk.end();
    assert_eq!(talk.pipeline.status(), Status::Idle);
}

#[test]
fn a_bulk_has_no_rows_and_asks_for_no_file() {
    for payload in [b"\xfb/etc/passwd".as_slice(), &[1]] {
        let mut talk = with_bulk_under_way();
        talk.answer(&[payload]);
        assert_eq!(talk.step().unwrap_err().kind(), ErrorKind::Protocol);
        assert!(talk.pipeline.output().is_empty());
        assert_eq!(talk.pipeline.status(), Status::Broken);
    }
}

#[test]
fn what_a_break_undoes_may_be_run_again_as_a_whole() {
    for (sql, open, retry) in [
        ("INSERT INTO t VALUES (1)", true, Retry::Transaction),
        (" select 1", true, Retry::Transaction),
        // Outside a transaction it stands alone.
        ("INSERT INTO t VALUES (1)", false, Retry::Unknown),
        // It commits, or may.
        ("CREATE TABLE t (n INT)", true, Retry::Unknown),
        ("CALL p()", true, Retry::Unknown),
        ("INSERT INTO t VALUES (1); COMMIT", true, Retry::Unknown),
    ] {
        let mut talk = Talk::new();
        talk.learn(sql, 0);
        if open {
            talk.pipeline.start(Command::Begin(TxOptions::new())).unwrap();
            talk.sent();
            talk.answer(&[&ok(0, AUTOCOMMIT | 1)]);
            talk.end();
        }
        talk.execute(sql, 0).unwrap();
        talk.sent();
        let lost = talk.pipeline.broke(Error::new(ErrorKind::ConnectionLost, "gone"));
        assert_eq!(lost.retry(), retry, "{sql}");
        assert!(!lost.nothing_sent());
    }
}

const ROW_7: &[u8] = b"\0\0\x07\0\0\0\0\0\0\0\x02ab";
const ROW_NULL: &[u8] = b"\0\x04\x01c";

/// A session that keeps `SELECT ?`, whose two columns the server describes once.
fn selecting() -> Talk {
    let mut talk = Talk::with(crate::protocol::greeting::MARIADB_CACHE_METADATA);
    talk.execute("SELECT ?", 1).unwrap();
    talk.sent();
    let columns = [column("n", 8), column("t", 253)];
    talk.answer(&[&[0, 9, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0], PARAMETER, &columns[0], &columns[1]]);
    assert!(talk.step().unwrap().is_none());
    talk.sent();
    talk.answer(&[&[2, 0], &end_of_rows(AUTOCOMMIT)]);
    assert_eq!(talk.end().rows_affected, 0);
    talk
}

impl Talk {
    /// Takes steps until there are none, or the command has ended.
    fn steps(&mut self, rows: &mut Vec<(Option<i64>, String)>) -> Option<aquifer_driver::Outcome> {
        while let Some(step) = self.step().unwrap() {
            rows.extend(self.batch.rows().map(|row| (row.get(0).unwrap(), row.get(1).unwrap())));
            if let Step::End(outcome) = step {
                return Some(outcome);
            }
        }
        None
    }
}

#[test]
fn a_lone_statement_gives_the_same_whether_its_answer_comes_whole_or_cut_anywhere() {
    let packets: [&[u8]; 4] = [&[2, 0], ROW_7, ROW_NULL, &end_of_rows(AUTOCOMMIT | 1)];
    let len: usize = packets.iter().map(|packet| packet.len() + frame::HEADER).sum();
    for cut in 0..=len {
        let mut talk = selecting();
        talk.execute("SELECT ?", 5).unwrap();
        assert!(talk.pipeline.is_lone());
        let sent = talk.sent();
        assert_eq!(sent[0][..10], [0x17, 9, 0, 0, 0, 0, 1, 0, 0, 0]);
        talk.answer(&packets);
        let rest = talk.pipeline.input().bytes.split_off(cut);
        let mut rows = Vec::new();
        let mut outcome = match cut {
            0 => None,
            _ => talk.steps(&mut rows),
        };
        if outcome.is_none() {
            talk.pipeline.input().room().extend_from_slice(&rest);
            outcome = talk.steps(&mut rows);
        }
        assert_eq!(rows, [(Some(7), "ab".to_owned()), (None, "c".to_owned())]);
        assert_eq!(outcome.unwrap().rows_affected, 2);
        assert_eq!(talk.pipeline.status(), Status::Transaction);
        // And the next one goes its way.
        talk.execute("SELECT ?", 5).unwrap();
        assert_eq!(talk.sent(), sent);
        talk.answer(&[&[2, 0], &end_of_rows(AUTOCOMMIT)]);
        assert_eq!(talk.end().rows_affected, 0);
        assert_eq!(talk.batch.columns().len(), 2);
    }
}

#[test]
fn a_lone_statement_s_answer_with_more_to_it_is_read_in_full() {
    let changed = [&[0xfe, 0, 0, 2, 0x40, 0, 0, 0, 4][..], b"\x02\x02\x01\x31"].concat();
    let mut talk = selecting();
    talk.execute("SELECT ?", 5).unwrap();
    talk.sent();
    talk.answer(&[&[2, 0], ROW_7, &changed]);
    talk.end();
    assert!(talk.pipeline.session_changed());

    let mut talk = selecting();
    talk.execute("SELECT ?", 5).unwrap();
    talk.sent();
    talk.answer(&[&refusal(1064)]);
    assert_eq!(talk.step().unwrap_err().code(), Some("1064"));
    assert_eq!(talk.pipeline.status(), Status::Idle);

    // One that is described anew, and one whose row is none.
    talk.execute("SELECT ?", 5).unwrap();
    talk.sent();
    talk.answer(&[&[1, 1], &column("n", 8), &ROW_7[..10], &end_of_rows(AUTOCOMMIT)]);
    assert!(matches!(talk.step().unwrap(), Some(Step::End(_))));
    assert_eq!(talk.batch.columns().len(), 1);
    talk.execute("SELECT ?", 5).unwrap();
    talk.sent();
    talk.answer(&[&[1, 0], ROW_7, &end_of_rows(AUTOCOMMIT)]);
    assert_eq!(talk.step().unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(talk.pipeline.status(), Status::Broken);
}

#[test]
fn a_lone_statement_that_is_given_up_is_taken_back_or_read_off() {
    let mut talk = selecting();
    talk.execute("SELECT ?", 5).unwrap();
    assert_eq!(talk.pipeline.abandon(), Status::Idle);
    assert!(talk.sent().is_empty(), "nothing had been sent");
    talk.execute("SELECT ?", 5).unwrap();
    talk.sent();
    assert_eq!(talk.pipeline.abandon(), Status::Busy);
    talk.answer(&[&[2, 0], ROW_7, &end_of_rows(AUTOCOMMIT)]);
    assert_eq!(talk.end().rows_affected, 0);
    assert!(talk.batch.is_empty());
    assert_eq!(talk.pipeline.status(), Status::Idle);
}
