//! What the server answers: OK, errors, the end of results, descriptions of columns and of statements.

use aquifer_driver::Result;
use mysql_common::constants::{SessionStateType, StatusFlags};

use super::Agreed;
use super::reader::{Reader, int_at, malformed};
use crate::types::Zone;

/// First bytes of answers.
pub(crate) const OK: u8 = 0x00;
pub(crate) const MORE_AUTH: u8 = 0x01;
pub(crate) const LOCAL_INFILE: u8 = 0xfb;
pub(crate) const EOF: u8 = 0xfe;
pub(crate) const ERR: u8 = 0xff;

/// `SERVER_STATUS_IN_TRANS`.
pub(crate) const IN_TRANSACTION: u16 = 1;

/// The server's status, as it says after each command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ServerStatus(pub(crate) u16);

impl ServerStatus {
    fn has(self, flag: StatusFlags) -> bool {
        self.0 & flag.bits() != 0
    }

    pub(crate) fn in_transaction(self) -> bool {
        self.has(StatusFlags::SERVER_STATUS_IN_TRANS)
    }

    pub(crate) fn autocommits(self) -> bool {
        self.has(StatusFlags::SERVER_STATUS_AUTOCOMMIT)
    }

    /// In a string a backslash is a letter (NO_BACKSLASH_ESCAPES).
    pub(crate) fn takes_backslashes(self) -> bool {
        self.has(StatusFlags::SERVER_STATUS_NO_BACKSLASH_ESCAPES)
    }

    /// The rows are kept for a cursor, and are to be fetched.
    pub(crate) fn has_cursor(self) -> bool {
        self.has(StatusFlags::SERVER_STATUS_CURSOR_EXISTS)
    }

    /// The cursor's last row was sent.
    pub(crate) fn cursor_ended(self) -> bool {
        self.has(StatusFlags::SERVER_STATUS_LAST_ROW_SENT)
    }

    pub(crate) fn more_results(self) -> bool {
        self.has(StatusFlags::SERVER_MORE_RESULTS_EXISTS)
    }
}

/// What an OK packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ok<'a> {
    pub(crate) affected: u64,
    pub(crate) insert_id: u64,
    pub(crate) status: ServerStatus,
    pub(crate) warnings: u16,
    /// A setting, the current database or anything else of the session has changed.
    pub(crate) session_changed: bool,
    /// The session's text is not UTF-8 any more.
    pub(crate) other_charset: bool,
    /// The session's new time zone.
    pub(crate) zone: Option<Zone>,
    /// The global transaction's number that this command has written, as the server writes it.
    pub(crate) gtid: Option<&'a [u8]>,
}

impl<'a> Ok<'a> {
    /// Reads an OK packet, its first byte included; also the one that ends a result set.
    pub(crate) fn parse(packet: &'a [u8], agreed: Agreed) -> Result<Self> {
        let mut reader = Reader::new(packet);
        reader.u8()?;
        let mut ok = Self { affected: reader.int()?, insert_id: reader.int()?, ..Self::default() };
        ok.status = ServerStatus(reader.u16()?);
        ok.warnings = reader.u16()?;
        let changed = ok.status.has(StatusFlags::SERVER_SESSION_STATE_CHANGED);
        if agreed.tracks_session() && changed && !reader.is_empty() {
            // The human-readable information.
            reader.bytes()?;
            if !reader.is_empty() {
                ok.read_changes(reader.bytes()?)?;
            }
        }
        Result::Ok(ok)
    }

    /// The same, if it says nothing but how many rows there were and where the transaction stands: no warnings, no
    /// changes of the session, nothing that follows.
    #[inline]
    pub(crate) fn parse_plain(packet: &[u8]) -> Option<Self> {
        const MORE: u16 = StatusFlags::SERVER_MORE_RESULTS_EXISTS.bits()
            | StatusFlags::SERVER_SESSION_STATE_CHANGED.bits()
            | StatusFlags::SERVER_STATUS_CURSOR_EXISTS.bits();
        let (affected, at) = int_at(packet, 1)?;
        let (insert_id, at) = int_at(packet, at)?;
        let [a, b, 0, 0] = *packet.get(at..)?.first_chunk()? else { return None };
        let status = ServerStatus(u16::from_le_bytes([a, b]));
        (status.0 & MORE == 0).then_some(Self { affected, insert_id, status, ..Self::default() })
    }

