//! The lane against a server that is only bytes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use aquifer_driver::multiplex::{Answers, Room, Ticket};
use aquifer_driver::{Error, ErrorKind, Outcome, Params, Result, Retry, RowBatch, Status, Want};
use aquifer_net::Flow;

use super::Taken;
use crate::parameters::Parameters;
use crate::pipeline::{Pipeline, Settings, StatementMode};
use crate::protocol::said::{complete, error, fields, message, parameters, ready, row, tags};

const SQL: &str = "SELECT id FROM t WHERE id > $1";

/// What became of the tickets, in order, with the first column of their rows.
#[derive(Debug, Default)]
struct Log {
    ended: Vec<(u32, String)>,
    batches: BTreeMap<u32, RowBatch>,
    full: HashSet<u32>,
    skipped: HashSet<u32>,
    /// For whom there was to be room.
    asked: Vec<u32>,
}

impl Log {
    fn shown(&mut self, ticket: Ticket, how: String) {
        self.ended.push((ticket.0, how));
    }

    fn take(&mut self) -> Vec<(u32, String)> {
        self.batches.clear();
        std::mem::take(&mut self.ended)
    }

    fn kinds(&mut self) -> Vec<String> {
        self.take().into_iter().map(|(ticket, how)| format!("{ticket} {how}")).collect()
    }
}

impl Answers for Log {
    fn room(&mut self, ticket: Ticket) -> Room<'_> {
        self.asked.push(ticket.0);
        if self.full.contains(&ticket.0) {
            Room::Full
        } else if self.skipped.contains(&ticket.0) {
            Room::Skip
        } else {
            Room::Into(self.batches.entry(ticket.0).or_default())
        }
    }

    fn answered(&mut self, ticket: Ticket, answer: Result<Outcome>) {
        let how = match answer {
            Ok(outcome) => match self.batches.get(&ticket.0) {
                Some(batch) => {
                    let rows: Vec<i64> = batch.rows().map(|row| row.get(0).unwrap()).collect();
                    let columns: Vec<_> = batch.columns().names().collect();
                    format!("{} {columns:?} {rows:?}", outcome.rows_affected)
                }
                None => outcome.rows_affected.to_string(),
            },
            Err(error) => format!("{:?}", error.kind()),
        };
        self.shown(ticket, how);
    }

    fn not_run(&mut self, ticket: Ticket) {
        self.shown(ticket, "not run".to_owned());
    }
}

/// A lane, and what the server would have read and said.
struct Shared {
    pipeline: Pipeline,
    log: Log,
    tickets: u32,
}

impl Shared {
    fn new(statements_max: usize) -> Self {
        let settings = Settings {
            mode: StatementMode::Named,
            pooled: false,
            statements_max,
            name_prefix: "s".into(),
            observer: None,
        };
        let mut pipeline = Pipeline::new(settings, Parameters::default());
        pipeline.begin_lane().unwrap();
        Self { pipeline, log: Log::default(), tickets: 0 }
    }

    /// One that keeps these texts, `s1` the first of them. Their parameter and their column are int4.
    fn keeping(texts: &[&str], statements_max: usize) -> Self {
        let mut shared = Self::new(statements_max);
        for text in texts {
            shared.push(text);
            shared.end();
        }
        let answers: Vec<u8> =
            texts.iter().flat_map(|_| [first(&[]), ready(b'I')].concat()).collect();
        shared.say(&answers);
        assert_eq!(shared.log.take().len(), texts.len());
        shared.pipeline.lane_ended();
        shared.tickets = 0;
        shared.log.asked.clear();
        shared
    }

    fn push(&mut self, sql: &str) {
        self.push_with(sql, &(1,), Want::All).unwrap();
    }

    fn push_with(&mut self, sql: &str, params: &dyn Params, want: Want) -> Result<()> {
        let ticket = Ticket(self.tickets);
        self.pipeline.push(ticket, &Arc::from(sql), params, want)?;
        self.tickets += 1;
        Ok(())
    }

