//! What servers of a release say of themselves.

/// Capabilities, by the names of the protocol's documents without `CLIENT_`.
pub mod capability {
    #![allow(missing_docs, reason = "the protocol's documents say what each is")]
    pub const LONG_PASSWORD: u32 = 1;
    pub const FOUND_ROWS: u32 = 1 << 1;
    pub const LONG_FLAG: u32 = 1 << 2;
    pub const CONNECT_WITH_DB: u32 = 1 << 3;
    pub const COMPRESS: u32 = 1 << 5;
    pub const LOCAL_FILES: u32 = 1 << 7;
    pub const PROTOCOL_41: u32 = 1 << 9;
    pub const INTERACTIVE: u32 = 1 << 10;
    pub const SSL: u32 = 1 << 11;
    pub const TRANSACTIONS: u32 = 1 << 13;
    pub const SECURE_CONNECTION: u32 = 1 << 15;
    pub const MULTI_STATEMENTS: u32 = 1 << 16;
    pub const MULTI_RESULTS: u32 = 1 << 17;
    pub const PS_MULTI_RESULTS: u32 = 1 << 18;
    pub const PLUGIN_AUTH: u32 = 1 << 19;
    pub const CONNECT_ATTRS: u32 = 1 << 20;
    pub const PLUGIN_AUTH_LENENC_CLIENT_DATA: u32 = 1 << 21;
    pub const CAN_HANDLE_EXPIRED_PASSWORDS: u32 = 1 << 22;
    pub const SESSION_TRACK: u32 = 1 << 23;
    pub const DEPRECATE_EOF: u32 = 1 << 24;
    pub const OPTIONAL_RESULTSET_METADATA: u32 = 1 << 25;
    pub const ZSTD_COMPRESSION_ALGORITHM: u32 = 1 << 26;
    pub const QUERY_ATTRIBUTES: u32 = 1 << 27;
    pub const MULTI_FACTOR_AUTHENTICATION: u32 = 1 << 28;
    pub const REMEMBER_OPTIONS: u32 = 1 << 31;
}

/// What the server claims to be, and is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The last of 8.0.
    Mysql80,
    /// A long-term release.
    Mysql84,
    /// An innovation release: no `mysql_native_password`, the type VECTOR.
    Mysql9,
    /// The first MariaDB with `parsec` in it.
    MariaDb118,
}

/// What all releases of MySQL 8 and 9 offer, TLS aside.
const MYSQL: u32 = 0xdfff_f7ff;

/// What MariaDB offers in the fields that it shares with MySQL, TLS aside.
const MARIADB: u32 = 0x81ff_f7fe;

impl Release {
    /// The version as the greeting has it.
    pub fn version(self) -> &'static str {
        match self {
            Self::Mysql80 => "8.0.43",
            Self::Mysql84 => "8.4.6",
            Self::Mysql9 => "9.4.0",
            Self::MariaDb118 => "11.8.3-MariaDB",
        }
    }

    /// The capabilities that it offers.
    pub fn capabilities(self) -> u32 {
        if self.is_mariadb() { MARIADB } else { MYSQL }
    }

    /// Whether it is MariaDB's.
    pub fn is_mariadb(self) -> bool {
        self == Self::MariaDb118
    }

    /// The plugin that it greets with.
    pub fn plugin(self) -> &'static str {
        if self.is_mariadb() { "mysql_native_password" } else { "caching_sha2_password" }
    }

    /// MariaDB's own capabilities: bulk operations, types of columns by name, descriptions that are sent once.
    pub(super) fn mariadb_capabilities(self) -> u32 {
        if self.is_mariadb() { 0x1d } else { 0 }
    }
}