    /// Reads an EOF packet, its first byte included: the end of rows on servers that do not use OK for it.
    pub(crate) fn parse_eof(packet: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(packet);
        reader.u8()?;
        let warnings = reader.u16()?;
        Result::Ok(Self { warnings, status: ServerStatus(reader.u16()?), ..Self::default() })
    }
}

impl<'a> Ok<'a> {
    /// Reads the list of what has changed in the session.
    fn read_changes(&mut self, list: &'a [u8]) -> Result<()> {
        let mut reader = Reader::new(list);
        while !reader.is_empty() {
            let kind = reader.u8()?;
            let mut data = Reader::new(reader.bytes()?);
            self.session_changed |= match SessionStateType::try_from(kind) {
                Result::Ok(SessionStateType::SESSION_TRACK_SYSTEM_VARIABLES) => {
                    let mut changed = false;
                    while !data.is_empty() {
                        let (name, value) = (data.bytes()?, data.bytes()?);
                        // MariaDB's way to tell it; the session is as it was.
                        if name == b"last_gtid" {
                            self.gtid = Some(value);
                            continue;
                        }
                        if name == b"time_zone" {
                            self.zone = Some(Zone::parse(&String::from_utf8_lossy(value)));
                        }
                        // What the server reads, and what it sends; nothing for "as it is stored".
                        let text = [b"character_set_client".as_slice(), b"character_set_results"];
                        let utf =
                            value.get(..4).is_some_and(|utf| utf.eq_ignore_ascii_case(b"utf8"));
                        self.other_charset |= text.contains(&name) && !utf;
                        changed = true;
                    }
                    changed
                }
                Result::Ok(SessionStateType::SESSION_TRACK_GTIDS) => {
                    // How it is written; there is one way.
                    data.u8()?;
                    self.gtid = Some(data.bytes()?);
                    false
                }
                Result::Ok(SessionStateType::SESSION_TRACK_SCHEMA) => true,
                Result::Ok(SessionStateType::SESSION_TRACK_STATE_CHANGE) => {
                    data.rest().ends_with(b"1")
                }
                Result::Ok(_) => false,
                // What is not known counts as changed.
                Err(_) => true,
            };
        }
        Result::Ok(())
    }
}

/// A column or a parameter, as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) name: String,
    /// What the statement calls the table, empty for expressions.
    pub(crate) alias: String,
    /// The table's own name, empty for expressions.
    pub(crate) table: String,
    pub(crate) charset: u16,
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u16,
    pub(crate) decimals: u8,
    /// MariaDB's name of a further type: `uuid`, `inet6`, `point`.
    pub(crate) type_name: Option<String>,
    /// MariaDB's name of a text's format: `json`.
    pub(crate) format: Option<String>,
}

impl Definition {
    pub(crate) fn parse(packet: &[u8], agreed: Agreed) -> Result<Self> {
        let mut reader = Reader::new(packet);
        // Catalogue and database.
        reader.bytes()?;
        reader.bytes()?;
        let alias = reader.text()?;
        let table = reader.text()?;
        let name = reader.text()?;
        // The column's name in the table.
        reader.bytes()?;
        let (mut type_name, mut format) = (None, None);
        if agreed.extends_metadata() {
            let mut extended = Reader::new(reader.bytes()?);
            while !extended.is_empty() {
                let kind = extended.u8()?;
                let value = extended.text()?;
                match kind {
                    0 => type_name = Some(value),
                    1 => format = Some(value),
                    _ => {}
                }
            }
        }
        let mut fixed = Reader::new(reader.bytes()?);
        Result::Ok(Self {
            name,
            alias,
            table,
            charset: fixed.u16()?,
            length: fixed.u32()?,
            kind: fixed.u8()?,
            flags: fixed.u16()?,
            decimals: fixed.u8()?,
            type_name,
            format,
        })
    }
}

