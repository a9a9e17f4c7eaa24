//! BEGIN and COMMIT by name.

use aquifer_driver::{Column, Columns, Encoding};

use super::*;

/// What the server says: digits, `t` and `n` are its messages' tags, capitals its states when it is ready; `b`, `c`, `d`
/// and `u` end a BEGIN, COMMIT, DO and UPDATE; `e` is the error that a name is unknown, `f` another one.
fn said(what: &str) -> Vec<u8> {
    let one = |what| match what {
        '1' | '2' | '3' | 'n' => message(what as u8, b""),
        'b' => complete("BEGIN"),
        'c' => complete("COMMIT"),
        'u' => complete("UPDATE 1"),
        'd' => complete("DO"),
        'e' => error("26000"),
        'f' => error("23505"),
        't' => parameters(&[]),
        'I' | 'T' | 'E' => ready(what as u8),
        other => panic!("{other} says nothing"),
    };
    what.chars().flat_map(one).collect()
}

const SET: &str = "UPDATE t SET a = 1";

impl Session {
    /// One that keeps the statement.
    fn keeping(statements_max: usize) -> Self {
        let mut session = Self::new(StatementMode::Named, statements_max);
        assert_eq!(session.start(execute(SET)), "PDBES");
        session.answer(&said("1tn2uI")).unwrap();
        session
    }

    fn begin(&mut self) {
        self.settle(Command::Begin(TxOptions::new()));
    }

    /// The tags of a COMMIT behind a queued statement.
    fn commit_behind(&mut self, sql: &str) -> String {
        self.commit_behind_all(&[sql])
    }

    fn commit_behind_all(&mut self, texts: &[&str]) -> String {
        let mut queued = Batch::new();
        for sql in texts {
            queued.push(&Arc::from(*sql), &(), Want::Outcome).unwrap();
        }
        self.pipeline.start_after(&queued, Command::Commit).unwrap();
        self.flush()
    }

    /// A transaction of two flights; their tags.
    fn transaction(&mut self, answers: [&str; 2]) -> [String; 2] {
        self.begin();
        let first = self.start(execute(SET));
        self.answer(&said(answers[0])).unwrap();
        let second = self.commit_behind(SET);
        self.answer(&said(answers[1])).unwrap();
        assert_eq!(self.pipeline.status(), Status::Idle);
        [first, second]
    }

    /// A transaction of one flight, after which BEGIN is kept.
    fn transaction_of(&mut self, sql: &str) {
        self.begin();
        assert_eq!(self.execute(sql, 7), "PBEBES");
        self.answer(&said("12b2uT")).unwrap();
        assert_eq!(self.start(Command::Commit), "Q");
        self.answer(&said("cI")).unwrap();
    }

    fn kept(&self) -> u64 {
        self.pipeline.counters().cached
    }
}

fn execute(sql: &str) -> Command<'_> {
    Command::Execute { sql, params: &(), want: Want::All }
}

#[test]
fn begin_and_commit_are_parsed_once_and_run_by_name_from_then_on() {
    let mut session = Session::keeping(8);
    let first = session.transaction(["12b2uT", "2u12cI"]);
    assert_eq!(first, ["PBEBES", "BEPBES"]);
    for _ in 0..3 {
        assert_eq!(session.transaction(["2b2uT", "2u2cI"]), ["BEBES", "BEBES"]);
    }
    let counters = session.pipeline.counters();
    assert_eq!((counters.prepared, counters.cached, counters.evicted), (3, 3, 0));
}

/// What a session says of itself once a command has ended: how, what its last columns were, where it stands, whether
/// it was changed, what it keeps, what it was set to, and what is sent then.
type Told = (String, usize, Status, bool, u64, Option<String>, String);

