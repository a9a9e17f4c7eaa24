//! Accounts, and how they prove who they are.

/// Who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub(super) name: String,
    pub(super) methods: Vec<Method>,
    pub(super) factors: Vec<Method>,
}

impl Account {
    /// An account that has no way in yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), methods: Vec::new(), factors: Vec::new() }
    }

    /// This way in, too: they are tried in turn until one succeeds, as MariaDB does.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.methods.push(method);
        self
    }

    /// This factor as well, after the way in, as MySQL 8 does. Clients that do not know of factors are refused.
    #[must_use]
    pub fn factor(mut self, method: Method) -> Self {
        self.factors.push(method);
        self
    }
}

/// One way to prove who one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// `mysql_native_password` with this password.
    Native(String),
    /// `caching_sha2_password` with this password. The first log-in takes the password itself.
    CachingSha2(String),
    /// `sha256_password` with this password.
    Sha256(String),
    /// MariaDB's `client_ed25519` with this public key.
    Ed25519([u8; 32]),
    /// MariaDB's `parsec` with this password.
    Parsec(String),
    /// `mysql_clear_password` with this password.
    Clear(String),
    /// Asks for any plugin with this data, and is not content whatever the answer is.
    Asks(String, Vec<u8>),
    /// Sends this payload in place of a question, and is not content whatever the answer is.
    Says(Vec<u8>),
}

impl Method {
    /// The client's plugin.
    pub(super) fn plugin(&self) -> &str {
        match self {
            Self::Native(_) => "mysql_native_password",
            Self::CachingSha2(_) => "caching_sha2_password",
            Self::Sha256(_) => "sha256_password",
            Self::Ed25519(_) => "client_ed25519",
            Self::Parsec(_) => "parsec",
            Self::Clear(_) => "mysql_clear_password",
            Self::Asks(plugin, _) => plugin,
            Self::Says(_) => "",
        }
    }
}
