//! [`Reader`]: a cursor over one packet that never reads beyond it.

use aquifer_driver::{Error, ErrorKind, Result};

/// A cursor over the bytes of one packet. Integers are little-endian.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes are left.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        match self.bytes.split_at_checked(len) {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => Err(short()),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.bytes.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(*taken)
            }
            None => Err(short()),
        }
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A length-encoded integer.
    pub(crate) fn int(&mut self) -> Result<u64> {
        Ok(match self.u8()? {
            short @ 0..=0xfa => short.into(),
            0xfc => self.u16()?.into(),
            0xfd => {
                let [a, b, c] = self.array()?;
                u32::from_le_bytes([a, b, c, 0]).into()
            }
            0xfe => self.u64()?,
            0xfb | 0xff => return Err(short()),
        })
    }

    /// Bytes behind their length-encoded length.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = usize::try_from(self.int()?).map_err(|_| short())?;
        self.take(len)
    }

    /// Text behind its length-encoded length; what is not UTF-8 in it is replaced.
    pub(crate) fn text(&mut self) -> Result<String> {
        self.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Bytes up to a NUL, which is taken too; without a NUL, all that is left.
    pub(crate) fn until_nul(&mut self) -> &'a [u8] {
        match self.bytes.iter().position(|byte| *byte == 0) {
            Some(end) => {
                let taken = &self.bytes[..end];
                self.bytes = &self.bytes[end + 1..];
                taken
            }
            None => self.rest(),
        }
    }
}

/// The length-encoded integer at `at` and where it ends; `None` if it is not all there, or is no integer.
#[inline]
pub(crate) fn int_at(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let first = *bytes.get(at)?;
    if first < 0xfb {
        return Some((first.into(), at + 1));
    }
    let rest = bytes.get(at + 1..)?;
    Some(match first {
        0xfc => (u16::from_le_bytes(*rest.first_chunk()?).into(), at + 3),
        0xfd => {
            let [a, b, c] = *rest.first_chunk()?;
            (u32::from_le_bytes([a, b, c, 0]).into(), at + 4)
        }
        0xfe => (u64::from_le_bytes(*rest.first_chunk()?), at + 9),
        _ => return None,
    })
}

/// Appends a length-encoded integer.
pub(crate) fn put_int(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0xfa => out.push(value as u8),
        0xfb..=0xffff => {
            out.push(0xfc);
            out.extend_from_slice(&(value as u16).to_le_bytes());
        }
        0x1_0000..=0xff_ffff => {
            out.push(0xfd);
            out.extend_from_slice(&(value as u32).to_le_bytes()[..3]);
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
}

/// Appends bytes behind their length-encoded length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_int(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cold]
fn short() -> Error {
    malformed("it ends too early, or a length in it is wrong")
}

/// A packet that is not what the protocol says.
#[cold]
pub(crate) fn malformed(why: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("the server sent a malformed packet: {why}")).with_hint(
        "check that the address is a MySQL or MariaDB server's; the connection is closed",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_of_an_integer_reads_back() {
        for value in [0, 250, 251, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000, u64::MAX] {
            let mut out = Vec::new();
            put_int(&mut out, value);
            assert_eq!(Reader::new(&out).int().unwrap(), value);
            assert_eq!(int_at(&out, 0), Some((value, out.len())));
            for cut in 0..out.len() {
                assert!(Reader::new(&out[..cut]).int().is_err());
                assert_eq!(int_at(&out[..cut], 0), None);
            }
        }
    }

    #[test]
    fn a_length_beyond_the_packet_is_an_error() {
        assert!(Reader::new(&[5, 1, 2]).bytes().is_err());
        assert!(Reader::new(&[0xfe, 255, 255, 255, 255, 255, 255, 255, 255]).bytes().is_err());
        assert!(Reader::new(&[0xfb]).int().is_err());
        assert!(Reader::new(&[1]).u32().is_err());
        assert_eq!(Reader::new(b"ab\0c").until_nul(), b"ab");
        assert_eq!(Reader::new(b"ab").until_nul(), b"ab");
    }
}