impl Session {
    /// The end of the command under way, whose answer comes in two pieces.
    fn told(&mut self, answer: &[u8], split: usize) -> Told {
        let mut end = None;
        for piece in [&answer[..split], &answer[split..]] {
            self.say(piece);
            while end.is_none() {
                match self.step() {
                    Ok(None) => break,
                    Ok(Some(Step::End(outcome))) => end = Some(format!("{outcome:?}")),
                    Ok(Some(_)) => {}
                    Err(error) => end = Some(format!("{:?} {:?}", error.kind(), error.statement())),
                }
            }
        }
        self.pipeline.receive_unasked().unwrap();
        let status = self.pipeline.status();
        let (columns, changed) = (self.batch.columns().len(), self.pipeline.session_changed());
        let (kept, zone) =
            (self.kept(), self.pipeline.parameters().get("TimeZone").map(String::from));
        self.begin_again_after(status);
        let next = self.commit_behind(SET);
        (end.expect("an end"), columns, status, changed, kept, zone, next)
    }

    fn begin_again_after(&mut self, status: Status) {
        if matches!(status, Status::Transaction | Status::FailedTransaction) {
            assert_eq!(self.start(Command::Rollback), "Q");
            self.answer(&[complete("ROLLBACK"), ready(b'I')].concat()).unwrap();
        }
        self.begin();
    }
}

#[test]
fn a_commit_is_told_the_same_whether_its_answer_comes_whole_or_in_pieces() {
    let row = || row(&[Some(&[0, 0, 0, 9])]);
    let (bound, noticed) =
        (|| message(b'2', b""), message(b'N', b"SNOTICE\0VNOTICE\0C00000\0Mx\0\0"));
    let unreplicated =
        message(b'N', b"SWARNING\0VWARNING\0C01000\0Mcanceled\0RSyncRepWaitForLSN\0\0");
    let setting = || message(b'S', b"TimeZone\0Europe/Prague\0");
    let committed = || [bound(), complete("COMMIT"), ready(b'I')].concat();
    let behind = |what: &[u8]| [what, &committed()].concat();
    let done = |tag: &str| behind(&[bound(), complete(tag)].concat());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("updated", done("UPDATE 1")),
        ("inserted", done("INSERT 0 3")),
        ("deleted none", done("DELETE 0")),
        ("selected none", done("SELECT 0")),
        ("a row that nobody wants", behind(&[bound(), row(), complete("SELECT 1")].concat())),
        ("another command", done("DO")),
        ("all statements dropped", done("DEALLOCATE ALL")),
        ("the session set", done("SET")),
        ("a notice first", [noticed.clone(), done("UPDATE 1")].concat()),
        ("a notice between", behind(&[bound(), noticed, complete("UPDATE 1")].concat())),
        ("a setting before the end", {
            let updated = [bound(), complete("UPDATE 1"), bound(), complete("COMMIT")].concat();
            [updated, setting(), ready(b'I')].concat()
        }),
        ("a setting behind the end", [done("UPDATE 1"), setting()].concat()),
        ("not replicated, said first", [unreplicated.clone(), done("UPDATE 1")].concat()),
        ("not replicated, said between", {
            behind(&[bound(), complete("UPDATE 1"), unreplicated.clone()].concat())
        }),
        ("not replicated", {
            let updated = [bound(), complete("UPDATE 1"), bound(), unreplicated].concat();
            [updated, complete("COMMIT"), ready(b'I')].concat()
        }),
        ("rolled back", {
            let updated = [bound(), complete("UPDATE 1"), bound(), complete("ROLLBACK")].concat();
            [updated, ready(b'I')].concat()
        }),
        ("failed", [bound(), error("23505"), ready(b'E')].concat()),
        ("the commit failed", {
            [bound(), complete("UPDATE 1"), bound(), error("23505"), ready(b'I')].concat()
        }),
        ("the commit forgotten", {
            [bound(), complete("UPDATE 1"), error("26000"), ready(b'E')].concat()
        }),
        ("still open", {
            let updated = [bound(), complete("UPDATE 1"), bound(), complete("COMMIT")].concat();
            [updated, ready(b'T')].concat()
        }),
    ];
    let id = Arc::new(Columns::new([Column::new("id", Encoding::Text)]));
    // Of two flights, and of one.
    for alone in [false, true] {
        for (case, answer) in &cases {
            let mut told = Vec::new();
            let len = answer.len() + if alone { said("2b").len() } else { 0 };
            for split in 0..=len {
                let mut session = Session::keeping(8);
                session.transaction(["12b2uT", "2u12cI"]);
                session.execute(SQL, 1);
                session.answer(&first_use(&[b"7"])).unwrap();
                session.begin();
                let mut answer = answer.clone();
                if alone {
                    answer.splice(0..0, said("2b"));
                } else {
                    session.start(execute(SET));
                    session.answer(&said("2b2uT")).unwrap();
                    session.batch.set_columns(&id);
                }
                let flight = session.commit_behind(SET);
                assert_eq!(flight, if alone { "BEBEBES" } else { "BEBES" });
                told.push(session.told(&answer, split));
            }
            for (split, one) in told.iter().enumerate() {
                assert_eq!(*one, told[0], "{case}, alone: {alone}, split at {split}");
            }
        }
    }
}

