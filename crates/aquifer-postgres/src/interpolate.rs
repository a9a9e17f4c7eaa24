//! The simple protocol with arguments: they are written into the text as quoted literals.
//!
//! Every argument becomes a literal of unknown type, so that the server finds its type as it does for a
//! parameter: `'5'`, `NULL`; bytes are `'\x..'::bytea`, and arrays of them `'{..}'::bytea[]`. Placeholders are
//! found as the server's own scanner finds them: not in strings, quoted names, dollar quotes and comments.
//! Quoting relies on `standard_conforming_strings`, which the caller checks.

use aquifer_driver::{Error, ErrorKind, ParamSink, Params, Result, ValueRef};

use crate::lexis::{comment, dollar_quoted, is_name, line_comment, literal, quoted};
use crate::types;

/// The text with its arguments written in.
///
/// # Errors
///
/// If a placeholder has no argument, an argument no placeholder, or an argument no literal.
pub(crate) fn interpolate(sql: &str, params: &dyn Params) -> Result<String> {
    let mut literals = Literals { texts: Vec::with_capacity(params.count()), scratch: Vec::new() };
    params.bind(&mut literals)?;
    let mut used = vec![false; literals.texts.len()];
    let mut out =
        String::with_capacity(sql.len() + literals.texts.iter().map(String::len).sum::<usize>());
    let mut rest = sql;
    while let Some(at) = next_placeholder(rest) {
        let digits = rest[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[at + 1..at + 1 + digits].parse::<usize>().unwrap_or(usize::MAX);
        let place = number.wrapping_sub(1);
        let Some(literal) = literals.texts.get(place) else {
            return Err(mismatch(format!(
                "the statement has a placeholder ${}, and {} arguments were given",
                &rest[at + 1..at + 1 + digits],
                used.len()
            )));
        };
        used[place] = true;
        out.push_str(&rest[..at]);
        // Spaces keep it from growing together with what stands beside it.
        out.push(' ');
        out.push_str(literal);
        out.push(' ');
        rest = &rest[at + 1 + digits..];
    }
    out.push_str(rest);
    match used.iter().position(|used| !used) {
        Some(unused) => Err(mismatch(format!(
            "{} arguments were given, and the statement has no placeholder ${}",
            used.len(),
            unused + 1
        ))),
        None => Ok(out),
    }
}

#[cold]
fn mismatch(message: String) -> Error {
    Error::new(ErrorKind::ArgumentMismatch, message).with_nothing_sent(true)
}

struct Literals {
    texts: Vec<String>,
    scratch: Vec<u8>,
}

impl ParamSink for Literals {
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        let literal = match value {
            ValueRef::Null => "NULL".to_owned(),
            value => {
                self.scratch.clear();
                types::put_text(value, &mut self.scratch)?;
                let text = &self.scratch;
                if memchr::memchr(0, text).is_some() {
                    return Err(Error::new(
                        ErrorKind::Argument,
                        format!("argument ${}: text with a NUL character", self.texts.len() + 1),
                    )
                    .with_hint("PostgreSQL has no such text; pass bytes to a `bytea`"));
                }
                let mut literal = quote(std::str::from_utf8(text).map_err(|_| no_literal(&value))?);
                // As a first Parse declares it.
                match types::name(types::declared(value)) {
                    "" => {}
                    declared => {
                        literal.push_str("::");
                        literal.push_str(&declared.to_ascii_lowercase());
                    }
                }
                literal
            }
        };
        self.texts.push(literal);
        Ok(())
    }
}

fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for part in text.split_inclusive('\'') {
        quoted.push_str(part);
        if part.ends_with('\'') {
            quoted.push('\'');
        }
    }
    quoted.push('\'');
    quoted
}

#[cold]
fn no_literal(value: &ValueRef<'_>) -> Error {
    Error::new(
        ErrorKind::Argument,
        format!("an argument of the kind {} cannot be written as a literal", value.kind()),
    )
    .with_hint("the simple protocol sends arguments as text; use another default_query_exec_mode")
}

