//! Reads the arguments of one command: flags with a value, switches, and the words that remain.

use crate::failure::{Failure, Outcome};
use crate::help;
use std::str::FromStr;

/// The arguments not yet taken. Take flags first, then [`Arguments::words`].
#[derive(Debug)]
pub(crate) struct Arguments {
    rest: Vec<String>,
    /// Flags asked for so far, for the did-you-mean of [`Arguments::words`].
    known: Vec<&'static str>,
}

impl Arguments {
    pub(crate) fn new(arguments: &[String]) -> Arguments {
        let rest = arguments
            .iter()
            .flat_map(|argument| match argument.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => {
                    vec![flag.to_owned(), value.to_owned()]
                }
                _ => vec![argument.clone()],
            })
            .collect();
        Arguments { rest, known: Vec::new() }
    }

    /// Takes `flag VALUE`. `what` names the value in the message about a bad one.
    pub(crate) fn value<T: FromStr>(
        &mut self,
        flag: &'static str,
        what: &str,
    ) -> Outcome<Option<T>> {
        self.known.push(flag);
        let Some(at) = self.rest.iter().position(|a| a == flag) else {
            return Ok(None);
        };
        self.rest.remove(at);
        if at == self.rest.len() {
            return Err(Failure::usage(format!("{flag} needs {what}")));
        }
        let text = self.rest.remove(at);
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Failure::usage(format!("{flag} needs {what}, not `{text}`"))),
        }
    }

    /// Takes `flag`, which has no value.
    pub(crate) fn switch(&mut self, flag: &'static str) -> bool {
        self.known.push(flag);
        let before = self.rest.len();
        self.rest.retain(|a| a != flag);
        self.rest.len() < before
    }

    /// The words that remain; an unknown flag among them is an error.
    pub(crate) fn words(self) -> Outcome<Vec<String>> {
        match self.rest.iter().find(|a| a.starts_with('-')) {
            Some(flag) => Err(help::unknown("option", flag, self.known.into_iter())),
            None => Ok(self.rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Arguments {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Arguments::new(&words)
    }

    #[test]
    fn values_are_read_in_both_notations() {
        let mut args = arguments("one --seconds 5 --seed=7 two");
        assert_eq!(args.value::<u64>("--seconds", "a number").unwrap(), Some(5));
        assert_eq!(args.value::<u64>("--seed", "a number").unwrap(), Some(7));
        assert_eq!(args.value::<u64>("--other", "a number").unwrap(), None);
        assert_eq!(args.words().unwrap(), ["one", "two"]);
    }

    #[test]
    fn a_missing_or_bad_value_is_a_usage_error_that_names_the_flag() {
        let missing = arguments("--seconds").value::<u64>("--seconds", "a number");
        let bad = arguments("--seconds soon").value::<u64>("--seconds", "a number");
        let missing = missing.unwrap_err();
        assert_eq!((missing.code, missing.message.as_str()), (2, "--seconds needs a number"));
        assert_eq!(bad.unwrap_err().message, "--seconds needs a number, not `soon`");
    }

    #[test]
    fn an_unknown_flag_is_refused_with_a_suggestion() {
        let mut args = arguments("--chekc");
        assert!(!args.switch("--check"));
        let failure = args.words().unwrap_err();
        assert_eq!(failure.code, 2);
        assert!(failure.message.contains("did you mean `--check`?"), "{}", failure.message);
    }
}
