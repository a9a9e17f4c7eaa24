//! The beginning of a session: the server's greeting, the client's answer, the request for TLS.

use aquifer_driver::{Error, ErrorKind, Result};
use mysql_common::constants::CapabilityFlags as Flags;

use super::Agreed;
use super::reader::{Reader, malformed, put_bytes, put_int};
use crate::config::Compression;

/// `MARIADB_CLIENT_STMT_BULK_OPERATIONS`, bit 34 of the whole.
pub(crate) const MARIADB_BULK_OPERATIONS: u32 = 1 << 2;
/// `MARIADB_CLIENT_EXTENDED_METADATA`, bit 35 of the whole.
pub(crate) const MARIADB_EXTENDED_METADATA: u32 = 1 << 3;
/// `MARIADB_CLIENT_CACHE_METADATA`, bit 36.
pub(crate) const MARIADB_CACHE_METADATA: u32 = 1 << 4;

/// How large packets may become that this client says it takes; servers do not look at it.
const PACKET_MAX: u32 = 1 << 30;

/// What the server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) version: String,
    /// The session's number, for `KILL`.
    pub(crate) connection: u32,
    pub(crate) flags: u32,
    pub(crate) mariadb_flags: u32,
    pub(crate) status: u16,
    pub(crate) plugin: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
}

impl Greeting {
    /// Reads a greeting of protocol version 10.
    ///
    /// # Errors
    ///
    /// `Protocol` if it is none. (An error packet in its place is the caller's to recognise.)
    pub(crate) fn parse(packet: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(packet);
        let protocol = reader.u8()?;
        if protocol != 10 {
            return Err(Error::new(
                ErrorKind::Protocol,
                format!("the server speaks version {protocol} of the protocol, not 10"),
            )
            .with_hint("check that the address is a MySQL or MariaDB server's"));
        }
        let version = String::from_utf8_lossy(reader.until_nul()).into_owned();
        let connection = reader.u32()?;
        let mut nonce = reader.take(8)?.to_vec();
        reader.take(1)?;
        let low = reader.u16()?;
        reader.take(1)?;
        let status = reader.u16()?;
        let high = reader.u16()?;
        let flags = u32::from(low) | u32::from(high) << 16;
        let nonce_len = usize::from(reader.u8()?);
        reader.take(6)?;
        let mariadb = reader.u32()?;
        // MariaDB says so by what MySQL calls `CLIENT_LONG_PASSWORD`: servers of MySQL always set it.
        let is_mariadb = flags & Flags::CLIENT_LONG_PASSWORD.bits() == 0;
        if flags & Flags::CLIENT_PROTOCOL_41.bits() == 0
            || flags & Flags::CLIENT_SECURE_CONNECTION.bits() == 0
        {
            return Err(Error::new(
                ErrorKind::Protocol,
                "the server is older than version 4.1 and cannot be spoken to",
            ));
        }
        // The rest has at least 13 bytes, the last of which is a NUL.
        let rest = reader.take(nonce_len.saturating_sub(8).max(13).min(reader.len()))?;
        nonce.extend_from_slice(rest.strip_suffix(&[0]).unwrap_or(rest));
        if nonce.len() < 20 {
            return Err(malformed("the greeting's challenge is too short"));
        }
        let plugin = match flags & Flags::CLIENT_PLUGIN_AUTH.bits() != 0 {
            true => reader.until_nul().to_vec(),
            false => b"mysql_native_password".to_vec(),
        };
        Ok(Self {
            version,
            connection,
            flags,
            mariadb_flags: if is_mariadb { mariadb } else { 0 },
            status,
            plugin,
            nonce,
        })
    }

    /// True if the server is MariaDB.
    pub(crate) fn is_mariadb(&self) -> bool {
        self.flags & Flags::CLIENT_LONG_PASSWORD.bits() == 0 || self.version.contains("MariaDB")
    }

