//! The pipeline against a server that is only bytes.

use std::sync::Arc;

use aquifer_driver::{
    Batch, Command, Error, ErrorKind, Result, Retry, RowBatch, Status, Step, TxOptions, Value, Want,
};
use aquifer_net::Flow;

use super::{Pipeline, Settings, StatementMode};
use crate::parameters::Parameters;
use crate::protocol::said::{
    complete, error, fields, first_use, message, parameters, ready, row, tags,
};

mod control;

/// A pipeline, and what the server would have read and said.
struct Session {
    pipeline: Pipeline,
    batch: RowBatch,
}

impl Session {
    fn new(mode: StatementMode, statements_max: usize) -> Self {
        let settings = Settings {
            mode,
            pooled: false,
            statements_max,
            name_prefix: "s".into(),
            observer: None,
        };
        Self { pipeline: Pipeline::new(settings, Parameters::default()), batch: RowBatch::new() }
    }

    fn named() -> Self {
        Self::new(StatementMode::Named, 8)
    }

    /// Starts a command that needs no answer.
    fn settle(&mut self, command: Command<'_>) {
        assert_eq!(self.start(command), "");
        assert!(self.read().unwrap().is_empty());
    }

    /// Starts a command; the tags of what was sent.
    fn start(&mut self, command: Command<'_>) -> String {
        self.pipeline.start(command).unwrap();
        self.flush()
    }

    fn flush(&mut self) -> String {
        let tags = tags(self.pipeline.output());
        let len = self.pipeline.output().len();
        self.pipeline.wrote(len);
        tags
    }

    fn execute(&mut self, sql: &str, id: i64) -> String {
        self.start(Command::Execute { sql, params: &(id,), want: Want::All })
    }

    fn say(&mut self, bytes: &[u8]) {
        self.pipeline.input().room().extend_from_slice(bytes);
    }

    fn step(&mut self) -> Result<Option<Step>> {
        self.pipeline.advance(&mut self.batch)
    }

    /// The integers of the one column, to the command's end.
    fn read(&mut self) -> Result<Vec<i64>> {
        let mut got = Vec::new();
        loop {
            let step = self.step()?.expect("the server has said everything");
            got.extend(self.batch.rows().map(|row| row.get::<i64>(0).unwrap()));
            if matches!(step, Step::End(_)) {
                return Ok(got);
            }
        }
    }

    fn answer(&mut self, bytes: &[u8]) -> Result<Vec<i64>> {
        self.say(bytes);
        self.read()
    }
}

const SQL: &str = "SELECT id FROM t WHERE id > $1";

#[test]
fn the_first_use_is_one_flight_and_so_is_every_other() {
    let mut session = Session::named();
    assert_eq!(session.execute(SQL, 1), "PDBES");
    assert_eq!(session.answer(&first_use(&[b"7", b"8"])).unwrap(), [7, 8], "as text");
    assert_eq!(session.execute(SQL, 1), "BES");
    let binary =
        [message(b'2', b""), row(&[Some(&[0, 0, 0, 9])]), complete("SELECT 1"), ready(b'I')];
    assert_eq!(session.answer(&binary.concat()).unwrap(), [9], "as binary");
    let counters = session.pipeline.counters();
    assert_eq!((counters.rounds, counters.prepared, counters.cache_hits), (2, 1, 1));
    assert_eq!(session.pipeline.status(), Status::Idle);
}

#[test]
fn every_split_of_the_answer_gives_the_same_rows() {
    let answer = first_use(&[b"7", b"8", b"9"]);
    for at in 0..answer.len() {
        let mut session = Session::named();
        session.execute(SQL, 1);
        session.say(&answer[..at]);
        let mut got = Vec::new();
        while let Some(step) = session.step().unwrap() {
            assert!(matches!(step, Step::Rows), "no end before the last byte: {at}");
            got.extend(session.batch.rows().map(|row| row.get::<i64>(0).unwrap()));
        }
        got.extend(session.answer(&answer[at..]).unwrap());
        assert_eq!(got, [7, 8, 9], "split at {at}");
    }
}

