//! Statements against a session that refuses, answers, fails and breaks in any order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use aquifer_driver::{Dialect, Grammar, ParamSink, Params, ValueRef, Want};
use proptest::prelude::*;

use super::*;
use crate::text::{Text, Texts};

/// What a session says of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    /// It has run; with a row, for whoever reads it.
    Done,
    Fail,
    /// A request to stop has hit it.
    Stopped,
    NotRun,
}

#[derive(Debug, Clone)]
enum Step {
    Board {
        calls: u8,
        writes: bool,
    },
    /// Sends what is to be sent, but for one that is refused, or breaks the session, and hands over these replies.
    Drive {
        refuses: Option<u8>,
        breaks_at: Option<u8>,
        replies: Vec<Reply>,
        breaks: bool,
    },
    Forget(u8),
    MoveBehind,
    Stop,
    Land,
}

/// A session that does as it is told. Each statement has its number for an argument.
#[derive(Debug, Default)]
struct Session {
    owed: VecDeque<(Ticket, u32)>,
    refuses: Option<u32>,
    breaks_at: Option<u32>,
    replies: Vec<Reply>,
    breaks: bool,
    /// Statements since a segment was ended, how many were ended, and how long one may be.
    open: usize,
    ended: u64,
    longest: usize,
}

/// Reads the number of a statement.
struct Number(u32);

impl ParamSink for Number {
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        if let ValueRef::Int(number) = value {
            self.0 = number as u32;
        }
        Ok(())
    }
}

impl Multiplex for Session {
    fn push(&mut self, ticket: Ticket, _: &Arc<str>, params: &dyn Params, _: Want) -> Result<()> {
        let mut number = Number(NOBODY);
        params.bind(&mut number)?;
        if self.breaks_at == Some(number.0) {
            return Err(lost().with_nothing_sent(true));
        }
        if self.refuses == Some(number.0) {
            return Err(Error::new(ErrorKind::Argument, "refused").with_nothing_sent(true));
        }
        assert!(self.owed.iter().all(|(owed, _)| *owed != ticket), "two have one ticket");
        self.owed.push_back((ticket, number.0));
        self.open += 1;
        Ok(())
    }

    fn end_segment(&mut self) {
        assert!(self.open > 0, "an empty segment");
        assert!(self.open <= self.longest, "a segment of {}", self.open);
        (self.open, self.ended) = (0, self.ended + 1);
    }

    fn owed(&self) -> usize {
        self.owed.len()
    }

    fn poll_drive(&mut self, _: &mut Context<'_>, answers: &mut dyn Answers) -> Poll<Result<()>> {
        assert_eq!(self.open, 0, "what is sent is confirmed");
        for reply in std::mem::take(&mut self.replies) {
            let Some((ticket, number)) = self.owed.pop_front() else { break };
            match reply {
                Reply::Done => {
                    if let Room::Into(batch) = answers.room(ticket) {
                        batch.bytes_mut().extend_from_slice(&number.to_be_bytes());
                    }
                    answers.answered(ticket, Ok(Outcome::new(number.into(), None)));
                }
                Reply::Fail => answers.answered(ticket, Err(Error::new(ErrorKind::Syntax, "no"))),
                Reply::Stopped => {
                    answers.answered(ticket, Err(Error::new(ErrorKind::Cancelled, "stopped")));
                }
                Reply::NotRun => answers.not_run(ticket),
            }
        }
        match (self.breaks, self.owed.is_empty()) {
            (true, _) => Poll::Ready(Err(lost())),
            (false, true) => Poll::Ready(Ok(())),
            (false, false) => Poll::Pending,
        }
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::ConnectionLost, "broken")
}

/// What is to become of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Answered { row: bool },
    Failed(ErrorKind),
    Unrun,
    Hit,
    Moved,
    Unsent,
    Lost,
}

/// What is known of one that has boarded.
#[derive(Debug)]
struct Known {
    number: u32,
    writes: bool,
    sent: bool,
    forgotten: bool,
    /// Its caller was told already; with nothing to come for its place if it was refused.
    gone: bool,
    refused: bool,
    end: Option<End>,
}

struct World {
    aloft: Aloft,
    session: Session,
    text: Arc<Text>,
    next: u32,
    line: VecDeque<Known>,
    /// What has left before its turn, in order.
    early: VecDeque<(u32, End)>,
    stopping: bool,
    lost: bool,
    landed: usize,
    /// Segments that were said to be sent.
    segments: u64,
    one_each: bool,
}