    /// Ends the segment and writes all; the tags of what was written.
    fn end(&mut self) -> String {
        self.pipeline.end_lane_segment();
        let tags = tags(self.pipeline.output());
        self.pipeline.wrote(self.pipeline.output().len());
        tags
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Taken> {
        self.pipeline.input().room().extend_from_slice(bytes);
        self.pipeline.take_answers(&mut self.log)
    }

    /// The server says something for which there is room and which is to be expected.
    fn say(&mut self, bytes: &[u8]) {
        assert_eq!(self.hear(bytes).unwrap(), Taken::All);
    }

    fn answer(&mut self, bytes: &[u8]) -> Vec<String> {
        self.say(bytes);
        self.log.kinds()
    }
}

/// The answer to a first use, up to its CommandComplete.
fn first(rows: &[&str]) -> Vec<u8> {
    let mut out =
        [message(b'1', b""), parameters(&[23]), fields(&[("id", 23)]), message(b'2', b"")].concat();
    rows.iter().for_each(|cell| out.extend(row(&[Some(cell.as_bytes())])));
    out.extend(complete(&format!("SELECT {}", rows.len())));
    out
}

/// The answer to a use by name before the types were known.
fn follower(rows: &[&str]) -> Vec<u8> {
    let mut out = message(b'2', b"");
    rows.iter().for_each(|cell| out.extend(row(&[Some(cell.as_bytes())])));
    out.extend(complete(&format!("SELECT {}", rows.len())));
    out
}

/// The answer to a kept statement.
fn kept(rows: &[i32]) -> Vec<u8> {
    let mut out = message(b'2', b"");
    rows.iter().for_each(|cell| out.extend(row(&[Some(&cell.to_be_bytes())])));
    out.extend(complete(&format!("SELECT {}", rows.len())));
    out
}

#[test]
fn statements_of_a_segment_share_a_sync_and_are_answered_in_order() {
    let mut shared = Shared::keeping(&[SQL], 8);
    for _ in 0..3 {
        shared.push(SQL);
    }
    assert_eq!(shared.pipeline.lane.owed(), 3);
    assert_eq!(shared.end(), "BEBEBES");
    assert_eq!(shared.end(), "", "there is nothing more to end");
    assert_eq!(shared.pipeline.status(), Status::Busy);
    let answer = [kept(&[5]), kept(&[]), kept(&[6, 7]), ready(b'I')].concat();
    assert_eq!(
        shared.answer(&answer),
        ["0 1 [\"id\"] [5]", "1 0 [\"id\"] []", "2 2 [\"id\"] [6, 7]"]
    );
    assert_eq!(shared.pipeline.status(), Status::Idle);
    let counters = shared.pipeline.counters();
    assert_eq!((counters.syncs, counters.prepared, counters.cache_hits), (2, 1, 3));
}

/// Pushes all there is and gives the bytes that answer it.
fn everything(shared: &mut Shared) -> Vec<u8> {
    let notice = message(b'N', b"SNOTICE\0VNOTICE\0C00000\0Mhm\0\0");
    let status = message(b'S', b"TimeZone\0UTC\0");
    let mut answer = Vec::new();
    // A new text takes the place of a kept one.
    for sql in [SQL, "SELECT a", "SELECT a", "SELECT b"] {
        shared.push(sql);
    }
    shared.end();
    answer.extend([kept(&[1, 2]), message(b'3', b""), notice.clone(), first(&["3"])].concat());
    answer.extend([status.clone(), follower(&["4", "5"]), first(&[]), ready(b'I')].concat());
    shared.push("SELECT a");
    shared.push_with("SELECT b", &(1,), Want::First).unwrap();
    shared.push_with("SELECT b", &(1,), Want::Outcome).unwrap();
    shared.push("SELECT b");
    shared.end();
    answer.extend([follower(&["6"]), follower(&["7", "8"]), notice, follower(&["9"])].concat());
    answer.extend([message(b'2', b""), row(&[Some(b"1")]), error("22012"), ready(b'I')].concat());
    shared.push("SELECT a");
    shared.push("SELECT a");
    shared.end();
    answer.extend([error("42P01"), status, ready(b'I')].concat());
    shared.push_with("INSERT", &(), Want::All).unwrap();
    shared.end();
    answer.extend([message(b'1', b""), parameters(&[]), message(b'n', b"")].concat());
    answer.extend([message(b'2', b""), complete("INSERT 0 3"), ready(b'I')].concat());
    answer
}

#[test]
fn answers_are_the_same_wherever_they_are_split() {
    let expected = [
        "0 2 [\"id\"] [1, 2]",
        "1 1 [\"id\"] [3]",
        "2 2 [\"id\"] [4, 5]",
        "3 0 [\"id\"] []",
        "4 1 [\"id\"] [6]",
        "5 2 [\"id\"] [7]",
        "6 1",
        "7 Data",
        "8 UndefinedObject",
        "9 not run",
        "10 3",
    ];
    let mut shared = Shared::keeping(&[SQL, "SELECT x"], 2);
    let len = everything(&mut shared).len();
    for at in 0..=len {
        let mut shared = Shared::keeping(&[SQL, "SELECT x"], 2);
        let answer = everything(&mut shared);
        shared.say(&answer[..at]);
        shared.say(&answer[at..]);
        assert_eq!(shared.log.kinds(), expected, "split at {at}");
        assert!(!shared.pipeline.lane.is_busy() && shared.pipeline.lane.firsts.is_empty());
    }
    let mut shared = Shared::keeping(&[SQL, "SELECT x"], 2);
    for byte in everything(&mut shared) {
        shared.say(&[byte]);
    }
    assert_eq!(shared.log.kinds(), expected, "byte by byte");
}

#[test]
fn an_error_anywhere_in_a_segment_is_one_statements_and_the_next_segment_goes_on() {
    for place in 0..4 {
        for early in [false, true] {
            let mut shared = Shared::keeping(&[SQL], 8);
            for _ in 0..4 {
                shared.push(SQL);
            }
            shared.end();
            shared.push(SQL);
            shared.end();
            let mut answer = kept(&[1]).repeat(place);
            if !early {
                answer.extend([message(b'2', b""), row(&[None])].concat());
            }
            answer.extend([error("22012"), ready(b'I'), kept(&[2]), ready(b'I')].concat());
            let ended = shared.answer(&answer);
            for (n, how) in ended.iter().enumerate() {
                let expected = match n {
                    _ if n < place => "1 [\"id\"] [1]",
                    _ if n == place => "Data",
                    4 => "1 [\"id\"] [2]",
                    _ => "not run",
                };
                assert_eq!(*how, format!("{n} {expected}"));
            }
            assert_eq!(ended.len(), 5);
            assert_eq!(shared.pipeline.status(), Status::Idle);
        }
    }
}

#[test]
fn what_fails_as_the_segment_is_committed_is_its_last_statements_error() {
    let mut shared = Shared::keeping(&[SQL], 8);
    shared.push(SQL);
    shared.push(SQL);
    shared.end();
    assert_eq!(shared.answer(&kept(&[1]).repeat(2)), ["0 1 [\"id\"] [1]"]);
    assert_eq!(shared.answer(&[error("23503"), ready(b'I')].concat()), ["1 ForeignKeyViolation"]);
    shared.push(SQL);
    shared.end();
    let notice = message(b'N', b"SWARNING\0VWARNING\0C01000\0Mcanceled\0RSyncRepWaitForLSN\0\0");
    let answer = [kept(&[]), notice, ready(b'I')].concat();
    assert_eq!(shared.answer(&answer), ["2 CommitNotReplicated"]);
    shared.push(SQL);
    shared.end();
    assert_eq!(shared.answer(&[kept(&[]), ready(b'I')].concat()), ["3 0 [\"id\"] []"]);
}

#[test]
fn a_new_text_is_prepared_once_for_all_that_use_it_before_it_is_answered() {
    let mut shared = Shared::new(8);
    shared.push(SQL);
    shared.push(SQL);
    assert_eq!(shared.end(), "PDBEBES");
    shared.push(SQL);
    assert_eq!(shared.end(), "BES");
    let answer = [first(&["1"]), follower(&["2"]), ready(b'I')].concat();
    assert_eq!(shared.answer(&answer), ["0 1 [\"id\"] [1]", "1 1 [\"id\"] [2]"]);
    // Known by now, and asked for in binary, while one that asked for text is under way.
    shared.push(SQL);
    assert_eq!(shared.end(), "BES");
    let answer = [follower(&["3"]), ready(b'I'), kept(&[4]), ready(b'I')].concat();
    assert_eq!(shared.answer(&answer), ["2 1 [\"id\"] [3]", "3 1 [\"id\"] [4]"]);
    let counters = shared.pipeline.counters();
    assert_eq!((counters.prepared, counters.cache_hits, counters.cached), (1, 1, 1));
    assert!(shared.pipeline.lane.firsts.is_empty());
}

#[test]
fn other_types_of_arguments_make_it_another_statement() {
    let mut shared = Shared::new(8);
    shared.push(SQL);
    shared.push_with(SQL, &(&b"x"[..],), Want::All).unwrap();
    assert_eq!(shared.end(), "PDBEPDBES");
    let bytes = [message(b'1', b""), parameters(&[17]), fields(&[("id", 23)]), follower(&[])];
    shared.say(&[first(&[]), bytes.concat(), ready(b'I')].concat());
    assert_eq!(shared.log.take().len(), 2);
    // The last one is kept, and the other one is closed.
    shared.push_with(SQL, &(&b"x"[..],), Want::All).unwrap();
    assert_eq!(shared.end(), "CBES");
    shared.push(SQL);
    assert_eq!(shared.end(), "PDBES", "what is kept takes bytes");
}

#[test]
fn those_who_use_a_name_that_was_not_given_are_not_run() {
    for skipped in [false, true] {
        let mut shared = Shared::keeping(&["SELECT x"], 8);
        if skipped {
            shared.push("SELECT x");
        }
        shared.push(SQL);
        shared.push(SQL);
        shared.end();
        shared.push(SQL);
        shared.push("SELECT x");
        shared.end();
        let answer = [error("42601"), ready(b'I'), error("26000"), ready(b'I')].concat();
        let ended = shared.answer(&answer);
        let expected: &[&str] = match skipped {
            false => &["0 Syntax", "1 not run", "2 not run", "3 not run"],
            true => &["0 Syntax", "1 not run", "2 not run", "3 not run", "4 not run"],
        };
        assert_eq!(ended, expected);
        // Pushed again it is prepared anew.
        shared.push(SQL);
        assert_eq!(shared.end(), if skipped { "CPDBES" } else { "PDBES" });
    }
}

#[test]
fn a_name_whose_description_failed_is_closed() {
    let mut shared = Shared::new(8);
    shared.push(SQL);
    shared.end();
    let answer = [message(b'1', b""), error("42P01"), ready(b'I')].concat();
    assert_eq!(shared.answer(&answer), ["0 UndefinedObject"]);
    shared.push(SQL);
    assert_eq!(shared.end(), "CPDBES");
    shared.say(&[message(b'3', b""), first(&[]), ready(b'I')].concat());
    assert!(shared.pipeline.closing.is_empty() && shared.pipeline.lane.closing.is_empty());
}

#[test]
fn a_statement_that_the_server_can_use_no_more_is_prepared_anew_when_it_is_pushed_again() {
    for (state, closes) in [("26000", false), ("0A000", true)] {
        let mut shared = Shared::keeping(&[SQL], 8);
        for _ in 0..3 {
            shared.push(SQL);
            shared.end();
        }
        let answer = [error(state), ready(b'I')].concat().repeat(3);
        assert_eq!(shared.answer(&answer), ["0 not run", "1 not run", "2 not run"]);
        shared.push(SQL);
        assert_eq!(shared.end(), if closes { "CPDBES" } else { "PDBES" }, "{state}");
        let closed = if closes { message(b'3', b"") } else { Vec::new() };
        let answer = [closed, first(&["7"]), ready(b'I')].concat();
        assert_eq!(shared.answer(&answer), ["3 1 [\"id\"] [7]"]);
    }
    // From within a function it is an error like any other.
    let mut shared = Shared::keeping(&[SQL], 8);
    shared.push(SQL);
    shared.end();
    let answer = [message(b'2', b""), error("0A000"), ready(b'I')].concat();
    assert_eq!(shared.answer(&answer), ["0 Unsupported"]);
    assert_eq!(shared.pipeline.counters().cached, 1);
}

#[test]
fn a_stale_statement_is_forgotten_and_its_error_told() {
    let mut shared = Shared::keeping(&[SQL], 8);
    shared.push(SQL);
    shared.end();
    assert_eq!(shared.answer(&[error("42883"), ready(b'I')].concat()), ["0 UndefinedObject"]);
    shared.push(SQL);
    assert_eq!(shared.end(), "CPDBES");
}

#[test]
fn a_close_that_was_not_heard_is_sent_again() {
    let mut shared = Shared::keeping(&["SELECT a"], 1);
    shared.push("SELECT a");
    shared.push(SQL);
    assert_eq!(shared.end(), "BECPDBES");
    let answer = [error("22012"), ready(b'I')].concat();
    assert_eq!(shared.answer(&answer), ["0 Data", "1 not run"]);
    shared.push(SQL);
    assert_eq!(shared.end(), "CPDBES");
    let answer = [message(b'3', b""), first(&[]), ready(b'I')].concat();
    assert_eq!(shared.answer(&answer), ["2 0 [\"id\"] []"]);
    assert_eq!(shared.pipeline.counters().evicted, 1);
}

#[test]
fn what_the_cache_cannot_take_is_prepared_without_a_name() {
    let mut shared = Shared::new(0);
    shared.push(SQL);
    shared.push(SQL);
    assert_eq!(shared.end(), "PDBEPDBES");
    assert_eq!(shared.answer(&[first(&["1"]), first(&["2"]), ready(b'I')].concat()).len(), 2);
    assert!(shared.pipeline.closing.is_empty());
}

#[test]
fn nothing_is_taken_while_there_is_no_room_and_all_of_it_afterwards() {
    let rows: Vec<i32> = (0..2000).collect();
    for (sql, answer, whole) in [
        (SQL, [kept(&[]), kept(&rows), kept(&[3]), ready(b'I')].concat(), false),
        (SQL, [kept(&[]), kept(&[1, 2]), kept(&[3]), ready(b'I')].concat(), true),
        ("SELECT new", [first(&[]), follower(&[]), follower(&["3"]), ready(b'I')].concat(), true),
    ] {
        let mut shared = Shared::keeping(&[SQL], 8);
        for _ in 0..3 {
            shared.push(sql);
        }
        shared.end();
        shared.log.full.insert(1);
        assert_eq!(shared.hear(&answer).unwrap(), Taken::Full);
        assert_eq!(shared.log.kinds(), ["0 0 [\"id\"] []"]);
        let held = shared.pipeline.input.bytes.len() - shared.pipeline.input.at;
        assert_eq!(shared.hear(&[]).unwrap(), Taken::Full);
        assert!(shared.log.kinds().is_empty());
        assert_eq!(shared.pipeline.input.bytes.len() - shared.pipeline.input.at, held);
        shared.log.full.clear();
        let ended = shared.answer(&[]);
        assert_eq!(ended[1], "2 1 [\"id\"] [3]");
        let count = if whole && sql == SQL {
            2
        } else if whole {
            0
        } else {
            2000
        };
        assert!(ended[0].starts_with(&format!("1 {count} ")), "{}", ended[0]);
    }
}

#[test]
fn room_may_end_in_the_middle_of_the_rows() {
    let mut shared = Shared::keeping(&[SQL], 8);
    shared.push(SQL);
    shared.end();
    let sound = row(&[Some(&7_i32.to_be_bytes())]);
    shared.say(&[message(b'2', b""), sound.repeat(2)].concat());
    shared.log.full.insert(0);
    assert_eq!(shared.hear(&sound).unwrap(), Taken::Full);
    // Who reads has taken the rows away, and another batch is there.
    assert_eq!(shared.log.batches.insert(0, RowBatch::new()).unwrap().len(), 2);
    shared.log.full.clear();
    shared.say(&[]);
    shared.say(&sound);
    let answer = [complete("SELECT 4"), ready(b'I')].concat();
    assert_eq!(shared.answer(&answer), ["0 4 [\"id\"] [7, 7]"]);
}

#[test]
fn rows_that_nobody_reads_are_skipped() {
    let rows: Vec<i32> = (0..2000).collect();
    for rows in [&rows[..], &rows[..2]] {
        let mut shared = Shared::keeping(&[SQL], 8);
        shared.push_with(SQL, &(1,), Want::First).unwrap();
        shared.push_with(SQL, &(1,), Want::Outcome).unwrap();
        shared.push(SQL);
        shared.push(SQL);
        shared.end();
        shared.log.skipped.insert(2);
        let answer = [kept(rows), kept(rows), kept(rows), kept(&[5]), ready(b'I')].concat();
        let n = rows.len();
        let expected = [
            format!("0 {n} [\"id\"] [0]"),
            format!("1 {n}"),
            format!("2 {n}"),
            "3 1 [\"id\"] [5]".to_owned(),
        ];
        assert_eq!(shared.answer(&answer), expected);
        assert_eq!(shared.log.asked, [0, 2, 3], "once for the first row, never for an outcome");
    }
}

#[test]
fn arguments_that_cannot_be_sent_are_one_statements_and_leave_the_others_as_they_were() {
    let mut shared = Shared::keeping(&[SQL], 1);
    let few = shared.push_with(SQL, &(), Want::All).unwrap_err();
    assert_eq!((few.kind(), few.nothing_sent()), (ErrorKind::ArgumentMismatch, true));
    shared.push(SQL);
    let bytes = shared.pipeline.output().to_vec();
    let many: Vec<i64> = vec![0; 65_536];
    for (sql, params) in [
        (SQL, &(1, 2) as &dyn Params),
        ("SELECT new", &many),
        ("SELECT \0", &()),
        ("COPY t FROM STDIN", &()),
    ] {
        let error = shared.push_with(sql, params, Want::All).unwrap_err();
        assert!(error.nothing_sent(), "{error}");
        assert_eq!(shared.pipeline.output(), bytes, "{sql}");
    }
    shared.push(SQL);
    assert_eq!(shared.pipeline.lane.owed(), 2);
    // What had to make room for the text that could not be sent is closed with the next one.
    let tags = shared.end();
    assert!(["BEBES", "BECPDBES"].contains(&&*tags), "{tags}");
}

#[test]
fn a_wrong_number_of_arguments_of_a_new_text_is_told_as_such() {
    let mut shared = Shared::new(8);
    shared.push_with(SQL, &(1, 2), Want::All).unwrap();
    shared.push_with(SQL, &(1, 2), Want::All).unwrap();
    shared.end();
    let described = [message(b'1', b""), parameters(&[23]), fields(&[("id", 23)])].concat();
    let answer = [described, error("08P01"), ready(b'I')].concat();
    assert_eq!(shared.answer(&answer), ["0 ArgumentMismatch", "1 not run"]);
    assert_eq!(shared.pipeline.status(), Status::Idle);
}

#[test]
fn what_is_abandoned_is_read_off_wherever_it_stood() {
    let all = {
        let mut shared = Shared::keeping(&[SQL, "SELECT x"], 2);
        everything(&mut shared)
    };
    for at in 0..all.len() {
        let mut shared = Shared::keeping(&[SQL, "SELECT x"], 2);
        everything(&mut shared);
        shared.say(&all[..at]);
        let heard = shared.log.take().len();
        shared.pipeline.abandon_lane();
        assert_eq!(shared.pipeline.lane.is_abandoned(), heard < 11);
        shared.pipeline.input().room().extend_from_slice(&all[at..]);
        shared.pipeline.take_answers(&mut super::Nobody).unwrap();
        assert_eq!(shared.pipeline.status(), Status::Idle);
        shared.pipeline.lane_ended();
        shared.push(SQL);
        shared.end();
    }
}

#[test]
fn what_was_not_written_is_taken_back() {
    let mut shared = Shared::keeping(&["SELECT a"], 1);
    shared.push("SELECT a");
    shared.push(SQL);
    shared.pipeline.end_lane_segment();
    assert!(shared.pipeline.untouched());
    shared.pipeline.take_back_lane(&mut shared.log);
    assert_eq!(shared.log.kinds(), ["0 not run", "1 not run"]);
    assert_eq!(shared.pipeline.status(), Status::Idle);
    assert!(shared.pipeline.output().is_empty());
    shared.push(SQL);
    assert_eq!(shared.end(), "CPDBES", "the close is still to be sent");
}

fn lost() -> Error {
    Error::new(ErrorKind::ConnectionLost, "gone")
}

#[test]
fn a_break_tells_whether_anything_of_what_is_owed_was_sent() {
    let mut shared = Shared::keeping(&[SQL], 8);
    shared.push(SQL);
    assert!(shared.pipeline.broke(lost()).nothing_sent());
    assert_eq!((shared.pipeline.status(), shared.pipeline.lane.owed()), (Status::Broken, 0));
    assert!(shared.push_with(SQL, &(1,), Want::All).is_err());
    for (written, nothing) in [(0, true), (1, false)] {
        let mut shared = Shared::keeping(&[SQL], 8);
        shared.push(SQL);
        shared.end();
        shared.push(SQL);
        shared.pipeline.end_lane_segment();
        shared.pipeline.wrote(written);
        shared.say(&[kept(&[]), ready(b'I')].concat());
        let error = shared.pipeline.broke(lost());
        let retry = if nothing { Retry::Safe } else { Retry::Unknown };
        assert_eq!((error.nothing_sent(), error.retry()), (nothing, retry));
    }
}

#[test]
fn what_was_sent_is_done_or_not_if_its_answer_cannot_be_read() {
    // A CommandComplete, of which one bit was turned over.
    let turned = message(b'C' ^ 0x80, b"INSERT 0 1\0");
    for answer in [[message(b'2', b""), turned].concat(), message(b'Z', b"?")] {
        let mut shared = Shared::keeping(&[SQL], 8);
        shared.push(SQL);
        shared.end();
        let error = shared.hear(&answer).unwrap_err();
        assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::Protocol, false));
        assert_eq!(error.retry(), Retry::Unknown, "{error:?}");
    }
    // It came before anything was asked.
    let mut shared = Shared::keeping(&[SQL], 8);
    shared.push(SQL);
    shared.pipeline.end_lane_segment();
    shared.pipeline.input().room().extend_from_slice(&message(0xc3, b""));
    let error = Flow::receive_unasked(&mut shared.pipeline).unwrap_err();
    assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::Protocol, true));
    assert_eq!(error.retry(), Retry::Safe);
}