#[test]
fn a_commit_behind_several_is_told_the_same_wherever_its_answer_is_split() {
    const NEW: &str = "DELETE FROM t";
    let cases = [
        (&[SET, SET][..], "BEBEBES", "2u2u2cI"),
        (&[SET, SET, SET], "BEBEBEBES", "2u2u2u2cI"),
        (&[SET, SET], "BEBEBES", "2u2fE"),
        (&[SET, SET], "BEBEBES", "2ufE"),
        (&[SET, SET], "BEBEBES", "2u2u2fI"),
        // One that is learnt, and one that follows it.
        (&[NEW, SET], "PDBEBEBES", "1tn2u2u2cI"),
        (&[SET, NEW, NEW], "BEPDBEBEBES", "2u1tn2u2u2cI"),
        (&[NEW, NEW], "PDBEBEBES", "1tn2u2ueI"),
    ];
    for (texts, flight, answer) in cases {
        let answer = said(answer);
        for abandoned in [false, true] {
            let mut told = Vec::new();
            for split in 0..=answer.len() {
                let mut session = Session::keeping(8);
                session.transaction(["12b2uT", "2u12cI"]);
                session.begin();
                session.start(execute(SET));
                session.answer(&said("2b2uT")).unwrap();
                assert_eq!(session.commit_behind_all(texts), flight);
                if abandoned {
                    session.say(&answer[..split]);
                    let over = !matches!(session.step(), Ok(None));
                    session.pipeline.abandon();
                    session.say(&answer[split..]);
                    while session.pipeline.owes() {
                        drop(session.step());
                    }
                    // What the owner has heard of it depends on when it left; where the session stands does not.
                    let (status, kept) = (session.pipeline.status(), session.kept());
                    assert!(over || split < answer.len());
                    told.push((String::new(), 0, status, false, kept, None, String::new()));
                } else {
                    told.push(session.told(&answer, split));
                }
            }
            for (split, one) in told.iter().enumerate() {
                assert_eq!(*one, told[0], "{texts:?}, split at {split}, abandoned: {abandoned}");
            }
        }
    }
}

#[test]
fn they_take_a_free_place_and_make_nobody_leave() {
    // BEGIN leaves room for the statement that it goes with.
    for (statements_max, kept) in [(1, 1), (2, 1), (3, 3)] {
        let mut session = Session::keeping(statements_max);
        for turn in 0..3 {
            let named = kept == 3 && turn > 0;
            let (answers, flights) = match named {
                true => (["2b2uT", "2u2cI"], ["BEBES", "BEBES"]),
                false => (["12b2uT", "2u12cI"], ["PBEBES", "BEPBES"]),
            };
            assert_eq!(session.transaction(answers), flights, "of {statements_max}, {turn}");
        }
        let counters = session.pipeline.counters();
        assert_eq!((counters.cached, counters.evicted), (kept, 0), "of {statements_max}");
    }
}

#[test]
fn each_begin_has_a_name_of_its_own_and_commit_gets_one_after_it() {
    let mut session = Session::keeping(8);
    session.transaction(["12b2uT", "2u12cI"]);
    let read_only = Command::Begin(TxOptions::new().read_only());
    session.settle(read_only);
    assert_eq!(session.start(execute(SET)), "PBEBES");
    session.answer(&said("12b2uT")).unwrap();
    assert_eq!(session.commit_behind(SET), "BECPBES", "the one before might be gone unseen");
    session.answer(&said("2u312cI")).unwrap();
    assert_eq!(session.kept(), 4);
    assert_eq!(session.transaction(["2b2uT", "2u2cI"]), ["BEBES", "BEBES"]);
}

