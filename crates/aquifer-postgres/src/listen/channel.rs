//! Names of channels.

use aquifer_driver::{Error, ErrorKind, Result};

/// Most bytes of a name: `NAMEDATALEN` less the zero. The server cuts off what is longer in LISTEN and
/// refuses it in `pg_notify`.
const NAME_BYTES_MAX: usize = 63;

/// # Errors
///
/// If the server has no channel of this name.
pub(super) fn check(channel: &str) -> Result<()> {
    let wrong = match channel {
        "" => "a channel's name cannot be empty",
        _ if channel.len() > NAME_BYTES_MAX => "a channel's name has at most 63 bytes",
        _ if channel.contains('\0') => "a channel's name cannot have a NUL character",
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::Argument, wrong).with_nothing_sent(true))
}

/// The command for one channel. The name is quoted: case counts.
pub(super) fn command(word: &str, channel: &str) -> String {
    format!("{word} \"{}\"", channel.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_quoted() {
        assert_eq!(command("LISTEN", "a\"; DROP"), "LISTEN \"a\"\"; DROP\"");
        for wrong in ["", "a\0", &"x".repeat(64)] {
            assert_eq!(check(wrong).unwrap_err().kind(), ErrorKind::Argument, "{wrong}");
        }
        assert!(check(&"x".repeat(63)).is_ok());
    }
}
