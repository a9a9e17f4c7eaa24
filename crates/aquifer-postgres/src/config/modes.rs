//! The parameters that are a choice between a few words.

/// Defines an enum whose variants have the words that a connection string uses for them.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// The word for it in a connection string.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The choice that the word stands for.
            pub(crate) fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// Whether a connection is encrypted, and what is checked of the server's certificate.
    SslMode {
        /// No encryption.
        Disable = "disable",
        /// Unencrypted first; encrypted if the server refuses that. Protects from nobody.
        Allow = "allow",
        /// Encrypted first; unencrypted if the server has no TLS or refuses. Protects from nobody who is
        /// able to interfere.
        Prefer = "prefer",
        /// Encrypted. The certificate is checked only if there is a file of root certificates.
        Require = "require",
        /// Encrypted, by a server whose certificate was issued by one of the roots. Its name is not
        /// checked.
        VerifyCa = "verify-ca",
        /// Encrypted, by a server whose certificate was issued by one of the roots for this host.
        VerifyFull = "verify-full",
    }
}

words! {
    /// How the encryption begins.
    SslNegotiation {
        /// The client asks, the server answers, the handshake follows.
        Postgres = "postgres",
        /// The handshake comes first, which saves a round trip (PostgreSQL 17 and later).
        Direct = "direct",
    }
}

words! {
    /// A version of TLS as a bound. Versions below 1.2 exist only as lower bounds: they are never spoken.
    TlsVersion {
        /// TLS 1.0.
        V1_0 = "TLSv1",
        /// TLS 1.1.
        V1_1 = "TLSv1.1",
        /// TLS 1.2.
        V1_2 = "TLSv1.2",
        /// TLS 1.3.
        V1_3 = "TLSv1.3",
    }
}

words! {
    /// Whether the login is bound to the TLS channel that it runs over (SCRAM-SHA-256-PLUS).
    ChannelBinding {
        /// Never.
        Disable = "disable",
        /// If the server offers it.
        Prefer = "prefer",
        /// Always; a server that does not offer it is refused.
        Require = "require",
    }
}

words! {
    /// Which servers of the list will do.
    TargetSessionAttrs {
        /// All.
        Any = "any",
        /// Those whose sessions can write.
        ReadWrite = "read-write",
        /// Those whose sessions cannot write.
        ReadOnly = "read-only",
        /// Those that are not in recovery.
        Primary = "primary",
        /// Those that are in recovery.
        Standby = "standby",
        /// One that is in recovery if there is one; else any.
        PreferStandby = "prefer-standby",
    }
}

words! {
    /// In which order the hosts, and the addresses of each, are tried.
    LoadBalanceHosts {
        /// As they are written.
        Disable = "disable",
        /// In an order drawn anew for each connection.
        Random = "random",
    }
}

words! {
    /// A version of PostgreSQL's protocol.
    ProtocolVersion {
        /// 3.0, which every server speaks.
        V3_0 = "3.0",
        /// 3.2 (PostgreSQL 18): longer cancel keys.
        V3_2 = "3.2",
    }
}

impl ProtocolVersion {
    /// The newest that this driver speaks.
    pub const LATEST: Self = Self::V3_2;

    /// The number in the startup packet: major in the upper, minor in the lower 16 bits.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::V3_0 => 3 << 16,
            Self::V3_2 => 3 << 16 | 2,
        }
    }
}

words! {
    /// How statements reach the server.
    QueryMode {
        /// As named prepared statements, kept per connection. One round trip.
        CacheStatement = "cache_statement",
        /// As unnamed statements with the types learned at the first use: nothing is left on the server,
        /// so a pooler may change it between transactions. One round trip after the first use.
        CacheDescribe = "cache_describe",
        /// As text with the arguments written into it.
        SimpleProtocol = "simple_protocol",
    }
}

words! {
    /// Whether a pooler stands before the server, and for how long a session stays with its client.
    Pooler {
        /// There is none, or one that keeps a session for its client until it disconnects.
        None = "none",
        /// One that gives each transaction whatever session is free. Statements that change the session are
        /// refused outside transactions.
        Transaction = "transaction",
    }
}

words! {
    /// Whether a client certificate is offered.
    SslCertMode {
        /// No, even if there is one.
        Disable = "disable",
        /// If there is one and the server asks.
        Allow = "allow",
        /// Always: a server that does not ask for one is refused.
        Require = "require",
    }
}