#[test]
fn where_names_do_not_last_they_go_as_text() {
    let pooled = {
        let mut session = Session::named();
        session.pipeline.settings.pooled = true;
        session
    };
    let described = Session::new(StatementMode::Described, 8);
    let none = Session::new(StatementMode::Named, 0);
    for mut session in [pooled, described, none] {
        for _ in 0..2 {
            session.begin();
            let flight = session.start(execute(SET));
            assert!(flight.starts_with("PBE"), "{flight}");
            let answer = match flight.as_str() {
                "PBEBES" => "12b2uT",
                "PBEPDBES" => "12b1tn2uT",
                _ => "12b12nuT",
            };
            session.answer(&said(answer)).unwrap();
            let flight = session.commit_behind(SET);
            assert!(flight.ends_with("PBES"), "{flight}");
            let answer = match flight.as_str() {
                "BEPBES" => "2u12cI",
                "PDBEPBES" => "1tn2u12cI",
                _ => "12nu12cI",
            };
            assert!(session.answer(&said(answer)).unwrap().is_empty());
            assert_eq!(session.pipeline.status(), Status::Idle);
        }
        let texts = ["BEGIN", "COMMIT"];
        assert!(texts.iter().all(|text| session.pipeline.cache.peek(text).is_none()));
    }
}

#[test]
fn a_begin_that_the_server_has_forgotten_is_sent_again_with_all_that_is_behind_it() {
    let mut session = Session::keeping(8);
    session.transaction(["12b2uT", "2u12cI"]);
    let rounds = session.pipeline.counters().rounds;
    session.begin();
    assert_eq!(session.execute(SQL, 7), "BEPDBES");
    session.say(&said("eI"));
    assert!(session.step().unwrap().is_none(), "the statement has not failed");
    assert_eq!(session.flush(), "PBEPDBES");
    let mut rest = first_use(&[b"7"]);
    let state = rest.len() - 1;
    rest[state] = b'T';
    assert_eq!(session.answer(&[said("12b"), rest].concat()).unwrap(), [7]);
    assert_eq!(session.pipeline.counters().rounds, rounds + 2);
    assert_eq!(session.pipeline.status(), Status::Transaction);
    assert_eq!(session.commit_behind(SET), "BEPBES", "the COMMIT may be gone, too");
    session.answer(&said("2u12cI")).unwrap();
    // Both get other names.
    assert_eq!(session.transaction(["12b2uT", "2u312cI"]), ["PBEBES", "BECPBES"]);
    assert_eq!(session.transaction(["2b2uT", "2u2cI"]), ["BEBES", "BEBES"]);
}

#[test]
fn so_are_pages_and_a_whole_transaction_in_one_flight() {
    let mut session = Session::keeping(8);
    session.transaction(["12b2uT", "2u12cI"]);
    session.begin();
    assert_eq!(session.commit_behind(SET), "BEBEBES");
    session.say(&said("eI"));
    assert!(session.step().unwrap().is_none());
    assert_eq!(session.flush(), "PBEBEPBES", "with another COMMIT");
    session.answer(&said("12b2u12cI")).unwrap();
    assert_eq!(session.pipeline.status(), Status::Idle);

    session.transaction(["12b2uT", "2u312cI"]);
    session.begin();
    let paged = Want::Paged(2.try_into().unwrap());
    assert_eq!(session.start(Command::Execute { sql: SET, params: &(), want: paged }), "BEBEH");
    session.say(&said("e"));
    assert!(session.step().unwrap().is_none());
    assert_eq!(session.flush(), "S");
    session.say(&said("I"));
    assert!(session.step().unwrap().is_none());
    assert_eq!(session.flush(), "PBEBEH");
    session.say(&said("12b2u"));
    assert!(session.step().unwrap().is_none());
    assert_eq!(session.flush(), "S");
    session.answer(&said("T")).unwrap();
    assert_eq!(session.pipeline.status(), Status::Transaction);
}

