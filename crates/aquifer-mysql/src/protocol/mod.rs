//! Bytes and their meaning: packets, the server's greeting and answers, the client's commands.
//!
//! Nothing here reads a socket or keeps state. Every length that the other side claims is checked against the
//! bytes that are there. Facts are from the "MySQL Client/Server Protocol" and MariaDB's "Client/Server Protocol"
//! documents; numbers and flags are those of `mysql_common`.

pub(crate) mod answer;
pub(crate) mod command;
pub(crate) mod compressed;
pub(crate) mod frame;
pub(crate) mod greeting;
pub(crate) mod reader;

use mysql_common::constants::CapabilityFlags as Flags;

/// What client and server have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Agreed {
    pub(crate) flags: u32,
    /// MariaDB's own flags, 0 on other servers.
    pub(crate) mariadb: u32,
}

impl Agreed {
    fn has(self, flag: Flags) -> bool {
        self.flags & flag.bits() != 0
    }

    /// Packets go over compressed ones, and their own numbers tell nothing.
    #[inline]
    pub(crate) fn compresses(self) -> bool {
        self.has(Flags::CLIENT_COMPRESS) || self.has(Flags::CLIENT_ZSTD_COMPRESSION_ALGORITHM)
    }

    /// Result sets end with an OK packet, and descriptions with nothing.
    #[inline]
    pub(crate) fn deprecates_eof(self) -> bool {
        self.has(Flags::CLIENT_DEPRECATE_EOF)
    }

    /// OK packets tell what has changed in the session.
    pub(crate) fn tracks_session(self) -> bool {
        self.has(Flags::CLIENT_SESSION_TRACK)
    }

    /// The descriptions of a statement's columns come again only when they have changed.
    #[inline]
    pub(crate) fn caches_metadata(self) -> bool {
        self.mariadb & greeting::MARIADB_CACHE_METADATA != 0
    }

    /// A statement can be run in the flight that prepares it. MariaDB announces it with bulk operations, which came
    /// in the same version.
    #[inline]
    pub(crate) fn runs_last_prepared(self) -> bool {
        self.mariadb & greeting::MARIADB_BULK_OPERATIONS != 0
    }

    /// A statement can be run for many rows at once.
    pub(crate) fn runs_bulks(self) -> bool {
        self.mariadb & greeting::MARIADB_BULK_OPERATIONS != 0
    }

    /// Descriptions of columns tell MariaDB's further types.
    pub(crate) fn extends_metadata(self) -> bool {
        self.mariadb & greeting::MARIADB_EXTENDED_METADATA != 0
    }
}