#[test]
fn a_row_that_is_not_as_described_ends_the_session_wherever_it_stands() {
    let sound = row(&[Some(&7_i32.to_be_bytes())]);
    let cells = |bytes: &[u8]| message(b'D', bytes);
    let unsound = [
        cells(&[]),
        cells(&[0]),
        cells(&[0, 1]),
        cells(&[0, 0]),
        cells(&[0, 1, 0, 0, 0]),
        cells(&[0, 1, 0, 0, 0, 4, 0, 0, 0]),
        cells(&[0, 1, 0, 0, 0, 4, 0, 0, 0, 7, 0]),
        cells(&[0, 1, 0xff, 0xff, 0xff, 0xfe]),
        cells(&[0, 1, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 7]),
        row(&[None, None]),
    ];
    for (unsound, before) in unsound.iter().flat_map(|row| [(row, 0), (row, 1), (row, 2)]) {
        let mut session = Session::named();
        session.execute(SQL, 1);
        session.answer(&first_use(&[])).unwrap();
        session.execute(SQL, 1);
        session.say(&message(b'2', b""));
        session.say(&sound.repeat(before));
        session.say(unsound);
        session.say(&[sound.clone(), complete("SELECT 3"), ready(b'I')].concat());
        let error = loop {
            match session.step() {
                Ok(step) => assert!(matches!(step, Some(Step::Rows)), "{unsound:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Protocol, "{unsound:?}");
        assert_eq!(session.pipeline.status(), Status::Broken);
    }
}

#[test]
fn a_large_result_takes_over_the_read_buffer_and_nulls_stay_nulls() {
    let mut session = Session::named();
    session.execute(SQL, 1);
    session.answer(&first_use(&[])).unwrap();
    session.execute(SQL, 1);
    session.say(&message(b'2', b""));
    let rows: Vec<u8> = (0..10_000_i32).flat_map(|n| row(&[Some(&n.to_be_bytes())])).collect();
    session.say(&rows);
    session.say(&row(&[None]));
    session.say(&[complete("SELECT 10001"), ready(b'I')].concat());
    let mut got: Vec<Option<i64>> = Vec::new();
    loop {
        let step = session.step().unwrap().unwrap();
        got.extend(session.batch.rows().map(|row| row.get::<Option<i64>>(0).unwrap()));
        assert!(session.batch.byte_len() < 400 * 1024, "batches are bounded");
        if let Step::End(outcome) = step {
            assert_eq!(outcome.rows_affected, 10_001);
            break;
        }
    }
    assert_eq!(got.len(), 10_001);
    assert!(got[..10_000].iter().enumerate().all(|(n, got)| *got == Some(n as i64)));
    assert_eq!(got[10_000], None);
}

#[test]
fn begin_goes_with_the_first_statement_and_an_unused_transaction_sends_nothing() {
    let mut session = Session::named();
    for command in [Command::Begin(TxOptions::new()), Command::Commit] {
        assert_eq!(session.start(command), "");
        assert!(session.read().unwrap().is_empty());
    }
    assert_eq!(session.pipeline.counters().rounds, 0);
    session.start(Command::Begin(TxOptions::new()));
    session.read().unwrap();
    assert_eq!(session.pipeline.status(), Status::Transaction);
    assert_eq!(session.execute(SQL, 1), "PBEPDBES");
    let begin = [message(b'1', b""), message(b'2', b""), complete("BEGIN")].concat();
    let mut rest = first_use(&[b"5"]);
    let state = rest.len() - 1;
    rest[state] = b'T';
    assert_eq!(session.answer(&[begin, rest].concat()).unwrap(), [5]);
    assert_eq!(session.pipeline.status(), Status::Transaction);
    assert_eq!(session.start(Command::Commit), "Q");
    session.answer(&[complete("COMMIT"), ready(b'I')].concat()).unwrap();
    assert_eq!(session.pipeline.status(), Status::Idle);
}

#[test]
fn a_commit_that_rolled_back_is_an_error() {
    let mut session = Session::named();
    session.start(Command::Begin(TxOptions::new()));
    session.read().unwrap();
    session.execute(SQL, 1);
    session.say(&[message(b'1', b""), message(b'2', b""), complete("BEGIN")].concat());
    let failed = session.answer(&[error("42P01"), ready(b'E')].concat()).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::UndefinedObject);
    assert_eq!(session.pipeline.status(), Status::FailedTransaction);
    session.start(Command::Commit);
    let error = session.answer(&[complete("ROLLBACK"), ready(b'I')].concat()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TxFailed);
    assert_eq!(session.pipeline.status(), Status::Idle);
}

#[test]
fn a_commit_that_the_server_did_not_wait_for_is_told_apart_and_never_repeated() {
    let mut session = Session::named();
    session.start(Command::Begin(TxOptions::new()));
    session.read().unwrap();
    session.execute(SQL, 1);
    session.say(&[message(b'1', b""), message(b'2', b""), complete("BEGIN")].concat());
    let mut rest = first_use(&[]);
    let state = rest.len() - 1;
    rest[state] = b'T';
    session.answer(&rest).unwrap();
    session.start(Command::Commit);
    let notice = message(b'N', b"SWARNING\0VWARNING\0C01000\0Mcanceled\0RSyncRepWaitForLSN\0\0");
    let error = session.answer(&[notice, complete("COMMIT"), ready(b'I')].concat()).unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::CommitNotReplicated, Retry::Never));
    assert!(!error.is_connection_lost());
    assert_eq!(session.pipeline.status(), Status::Idle);
}

