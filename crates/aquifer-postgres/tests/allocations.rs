//! What a statement among those of several callers costs in allocations: nothing, once all is warm.

mod support;

use std::sync::Arc;

use aquifer_driver::multiplex::{Answers, Room, Ticket};
use aquifer_driver::{Outcome, Result, RowBatch, Want};
use aquifer_testkit::{CountingAllocator, allocations_of};

use support::{SERVER, Session, connect, run};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

const SHARED: u32 = 64;

/// Takes one row for each ticket into a batch that is used again and again.
struct Callers {
    batches: Vec<RowBatch>,
    rows: usize,
}

impl Answers for Callers {
    fn room(&mut self, ticket: Ticket) -> Room<'_> {
        Room::Into(&mut self.batches[ticket.0 as usize])
    }

    fn answered(&mut self, ticket: Ticket, answer: Result<Outcome>) {
        assert_eq!(answer.unwrap().rows_affected, 1);
        let row = self.batches[ticket.0 as usize].row(0).unwrap();
        let got: (i64, &str) = row.scan().unwrap();
        assert_eq!(got, (i64::from(ticket.0), "river"));
        self.rows += 1;
    }

    fn not_run(&mut self, ticket: Ticket) {
        panic!("{ticket:?} was not run");
    }
}

/// Pushes a statement for each of many callers and drives them together.
async fn share(session: &mut Session, texts: &[Arc<str>], callers: &mut Callers) {
    let lane = session.connection.multiplex().unwrap();
    for n in 0..SHARED {
        let sql = &texts[n as usize % texts.len()];
        lane.push(Ticket(n), sql, &(i64::from(n),), Want::First).unwrap();
        if n % 16 == 15 {
            lane.end_segment();
        }
    }
    std::future::poll_fn(|cx| lane.poll_drive(cx, callers)).await.unwrap();
}

#[test]
fn a_kept_select_of_a_caller_among_many_allocates_nothing_in_the_driver() {
    const ROUNDS: usize = 100;
    let one: [Arc<str>; 1] = ["SELECT $1::int8, 'river'".into()];
    let four = [1, 2, 3, 4].map(|n| Arc::from(format!("SELECT $1::int8, 'river' -- {n}")));
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        for texts in [&one[..], &four[..]] {
            let batches = (0..SHARED).map(|_| RowBatch::new()).collect();
            let mut callers = Callers { batches, rows: 0 };
            for _ in 0..ROUNDS {
                share(&mut session, texts, &mut callers).await;
            }
            let work = async {
                for _ in 0..ROUNDS {
                    share(&mut session, texts, &mut callers).await;
                }
            };
            let ((), spent) = allocations_of(work).await;
            assert_eq!(callers.rows, 2 * ROUNDS * SHARED as usize);
            assert_eq!(spent.count, 0, "{spent:?}");
        }
    });
}
