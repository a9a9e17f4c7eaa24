//! The choices that parameters have.

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
