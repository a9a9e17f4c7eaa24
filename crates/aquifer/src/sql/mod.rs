//! SQL as text: what can be decided about a statement without asking a server.
//!
//! Applications rarely need it: every call of a [`Db`](crate::Db) does all this, and [`Ident`], [`quote_ident`],
//! [`quote_literal`] and [`rebind`] are at the crate's root. It is here for programs that read SQL themselves: checkers,
//! generators, loaders of files with many queries.
//!
//! Owns the tokenizer and everything that stands on it: placeholders (`?` to the engine's own form, lists), named
//! parameters and bulk inserts, routing by read or write, what may share a session, splitting of scripts, quoting of identifiers and literals.
//!
//! Never does I/O, keeps no state and knows no values: it works on text, lengths and names. Every function is one pass
//! over the bytes and runs once per statement text; callers cache the result. No input panics.
//!
//! An engine is described by a [`Lexis`] (what its text looks like) and a [`Style`] (how its placeholders look), both plain
//! data, so a driver of another engine describes itself without code here.

mod classify;
mod effects;
mod error;
mod grammar;
mod keyword;
mod lexis;
mod named;
mod placeholders;
mod position;
mod quote;
mod sharing;
mod split;
mod style;
mod token;

#[cfg(test)]
mod properties;

pub use classify::{Access, Class, Kind, classify};
pub use error::{Construct, SqlTextError, SqlTextErrorKind};
pub(crate) use grammar::is_key_word;
pub use lexis::{Bodies, Lexis};
pub use named::{BulkText, NamedSlot, NamedText, ParsedNamed};
pub(crate) use placeholders::expand;
#[cfg(test)]
use placeholders::padded_len;
pub use placeholders::{Arg, Form, Padding, Rewritten, count, rebind, rewrite};
pub use quote::{Ident, quote_ident, quote_literal};
pub use sharing::{Sharing, Unshared, Verdict, sharing};
pub use split::{Split, split};
pub use style::Style;
pub use token::{Token, TokenKind, Tokens, line_column};