/// Where the next `$1` stands, if there is one.
fn next_placeholder(sql: &str) -> Option<usize> {
    let bytes = sql.as_bytes();
    let mut at = 0;
    // A dollar within a name, as in `a$1`, belongs to the name.
    let mut in_name = false;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        let skipped = match byte {
            b'\'' => {
                let escapes = at > 0
                    && bytes[at - 1].eq_ignore_ascii_case(&b'e')
                    && !at.checked_sub(2).is_some_and(|before| is_name(bytes[before]));
                literal(bytes, at, escapes)
            }
            b'"' => quoted(bytes, at, b'"', false),
            b'-' if next == Some(b'-') => line_comment(bytes, at),
            b'/' if next == Some(b'*') => comment(bytes, at),
            b'$' if !in_name && next.is_some_and(|next| next.is_ascii_digit()) => return Some(at),
            b'$' if !in_name => dollar_quoted(bytes, at).unwrap_or(at + 1),
            _ => {
                in_name = is_name(byte);
                at += 1;
                continue;
            }
        };
        in_name = false;
        at = skipped;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquifer_driver::Value;

    fn text(sql: &str, params: &[Value]) -> Result<String> {
        interpolate(sql, &params)
    }

    #[test]
    fn arguments_become_quoted_literals() {
        let params = ["it's \\ $2".into(), Value::Int(-5), Value::Null, Value::Bytes(vec![0, 255])];
        assert_eq!(
            text("SELECT $1,$2-$2, $3::int, $4", &params).unwrap(),
            r"SELECT  'it''s \ $2' , '-5' - '-5' ,  NULL ::int,  '\x00ff'::bytea "
        );
    }

    #[test]
    fn arrays_of_bytes_are_of_that_type_and_others_of_none() {
        let array = |item: Value| Value::Array(vec![item, Value::Null]);
        let params = [array(Value::Bytes(vec![0, 255])), array("it's".into())];
        assert_eq!(
            text("SELECT $1, $2", &params).unwrap(),
            r#"SELECT  '{"\\x00ff",NULL}'::bytea[] ,  '{"it''s",NULL}' "#
        );
    }

    #[test]
    fn what_only_looks_like_a_placeholder_stays() {
        let one = [Value::Int(1)];
        for sql in [
            "SELECT '$1', ",
            "SELECT 'it''s $1', ",
            r"SELECT E'\'$1', ",
            r#"SELECT "$1", "#,
            "SELECT $$ $1 $$, ",
            "SELECT $a$ $1 $$ $a$, ",
            "SELECT -- $1\n ",
            "SELECT /* $1 /* $1 */ $1 */ ",
            "SELECT a$1, ",
            r"SELECT name'\', ",
            "SELECT E'a'\n'\\' $1 --', ",
            "SELECT E'a' -- x\n \t-- 'y'\r'\\\\'\n'$1', ",
            "SELECT 'a'\n'\\', ",
            "SELECT E'a' '\\', ",
            "SELECT -- $1\r ",
        ] {
            assert_eq!(text(&format!("{sql}$1"), &one).unwrap(), format!("{sql} '1' "), "{sql}");
        }
    }

    #[test]
    fn placeholders_and_arguments_must_match() {
        for (sql, params) in [
            ("SELECT $2", vec![Value::Int(1)]),
            ("SELECT 1", vec![Value::Int(1)]),
            ("SELECT $1", vec![]),
            ("SELECT $0", vec![Value::Int(1)]),
            ("SELECT $99999999999999999999", vec![Value::Int(1)]),
        ] {
            let error = text(sql, &params).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ArgumentMismatch, "{sql}");
        }
    }

    #[test]
    fn an_unfinished_text_is_left_to_the_server() {
        for sql in ["SELECT '", "SELECT /* x", "SELECT $a$ x", "SELECT E'\\", "SELECT \"", "--"] {
            assert_eq!(text(sql, &[]).unwrap(), sql);
        }
    }
}