#[test]
fn a_commit_without_an_answer_is_of_unknown_outcome() {
    let mut session = Session::named();
    session.start(Command::Begin(TxOptions::new()));
    session.read().unwrap();
    session.execute(SQL, 1);
    session.say(&[message(b'1', b""), message(b'2', b""), complete("BEGIN")].concat());
    let mut rest = first_use(&[]);
    let state = rest.len() - 1;
    rest[state] = b'T';
    session.answer(&rest).unwrap();
    session.start(Command::Commit);
    let lost = aquifer_driver::Error::new(ErrorKind::ConnectionLost, "gone");
    let error = session.pipeline.broke(lost);
    assert_eq!(error.kind(), ErrorKind::CommitUnknown);
    assert_eq!(session.pipeline.status(), Status::Broken);
}

#[test]
fn a_connection_that_breaks_before_a_byte_was_sent_may_be_tried_again() {
    let mut session = Session::named();
    let command = Command::Execute { sql: SQL, params: &(1,), want: Want::All };
    session.pipeline.start(command).unwrap();
    let error =
        session.pipeline.broke(aquifer_driver::Error::new(ErrorKind::ConnectionLost, "gone"));
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ConnectionLost, Retry::Safe));
    let mut session = Session::named();
    session.execute(SQL, 1);
    let error =
        session.pipeline.broke(aquifer_driver::Error::new(ErrorKind::ConnectionLost, "gone"));
    assert_ne!(error.retry(), Retry::Safe);
}

#[test]
fn a_stale_statement_is_prepared_and_run_again_outside_a_transaction() {
    for code in ["0A000", "26000"] {
        let mut session = Session::named();
        session.execute(SQL, 1);
        session.answer(&first_use(&[])).unwrap();
        session.execute(SQL, 1);
        session.say(&[error(code), ready(b'I')].concat());
        assert!(session.step().unwrap().is_none(), "not told to the caller: {code}");
        let again = if code == "26000" { "PDBES" } else { "CPDBES" };
        assert_eq!(session.flush(), again);
        if code != "26000" {
            session.say(&message(b'3', b""));
        }
        assert_eq!(session.answer(&first_use(&[b"4"])).unwrap(), [4]);
        assert_eq!(session.pipeline.counters().cached, 1);
        // And only once.
        session.execute(SQL, 1);
        session.say(&[error("26000"), ready(b'I')].concat());
        assert!(session.step().unwrap().is_none());
        session.flush();
        let failed = session.answer(&[error("26000"), ready(b'I')].concat()).unwrap_err();
        assert_eq!(failed.sqlstate(), Some("26000"));
        assert_eq!(session.pipeline.status(), Status::Idle);
    }
}

#[test]
fn a_statement_that_leaves_the_cache_is_closed_in_the_next_flight() {
    let mut session = Session::new(StatementMode::Named, 1);
    session.execute(SQL, 1);
    session.answer(&first_use(&[])).unwrap();
    let other = "SELECT id FROM u WHERE id > $1";
    assert_eq!(session.execute(other, 1), "CPDBES");
    session.answer(&[message(b'3', b""), first_use(&[])].concat()).unwrap();
    let counters = session.pipeline.counters();
    assert_eq!((counters.evicted, counters.cached), (1, 1));
    assert_eq!(session.execute(other, 1), "BES");
}