impl World {
    fn new() -> Self {
        let texts = Texts::new(&Dialect::new("fake", Grammar::Sqlite), 4);
        Self {
            aloft: Aloft::default(),
            session: Session::default(),
            text: texts.get("SELECT ?").unwrap(),
            next: 0,
            line: VecDeque::new(),
            early: VecDeque::new(),
            stopping: false,
            lost: false,
            landed: 0,
            segments: 0,
            one_each: false,
        }
    }

    fn board(&mut self, writes: bool) {
        let number = self.next;
        self.next += 1;
        let mut call = Box::new(Call::new(Arc::clone(&self.text)));
        (i64::from(number),).bind(&mut call.params).unwrap();
        (call.writes, call.since_tick) = (writes, number.into());
        self.aloft.board(number, call);
        self.line.push_back(Known {
            number,
            writes,
            sent: false,
            forgotten: false,
            gone: false,
            refused: false,
            end: None,
        });
    }

    fn drive(&mut self) {
        if self.lost {
            return;
        }
        let fresh = self.aloft.fresh();
        self.session.longest = match fresh {
            _ if self.one_each => 1,
            0..ONE_SEGMENT => fresh.div_ceil(2),
            _ => fresh.min(SEGMENT_MAX),
        };
        let pushed = self.aloft.push(&mut self.session, self.one_each);
        for known in self.line.iter_mut().filter(|known| !known.sent) {
            if self.session.breaks_at == Some(known.number) {
                break;
            }
            known.sent = true;
            if self.session.refuses == Some(known.number) {
                (known.gone, known.refused) = (true, true);
                self.early.push_back((known.number, End::Failed(ErrorKind::Argument)));
            }
        }
        match pushed {
            Ok(segments) => {
                self.segments += segments;
                assert_eq!(self.segments, self.session.ended);
            }
            Err(error) => return self.lose(&error),
        }
        assert_eq!(self.aloft.fresh(), 0);
        let under_way = |known: &&mut Known| known.end.is_none() && !known.refused;
        for (reply, known) in
            self.session.replies.iter().zip(self.line.iter_mut().filter(under_way))
        {
            known.end = Some(match reply {
                Reply::Done => End::Answered { row: !known.forgotten },
                Reply::Fail => End::Failed(ErrorKind::Syntax),
                // Whoever has left himself is not run again.
                Reply::Stopped if self.stopping && !known.forgotten => End::Hit,
                Reply::Stopped => End::Failed(ErrorKind::Cancelled),
                Reply::NotRun => End::Unrun,
            });
        }
        match self.aloft.poll_drive(&mut self.session, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => self.stopping = false,
            Poll::Ready(Err(error)) => self.lose(&error),
            Poll::Pending => {}
        }
    }

    fn lose(&mut self, error: &Error) {
        self.lost = true;
        self.aloft.lose(error);
        for known in self.line.iter_mut().filter(|known| !known.refused) {
            let end = if known.sent { End::Lost } else { End::Unsent };
            known.end.get_or_insert(end);
        }
    }

    fn forget(&mut self, which: u8) {
        let live: Vec<&mut Known> =
            self.line.iter_mut().filter(|known| known.end.is_none() && !known.gone).collect();
        let count = live.len().max(1);
        if let Some(known) = live.into_iter().nth(usize::from(which) % count) {
            known.forgotten = true;
            self.aloft.forget(known.number);
        }
    }

    fn move_behind(&mut self) {
        self.aloft.move_behind();
        let under_way = |known: &&mut Known| known.sent && known.end.is_none() && !known.refused;
        for known in self.line.iter_mut().filter(under_way).skip(1) {
            if !known.forgotten && !known.gone && !known.writes {
                known.gone = true;
                self.early.push_back((known.number, End::Moved));
            }
        }
    }

    fn stop(&mut self) {
        self.aloft.stopping();
        self.stopping = true;
    }

    /// Takes what has landed: each once, in its turn, with what became of it.
    fn land(&mut self) {
        while let Some((number, end)) = self.early.pop_front() {
            self.lands(Some((number, end)));
        }
        while let Some(known) = self.line.pop_front_if(|known| known.end.is_some() || known.refused)
        {
            match (known.refused, known.gone, known.end) {
                (true, ..) => {}
                (false, true, _) => self.lands(None),
                (false, false, Some(end)) => self.lands(Some((known.number, end))),
                (false, false, None) => unreachable!("it is over"),
            }
        }
        assert!(self.aloft.landed().is_none(), "that one is not over");
        assert_eq!(self.aloft.len(), self.line.len());
    }