/// The answer to a Prepare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) id: u32,
    pub(crate) columns: u16,
    pub(crate) parameters: u16,
}

impl Prepared {
    pub(crate) fn parse(packet: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(packet);
        if reader.u8()? != OK {
            return Err(malformed("a Prepare was answered by something else"));
        }
        let id = reader.u32()?;
        Result::Ok(Self { id, columns: reader.u16()?, parameters: reader.u16()? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::greeting;
    use super::*;
    use mysql_common::constants::CapabilityFlags;

    const TRACKING: Agreed =
        Agreed { flags: CapabilityFlags::CLIENT_SESSION_TRACK.bits(), mariadb: 0 };

    #[test]
    fn an_ok_tells_what_happened_and_whether_the_session_changed() {
        let ok = Ok::parse(&[0, 3, 0xfc, 0, 1, 2, 0, 1, 0], TRACKING).unwrap();
        assert_eq!((ok.affected, ok.insert_id, ok.warnings), (3, 256, 1));
        assert!(ok.status.autocommits() && !ok.status.in_transaction() && !ok.session_changed);
        let mut packet = vec![0, 0, 0, 2, 0x40, 0, 0, 0];
        let state = |list: &[u8]| {
            packet.truncate(8);
            packet.push(list.len() as u8);
            packet.extend_from_slice(list);
            Ok::parse(&packet, TRACKING).unwrap().session_changed
        };
        let mut state = state;
        assert!(state(b"\x00\x05\x01a\x02on"));
        assert!(state(b"\x02\x021\x31"));
        assert!(!state(b"\x05\x09\x08T_______"));
        assert!(state(b"\x63\x00"), "what is not known counts as changed");
        assert!(!state(b"\x00\x10\x09last_gtid\x050-1-7"));
        let told = |list: &[u8]| {
            let mut packet = vec![0, 0, 0, 2, 0x40, 0, 0, 0, list.len() as u8];
            packet.extend_from_slice(list);
            Ok::parse(&packet, TRACKING).unwrap().gtid.map(<[u8]>::to_vec)
        };
        assert_eq!(told(b"\x00\x10\x09last_gtid\x050-1-7").unwrap(), b"0-1-7");
        assert_eq!(told(b"\x03\x06\x00\x04a:17").unwrap(), b"a:17");
        assert_eq!(told(b"\x02\x021\x31"), None);
    }

    #[test]
    fn a_definition_reads_with_and_without_the_extended_part() {
        let fixed = b"\x0c\x2d\0\x90\0\0\0\xfe\x80\0\0\0\0";
        let mut packet = b"\x03def\x01d\x01a\x01t\x01n\x01o".to_vec();
        packet.extend_from_slice(fixed);
        let plain = Definition::parse(&packet, Agreed::default()).unwrap();
        assert_eq!((plain.name.as_str(), plain.table.as_str()), ("n", "t"));
        assert_eq!((plain.charset, plain.length, plain.kind, plain.flags), (45, 144, 254, 128));
        let mut packet = b"\x03def\x01d\x01a\x01t\x01n\x01o\x06\x00\x04uuid".to_vec();
        packet.extend_from_slice(fixed);
        let extended = Agreed { flags: 0, mariadb: greeting::MARIADB_EXTENDED_METADATA };
        let definition = Definition::parse(&packet, extended).unwrap();
        assert_eq!(definition.type_name.as_deref(), Some("uuid"));
        for cut in 0..packet.len() {
            assert!(Definition::parse(&packet[..cut], extended).is_err());
        }
    }

    #[test]
    fn cut_answers_are_errors() {
        for cut in 0..7 {
            assert!(Ok::parse(&[0, 3, 7, 2, 0, 1, 0][..cut], TRACKING).is_err());
        }
        for cut in 0..9 {
            assert!(Prepared::parse(&[0, 1, 0, 0, 0, 2, 0, 3, 0][..cut]).is_err());
        }
        assert!(Ok::parse_eof(&[0xfe, 0, 0, 2]).is_err());
    }
}
