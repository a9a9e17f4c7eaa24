//! New inputs from kept ones: input number `n` is a pure function of corpus, words, seed and `n`, so
//! that any of them can be made again. No coverage guides it; a good corpus and the target's own words
//! do that work.

/// The length no input exceeds: long enough for every structure, short enough to try many.
pub const INPUT_BYTES_MAX: usize = 4_096;

/// How many changes one input takes from its origin, at most.
const CHANGES_MAX: u64 = 8;

/// Makes inputs for one target.
#[derive(Debug, Clone, Copy)]
pub struct Mutator<'a> {
    /// Where inputs start from.
    pub corpus: &'a [Vec<u8>],
    /// What a target's grammar is made of; random bytes seldom spell it.
    pub words: &'a [&'a str],
    /// Another seed, another sequence.
    pub seed: u64,
}

impl Mutator<'_> {
    /// Input number `n`.
    pub fn input(&self, n: u64) -> Vec<u8> {
        let mut random = Random(mixed(self.seed ^ mixed(n)));
        let mut input = random.pick(self.corpus).cloned().unwrap_or_default();
        for _ in 0..=random.below(CHANGES_MAX) {
            self.change(&mut input, &mut random);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn change(&self, input: &mut Vec<u8>, random: &mut Random) {
        let at = random.below(input.len() as u64 + 1) as usize;
        let rest = input.len() - at;
        let length = random.below(rest.min(32) as u64 + 1) as usize;
        match random.below(8) {
            0 if rest > 0 => input[at] ^= 1 << random.below(8),
            1 if rest > 0 => input[at] = random.next() as u8,
            // The values at which lengths, signs and characters change their meaning.
            2 if rest > 0 => {
                let edges = [0, 1, 0x7f, 0x80, 0xc3, 0xff, b'\'', b'"', b'\n', b'\\'];
                input[at] = *random.pick(&edges).unwrap_or(&0);
            }
            3 => drop(input.drain(at..at + length)),
            4 => {
                let copied = input[at..at + length].to_vec();
                let to = random.below(input.len() as u64 + 1) as usize;
                input.splice(to..to, copied);
            }
            5 => {
                // The tail of another input: two structures meet.
                let other = random.pick(self.corpus).map_or(&[][..], Vec::as_slice);
                let from = random.below(other.len() as u64 + 1) as usize;
                input.splice(at.., other[from..].iter().copied());
            }
            _ => {
                let word = random.pick(self.words).copied().unwrap_or("0");
                input.splice(at..at, word.bytes());
            }
        }
    }
}

/// A shorter input on which `fails` still holds: pieces are left out as long as that helps. Calls
/// `fails` at most `calls_max` times.
pub fn shrink(input: &[u8], calls_max: usize, mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut smallest = input.to_vec();
    let mut piece = smallest.len() / 2;
    let mut calls = 0;
    while piece > 0 {
        let mut at = 0;
        while at < smallest.len() {
            if calls == calls_max {
                return smallest;
            }
            calls += 1;
            let end = (at + piece).min(smallest.len());
            let shorter = [&smallest[..at], &smallest[end..]].concat();
            if fails(&shorter) {
                smallest = shorter;
            } else {
                at = end;
            }
        }
        piece /= 2;
    }
    smallest
}

/// SplitMix64: one word of state, good enough to choose mutations.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// 0 for an empty range.
    fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len() as u64) as usize)
    }
}

fn mixed(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn an_input_can_be_made_again_from_seed_and_number() {
        let corpus = [b"SELECT 1".to_vec(), b"x = 'y'".to_vec()];
        let mutator = Mutator { corpus: &corpus, words: &["?", "::"], seed: 7 };
        let inputs: Vec<_> = (0..1_000).map(|n| mutator.input(n)).collect();
        assert!((0..1_000).all(|n| mutator.input(n) == inputs[n as usize]));
        let other = Mutator { seed: 8, ..mutator };
        assert_ne!((0..1_000).map(|n| other.input(n)).collect::<Vec<_>>(), inputs);
        let distinct: HashSet<_> = inputs.iter().collect();
        assert!(distinct.len() > 900, "{} of 1000", distinct.len());
    }

    #[test]
    fn inputs_are_made_from_nothing_and_stay_within_the_bound() {
        let empty = Mutator { corpus: &[], words: &[], seed: 1 };
        assert!((0..100).any(|n| !empty.input(n).is_empty()));
        let long = [vec![b'x'; INPUT_BYTES_MAX]];
        let mutator = Mutator { corpus: &long, words: &["word"], seed: 1 };
        assert!((0..100).all(|n| mutator.input(n).len() <= INPUT_BYTES_MAX));
    }

    #[test]
    fn shrinking_keeps_what_matters_and_respects_its_bound() {
        let noise = [&[b'.'; 500][..], b"KEY", &[b'.'; 500]].concat();
        let has_key = |input: &[u8]| input.windows(3).any(|w| w == b"KEY");
        assert_eq!(shrink(&noise, 10_000, has_key), b"KEY");
        let mut calls = 0;
        let partly = shrink(&noise, 5, |input| {
            calls += 1;
            has_key(input)
        });
        assert!(calls == 5 && has_key(&partly));
    }
}