#[test]
fn those_of_which_nothing_was_written_before_a_break_were_not_run() {
    let mut shared = Shared::keeping(&[SQL], 8);
    shared.push(SQL);
    shared.end();
    for _ in 0..3 {
        shared.push(SQL);
    }
    shared.pipeline.end_lane_segment();
    shared.pipeline.wrote(1);
    assert!(!shared.pipeline.broke(lost()).nothing_sent());
    shared.pipeline.tell_unsent(&mut shared.log);
    assert_eq!(shared.log.kinds(), ["2 not run", "3 not run"]);
}

#[test]
fn the_servers_farewell_is_the_reason_of_the_break() {
    let farewell = message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mgoing\0\0");
    let mut shared = Shared::keeping(&[SQL], 8);
    shared.push(SQL);
    shared.push(SQL);
    shared.end();
    let error = shared.hear(&[kept(&[4]), farewell.clone()].concat()).unwrap_err();
    assert_eq!(error.sqlstate(), Some("57P01"));
    assert!(error.is_connection_lost() && !error.nothing_sent(), "{error:?}");
    assert_eq!(shared.log.kinds(), ["0 1 [\"id\"] [4]"]);
    assert_eq!(shared.pipeline.status(), Status::Broken);
    // Heard when writing fails.
    let mut shared = Shared::keeping(&[SQL], 8);
    shared.push(SQL);
    shared.end();
    shared.pipeline.input().room().extend_from_slice(&[kept(&[4]), farewell].concat());
    let error = Flow::receive_unasked(&mut shared.pipeline).unwrap_err();
    assert_eq!(error.sqlstate(), Some("57P01"));
}

