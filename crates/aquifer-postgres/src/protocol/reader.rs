//! [`Reader`]: takes a message's body apart, never beyond its end.

use aquifer_driver::{Error, ErrorKind, Result};

/// A cursor over the body of one message. Running out of bytes is a protocol error, not a panic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// The message's name, for errors.
    message: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'static str, body: &'a [u8]) -> Self {
        Self { rest: body, message }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(len) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => Err(self.short()),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(*head)
            }
            None => Err(self.short()),
        }
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// The bytes up to a zero, which is taken too.
    pub(crate) fn c_bytes(&mut self) -> Result<&'a [u8]> {
        let end = memchr::memchr(0, self.rest).ok_or_else(|| self.short())?;
        let text = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Ok(text)
    }

    /// A zero-terminated text. Bytes that are not UTF-8 are replaced: names and messages may come in
    /// the server's own encoding before the client's is agreed on.
    pub(crate) fn text(&mut self) -> Result<std::borrow::Cow<'a, str>> {
        self.c_bytes().map(String::from_utf8_lossy)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// The message must be over.
    pub(crate) fn end(self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Protocol,
            format!("the server's {} message is longer than its content", self.message),
        ))
    }

    #[cold]
    fn short(&self) -> Error {
        Error::new(
            ErrorKind::Protocol,
            format!("the server's {} message ends too early", self.message),
        )
    }
}
