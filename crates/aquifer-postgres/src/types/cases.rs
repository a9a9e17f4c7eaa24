//! What a server sent, in both formats: cases.txt, written by cases.sql.

use aquifer_driver::{Cell, FromValue, Value};

use super::catalogue::oid;
use super::{Format, Oid, binary_result, column, name, put};

/// One value: its type, its text, its binary form.
struct Case {
    oid: Oid,
    text: String,
    binary: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let cases: Vec<_> = include_str!("cases.txt")
        .lines()
        .map(|line| {
            let [oid, text, hex]: [&str; 3] =
                line.split('\t').collect::<Vec<_>>().try_into().expect("three fields");
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
            Case {
                oid: oid.parse().expect("a number"),
                text: text.to_owned(),
                binary: (0..hex.len()).step_by(2).map(byte).collect(),
            }
        })
        .collect();
    assert!(cases.len() > 200);
    cases
}

/// The value that a cell of the server's becomes.
fn value(oid: Oid, format: Format, cell: &[u8]) -> Value {
    read(oid, format, cell).unwrap_or_else(|error| panic!("{} {format:?}: {error}", name(oid)))
}

pub(super) fn read(oid: Oid, format: Format, cell: &[u8]) -> Result<Value, String> {
    let column = column(oid, -1, format);
    let cell = cell.get(usize::from(column.skip)..).ok_or("too short")?;
    let mut rewritten = Vec::new();
    let bytes = match column.transcode {
        Some(transcode) => {
            transcode.run(cell, &mut rewritten).map_err(|error| error.to_string())?;
            &rewritten
        }
        None => cell,
    };
    Value::from_cell(Cell::new(Some(bytes), column.encoding)).map_err(|error| error.to_string())
}

/// Equal, with NaN equal to itself.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => {
            a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        _ => a == b,
    }
}

#[test]
fn both_formats_give_the_same_value() {
    for case in cases() {
        if !binary_result(case.oid) {
            continue;
        }
        let binary = value(case.oid, Format::Binary, &case.binary);
        let text = value(case.oid, Format::Text, case.text.as_bytes());
        assert!(same(&binary, &text), "{} {}: {binary:?} {text:?}", name(case.oid), case.text);
        let [text, binary] =
            [Format::Text, Format::Binary].map(|f| column(case.oid, -1, f).encoding);
        assert_eq!(text, binary, "{}", name(case.oid));
    }
}

#[test]
fn types_without_a_binary_form_here_read_as_their_text() {
    for case in cases() {
        if !binary_result(case.oid) && super::element(case.oid).is_none() {
            let got = value(case.oid, Format::Text, case.text.as_bytes());
            assert_eq!(got, Value::Text(case.text), "{}", name(case.oid));
        }
    }
}

#[test]
fn the_binary_form_of_a_copy_is_shown_as_the_servers_text() {
    let mut shown = 0;
    for case in cases() {
        if super::shown::knows(case.oid) {
            let got = value(case.oid, Format::Binary, &case.binary);
            assert_eq!(got, Value::Text(case.text), "{}", name(case.oid));
            shown += 1;
        } else if super::element(case.oid).is_some_and(super::shown::knows) {
            let [binary, text] = [
                value(case.oid, Format::Binary, &case.binary),
                value(case.oid, Format::Text, case.text.as_bytes()),
            ];
            assert_eq!(binary, text);
        }
    }
    assert!(shown > 60, "{shown}");
}

/// Types whose values are arguments, too. The vectors of the catalogue are only read.
fn is_bound(oid: Oid) -> bool {
    binary_result(oid) && ![oid::INT2VECTOR, oid::OIDVECTOR].contains(&oid)
}

/// What is read is written again as the server itself writes it, so a first use and every later one store
/// the same.
#[test]
fn values_that_were_read_are_bound_as_the_server_sent_them() {
    let mut bound = 0;
    for case in cases() {
        if !is_bound(case.oid) {
            continue;
        }
        let read = value(case.oid, Format::Binary, &case.binary);
        let mut out = Vec::new();
        let format = put(case.oid, read.as_ref(), &mut out).expect("it was read");
        assert_eq!(out[..4], (out.len() as u32 - 4).to_be_bytes());
        if format == Format::Text {
            let again = value(case.oid, Format::Text, &out[4..]);
            assert!(same(&again, &read), "{} {}", name(case.oid), case.text);
        } else if case.text.starts_with('[') {
            // Lower bounds are not kept.
            let again = value(case.oid, Format::Binary, &out[4..]);
            assert!(same(&again, &read), "{} {}", name(case.oid), case.text);
        } else {
            assert_eq!(out[4..], case.binary, "{} {}", name(case.oid), case.text);
            bound += 1;
        }
    }
    assert!(bound > 100, "{bound}");
}

/// The text of a first use is read back as the same value that the binary form of later uses is.
#[test]
fn the_text_of_a_first_use_means_what_the_binary_form_means() {
    for case in cases() {
        if !is_bound(case.oid) {
            continue;
        }
        let read = value(case.oid, Format::Binary, &case.binary);
        let mut out = Vec::new();
        let format = put(0, read.as_ref(), &mut out).expect("it was read");
        if format == Format::Text {
            let again = self::read(case.oid, Format::Text, &out[4..]);
            assert!(
                again.as_ref().is_ok_and(|again| same(again, &read)),
                "{} {}: {}",
                name(case.oid),
                case.text,
                String::from_utf8_lossy(&out[4..])
            );
        }
    }
}

#[test]
fn text_that_the_sessions_settings_spoil_says_which() {
    for text in ["20.11.2026", "11/20/2026", "Fri Nov 20 2026", "2026-02-30", "2026-11-20 BC BC"] {
        let error = read(oid::DATE, Format::Text, text.as_bytes()).unwrap_err();
        assert!(error.contains("DATE") && error.contains("SET DateStyle"), "{error}");
    }
    let infinite = read(oid::INTERVAL, Format::Text, b"-infinity").unwrap();
    let binary = [&[0x80, 0, 0, 0, 0, 0, 0, 0][..], &[0x80, 0, 0, 0], &[0x80, 0, 0, 0]].concat();
    assert_eq!(read(oid::INTERVAL, Format::Binary, &binary).unwrap(), infinite);
}

#[test]
fn damaged_cells_are_refused_without_a_panic() {
    for case in cases() {
        for format in [Format::Text, Format::Binary] {
            let cell = match format {
                Format::Text => case.text.as_bytes(),
                Format::Binary => &case.binary,
            };
            for len in 0..cell.len() {
                let _ = read(case.oid, format, &cell[..len]);
            }
            for at in 0..cell.len() {
                for flip in [1, 0x80, 0xff] {
                    let mut cell = cell.to_vec();
                    cell[at] ^= flip;
                    let _ = read(case.oid, format, &cell);
                }
            }
        }
    }
}
