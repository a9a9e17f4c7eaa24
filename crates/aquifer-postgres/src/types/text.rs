//! Values as the server's output functions write them.

/// Appends the bytes of a BYTEA: `\x00ff`, or the older form with `\\` and `\377`.
pub(super) fn bytea(cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if let Some(digits) = cell.strip_prefix(b"\\x") {
        let (pairs, rest) = digits.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        out.reserve(pairs.len());
        for [high, low] in pairs {
            out.push(hex(*high)? << 4 | hex(*low)?);
        }
        return Some(());
    }
    let mut rest = cell;
    loop {
        match rest {
            [] => return Some(()),
            [b'\\', b'\\', after @ ..] => {
                out.push(b'\\');
                rest = after;
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            [b'\\', ..] => return None,
            [byte, after @ ..] => {
                out.push(*byte);
                rest = after;
            }
        }
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Appends the text of a `"char"`, as PostgreSQL 16 has it: nothing for 0, `\377` beyond ASCII.
pub(super) fn char(byte: u8, out: &mut Vec<u8>) {
    match byte {
        0 => {}
        1..=0x7f => out.push(byte),
        _ => {
            let digits = [byte >> 6, byte >> 3 & 7, byte & 7].map(|digit| b'0' + digit);
            out.push(b'\\');
            out.extend_from_slice(&digits);
        }
    }
}

/// Reads the literal of an array, piece by piece. It takes what array_out of the server's arrayfuncs.c
/// writes, not all that array_in would take.
pub(super) struct Literal<'a> {
    rest: &'a [u8],
    delimiter: u8,
}

impl<'a> Literal<'a> {
    /// A reader that stands behind the bounds, if there are any (`[0:1][1:2]=`).
    pub(super) fn new(text: &'a [u8], delimiter: u8) -> Option<Self> {
        let rest = match text {
            [b'[', ..] => {
                let equals = text.iter().position(|b| *b == b'=')?;
                &text[equals + 1..]
            }
            _ => text,
        };
        Some(Self { rest, delimiter })
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    pub(super) fn open(&mut self) -> Option<()> {
        self.eat(b'{')
    }

    /// True if a level starts here.
    pub(super) fn opens(&self) -> bool {
        self.rest.first() == Some(&b'{')
    }

    /// True if the level ends here; else the reader stands before its next item.
    pub(super) fn close(&mut self, first: bool) -> Option<bool> {
        if self.eat(b'}').is_some() {
            return Some(true);
        }
        if !first {
            self.eat(self.delimiter)?;
        }
        Some(false)
    }

    pub(super) fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    /// The next item's text, `None` inside for NULL. What was quoted is unquoted into `buffer`.
    pub(super) fn item<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Option<Option<&'b [u8]>>
    where
        'a: 'b,
    {
        if self.eat(b'"').is_none() {
            let stop = |byte: &u8| *byte == self.delimiter || matches!(byte, b'{' | b'}' | b'"');
            let len = self.rest.iter().position(stop)?;
            let (item, rest) = self.rest.split_at(len);
            self.rest = rest;
            return match item {
                b"" => None,
                b"NULL" => Some(None),
                _ => Some(Some(item)),
            };
        }
        buffer.clear();
        loop {
            let stop = self.rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            let (plain, rest) = self.rest.split_at(stop);
            buffer.extend_from_slice(plain);
            match rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Some(Some(buffer));
                }
                [_, escaped, rest @ ..] => {
                    buffer.push(*escaped);
                    self.rest = rest;
                }
                _ => return None,
            }
        }
    }
}
