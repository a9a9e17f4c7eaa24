//! [`CopyFormat`].

/// How rows are written down in a COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CopyFormat {
    /// As the types' send and receive functions have it: nothing is parsed, and nothing converted.
    Binary,
    /// Lines with tabs between the columns, `\N` for NULL.
    Text,
    /// Comma-separated, every value in quotes, and nothing at all for NULL.
    Csv,
}

impl CopyFormat {
    /// The word for SQL.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Text => "text",
            Self::Csv => "csv",
        }
    }
}