    /// True if the server does TLS.
    pub(crate) fn offers_tls(&self) -> bool {
        self.flags & Flags::CLIENT_SSL.bits() != 0
    }
}

/// What the client says of itself.
#[derive(Debug)]
pub(crate) struct Response<'a> {
    pub(crate) agreed: Agreed,
    /// The number of a collation with at most eight bits.
    pub(crate) collation: u8,
    pub(crate) user: &'a str,
    pub(crate) auth: &'a [u8],
    pub(crate) database: &'a str,
    pub(crate) plugin: &'a [u8],
    pub(crate) attributes: &'a [(String, String)],
    /// By which the server is to compress, if that is agreed.
    pub(crate) zstd_level: u8,
}

/// What depends on the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) tls: bool,
    pub(crate) found_rows: bool,
    pub(crate) database: bool,
    pub(crate) compression: Compression,
    /// There are passwords for further factors.
    pub(crate) factors: bool,
}

/// What this client uses of what the server offers.
pub(crate) fn agree(greeting: &Greeting, wanted: Wanted) -> Agreed {
    let Wanted { tls, found_rows, database, compression, factors } = wanted;
    let wanted = Flags::CLIENT_LONG_FLAG
        | Flags::CLIENT_PROTOCOL_41
        | Flags::CLIENT_SECURE_CONNECTION
        | Flags::CLIENT_TRANSACTIONS
        | Flags::CLIENT_LOCAL_FILES
        | Flags::CLIENT_MULTI_STATEMENTS
        | Flags::CLIENT_MULTI_RESULTS
        | Flags::CLIENT_PS_MULTI_RESULTS
        | Flags::CLIENT_PLUGIN_AUTH
        | Flags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
        | Flags::CLIENT_CONNECT_ATTRS
        | Flags::CLIENT_SESSION_TRACK
        | Flags::CLIENT_DEPRECATE_EOF;
    let mut flags = greeting.flags & wanted.bits();
    let offers = |flag: Flags| greeting.flags & flag.bits() != 0;
    let mut add = |yes: bool, flag: Flags| flags |= if yes { flag.bits() } else { 0 };
    add(tls, Flags::CLIENT_SSL);
    add(found_rows, Flags::CLIENT_FOUND_ROWS);
    add(database, Flags::CLIENT_CONNECT_WITH_DB);
    add(factors && offers(Flags::MULTI_FACTOR_AUTHENTICATION), Flags::MULTI_FACTOR_AUTHENTICATION);
    let zlib = matches!(compression, Compression::Zlib(_)) && offers(Flags::CLIENT_COMPRESS);
    add(zlib, Flags::CLIENT_COMPRESS);
    // On servers of MariaDB the bit has another meaning, or none.
    let zstd = matches!(compression, Compression::Zstd(_))
        && !greeting.is_mariadb()
        && offers(Flags::CLIENT_ZSTD_COMPRESSION_ALGORITHM);
    add(zstd, Flags::CLIENT_ZSTD_COMPRESSION_ALGORITHM);
    // To MariaDB the flag would say that its own flags are not spoken.
    let mysql = greeting.flags & Flags::CLIENT_LONG_PASSWORD.bits() != 0;
    add(mysql, Flags::CLIENT_LONG_PASSWORD);
    let mariadb = greeting.mariadb_flags
        & (MARIADB_BULK_OPERATIONS | MARIADB_EXTENDED_METADATA | MARIADB_CACHE_METADATA);
    Agreed { flags, mariadb }
}

fn head(out: &mut Vec<u8>, agreed: Agreed, collation: u8) {
    out.extend_from_slice(&agreed.flags.to_le_bytes());
    out.extend_from_slice(&PACKET_MAX.to_le_bytes());
    out.push(collation);
    out.extend_from_slice(&[0; 19]);
    out.extend_from_slice(&agreed.mariadb.to_le_bytes());
}