#[test]
fn nothing_is_sent_again_for_nobody() {
    let mut session = Session::keeping(8);
    session.transaction(["12b2uT", "2u12cI"]);
    session.begin();
    session.start(execute(SET));
    session.pipeline.abandon();
    session.say(&said("eI"));
    session.read().unwrap_err();
    assert_eq!(session.flush(), "");
    assert_eq!(session.pipeline.status(), Status::Idle);
    assert_eq!(session.transaction(["12b2uT", "2u312cI"]), ["PBEBES", "BECPBES"]);
}

#[test]
fn a_begin_that_fails_otherwise_fails_the_statement_and_keeps_its_name() {
    let mut session = Session::keeping(8);
    session.begin();
    assert_eq!(session.start(execute(SET)), "PBEBES");
    session.answer(&said("12fI")).unwrap_err();
    session.begin();
    assert_eq!(session.start(execute(SET)), "BEBES", "the server keeps it");
    // A function that runs at its end could say that; the BEGIN was there.
    session.answer(&said("2eI")).unwrap_err();
    assert_eq!(session.flush(), "");
    assert_eq!(session.kept(), 2);
}

#[test]
fn a_commit_goes_as_text_behind_what_may_have_dropped_its_name() {
    let body = "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$";
    let mut session = Session::keeping(8);
    session.transaction(["12b2uT", "2u12cI"]);
    session.begin();
    assert_eq!(session.start(execute(body)), "BEPDBES");
    session.answer(&said("2b1tn2dT")).unwrap();
    assert_eq!(session.commit_behind("UPDATE other SET a = 1"), "PDBEPBES");
    session.answer(&said("1tn2u12cI")).unwrap();

    let mut session = Session::keeping(8);
    session.transaction(["12b2uT", "2u12cI"]);
    session.begin();
    session.start(execute(SET));
    session.answer(&said("2b2uT")).unwrap();
    assert_eq!(session.commit_behind(body), "PDBEPBES");
    session.answer(&said("1tn2d12cI")).unwrap();
    // A BEGIN that the server knows by its name says that the COMMIT is there, too.
    assert_eq!(session.transaction(["2b2uT", "2u2cI"]), ["BEBES", "BEBES"]);
}

#[test]
fn a_commit_that_the_server_has_forgotten_is_a_failure_and_not_unknown() {
    let mut session = Session::keeping(8);
    session.transaction(["12b2uT", "2u12cI"]);
    session.begin();
    session.start(execute(SET));
    session.answer(&said("2b2uT")).unwrap();
    assert_eq!(session.commit_behind(SET), "BEBES");
    let error = session.answer(&said("2ueE")).unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::TxFailed, Retry::Transaction));
    assert!(error.statement().is_none(), "it is no queued statement's: {error:?}");
    assert_eq!(session.flush(), "", "it is not tried again");
    assert_eq!(session.pipeline.status(), Status::FailedTransaction);
    assert_eq!(session.start(Command::Rollback), "Q");
    session.answer(&[complete("ROLLBACK"), ready(b'I')].concat()).unwrap();
    assert_eq!(session.transaction(["2b2uT", "2u12cI"]), ["BEBES", "BEPBES"]);
}

#[test]
fn a_break_behind_a_named_commit_leaves_its_outcome_unknown() {
    let mut session = Session::keeping(8);
    session.transaction(["12b2uT", "2u12cI"]);
    session.begin();
    session.start(execute(SET));
    session.answer(&said("2b2uT")).unwrap();
    session.commit_behind(SET);
    let error = session.pipeline.broke(Error::new(ErrorKind::ConnectionLost, "gone"));
    assert_eq!(error.kind(), ErrorKind::CommitUnknown);
}

