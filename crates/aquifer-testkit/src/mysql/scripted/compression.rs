//! Packets around packets: seven bytes that say how long what follows is, which number it has, and how long it is once it
//! is expanded; 0 if it is not compressed. Pure.

use std::io::{self, Read};

use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::release::capability as has;

/// Most bytes in one packet, before it is compressed.
const CONTENT_MAX: usize = 0xff_ffff;

/// What is shorter goes as it is, as servers do.
const COMPRESSED_MIN: usize = 50;

/// How a session is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Zlib,
    Zstd,
}

impl Algorithm {
    /// What the client's capabilities ask for.
    pub(super) fn agreed(client: u32) -> Option<Self> {
        if client & has::COMPRESS != 0 {
            return Some(Self::Zlib);
        }
        (client & has::ZSTD_COMPRESSION_ALGORITHM != 0).then_some(Self::Zstd)
    }
}

/// What a packet holds, `whole` bytes of it.
pub(super) fn expand(algorithm: Algorithm, body: Vec<u8>, whole: usize) -> io::Result<Vec<u8>> {
    if whole == 0 {
        return Ok(body);
    }
    let mut out = Vec::with_capacity(whole);
    // One more than announced, to see that there is not.
    let most = whole as u64 + 1;
    match algorithm {
        Algorithm::Zlib => ZlibDecoder::new(&*body).take(most).read_to_end(&mut out)?,
        Algorithm::Zstd => {
            let decoder = StreamingDecoder::new(&*body).map_err(io::Error::other)?;
            decoder.take(most).read_to_end(&mut out)?
        }
    };
    if out.len() == whole {
        Ok(out)
    } else {
        Err(io::Error::other("a compressed packet is not as long as it says"))
    }
}

/// Packets around these bytes; counts them.
pub(super) fn wrap(algorithm: Algorithm, bytes: &[u8], sequence: &mut u8) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    for content in bytes.chunks(CONTENT_MAX) {
        let mut body = Vec::new();
        if content.len() >= COMPRESSED_MIN {
            match algorithm {
                Algorithm::Zlib => {
                    ZlibEncoder::new(content, Compression::default()).read_to_end(&mut body)?;
                }
                Algorithm::Zstd => body = compress_to_vec(content, CompressionLevel::Fastest),
            }
        }
        let shorter = !body.is_empty() && body.len() < content.len();
        let (body, whole) = if shorter { (&*body, content.len()) } else { (content, 0) };
        out.extend_from_slice(&(body.len() as u32).to_le_bytes()[..3]);
        out.push(*sequence);
        out.extend_from_slice(&(whole as u32).to_le_bytes()[..3]);
        out.extend_from_slice(body);
        *sequence = sequence.wrapping_add(1);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wrapped_is_expanded_and_short_things_are_not_compressed() {
        for algorithm in [Algorithm::Zlib, Algorithm::Zstd] {
            for len in [0, 1, 49, 50, 4096, CONTENT_MAX + 70_000] {
                let bytes: Vec<u8> = (0..len).map(|n| (n / 7 % 3) as u8).collect();
                let (mut sequence, mut found) = (255, Vec::new());
                let wrapped = wrap(algorithm, &bytes, &mut sequence).unwrap();
                let mut rest = wrapped.as_slice();
                while let Some((head, after)) = rest.split_first_chunk::<7>() {
                    let number =
                        |part: &[u8]| u32::from_le_bytes([part[0], part[1], part[2], 0]) as usize;
                    let (body, after) = after.split_at(number(&head[..3]));
                    let whole = number(&head[4..]);
                    if len < COMPRESSED_MIN {
                        assert_eq!(whole, 0, "{len}");
                    } else if len >= 4096 {
                        assert!(whole > body.len(), "{len}");
                    }
                    found.extend(expand(algorithm, body.to_vec(), whole).unwrap());
                    rest = after;
                }
                assert!(found == bytes, "{algorithm:?} {len}");
                assert!(expand(algorithm, b"junk".to_vec(), 9).is_err());
            }
        }
    }
}
