//! From a request's path, query string and body to typed arguments.
//!
//! Pure: texts in, values or the list of *all* bad parameters out. A parameter may come from any of the
//! three places, but from one of them once.

use std::collections::HashSet;
use std::fmt;

use aquifer_driver::{Value, suggest};
use percent_encoding::percent_decode_str;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::parameter::Parameter;
use crate::problem::{BadParameter, Place, Problem, Situation};

/// Pairs that a query string or body may have; more is refused before it is read further.
const PAIRS_MAX: usize = 1_024;
/// Problems listed in one answer.
const PROBLEMS_MAX: usize = 64;

/// The parts of a request that parameters come from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Input<'a> {
    /// The path's parameters: names in order, and their raw (percent-encoded) values.
    pub path: &'a [(&'a str, &'a str)],
    /// The raw query string, without its question mark.
    pub query: Option<&'a str>,
    /// The body, if the method takes one; empty if the request has none.
    pub body: Option<&'a [u8]>,
}

/// The arguments for `parameters`, in their order.
///
/// # Errors
///
/// A problem that lists every bad parameter: missing, unknown, given twice, or not of its type.
pub fn arguments(parameters: &[Parameter], input: &Input<'_>) -> Result<Vec<Value>, Problem> {
    let mut reader = Reader {
        parameters,
        values: vec![None; parameters.len()],
        errors: Vec::new(),
        seen_unknown: HashSet::new(),
    };
    for (name, raw) in input.path {
        match decode(raw, false) {
            Some(text) => reader.put(name, Place::Path, |parameter| parameter.from_text(&text)),
            None => reader.bad(name, Place::Path, "expected UTF-8 once percent-decoded"),
        }
    }
    if let Some(query) = input.query {
        reader.query(query)?;
    }
    if let Some(body) = input.body.filter(|body| !body.is_empty()) {
        reader.body(body)?;
    }
    reader.finish(input)
}

struct Reader<'a> {
    parameters: &'a [Parameter],
    /// `Some(Ok)` is a value, `Some(Err)` a bad one that was listed already.
    values: Vec<Option<Result<Value, Place>>>,
    errors: Vec<BadParameter>,
    seen_unknown: HashSet<String>,
}

