//! What ends a run: a message for whoever typed the command.

use std::fmt;

/// The result of everything here.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// A message that says what happened and where.
#[derive(Debug)]
pub struct Failure {
    message: String,
    /// A peer needs something that this machine does not have: the others run without it.
    pub absent: bool,
}

impl Failure {
    pub fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), absent: false }
    }

    pub fn absent(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), absent: true }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Any library's error, with the causes that its own text leaves out.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        Self::new(message)
    }
}

/// Fails unless an answer is right: a fast wrong answer is no figure.
#[inline]
pub fn ensure(right: bool, what: &'static str) -> Result<()> {
    if right { Ok(()) } else { Err(wrong(what)) }
}

#[cold]
fn wrong(what: &'static str) -> Failure {
    Failure::new(format!("a wrong answer: {what}"))
}
