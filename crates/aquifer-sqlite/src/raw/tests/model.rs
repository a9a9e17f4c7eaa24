//! Random operations against a model of what a statement is.

use super::*;

const SQL: &str = "SELECT value + ?1, ?2 FROM json_each('[0, 1, 2, 3, 4]')";
const ROWS: i64 = 5;

/// A statement as the documentation tells it.
struct Model {
    id: StatementId,
    number: Option<i64>,
    text: Option<String>,
    /// The values that a run began with.
    running: Option<(Option<i64>, Option<String>)>,
    next: i64,
}

impl Model {
    fn reset(&mut self) {
        self.running = None;
        self.next = 0;
    }

    fn row(&self) -> Vec<Owned> {
        let (number, text) = self.running.as_ref().unwrap();
        vec![
            number.map_or(Owned::Null, |number| Owned::Integer(number + self.next)),
            text.as_ref().map_or(Owned::Null, |text| Owned::Text(text.clone().into_bytes())),
        ]
    }
}

/// Numbers that look random, from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        // Knuth's constants for a linear congruential generator; the high bits are the good ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn run(seed: u64, operations: u32) {
    let mut random = Random(seed);
    let mut handle = memory();
    let mut live: Vec<Model> = Vec::new();
    let mut dead: Vec<StatementId> = Vec::new();
    for _ in 0..operations {
        if live.is_empty() || (live.len() < 8 && random.below(20) == 0) {
            let id = prepare(&mut handle, SQL);
            live.push(Model { id, number: None, text: None, running: None, next: 0 });
            continue;
        }
        let at = random.below(live.len() as u64) as usize;
        let model = &mut live[at];
        let mut statement = handle.statement(model.id).unwrap();
        match random.below(16) {
            0 => {
                let value = random.below(1_000) as i64;
                statement.bind_i64(1, value).unwrap();
                model.number = Some(value);
                model.reset();
            }
            1 => {
                let value = "x".repeat(random.below(3_000) as usize);
                statement.bind_text(2, &value).unwrap();
                model.text = Some(value);
                model.reset();
            }
            2 => {
                statement.bind_null(2).unwrap();
                model.text = None;
                model.reset();
            }
            3 => {
                statement.clear_bindings().unwrap();
                (model.number, model.text) = (None, None);
                model.reset();
            }
            4 => {
                statement.reset().unwrap();
                model.reset();
            }
            5 => {
                let borrowed = "b".repeat(random.below(50) as usize);
                let steps = random.below(7);
                let rows = statement.with_borrowed(|view| {
                    view.bind_text(2, &borrowed).unwrap();
                    (0..steps).filter(|_| view.statement().next_row().unwrap().is_some()).count()
                });
                assert_eq!(rows as u64, steps.min(ROWS as u64));
                (model.number, model.text) = (None, None);
                model.reset();
            }
            6 => {
                let id = model.id;
                live.swap_remove(at);
                assert!(handle.finalize(id));
                dead.push(id);
            }
            7 => {
                if let Some(id) = dead.last() {
                    assert!(handle.statement(*id).is_err());
                    assert!(!handle.finalize(*id));
                }
            }
            _ => {
                let row = statement.next_row().unwrap().map(|row| owned(&row));
                if model.running.is_none() {
                    model.running = Some((model.number, model.text.clone()));
                }
                assert_eq!(row, (model.next < ROWS).then(|| model.row()));
                model.next += 1;
                assert_eq!(statement.is_running(), model.next <= ROWS);
            }
        }
    }
    assert_eq!(handle.close().statements_left, live.len());
}

#[test]
fn statements_do_what_the_model_does_under_random_operations() {
    for seed in 0..8 {
        run(seed, 2_000);
    }
}
