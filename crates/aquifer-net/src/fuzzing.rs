//! What the fuzzing parts of both drivers share. Not part of the API: it may change in any version.

use std::sync::Arc;

use aquifer_driver::{Batch, Command, Result, RowBatch, Step, TxOptions, Value, Want};

use crate::Flow;

/// Starts the command that `choice` is for: a query of this text with one argument, a script, a Prepare, a batch of the
/// text, or a BEGIN. False if it is refused, with a line in the log.
pub fn ask(
    choice: u8,
    sql: &Arc<str>,
    want: Want,
    log: &mut Vec<String>,
    start: impl FnOnce(Command<'_>) -> Result<()>,
) -> bool {
    let started = match choice % 6 {
        0 | 1 => start(Command::Execute { sql, params: &(1,), want }),
        2 => start(Command::Script { sql: "SELECT 1; SELECT 2" }),
        3 => start(Command::Prepare { sql }),
        4 => {
            let mut batch = Batch::new();
            for id in 0..3 {
                if let Err(error) = batch.push(sql, &(id,), Want::All) {
                    log.push(error.to_string());
                }
            }
            start(Command::Batch(Arc::new(batch)))
        }
        _ => start(Command::Begin(TxOptions::new())),
    };
    if let Err(error) = &started {
        log.push(format!("refused: {:?}", error.kind()));
    }
    started.is_ok()
}

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Played {
    /// Its end, or its error.
    Over,
    /// There are no more bytes, and it waits for some.
    Waits,
}

/// Answers the command that was started by these pieces of a server's bytes, as many as it takes: a line in the log for
/// each row and step. `advance` is the pipeline's next step.
pub fn play<'b, P: Flow>(
    pipeline: &mut P,
    mut advance: impl FnMut(&mut P, &mut RowBatch) -> Result<Option<Step>>,
    batch: &mut RowBatch,
    pieces: &mut impl Iterator<Item = &'b [u8]>,
    log: &mut Vec<String>,
) -> Played {
    loop {
        let out = pipeline.output().len();
        pipeline.wrote(out);
        match advance(pipeline, batch) {
            Ok(Some(step)) => {
                log.extend(batch.rows().map(|row| format!("{:?}", row.get::<Value>(0).ok())));
                match step {
                    Step::Rows => continue,
                    Step::EndOfSet(outcome) => log.push(format!("set {outcome:?}")),
                    Step::Failed(error) => log.push(format!("failed {:?}", error.kind())),
                    _ => {
                        log.push("end".to_owned());
                        return Played::Over;
                    }
                }
            }
            // As a connection does: what is to be said comes first.
            Ok(None) if !pipeline.output().is_empty() => {}
            Ok(None) => match pieces.next() {
                Some(piece) => pipeline.input().room().extend_from_slice(piece),
                None => return Played::Waits,
            },
            Err(error) => {
                log.push(format!("error {:?}", error.kind()));
                return Played::Over;
            }
        }
    }
}