impl Reader<'_> {
    fn bad(&mut self, name: &str, place: Place, reason: impl Into<String>) {
        if let Some(index) = self.parameters.iter().position(|parameter| parameter.name == name) {
            self.values[index].get_or_insert(Err(place));
        }
        if self.errors.len() < PROBLEMS_MAX {
            let name = name.chars().take(100).collect();
            self.errors.push(BadParameter { name, place, reason: reason.into() });
        }
    }

    fn put(
        &mut self,
        name: &str,
        place: Place,
        read: impl FnOnce(&Parameter) -> Result<Value, String>,
    ) {
        let Some(index) = self.parameters.iter().position(|parameter| parameter.name == name)
        else {
            if self.seen_unknown.insert(name.to_owned()) {
                let names = self.parameters.iter().map(|parameter| parameter.name.as_str());
                let reason = match suggest::nearest(name, names.clone()) {
                    Some(near) => format!("unknown parameter; did you mean `{near}`?"),
                    None if self.parameters.is_empty() => {
                        "unknown parameter; this query takes none".to_owned()
                    }
                    None => {
                        let names: Vec<_> = names.collect();
                        format!("unknown parameter; known are {}", names.join(", "))
                    }
                };
                self.bad(name, place, reason);
            }
            return;
        };
        if self.values[index].is_some() {
            return self.bad(name, place, "given more than once");
        }
        match read(&self.parameters[index]) {
            Ok(value) => self.values[index] = Some(Ok(value)),
            Err(reason) => self.bad(name, place, reason),
        }
    }

    fn query(&mut self, query: &str) -> Result<(), Problem> {
        if let Some(at) = stray_percent(query) {
            let stray: String = query[at..].chars().take(3).collect();
            return Err(Problem::new(Situation::MalformedRequest)
                .with_detail(format!("`{stray}` in the query string encodes nothing"))
                .with_hint("write `%25` for a percent sign"));
        }
        for (count, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if count == PAIRS_MAX {
                return Err(Problem::new(Situation::MalformedRequest).with_detail(format!(
                    "the query string has more than {PAIRS_MAX} parameters"
                )));
            }
            let (raw_name, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = decode(raw_name, true) else {
                return Err(Problem::new(Situation::MalformedRequest)
                    .with_detail("a parameter's name in the query string is not UTF-8"));
            };
            match decode(raw_value, true) {
                Some(text) => {
                    self.put(&name, Place::Query, |parameter| parameter.from_text(&text));
                }
                None => self.bad(&name, Place::Query, "expected UTF-8 once percent-decoded"),
            }
        }
        Ok(())
    }

    fn body(&mut self, body: &[u8]) -> Result<(), Problem> {
        let pairs = match serde_json::from_slice::<Pairs<'_>>(body) {
            Ok(pairs) => pairs.0,
            Err(error) => {
                return Err(Problem::new(Situation::MalformedBody)
                    .with_detail(error.to_string())
                    .with_hint("send a JSON object with one member per parameter"));
            }
        };
        for (name, raw) in pairs {
            self.put(&name, Place::Body, |parameter| parameter.from_json(raw.get()));
        }
        Ok(())
    }

    fn finish(mut self, input: &Input<'_>) -> Result<Vec<Value>, Problem> {
        let parameters = self.parameters;
        let mut values = Vec::with_capacity(parameters.len());
        for (index, parameter) in parameters.iter().enumerate() {
            match self.values[index].take() {
                Some(Ok(value)) => values.push(value),
                Some(Err(_)) => {}
                None => match parameter.absent() {
                    Some(value) => values.push(value),
                    None => {
                        let place = if input.body.is_some() { Place::Body } else { Place::Query };
                        let reason = format!("missing; expected {}", parameter.expected());
                        self.bad(&parameter.name, place, reason);
                    }
                },
            }
        }
        if self.errors.is_empty() {
            return Ok(values);
        }
        let mut problem = Problem::new(Situation::BadParameters);
        problem.errors = self.errors;
        Err(problem)
    }
}