#[test]
fn a_commit_of_a_failed_transaction_goes_as_text() {
    let mut session = Session::keeping(8);
    session.transaction(["12b2uT", "2u12cI"]);
    session.begin();
    session.start(execute(SET));
    session.answer(&said("2bfE")).unwrap_err();
    assert_eq!(session.start(Command::Commit), "Q");
    let rolled_back = [complete("ROLLBACK"), ready(b'I')].concat();
    assert_eq!(session.answer(&rolled_back).unwrap_err().kind(), ErrorKind::TxFailed);
}

#[test]
fn a_first_answer_is_the_same_whether_it_comes_whole_or_in_pieces() {
    let rows = |cells: &[i32]| -> Vec<u8> {
        cells.iter().flat_map(|cell| row(&[Some(&cell.to_be_bytes())])).collect()
    };
    let setting = message(b'S', b"TimeZone\0Europe/Prague\0");
    let cases = [
        [said("2b2"), rows(&[7]), complete("SELECT 1"), ready(b'T')],
        [said("2b2"), rows(&[7, 8]), complete("SELECT 2"), ready(b'T')],
        [said("2b2"), rows(&[]), complete("UPDATE 3"), ready(b'T')],
        [said("2b2"), setting.clone(), complete("SELECT 0"), ready(b'T')],
        [said("2b"), setting, said("2"), said("uT")],
        [said("2b2"), rows(&[7]), error("22012"), ready(b'E')],
        [said("2b"), Vec::new(), error("22012"), ready(b'E')],
        [said("2"), Vec::new(), error("22012"), ready(b'I')],
    ];
    for case in cases {
        let bytes = case.concat();
        for want in [Want::All, Want::First] {
            let answers = [bytes.len(), 1].map(|pieces| {
                let mut session = Session::named();
                session.execute(SQL, 7);
                session.answer(&first_use(&[])).unwrap();
                session.transaction_of(SQL);
                session.begin();
                let flight = Command::Execute { sql: SQL, params: &(7,), want };
                assert_eq!(session.start(flight), "BEBES");
                let mut got = Vec::new();
                let mut end = None;
                for piece in bytes.chunks(pieces) {
                    session.say(piece);
                    while end.is_none() {
                        match session.step() {
                            Ok(None) => break,
                            Ok(Some(step)) => {
                                let rows = session.batch.rows();
                                got.extend(rows.map(|row| row.get::<i64>(0).unwrap()));
                                if let Step::End(outcome) = step {
                                    end = Some(Ok(outcome));
                                }
                            }
                            Err(error) => end = Some(Err(error.kind())),
                        }
                    }
                }
                if matches!(end, Some(Err(_))) {
                    got.clear();
                }
                let named = session.pipeline.begun_by.is_some();
                (got, end.unwrap(), session.pipeline.status(), named)
            });
            assert_eq!(answers[0], answers[1], "{want:?} {bytes:?}");
        }
    }
}

#[test]
fn a_begin_by_name_of_which_nothing_was_sent_is_taken_back() {
    let mut session = Session::keeping(8);
    session.transaction(["12b2uT", "2u12cI"]);
    session.begin();
    session.pipeline.start(execute(SET)).unwrap();
    assert_eq!(session.pipeline.status(), Status::Busy);
    assert_eq!(session.pipeline.abandon(), Status::Transaction);
    assert!(session.pipeline.holds_begin() && session.pipeline.output().is_empty());
    // An argument too many: nothing is sent, and the BEGIN still waits.
    let more = Command::Execute { sql: SET, params: &(1,), want: Want::All };
    assert!(session.pipeline.start(more).unwrap_err().nothing_sent());
    assert_eq!(session.pipeline.status(), Status::Transaction);
    assert_eq!(session.start(execute(SET)), "BEBES");
    session.answer(&said("2b2uT")).unwrap();
    assert_eq!(session.commit_behind(SET), "BEBES");
    session.answer(&said("2u2cI")).unwrap();
}

#[test]
fn a_break_behind_a_begin_by_name_may_be_run_again_as_a_whole() {
    let mut session = Session::keeping(8);
    session.transaction(["12b2uT", "2u12cI"]);
    session.begin();
    session.start(execute(SET));
    let error = session.pipeline.broke(Error::new(ErrorKind::ConnectionLost, "gone"));
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ConnectionLost, Retry::Transaction));
}