#[test]
fn what_callers_should_not_have_pushed_breaks_the_connection_and_says_why() {
    for (answer, word) in [
        ([message(b'2', b""), message(b'G', &[0, 0, 1, 0, 0])].concat(), "COPY"),
        ([message(b'2', b""), message(b'H', &[0, 0, 1, 0, 0])].concat(), "COPY"),
        ([message(b'2', b""), message(b'W', &[0, 0, 1, 0, 0])].concat(), "COPY"),
        ([message(b'2', b""), complete("BEGIN"), ready(b'T')].concat(), "transaction"),
        ([error("22012"), ready(b'E')].concat(), "transaction"),
    ] {
        let mut shared = Shared::keeping(&[SQL], 8);
        shared.push(SQL);
        shared.end();
        let broken = shared.hear(&answer).unwrap_err();
        assert_eq!(broken.kind(), ErrorKind::Unsupported);
        assert!(broken.message().contains(word), "{broken}");
        assert_eq!(shared.pipeline.status(), Status::Broken);
    }
}

#[test]
fn anything_out_of_turn_ends_the_session() {
    let sound = row(&[Some(&7_i32.to_be_bytes())]);
    for answer in [
        ready(b'I'),
        sound.clone(),
        complete("SELECT 1"),
        message(b'1', b""),
        message(b'3', b""),
        message(b'n', b""),
        [message(b'2', b""), message(b'2', b"")].concat(),
        [message(b'2', b""), message(b's', b"")].concat(),
        [message(b'2', b""), row(&[None, None])].concat(),
        [message(b'2', b""), row(&[None, None]), complete("SELECT 1"), ready(b'I')].concat(),
        [kept(&[]), sound.clone()].concat(),
        [kept(&[]), complete("SELECT 1")].concat(),
        [error("22012"), sound].concat(),
        message(b'S', b"client_encoding\0LATIN1\0"),
    ] {
        let mut shared = Shared::keeping(&[SQL], 8);
        shared.push(SQL);
        shared.end();
        shared.hear(&answer).unwrap_err();
        assert_eq!(shared.pipeline.status(), Status::Broken, "{answer:?}");
    }
}

