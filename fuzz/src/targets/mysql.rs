//! What a MySQL or MariaDB server, or whoever plays one, says; and the literals that go to one.

use aquifer_driver::Value;
use aquifer_mysql::fuzzing::{self, Login};

pub(super) const AUTH_WORDS: &[&str] = &[
    "mysql_native_password\u{0}",
    "caching_sha2_password\u{0}",
    "sha256_password\u{0}",
    "client_ed25519\u{0}",
    "mysql_clear_password\u{0}",
    "mysql_old_password\u{0}",
    "parsec\u{0}",
    "\u{1}\u{3}",
    "\u{1}\u{4}",
    "\u{2}\u{0}",
    "12345678901234567890\u{0}",
    "-----BEGIN PUBLIC KEY-----\n",
];

/// Long enough not to come about by chance.
const SECRET: &str = "hunter2-s3cret";

/// An input is a byte that chooses the policy, then packets behind a byte of length; the first is the greeting.
pub(super) fn auth(bytes: &[u8]) {
    let Some((choice, mut rest)) = bytes.split_first() else { return };
    // Deriving keys takes as long as a server asks for, within a bound that is too far for here.
    if rest.windows(6).any(|at| at == b"parsec") {
        return;
    }
    let private = choice & 1 != 0;
    let mut login = Login::new(SECRET, *choice);
    let mut begun = false;
    while let Some((length, after)) = rest.split_first() {
        let (packet, after) = after.split_at(after.len().min(usize::from(*length)));
        rest = after;
        let answer = if begun {
            login.receive(packet)
        } else {
            begun = true;
            // Read as a whole greeting as well; most are none.
            if let Err(error) = fuzzing::greeting(packet) {
                assert!(!error.to_string().is_empty());
            }
            let nonce = packet.get(..20).unwrap_or(packet);
            login.begin(packet.get(20..).unwrap_or_default(), nonce).map(|(_, first)| Some(first))
        };
        match answer {
            Ok(Some(answer)) => {
                let shown = answer.windows(SECRET.len()).any(|at| at == SECRET.as_bytes());
                assert!(!shown || private, "the password goes over a channel that others read");
            }
            Ok(None) => return,
            Err(error) => {
                let text = format!("{error} {error:?}");
                assert!(!text.contains(SECRET), "{text}");
                return;
            }
        }
    }
}

pub(super) const LITERAL_WORDS: &[&str] = &[
    "?", "'", "\"", "`", "\\", "-- ", "--", "#", "/*", "*/", "/*!", ";", "''", "\n", "\u{0}",
    "\u{1a}", "SELECT ", "\u{1}", "\u{e4}",
];

/// An input is a byte (odd: backslashes escape), the statement, and behind a byte 1 an argument.
pub(super) fn literals(bytes: &[u8]) {
    let Some((escapes, rest)) = bytes.split_first() else { return };
    let escapes = escapes % 2 == 1;
    let text = String::from_utf8_lossy(rest);
    let (sql, argument) = text.split_once('\u{1}').unwrap_or((&text, "it's \\ ? -- /* \""));
    let Some(places) = fuzzing::places(sql, escapes) else { return };
    assert!(places.iter().all(|place| sql.as_bytes()[*place] == b'?'));
    let arguments = [
        Value::Text(argument.to_owned()),
        Value::Int(-1),
        Value::Null,
        Value::Bytes(argument.as_bytes().to_vec()),
    ];
    for argument in arguments {
        let values = vec![argument; places.len()];
        let written = fuzzing::interpolate(sql, &values, escapes).expect("each has a literal");
        let left = fuzzing::places(&written, escapes);
        assert_eq!(left.as_deref(), Some(&[][..]), "{sql:?} {written:?}");
        // What stood outside of the placeholders stands there still, in its order.
        let mut from = 0;
        for part in sql.char_indices().filter(|(at, _)| !places.contains(at)) {
            let found = written[from..].find(part.1).expect("nothing is lost");
            from += found + part.1.len_utf8();
        }
    }
}

pub(super) const PACKET_WORDS: &[&str] = &[
    "\u{7}\u{0}\u{0}\u{1}\u{0}\u{1}\u{0}\u{2}\u{0}\u{0}\u{0}",
    "\u{7}\u{0}\u{0}\u{1}\u{0}\u{0}\u{0}\u{a}\u{0}\u{0}\u{0}",
    "\u{7}\u{0}\u{0}\u{1}\u{0}\u{0}\u{0}\u{3}\u{0}\u{0}\u{0}",
    "\u{c}\u{0}\u{0}\u{1}\u{0}\u{7}\u{0}\u{0}\u{0}\u{2}\u{0}\u{1}\u{0}\u{0}\u{0}\u{0}",
    "\u{1}\u{0}\u{0}\u{1}\u{1}",
    "\u{2}\u{0}\u{0}\u{3}\u{1}7",
    "\u{0}\u{0}\u{0}\u{2}",
];

/// An input is a byte that chooses what the session was asked for, and what the server says.
pub(super) fn packets(bytes: &[u8]) {
    let Some((command, said)) = bytes.split_first() else { return };
    let (whole, usable) = fuzzing::replay(*command, said, said.len());
    for piece in [1, 7] {
        let (cut, still_usable) = fuzzing::replay(*command, said, piece);
        assert_eq!(usable, still_usable, "in pieces of {piece}: {whole:?} {cut:?}");
        if usable {
            assert_eq!(whole, cut, "in pieces of {piece}");
        }
    }
}