#[test]
fn a_statement_prepared_by_a_flight_that_was_given_up_is_kept() {
    let mut session = Session::named();
    session.execute(SQL, 1);
    assert_eq!(session.pipeline.abandon(), Status::Busy);
    session.say(&first_use(&[b"1", b"2"]));
    assert!(session.read().unwrap().is_empty(), "rows that nobody wants are skipped");
    assert_eq!(session.execute(SQL, 1), "BES");
}

#[test]
fn a_flight_of_which_nothing_was_sent_is_taken_back() {
    let mut session = Session::named();
    session.start(Command::Begin(TxOptions::new()));
    session.read().unwrap();
    let command = Command::Execute { sql: SQL, params: &(1,), want: Want::All };
    session.pipeline.start(command).unwrap();
    assert_eq!(session.pipeline.abandon(), Status::Transaction);
    assert_eq!(session.execute(SQL, 1), "PBEPDBES", "BEGIN is still to be sent");
}

#[test]
fn a_batch_alone_has_a_sync_for_each_and_shares_what_it_prepares() {
    let sql: Arc<str> = SQL.into();
    let mut session = Session::named();
    let mut batch = Batch::new();
    for id in 0..3 {
        batch.push(&sql, &(id,), Want::All).unwrap();
    }
    assert_eq!(session.start(Command::Batch(Arc::new(batch))), "PDBESBESBES");
    let later = |cell: &[u8]| {
        [message(b'2', b""), row(&[Some(cell)]), complete("SELECT 1"), ready(b'I')].concat()
    };
    session.say(&[first_use(&[b"1"]), later(b"2")].concat());
    session.say(&[error("22012"), ready(b'I')].concat());
    let mut got = Vec::new();
    loop {
        match session.step().unwrap().unwrap() {
            Step::EndOfSet(_) => got.push(session.batch.row(0).unwrap().get::<i64>(0).unwrap()),
            Step::Failed(error) => {
                assert_eq!(error.kind(), ErrorKind::Data);
                got.push(-1);
            }
            Step::End(_) => break,
            Step::Rows => panic!("all is here"),
            _ => panic!("no such step"),
        }
    }
    assert_eq!(got, [1, 2, -1]);
}