    fn lands(&mut self, expected: Option<(u32, End)>) {
        let Landed { at, call } = self.aloft.landed().unwrap();
        let Some((number, end)) = expected else {
            assert_eq!((at, call.is_none()), (NOBODY, true));
            return;
        };
        let mut call = call.unwrap();
        assert_eq!((at, call.since_tick), (number, number.into()));
        let row = call.rows.locate().0.to_vec();
        let outcome = call.outcome.map(|outcome| outcome.rows_affected);
        let found = match std::mem::take(&mut call.ending) {
            Ending::Open => {
                assert_eq!(outcome, Some(number.into()));
                assert!(row.is_empty() || row == number.to_be_bytes(), "another one's row");
                End::Answered { row: !row.is_empty() }
            }
            Ending::Failed(error) => End::Failed(error.kind()),
            Ending::Unrun => End::Unrun,
            Ending::Hit => End::Hit,
            Ending::Moved => End::Moved,
            Ending::Unsent => End::Unsent,
            Ending::Lost(_) => End::Lost,
            Ending::Elsewhere => panic!("nobody says that here"),
        };
        assert_eq!(found, end, "of {number}");
        self.landed += 1;
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Board { calls, writes } => (0..calls).for_each(|_| self.board(writes)),
            Step::Drive { refuses, breaks_at, replies, breaks } => {
                let fresh: Vec<u32> = self
                    .line
                    .iter()
                    .filter(|known| !known.sent)
                    .map(|known| known.number)
                    .collect();
                let nth = |which: Option<u8>| fresh.get(usize::from(which?)).copied();
                self.session.refuses = nth(refuses);
                self.session.breaks_at = nth(breaks_at);
                (self.session.replies, self.session.breaks) = (replies, breaks);
                self.drive();
            }
            Step::Forget(which) => self.forget(which),
            Step::MoveBehind => self.move_behind(),
            Step::Stop => self.stop(),
            Step::Land => self.land(),
        }
    }
}

#[test]
fn a_statement_that_is_answered_has_no_room_for_rows() {
    let mut world = World::new();
    world.board(false);
    world.session.longest = 1;
    world.aloft.push(&mut world.session, false).unwrap();
    let (ticket, _) = world.session.owed[0];
    assert!(matches!(world.aloft.room(ticket), Room::Into(_)));
    world.aloft.answered(ticket, Ok(Outcome::default()));
    assert!(matches!(world.aloft.room(ticket), Room::Skip));
    assert!(world.aloft.overflow().is_none());
    assert!(world.aloft.landed().is_some_and(|landed| landed.call.is_some()));
}

#[test]
fn what_is_more_than_a_segment_takes_is_sent_in_even_ones() {
    for (calls, segments, longest) in
        [(16, 1, 16), (128, 1, 128), (129, 2, 65), (256, 2, 128), (300, 3, 100)]
    {
        let mut world = World::new();
        (0..calls).for_each(|_| world.board(false));
        world.session.longest = longest;
        assert_eq!(world.aloft.push(&mut world.session, false).unwrap(), segments, "{calls}");
        assert_eq!((world.session.ended, world.session.owed.len()), (segments, calls));
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let reply = prop_oneof![
        6 => Just(Reply::Done),
        1 => Just(Reply::Fail),
        2 => Just(Reply::Stopped),
        2 => Just(Reply::NotRun),
    ];
    let drive = (
        prop::option::weighted(0.2, 0..4_u8),
        prop::option::weighted(0.03, 0..4_u8),
        prop::collection::vec(reply, 0..6),
        prop::bool::weighted(0.03),
    );
    let step = prop_oneof![
        4 => (1..20_u8, any::<bool>())
            .prop_map(|(calls, writes)| Step::Board { calls: calls.min(5) + calls / 16 * 20, writes }),
        8 => drive.prop_map(|(refuses, breaks_at, replies, breaks)| Step::Drive {
            refuses,
            breaks_at,
            replies,
            breaks,
        }),
        2 => any::<u8>().prop_map(Step::Forget),
        1 => Just(Step::MoveBehind),
        1 => Just(Step::Stop),
        4 => Just(Step::Land),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn each_call_lands_once_in_its_turn_with_what_became_of_it(
        steps in steps(),
        first in prop_oneof![any::<u32>(), u32::MAX - 40..=u32::MAX],
        one_each in any::<bool>(),
    ) {
        let mut world = World::new();
        world.one_each = one_each;
        // Tickets begin anew after the last.
        world.aloft.base = first;
        for step in steps {
            world.run(step);
        }
        // In the end all is answered.
        let replies = vec![Reply::Done; world.line.len()];
        world.run(Step::Drive { refuses: None, breaks_at: None, replies, breaks: false });
        if world.lost {
            world.lose(&lost());
        }
        world.land();
        prop_assert!(world.line.is_empty());
        prop_assert_eq!(world.landed, world.next as usize);
        prop_assert!(world.aloft.landed().is_none() && world.aloft.head().is_none());
    }
}
