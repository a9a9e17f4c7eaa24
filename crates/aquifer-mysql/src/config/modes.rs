//! The choices that parameters have.

use crate::types::NoDay;

/// Whether a connection is encrypted, and what is checked of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsMode {
    /// Not encrypted.
    Disabled,
    /// Encrypted if the server can; nothing is checked. The default.
    Preferred,
    /// Encrypted; nothing is checked.
    SkipVerify,
    /// Encrypted; somebody trusted must have issued the server's certificate.
    VerifyCa,
    /// Encrypted; the certificate must also be for the host's name.
    Verify,
}

impl TlsMode {
    /// Reads the words of Go's driver (`tls`) and those of MySQL's clients (`ssl-mode`).
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "false" | "0" | "disabled" | "disable" => Self::Disabled,
            "preferred" | "prefer" => Self::Preferred,
            "skip-verify" | "required" | "require" => Self::SkipVerify,
            "verify-ca" | "verify_ca" => Self::VerifyCa,
            "true" | "1" | "verify-full" | "verify_identity" => Self::Verify,
            _ => return None,
        })
    }

    /// The word as it is written.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Disabled => "false",
            Self::Preferred => "preferred",
            Self::SkipVerify => "skip-verify",
            Self::VerifyCa => "verify-ca",
            Self::Verify => "true",
        }
    }
}

/// What a date that the calendar does not have (`0000-00-00`, `2026-02-00`) is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ZeroDates {
    /// Reading the cell is an error, [`Conversion`](aquifer_driver::ErrorKind::Conversion); the other cells of
    /// its row can be read.
    #[default]
    Error,
    /// NULL.
    Null,
    /// Text, as all dates are then.
    Text,
}

impl ZeroDates {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "error" => Self::Error,
            "null" => Self::Null,
            "text" => Self::Text,
            _ => return None,
        })
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Null => "null",
            Self::Text => "text",
        }
    }

    pub(crate) fn no_day(self) -> NoDay {
        match self {
            Self::Null => NoDay::Null,
            Self::Error | Self::Text => NoDay::Empty,
        }
    }
}

/// How what goes over the network is compressed, if the server can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// By zlib, with this level, of 1 (fast) to 9 (small). All servers can.
    Zlib(u8),
    /// By Zstandard, with this level, of 1 (fast) to 22 (small). MySQL can since 8.0.18; MariaDB cannot. Needs the feature
    /// `zstd` of this crate, `mysql-zstd` of `aquifer`.
    Zstd(u8),
}

impl Compression {
    /// A faster level than zlib's own: bytes are to be spared, not time to be lost.
    const ZLIB: u8 = 2;
    /// Zstandard's own.
    const ZSTD: u8 = 3;

    /// Reads Go's words and those of MySQL's clients, with a level behind a colon.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (word, level) = match text.split_once(':') {
            Some((word, level)) => (word, Some(level.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let of = |default, most| {
            let level = level.unwrap_or(default);
            (1..=most).contains(&level).then_some(level)
        };
        match (word, level) {
            ("false" | "0" | "FALSE" | "False" | "uncompressed", None) => Some(Self::None),
            ("true" | "1" | "TRUE" | "True", None) | ("zlib", _) => {
                of(Self::ZLIB, 9).map(Self::Zlib)
            }
            ("zstd", _) => of(Self::ZSTD, 22).map(Self::Zstd),
            _ => None,
        }
    }

    pub(super) fn word(self) -> String {
        match self {
            Self::None => "false".to_owned(),
            Self::Zlib(level) => format!("zlib:{level}"),
            Self::Zstd(level) => format!("zstd:{level}"),
        }
    }

    /// False if this program was built without it.
    pub(super) fn is_there(self) -> bool {
        !matches!(self, Self::Zstd(_)) || cfg!(feature = "zstd")
    }
}
