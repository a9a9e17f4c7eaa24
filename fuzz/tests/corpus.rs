//! Replays what is kept, and goes a little beyond it, in every test run.

#![forbid(unsafe_code)]

use aquifer_fuzz::mutate::Mutator;
use aquifer_fuzz::{TARGETS, Target, corpus};
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

/// Mutations per target and round.
const INPUTS: u64 = 2_000;

#[test]
fn every_target_keeps_its_promise_on_its_corpus() {
    for target in TARGETS {
        let inputs = corpus::of(&corpus::folder(), target.name).unwrap_or_default();
        assert!(!inputs.is_empty(), "fuzz/corpus/{} has no input", target.name);
        for input in inputs {
            let kept = catch_unwind(|| (target.run)(&input.bytes)).is_ok();
            let file = input.path.display();
            assert!(kept, "{}: {}: broken by {file}", target.name, target.promise);
        }
    }
}

#[test]
fn every_corpus_has_a_target() {
    for name in corpus::names(&corpus::folder()).expect("fuzz/corpus can be read") {
        assert!(
            TARGETS.iter().any(|target| target.name == name),
            "nothing reads fuzz/corpus/{name}"
        );
    }
}

#[test]
fn soak_mutations_of_every_corpus() {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse().expect(name));
    let minutes: Option<f64> = number("AQUIFER_SOAK_MINUTES");
    let first = number("AQUIFER_SOAK_SEED").map_or(1, |seed| seed as u64);
    let end = Instant::now() + Duration::from_secs_f64(60.0 * minutes.unwrap_or(0.0));
    let mut seed = first;
    loop {
        TARGETS.iter().for_each(|target| mutate(target, seed));
        seed = seed.wrapping_add(1);
        if Instant::now() >= end {
            break;
        }
    }
    println!("{} inputs per target, seeds {first} to {}", (seed - first) * INPUTS, seed - 1);
}

fn mutate(target: &Target, seed: u64) {
    let inputs = corpus::of(&corpus::folder(), target.name).expect("the corpus can be read");
    let inputs: Vec<Vec<u8>> = inputs.into_iter().map(|input| input.bytes).collect();
    let mutator = Mutator { corpus: &inputs, words: target.words, seed };
    for number in 0..INPUTS {
        let input = mutator.input(number);
        let kept = catch_unwind(|| (target.run)(&input)).is_ok();
        let text = String::from_utf8_lossy(&input);
        assert!(kept, "{}: broken with seed {seed} by input {number}: {text:?}", target.name);
    }
}