pub(super) const COMPRESSED_WORDS: &[&str] = &[
    "\u{5}\u{0}\u{0}\u{1}\u{0}\u{0}\u{0}",
    "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
    "\u{10}\u{0}\u{0}\u{1}d\u{0}\u{0}x",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// An input is a byte (odd: Zstandard), and what a server says in compressed packets.
pub(super) fn compressed(bytes: &[u8]) {
    let Some((choice, said)) = bytes.split_first() else { return };
    let zstd = choice % 2 == 1;
    let whole = fuzzing::unpack(zstd, said, said.len());
    for piece in [1, 7] {
        assert!(fuzzing::unpack(zstd, said, piece) == whole, "in pieces of {piece}");
        let (plain, packed) = fuzzing::pack(zstd, said, piece);
        let (found, all) = fuzzing::unpack(zstd, &packed, piece);
        assert!(all && found == plain, "packed in pieces of {piece}");
    }
}

pub(super) const TYPE_WORDS: &[&str] = &[
    "\u{13}2026-11-20 08:15:00",
    "\u{a}0000-00-00",
    "\u{a}-838:59:59",
    "\u{b}\u{0}\u{0}\u{1}\u{1}",
    "\u{14}18446744073709551615",
    "\u{5}-12.5",
];

const BINARY: u16 = 63;
const BLOB: u8 = 252;
const VAR_STRING: u8 = 253;

/// An input is a byte of the type, one of flags (32: unsigned), one that is odd for text and 2 for bytes, and a row.
pub(super) fn types(bytes: &[u8]) {
    let [kind, flags, form, row @ ..] = bytes else { return };
    let charset = if form & 2 == 0 { 45 } else { BINARY };
    let read = fuzzing::row(*kind, u16::from(*flags), charset, form & 1 == 1, row);
    let Ok(value) = read else { return };
    // A moment of no year that MySQL has is read, and then refused.
    let Ok((kind, flags, argument)) = fuzzing::argument(value.as_ref()) else { return };
    if value.is_null() {
        assert!(argument.is_empty());
        return;
    }
    let charset = if kind == BLOB { BINARY } else { 45 };
    let mut row = vec![0, 0];
    row.extend_from_slice(&argument);
    let again = fuzzing::row(kind, flags, charset, false, &row).expect("it can be read");
    let same = match (&value, &again) {
        (Value::Json(value), Value::Text(again)) => kind == VAR_STRING && value == again,
        (Value::TimestampTz(value), Value::Timestamp(again)) => value == again,
        (Value::Float(value), Value::Float(again)) => value == again,
        _ => value == again,
    };
    assert!(same, "{value:?} {again:?}");
}

pub(super) const ERROR_WORDS: &[&str] = &[
    "'",
    "`",
    "n't ",
    " for column ",
    " for key ",
    " in ",
    ".",
    "CONSTRAINT ",
    " at row 1",
    "near '",
    "Incorrect integer value: '",
    "#23000",
    "hunter2",
];

/// An input is a number of two bytes, then what a server says with it, in which `\u{1}` stands for data in quotes.
pub(super) fn errors(bytes: &[u8]) {
    let Some((number, said)) = bytes.split_first_chunk::<2>() else { return };
    let said = String::from_utf8_lossy(said);
    let packet = |said: &str| [&[0xff], &number[..], said.as_bytes()].concat();
    // Any packet is read, with a statement that has all of it or nothing.
    for sql in ["", &said] {
        if let Some(error) = fuzzing::shown(&packet(&said), sql) {
            assert!(!error.to_string().is_empty());
            assert!(error.detail().is_some(), "the whole text is there");
        }
    }
    // A value that cannot be converted (1366), which may have anything in it.
    let data: String = said.chars().filter(|letter| !"\u{1}".contains(*letter)).collect();
    let told = format!("#22007Incorrect integer value: '{SECRET}{data}' for column 'n' at row 1");
    let value = [&[0xff, 0x56, 0x05], told.as_bytes()].concat();
    let shown =
        fuzzing::shown(&value, "INSERT INTO t VALUES (?)").expect("it is an error").to_string();
    assert!(!shown.contains(SECRET), "{data:?}: {shown}");
}

pub(super) const CHANGE_WORDS: &[&str] = &[
    "SET ",
    "sql_mode",
    "wait_timeout",
    " = ",
    "'",
    "\"",
    "@",
    ", ",
    ";",
    "/*",
    "*/",
    "/*!",
    "-- ",
    "#",
    "\n",
    "USE ",
    "CALL ",
    "LOCK ",
    "TABLES ",
    "TRANSACTION ",
    "INTO ",
    "NAMES ",
    "SESSION ",
    "GET_LOCK(",
    "\\",
    "`",
    "TEMPORARY ",
    ":=",
    "\u{e4}",
];

/// An input is a statement.
pub(super) fn changes(bytes: &[u8]) {
    let sql = String::from_utf8_lossy(bytes);
    let (variables, anything, silent, untracked) = fuzzing::changes(&sql);
    assert!(!silent || untracked, "who is told nothing expects no less: {sql:?}");
    if variables.is_empty() {
        return;
    }
    assert!(!anything, "{sql:?}");
    // What is undone one by one is one statement without calls, variables of the user's or comments.
    let outside: String = sql.split(['\'', '"']).step_by(2).collect();
    let body = outside.trim_end().trim_end_matches(';');
    assert!(!body.contains([';', '@', '(', '#', '/', '`']) && !body.contains("--"), "{sql:?}");
    let upper = sql.to_ascii_lowercase();
    assert!(upper.trim_start().starts_with("set"), "{sql:?}");
    assert!(silent, "a SET is noticed wherever servers are silent: {sql:?}");
}
