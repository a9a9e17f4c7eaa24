//! A PostgreSQL server's messages to an open session, which one caller or several use.
//!
//! An input is a byte that chooses what the session was asked for, and what the server says.

use aquifer_postgres::fuzzing;

pub(super) const WORDS: &[&str] = &[
    "1\u{0}\u{0}\u{0}\u{4}",
    "2\u{0}\u{0}\u{0}\u{4}",
    "3\u{0}\u{0}\u{0}\u{4}",
    "n\u{0}\u{0}\u{0}\u{4}",
    "s\u{0}\u{0}\u{0}\u{4}",
    "I\u{0}\u{0}\u{0}\u{4}",
    "t\u{0}\u{0}\u{0}\u{a}\u{0}\u{1}\u{0}\u{0}\u{0}\u{17}",
    "T\u{0}\u{0}\u{0}\u{1a}\u{0}\u{1}a\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{17}\u{0}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
    "T\u{0}\u{0}\u{0}\u{1a}\u{0}\u{1}a\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{6}\u{24}\u{0}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}\u{1}",
    "D\u{0}\u{0}\u{0}\u{b}\u{0}\u{1}\u{0}\u{0}\u{0}\u{1}7",
    "D\u{0}\u{0}\u{0}\u{e}\u{0}\u{1}\u{0}\u{0}\u{0}\u{4}\u{0}\u{0}\u{0}\u{7}",
    "C\u{0}\u{0}\u{0}\u{d}SELECT 1\u{0}",
    "C\u{0}\u{0}\u{0}\u{a}BEGIN\u{0}",
    "C\u{0}\u{0}\u{0}\u{8}SET\u{0}",
    "Z\u{0}\u{0}\u{0}\u{5}I",
    "Z\u{0}\u{0}\u{0}\u{5}T",
    "Z\u{0}\u{0}\u{0}\u{5}E",
    "E\u{0}\u{0}\u{0}\u{15}SERROR\u{0}C0A000\u{0}Mx\u{0}\u{0}",
    "E\u{0}\u{0}\u{0}\u{15}SFATAL\u{0}C26000\u{0}Mx\u{0}\u{0}",
    "N\u{0}\u{0}\u{0}\u{5}\u{0}",
    "S\u{0}\u{0}\u{0}\u{8}a\u{0}b\u{0}",
    "A\u{0}\u{0}\u{0}\u{c}\u{0}\u{0}\u{0}\u{1}c\u{0}p\u{0}",
    "G\u{0}\u{0}\u{0}\u{7}\u{0}\u{0}\u{0}",
    "H\u{0}\u{0}\u{0}\u{7}\u{0}\u{0}\u{0}",
];

pub(super) fn run(bytes: &[u8]) {
    same_in_pieces(bytes, fuzzing::replay);
}

pub(super) fn shared(bytes: &[u8]) {
    same_in_pieces(bytes, fuzzing::replay_shared);
}

/// What was asked for, what is said, and in pieces of how many bytes: what came of it, and whether the session is still
/// of use.
type Replay = fn(u8, &[u8], usize) -> (Vec<String>, bool);

fn same_in_pieces(bytes: &[u8], replay: Replay) {
    let Some((command, said)) = bytes.split_first() else {
        return;
    };
    let (whole, usable) = replay(*command, said, said.len());
    for piece in [1, 7] {
        let (cut, still_usable) = replay(*command, said, piece);
        assert_eq!(usable, still_usable, "in pieces of {piece}");
        if usable {
            assert_eq!(whole, cut, "in pieces of {piece}");
        }
    }
}