/// Appends the request to go on encrypted: the beginning of the response.
pub(crate) fn put_ssl_request(out: &mut Vec<u8>, agreed: Agreed, collation: u8) {
    head(out, agreed, collation);
}

impl Response<'_> {
    /// Appends the payload.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let has = |flag: Flags| self.agreed.has(flag);
        head(out, self.agreed, self.collation);
        out.extend_from_slice(self.user.as_bytes());
        out.push(0);
        if has(Flags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA) {
            put_bytes(out, self.auth);
        } else {
            // No plugin's first answer is longer than 64 bytes.
            out.push(self.auth.len().min(255) as u8);
            out.extend_from_slice(self.auth);
        }
        if has(Flags::CLIENT_CONNECT_WITH_DB) {
            out.extend_from_slice(self.database.as_bytes());
            out.push(0);
        }
        if has(Flags::CLIENT_PLUGIN_AUTH) {
            out.extend_from_slice(self.plugin);
            out.push(0);
        }
        if has(Flags::CLIENT_CONNECT_ATTRS) {
            let mut pairs = Vec::new();
            for (name, value) in self.attributes {
                put_bytes(&mut pairs, name.as_bytes());
                put_bytes(&mut pairs, value.as_bytes());
            }
            put_int(out, pairs.len() as u64);
            out.extend_from_slice(&pairs);
        }
        if has(Flags::CLIENT_ZSTD_COMPRESSION_ALGORITHM) {
            out.push(self.zstd_level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted {
        tls: false,
        found_rows: true,
        database: true,
        compression: Compression::None,
        factors: false,
    };

    /// As MariaDB 10.11 greets, with made-up numbers.
    fn greeting() -> Vec<u8> {
        let mut out = vec![10];
        out.extend_from_slice(b"5.5.5-10.11.19-MariaDB\0");
        out.extend_from_slice(&42_u32.to_le_bytes());
        out.extend_from_slice(b"12345678\0");
        out.extend_from_slice(&0xf7fe_u16.to_le_bytes());
        out.push(45);
        out.extend_from_slice(&2_u16.to_le_bytes());
        out.extend_from_slice(&0x81ff_u16.to_le_bytes());
        out.push(21);
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&0x1d_u32.to_le_bytes());
        out.extend_from_slice(b"90abcdefghij\0mysql_native_password\0");
        out
    }

    #[test]
    fn a_greeting_tells_who_greets_and_with_which_challenge() {
        let greeting = Greeting::parse(&greeting()).unwrap();
        assert_eq!(greeting.connection, 42);
        assert_eq!(greeting.nonce, b"1234567890abcdefghij");
        assert_eq!(greeting.plugin, b"mysql_native_password");
        assert!(greeting.is_mariadb());
        let agreed = agree(&greeting, WANTED);
        assert!(agreed.caches_metadata() && agreed.extends_metadata() && agreed.deprecates_eof());
    }

    #[test]
    fn a_cut_greeting_is_an_error_and_never_a_panic() {
        let whole = greeting();
        for cut in 0..whole.len() - 24 {
            assert!(Greeting::parse(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(Greeting::parse(b"\x09").unwrap_err().to_string().contains("version 9"));
    }

    #[test]
    fn a_response_has_its_parts_in_the_order_of_the_protocol() {
        let greeting = Greeting::parse(&greeting()).unwrap();
        let agreed = agree(&greeting, WANTED);
        let attributes = [("_pid".to_owned(), "1".to_owned())];
        let mut out = Vec::new();
        let response = Response {
            agreed,
            collation: 45,
            user: "app",
            auth: b"xyz",
            database: "shop",
            plugin: b"p",
            attributes: &attributes,
            zstd_level: 3,
        };
        response.put(&mut out);
        assert_eq!(&out[32..], b"app\0\x03xyzshop\0p\0\x07\x04_pid\x011");
        assert_eq!(out[..4], agreed.flags.to_le_bytes());
        assert_eq!(out[28..32], agreed.mariadb.to_le_bytes());
    }
}
