//! The lane against a server that is only bytes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use aquifer_driver::multiplex::{Answers, Room, Ticket};
use aquifer_driver::{Outcome, Params, Result, RowBatch, Status, Want};
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