#[test]
fn a_batch_in_a_transaction_has_one_sync_and_falls_together() {
    let sql: Arc<str> = SQL.into();
    let mut session = Session::named();
    session.execute(SQL, 1);
    session.answer(&first_use(&[])).unwrap();
    session.start(Command::Begin(TxOptions::new()));
    session.read().unwrap();
    let mut batch = Batch::new();
    for id in 0..3 {
        batch.push(&sql, &(id,), Want::Outcome).unwrap();
    }
    assert_eq!(session.start(Command::Batch(Arc::new(batch))), "PBEBEBEBES");
    session.say(&[message(b'1', b""), message(b'2', b""), complete("BEGIN")].concat());
    session.say(&[message(b'2', b""), complete("SELECT 1"), error("23505"), ready(b'E')].concat());
    assert!(matches!(session.step(), Ok(Some(Step::EndOfSet(_)))));
    for kind in [ErrorKind::UniqueViolation, ErrorKind::TxFailed] {
        match session.step() {
            Ok(Some(Step::Failed(error))) => assert_eq!(error.kind(), kind),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(session.step(), Ok(Some(Step::End(_)))));
    assert_eq!(session.pipeline.status(), Status::FailedTransaction);
}

#[test]
fn an_atomic_batch_has_one_sync_and_falls_together() {
    let sql: Arc<str> = SQL.into();
    let mut session = Session::named();
    session.execute(SQL, 1);
    session.answer(&first_use(&[])).unwrap();
    let batch = |count: i64| {
        let mut batch = Batch::new();
        batch.set_atomic();
        for id in 0..count {
            batch.push(&sql, &(id,), Want::Outcome).unwrap();
        }
        Command::Batch(Arc::new(batch))
    };
    let done = [message(b'2', b""), complete("SELECT 1")].concat();
    // What fails as it is committed is the last one.
    for (said, kinds) in [
        (
            [done.clone(), error("23505")].concat(),
            [ErrorKind::UniqueViolation, ErrorKind::TxFailed],
        ),
        (
            [done.clone(), done.clone(), done.clone(), error("23503")].concat(),
            [ErrorKind::ForeignKeyViolation; 2],
        ),
    ] {
        assert_eq!(session.start(batch(3)), "BEBEBES");
        session.say(&[said, ready(b'I')].concat());
        let mut failed = Vec::new();
        loop {
            match session.step().unwrap().unwrap() {
                Step::EndOfSet(_) => {}
                Step::Failed(error) => failed.push(error.kind()),
                Step::End(_) => break,
                step => panic!("{step:?}"),
            }
        }
        assert_eq!(failed.first(), Some(&kinds[0]));
        assert_eq!(failed.last(), Some(&kinds[1]));
        assert_eq!(session.pipeline.status(), Status::Idle);
    }
    let mut simple = Session::new(StatementMode::Simple, 8);
    let refused = simple.pipeline.start(batch(2)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.nothing_sent() && !simple.pipeline.takes_atomic_batches());
}

#[test]
fn a_script_gives_a_set_for_each_statement() {
    let mut session = Session::named();
    assert_eq!(session.start(Command::Script { sql: "SELECT 1; CREATE TABLE x(); SELECT 2" }), "Q");
    session.say(&[fields(&[("a", 23)]), row(&[Some(b"1")]), complete("SELECT 1")].concat());
    session.say(&complete("CREATE TABLE"));
    session.say(&[fields(&[("b", 23)]), row(&[Some(b"2")]), complete("SELECT 1")].concat());
    session.say(&ready(b'I'));
    let mut names = Vec::new();
    loop {
        let step = session.step().unwrap().unwrap();
        if !matches!(step, Step::Rows) {
            names.push(session.batch.columns().names().collect::<Vec<_>>().join(","));
        }
        if matches!(step, Step::End(_)) {
            break;
        }
    }
    assert_eq!(names, ["a", "", "b"]);
}

#[test]
fn an_unnamed_statement_is_parsed_with_its_learnt_types_and_described_again() {
    let mut session = Session::new(StatementMode::Described, 8);
    assert_eq!(session.execute(SQL, 1), "PDBES");
    session.answer(&first_use(&[])).unwrap();
    assert_eq!(session.execute(SQL, 1), "PBDES");
    let mut described = fields(&[("id", 23)]);
    let format = described.len() - 1;
    described[format] = 1;
    let answer = [message(b'1', b""), message(b'2', b""), described, row(&[Some(&[0, 0, 0, 3])])];
    session.say(&answer.concat());
    assert_eq!(session.answer(&[complete("SELECT 1"), ready(b'I')].concat()).unwrap(), [3]);
}

#[test]
fn anything_out_of_turn_ends_the_session() {
    let good = first_use(&[b"7"]);
    for bytes in [
        ready(b'I'),
        message(b'2', b""),
        message(b'K', &[0; 8]),
        complete("SELECT 1"),
        row(&[Some(b"1")]),
        message(b'3', b""),
        ready(b'?'),
        [good[..good.len() - 6].to_vec(), row(&[Some(b"1")])].concat(),
        [
            message(b'1', b""),
            parameters(&[23]),
            fields(&[("id", 23)]),
            message(b'2', b""),
            row(&[Some(b"1"), None]),
        ]
        .concat(),
    ] {
        let mut session = Session::named();
        session.execute(SQL, 1);
        session.say(&bytes);
        let error = loop {
            match session.step() {
                Ok(Some(Step::Rows)) => {}
                Ok(step) => panic!("{step:?} for {bytes:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Protocol, "{bytes:?}");
        assert_eq!(session.pipeline.status(), Status::Broken);
    }
}

#[test]
fn a_copy_that_was_not_asked_for_is_ended_and_the_session_goes_on() {
    let mut session = Session::named();
    assert_eq!(session.start(Command::Script { sql: "COPY t FROM STDIN" }), "Q");
    session.say(&message(b'G', &[0, 0, 1, 0, 0]));
    assert!(session.step().unwrap().is_none());
    assert_eq!(session.flush(), "f");
    let error = session.answer(&[error("57014"), ready(b'I')].concat()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(session.pipeline.status(), Status::Idle);
}

#[test]
fn too_many_arguments_and_wrong_counts_send_nothing() {
    let mut session = Session::named();
    let many: Vec<i64> = vec![0; 65_536];
    let command = Command::Execute { sql: SQL, params: &many, want: Want::All };
    assert_eq!(session.pipeline.start(command).unwrap_err().kind(), ErrorKind::ArgumentMismatch);
    session.execute(SQL, 1);
    session.answer(&first_use(&[])).unwrap();
    let command = Command::Execute { sql: SQL, params: &(1, 2), want: Want::All };
    assert_eq!(session.pipeline.start(command).unwrap_err().kind(), ErrorKind::ArgumentMismatch);
    assert!(session.pipeline.output().is_empty());
    assert_eq!(session.execute(SQL, 1), "BES");
}

#[test]
fn pages_are_asked_for_one_by_one_and_given_up_between_them() {
    let page = |n: i32| row(&[Some(&n.to_be_bytes())]);
    let mut session = Session::named();
    session.execute(SQL, 1);
    session.answer(&first_use(&[])).unwrap();
    let want = Want::Paged(std::num::NonZeroU32::new(2).unwrap());
    for give_up in [false, true] {
        assert_eq!(session.start(Command::Execute { sql: SQL, params: &(1,), want }), "BEH");
        session.say(&[message(b'2', b""), page(1), page(2), message(b's', b"")].concat());
        assert!(matches!(session.step(), Ok(Some(Step::Rows))));
        assert_eq!(session.batch.len(), 2);
        assert_eq!(session.flush(), "", "nothing is asked for before it is wanted");
        if give_up {
            assert_eq!(session.pipeline.abandon(), Status::Busy);
            assert_eq!(session.flush(), "S");
            session.answer(&ready(b'I')).unwrap();
            break;
        }
        assert!(session.step().unwrap().is_none());
        assert_eq!(session.flush(), "EH");
        session.say(&[page(3), complete("SELECT 1")].concat());
        assert!(matches!(session.step(), Ok(Some(Step::Rows))));
        assert_eq!(session.flush(), "S");
        session.answer(&ready(b'I')).unwrap();
    }
    assert_eq!(session.pipeline.status(), Status::Idle);
    session.start(Command::Execute { sql: SQL, params: &(1,), want });
    session.say(&error("57014"));
    assert!(session.step().unwrap().is_none());
    assert_eq!(session.flush(), "S", "an error is followed by the Sync that was not sent");
    let failed = session.answer(&ready(b'I')).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Cancelled);
}

#[test]
fn the_simple_mode_writes_arguments_into_the_text() {
    let mut session = Session::new(StatementMode::Simple, 8);
    assert_eq!(session.execute(SQL, 7), "Q");
    let answer = [fields(&[("id", 23)]), row(&[Some(b"8")]), complete("SELECT 1"), ready(b'I')];
    assert_eq!(session.answer(&answer.concat()).unwrap(), [8]);
    session.start(Command::Begin(TxOptions::new()));
    session.read().unwrap();
    assert_eq!(session.execute(SQL, 7), "Q");
    let begun = [complete("BEGIN"), fields(&[("id", 23)]), complete("SELECT 0"), ready(b'T')];
    assert!(session.answer(&begun.concat()).unwrap().is_empty());
    assert_eq!(session.pipeline.status(), Status::Transaction);
}

#[test]
fn bytes_where_a_statement_took_something_else_make_it_another_statement() {
    let sql = "SELECT $1";
    let run = |session: &mut Session, value: Value| {
        session.start(Command::Execute { sql, params: &[value], want: Want::All })
    };
    let mut session = Session::named();
    assert_eq!(run(&mut session, "text".into()), "PDBES");
    let learnt = [message(b'1', b""), parameters(&[25]), fields(&[("c", 25)]), message(b'2', b"")];
    let rest = [complete("SELECT 0"), ready(b'I')].concat();
    session.answer(&[learnt.concat(), rest.clone()].concat()).unwrap();
    assert_eq!(run(&mut session, Value::Bytes(vec![1])), "PDBES", "declares bytea");
    let learnt = [message(b'1', b""), parameters(&[17]), fields(&[("c", 17)]), message(b'2', b"")];
    session.answer(&[learnt.concat(), rest.clone()].concat()).unwrap();
    assert_eq!(run(&mut session, Value::Null), "CBES", "the older one is closed");
    session.answer(&[message(b'3', b""), message(b'2', b""), rest].concat()).unwrap();
    assert_eq!(run(&mut session, "text".into()), "PDBES");
}

#[test]
fn the_one_row_that_is_wanted_waits_for_the_end_of_its_statement() {
    let insert = "INSERT INTO t (id) VALUES ($1) RETURNING id";
    for good in [true, false] {
        let mut session = Session::named();
        session.start(Command::Execute { sql: insert, params: &(7,), want: Want::First });
        let answer = first_use(&[b"7"]);
        let row_ends = answer.len() - complete("SELECT 1").len() - ready(b'I').len();
        session.say(&answer[..row_ends]);
        assert!(session.step().unwrap().is_none(), "not committed yet");
        if good {
            session.say(&answer[row_ends..]);
            assert_eq!(session.read().unwrap(), [7]);
        } else {
            let failed = session.answer(&[error("23503"), ready(b'I')].concat()).unwrap_err();
            assert_eq!(failed.kind(), ErrorKind::ForeignKeyViolation);
            assert!(session.batch.is_empty());
        }
    }
}

#[test]
fn the_first_row_of_a_long_result_waits_for_its_end_too() {
    let mut session = Session::named();
    session.start(Command::Execute { sql: SQL, params: &(7,), want: Want::First });
    let answer = first_use(&[b"1"]);
    let row_ends = answer.len() - complete("SELECT 1").len() - ready(b'I').len();
    session.say(&answer[..row_ends]);
    for _ in 0..10_000 {
        session.say(&row(&[Some(b"2")]));
        assert!(session.step().unwrap().is_none(), "any query may call a function that writes");
    }
    session.say(&answer[row_ends..]);
    assert_eq!(session.read().unwrap(), [1]);
}

#[test]
fn a_session_that_leaves_utf_8_is_closed() {
    let mut session = Session::named();
    session.start(Command::Script { sql: "SET client_encoding = 'LATIN1'" });
    let other = message(b'S', b"client_encoding\0LATIN1\0");
    let garbled = session.answer(&[complete("SET"), other, ready(b'I')].concat()).unwrap_err();
    assert_eq!(garbled.kind(), ErrorKind::Unsupported);
    assert!(garbled.to_string().contains("UTF8"), "{garbled}");
    assert_eq!(session.pipeline.status(), Status::Broken);
}

#[test]
fn what_a_break_undoes_may_be_run_again_as_a_whole() {
    let execute = Command::Execute { sql: SQL, params: &(7,), want: Want::All };
    let script = || Command::Script { sql: "SELECT 1; SELECT 2" };
    for (command, sent, retry) in [
        (execute, true, Retry::Transaction),
        (script(), false, Retry::Transaction),
        // It may hold a COMMIT.
        (script(), true, Retry::Unknown),
        (Command::Commit, false, Retry::Transaction),
    ] {
        let mut session = Session::named();
        session.start(Command::Begin(TxOptions::new()));
        session.read().unwrap();
        session.execute(SQL, 1);
        let begin = [message(b'1', b""), message(b'2', b""), complete("BEGIN")].concat();
        let mut rest = first_use(&[b"5"]);
        *rest.last_mut().unwrap() = b'T';
        session.answer(&[begin, rest].concat()).unwrap();
        session.pipeline.start(command).unwrap();
        if sent {
            session.flush();
        }
        let lost = session.pipeline.broke(Error::new(ErrorKind::ConnectionLost, "gone"));
        assert_eq!((lost.kind(), lost.retry()), (ErrorKind::ConnectionLost, retry), "{sent}");
        assert_eq!(lost.nothing_sent(), !sent);
    }
}

#[test]
fn a_statement_behind_its_begin_is_undone_by_a_break_wherever_it_comes() {
    let begin = [message(b'1', b""), message(b'2', b""), complete("BEGIN")];
    for answered in 0..=begin.len() {
        let mut session = Session::named();
        session.start(Command::Begin(TxOptions::new()));
        session.read().unwrap();
        session.execute(SQL, 1);
        session.flush();
        session.say(&begin[..answered].concat());
        assert!(session.step().unwrap().is_none());
        let lost = session.pipeline.broke(Error::new(ErrorKind::ConnectionLost, "gone"));
        assert_eq!(lost.retry(), Retry::Transaction, "after {answered} answers");
    }
}

#[test]
fn a_kept_statement_alone_is_owed_as_much_as_any_other() {
    let mut session = Session::named();
    session.execute(SQL, 1);
    session.answer(&first_use(&[b"7"])).unwrap();
    let answer =
        [message(b'2', b""), row(&[Some(&[0, 0, 0, 9])]), complete("SELECT 1"), ready(b'I')];

    // Nothing was sent: it is taken back.
    let again = Command::Execute { sql: SQL, params: &(1,), want: Want::All };
    session.pipeline.start(again).unwrap();
    assert!(session.pipeline.owes() && session.pipeline.status() == Status::Busy);
    assert_eq!(session.pipeline.abandon(), Status::Idle);
    assert!(!session.pipeline.owes() && session.pipeline.output().is_empty());

    // It was sent: its answer is nobody's, and no other command may start before that has come.
    assert_eq!(session.execute(SQL, 1), "BES");
    assert_eq!(session.pipeline.abandon(), Status::Busy);
    assert!(session.pipeline.start(Command::Ping).is_err());
    assert_eq!(session.answer(&answer.concat()).unwrap(), [0; 0]);
    assert_eq!(session.pipeline.status(), Status::Idle);

    // Something else is said in between.
    let setting = message(b'S', b"TimeZone\0Europe/Prague\0");
    for place in 0..answer.len() {
        session.execute(SQL, 1);
        let mut said = answer.to_vec();
        said.insert(place, setting.clone());
        assert_eq!(session.answer(&said.concat()).unwrap(), [9]);
    }
    assert_eq!(session.pipeline.parameters().get("TimeZone"), Some("Europe/Prague"));

    // More rows than were wanted, and none.
    for rows in [0, 2] {
        session.start(Command::Execute { sql: SQL, params: &(1,), want: Want::First });
        let mut said = vec![message(b'2', b"")];
        said.extend((0..rows).map(|_| row(&[Some(&[0, 0, 0, 9])])));
        said.extend([complete(&format!("SELECT {rows}")), ready(b'T')]);
        assert_eq!(session.answer(&said.concat()).unwrap(), &[9][..rows / 2]);
        assert_eq!(session.pipeline.status(), Status::Transaction);
    }

    // It fails; the session is as it was.
    session.execute(SQL, 1);
    let failed = session.answer(&[error("22012"), ready(b'I')].concat()).unwrap_err();
    assert_eq!(failed.sqlstate(), Some("22012"));
    assert_eq!(session.execute(SQL, 1), "BES");
    assert_eq!(session.answer(&answer.concat()).unwrap(), [9]);

    // The connection breaks under it.
    session.execute(SQL, 1);
    let lost =
        session.pipeline.broke(aquifer_driver::Error::new(ErrorKind::ConnectionLost, "gone"));
    assert!(!lost.nothing_sent() && !session.pipeline.owes());
    assert_eq!(session.pipeline.status(), Status::Broken);
}

#[test]
fn an_answer_is_the_same_whether_it_comes_whole_or_in_pieces() {
    let rows = |cells: &[i32]| -> Vec<u8> {
        cells.iter().flat_map(|cell| row(&[Some(&cell.to_be_bytes())])).collect()
    };
    let cases = [
        (rows(&[7]), "SELECT 1", b'I', Want::First),
        (rows(&[7, 8]), "SELECT 2", b'I', Want::First),
        (rows(&[]), "SELECT 0", b'I', Want::First),
        (rows(&[7, 8, 9]), "SELECT 3", b'T', Want::All),
        (rows(&[]), "UPDATE 3", b'T', Want::All),
        (rows(&[7]), "INSERT 0 1", b'I', Want::All),
        (rows(&[7]), "COMMIT", b'I', Want::All),
    ];
    for (rows, tag, state, want) in cases {
        let bytes = [message(b'2', b""), rows, complete(tag), ready(state)].concat();
        let mut answers = Vec::new();
        for pieces in [bytes.len(), 1] {
            let mut session = Session::named();
            session.start(Command::Execute { sql: SQL, params: &(7,), want: Want::All });
            session.answer(&first_use(&[b"1"])).unwrap();
            session.start(Command::Execute { sql: SQL, params: &(7,), want });
            let mut got = Vec::new();
            let mut end = None;
            for piece in bytes.chunks(pieces) {
                session.say(piece);
                while end.is_none()
                    && let Some(step) = session.step().unwrap()
                {
                    got.extend(session.batch.rows().map(|row| row.get::<i64>(0).unwrap()));
                    if let Step::End(outcome) = step {
                        end = Some(outcome);
                    }
                }
            }
            let columns = session.batch.columns().len();
            answers.push((got, end.unwrap(), columns, session.pipeline.status()));
        }
        assert_eq!(answers[0], answers[1], "{tag} {want:?}");
    }
}