/// The first `%` that two hexadecimal digits do not follow.
fn stray_percent(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|&at| {
        bytes[at] == b'%'
            && !bytes
                .get(at + 1..at + 3)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Percent-decodes; `form` also turns `+` into a blank, as query strings have it.
fn decode(raw: &str, form: bool) -> Option<String> {
    let replaced;
    let raw = if form && raw.contains('+') {
        replaced = raw.replace('+', " ");
        &replaced
    } else {
        raw
    };
    percent_decode_str(raw).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// A JSON object as the list of its members: a map would silently keep one of two equal ones.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry::<String, &'de RawValue>()? {
                    if pairs.len() == PAIRS_MAX {
                        return Err(serde::de::Error::custom(format_args!(
                            "more than {PAIRS_MAX} members"
                        )));
                    }
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::ParameterType;

    fn parameters() -> Vec<Parameter> {
        let mut id = Parameter::new("id", ParameterType::Int64);
        id.min = Some(1.0);
        let mut river = Parameter::new("river", ParameterType::Text);
        river.optional = true;
        let mut n = Parameter::new("n", ParameterType::Int64);
        n.default = Some(Value::Int(50));
        vec![id, river, n]
    }

    fn errors(input: &Input<'_>) -> Vec<(String, Place, String)> {
        let problem = arguments(&parameters(), input).unwrap_err();
        assert_eq!(problem.situation, Situation::BadParameters);
        problem.errors.into_iter().map(|bad| (bad.name, bad.place, bad.reason)).collect()
    }

    #[test]
    fn path_query_and_body_are_read_and_the_rest_defaults() {
        let path = [("id", "7")];
        let got = arguments(
            &parameters(),
            &Input { path: &path, query: Some("river=Due+Ner%C3%A9"), body: None },
        );
        assert_eq!(got.unwrap(), [Value::Int(7), "Due Neré".into(), Value::Int(50)]);
        let got = arguments(
            &parameters(),
            &Input { path: &[], query: None, body: Some(br#"{"n": 3, "id": 1, "river": null}"#) },
        );
        assert_eq!(got.unwrap(), [Value::Int(1), Value::Null, Value::Int(3)]);
    }

    #[test]
    fn every_bad_parameter_is_listed_with_its_place() {
        let path = [("id", "x")];
        let got = errors(&Input {
            path: &path,
            query: Some("n=many&rivr=a&zzz=1&zzz=2"),
            body: Some(br#"{"n": 1, "river": 5}"#),
        });
        let short: Vec<_> =
            got.iter().map(|(name, place, reason)| (&**name, *place, &**reason)).collect();
        assert_eq!(
            short,
            [
                ("id", Place::Path, "expected an integer ≥ 1, got \"x\""),
                ("n", Place::Query, "expected an integer, got \"many\""),
                ("rivr", Place::Query, "unknown parameter; did you mean `river`?"),
                ("zzz", Place::Query, "unknown parameter; known are id, river, n"),
                ("n", Place::Body, "given more than once"),
                ("river", Place::Body, "expected text, got 5"),
            ]
        );
    }

    #[test]
    fn duplicates_are_errors_within_and_across_places() {
        let path = [("id", "7")];
        for (query, body) in [
            (Some("id=7"), None),
            (Some("river=a&river=b"), None),
            (None, Some(&br#"{"id":7}"#[..])),
            (None, Some(&br#"{"river":"a","river":"b"}"#[..])),
        ] {
            let got = errors(&Input { path: &path, query, body });
            assert_eq!(got.len(), 1, "{got:?}");
            assert_eq!(got[0].2, "given more than once");
        }
    }

    #[test]
    fn a_missing_parameter_says_what_was_expected() {
        let got = errors(&Input::default());
        assert_eq!(got, [("id".into(), Place::Query, "missing; expected an integer ≥ 1".into())]);
        let got = errors(&Input { body: Some(b""), ..Input::default() });
        assert_eq!(got[0].1, Place::Body);
    }

    #[test]
    fn bodies_that_are_not_objects_are_malformed() {
        for body in ["[1]", "7", "{", "{\"id\":}", "{\"id\":1} x", "\u{0}", "{id:1}"] {
            let input = Input { path: &[], query: None, body: Some(body.as_bytes()) };
            let problem = arguments(&parameters(), &input).unwrap_err();
            assert_eq!(problem.situation, Situation::MalformedBody, "{body}");
            assert!(problem.detail.is_some());
        }
        let deep = format!("{{\"id\":{}", "[".repeat(100_000));
        let input = Input { path: &[], query: None, body: Some(deep.as_bytes()) };
        assert!(arguments(&parameters(), &input).is_err());
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        let path = [("id", "%ff")];
        assert_eq!(errors(&Input { path: &path, query: None, body: None })[0].1, Place::Path);
        let problem =
            arguments(&parameters(), &Input { path: &[], query: Some("%ff=1"), body: None });
        assert_eq!(problem.unwrap_err().situation, Situation::MalformedRequest);
    }

    #[test]
    fn a_percent_sign_that_encodes_nothing_is_refused() {
        for query in ["river=%zz", "river=%", "river=a%2", "%=1", "river=%é1"] {
            let input = Input { query: Some(query), ..Input::default() };
            let problem = arguments(&parameters(), &input).unwrap_err();
            assert_eq!(problem.situation, Situation::MalformedRequest, "{query}");
        }
        let input = Input { query: Some("river=100%25&id=1"), ..Input::default() };
        assert_eq!(arguments(&parameters(), &input).unwrap()[1], "100%".into());
    }

    #[test]
    fn lists_of_problems_and_of_pairs_are_bounded() {
        let query: String = (0..500).map(|n| format!("x{n}=1&")).collect();
        assert_eq!(errors(&Input { query: Some(&query), ..Input::default() }).len(), PROBLEMS_MAX);
        let query = "a=1&".repeat(PAIRS_MAX + 1);
        let input = Input { query: Some(&query), ..Input::default() };
        let problem = arguments(&parameters(), &input).unwrap_err();
        assert_eq!(problem.situation, Situation::MalformedRequest);
    }
}