#[test]
fn a_command_and_statements_of_several_callers_exclude_each_other() {
    let mut shared = Shared::keeping(&[SQL], 8);
    shared.push(SQL);
    let command = || aquifer_driver::Command::Ping;
    assert!(shared.pipeline.start(command()).is_err());
    shared.end();
    shared.say(&[kept(&[]), ready(b'I')].concat());
    shared.pipeline.start(command()).unwrap();
    assert!(shared.pipeline.begin_lane().is_err());
}

#[test]
fn memory_of_what_was_written_is_used_again() {
    let mut shared = Shared::keeping(&[SQL], 8);
    for _ in 0..200 {
        shared.push(SQL);
    }
    shared.pipeline.end_lane_segment();
    let (len, room) = (shared.pipeline.output().len(), shared.pipeline.out.capacity());
    for _ in 0..100 {
        // The socket never takes all of it.
        shared.pipeline.wrote(shared.pipeline.output().len() - 1);
        for _ in 0..200 {
            shared.push(SQL);
        }
        shared.pipeline.end_lane_segment();
    }
    assert!(shared.pipeline.out.capacity() <= 4 * (room + len + 64 * 1024));
    for _ in 0..101 {
        shared.say(&[kept(&[1]).repeat(200), ready(b'I')].concat());
    }
    assert_eq!(shared.log.take().len(), 101 * 200);
}

#[test]
fn what_comes_behind_the_last_answer_is_left_however_that_came() {
    let farewell = message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mgoing\0\0");
    let answer = [kept(&[1]), ready(b'I'), farewell].concat();
    for at in [0, 3, answer.len()] {
        let mut shared = Shared::keeping(&[SQL], 8);
        shared.push(SQL);
        shared.end();
        shared.say(&answer[..at]);
        shared.say(&answer[at..]);
        assert_eq!(shared.log.kinds(), ["0 1 [\"id\"] [1]"]);
        assert_eq!(shared.pipeline.status(), Status::Idle);
        // Whoever uses the session next finds it before anything is sent.
        assert_eq!(shared.pipeline.receive_unasked().unwrap_err().sqlstate(), Some("57P01"));
    }
}
