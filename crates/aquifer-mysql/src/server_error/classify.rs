//! Which kind of error a number is, and what may be repeated after it.
//!
//! Numbers are those of MySQL's and MariaDB's message lists (`mysqld_error.h`), which agree below 1900; above that
//! MariaDB's and MySQL's differ, and where one number means two things the text decides or the vaguer kind is taken.

use aquifer_driver::{ErrorKind as Kind, Retry};

use super::ServerError;
use super::numbers::{EMPTY_QUERY, UNKNOWN_STATEMENT, UNSUPPORTED_PREPARE};

impl ServerError {
    pub(super) fn classify(&self) -> (Kind, Option<Retry>) {
        let kind = match self.number {
            1022 | 1062 | 1169 | 1586 | 1761 | 1762 => Kind::UniqueViolation,
            1216 | 1217 | 1451 | 1452 | 1557 => Kind::ForeignKeyViolation,
            1048 | 1263 | 1364 => Kind::NotNullViolation,
            3819 => Kind::CheckViolation,
            // A constraint to MariaDB; to MySQL the size of a tablespace.
            4025 if self.sqlstate() == Some("23000") => Kind::CheckViolation,
            1213 | 1614 | 1689 => Kind::Deadlock,
            1020 | 3101 => Kind::Serialization,
            1205 | 3572 => Kind::LockTimeout,
            1792 | 1836 => Kind::ReadOnly,
            1290 if self.message.contains("read-only") || self.message.contains("read_only") => {
                Kind::ReadOnly
            }
            // LOAD DATA LOCAL is switched off: to all, to MySQL, to MariaDB.
            1148 | 3948 | 4166 => Kind::Unsupported,
            1290 | 1235 | UNSUPPORTED_PREPARE => Kind::Unsupported,
            // MariaDB's and MySQL's limits of a statement's time.
            1969 | 3024 => return (Kind::Timeout, Some(Retry::Never)),
            1317 => Kind::Cancelled,
            // Shut down, killed, idle for too long, cut off: the session is over.
            1053 | 1079 | 1152..=1161 | 1184 | 1927 | 3168 => Kind::ConnectionLost,
            // To MariaDB a trigger that does not exist.
            4031 if self.message.contains("disconnected") => Kind::ConnectionLost,
            1064 | 1149 | EMPTY_QUERY => Kind::Syntax,
            1049 | 1051 | 1054 | 1072 | 1091 | 1109 | 1128 | 1146 | 1176 | 1193 | 1305 | 1347
            | UNKNOWN_STATEMENT => Kind::UndefinedObject,
            1044 | 1045 | 1095 | 1131 | 1142 | 1143 | 1227 | 1370 | 1396 => Kind::Permission,
            1021 | 1037 | 1038 | 1040 | 1041 | 1114 | 1203 | 1206 | 1226 | 1461 => Kind::Resources,
            1034 | 1035 | 1194 | 1195 | 1712 => Kind::Corrupt,
            1210 => Kind::ArgumentMismatch,
            1264 | 1265 | 1292 | 1365 | 1366 | 1367 | 1406 | 1411 | 1441 | 1525 | 1690 => {
                Kind::Data
            }
            _ => match self.sqlstate().and_then(|state| state.get(..2)) {
                Some("22") => Kind::Data,
                Some("40") => return (Kind::Database, Some(Retry::Transaction)),
                Some("08") => Kind::ConnectionLost,
                Some("28") => Kind::Permission,
                _ => Kind::Database,
            },
        };
        // The statement waited in vain and was undone; the transaction around it stands, unless the server is set
        // otherwise. Both may be run again as a whole.
        (kind, None)
    }

    pub(super) fn classify_connect(&self) -> (Kind, Retry) {
        match self.number {
            // Too many connections, for the server or the account.
            1040 | 1203 | 1226 => (Kind::Resources, Retry::Safe),
            // Locked or blocked, by MySQL's and MariaDB's numbers; 3159 asks for TLS.
            3118 | 3159 | 3955 | 4150 | 4151 => (Kind::Authentication, Retry::Never),
            1044 | 1045 | 1130 | 1251 | 1275 | 1524 | 1698 | 1820 | 1862 => {
                (Kind::Authentication, Retry::Never)
            }
            // No such database.
            1049 => (Kind::UndefinedObject, Retry::Never),
            // The host is blocked until an administrator unblocks it; the log-in was not done in time.
            1129 => (Kind::Connect, Retry::Never),
            1053 | 1152..=1161 => (Kind::Connect, Retry::Safe),
            _ => match self.sqlstate().and_then(|state| state.get(..2)) {
                Some("28") => (Kind::Authentication, Retry::Never),
                Some("42") => (Kind::Connect, Retry::Never),
                _ => (Kind::Connect, Retry::Safe),
            },
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.classify().0
    }

    /// True if the session is over, whatever else the server might still say.
    pub(crate) fn ends_session(&self) -> bool {
        self.classify().0 == Kind::ConnectionLost
    }

    /// True if a write was refused because the server, or the transaction, only reads.
    pub(crate) fn is_read_only(&self) -> bool {
        self.classify().0 == Kind::ReadOnly
    }

    /// True if the server has rolled the whole transaction back.
    pub(crate) fn ends_transaction(&self) -> bool {
        matches!(self.classify().0, Kind::Deadlock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(number: u16, state: &str, message: &str) -> ServerError {
        let number = number.to_le_bytes();
        let packet = [&[0xff], number.as_slice(), b"#", state.as_bytes(), message.as_bytes()];
        ServerError::parse(&packet.concat()).unwrap()
    }

    #[test]
    fn numbers_are_the_kinds_that_every_engine_has() {
        for (number, state, message, kind) in [
            (1062, "23000", "Duplicate entry 'a' for key 'code'", Kind::UniqueViolation),
            (1213, "40001", "Deadlock found", Kind::Deadlock),
            (1205, "HY000", "Lock wait timeout exceeded", Kind::LockTimeout),
            (1290, "HY000", "running with the --read-only option", Kind::ReadOnly),
            (1290, "HY000", "running with --secure-file-priv", Kind::Unsupported),
            (1927, "70100", "Connection was killed", Kind::ConnectionLost),
            (4031, "HY000", "The client was disconnected by the server", Kind::ConnectionLost),
            (4031, "HY000", "Referenced trigger 'a' does not exist", Kind::Database),
            (4025, "23000", "CONSTRAINT `c` failed for `d`.`t`", Kind::CheckViolation),
            (4025, "HY000", "AUTOEXTEND_SIZE is out of range", Kind::Database),
            (1146, "42S02", "Table 'd.t' doesn't exist", Kind::UndefinedObject),
            (60_000, "22001", "anything", Kind::Data),
            (60_000, "HY000", "anything", Kind::Database),
        ] {
            let error = error(number, state, message).into_error(None);
            assert_eq!(error.kind(), kind, "{number}");
            assert_eq!(error.code(), Some(number.to_string().as_str()));
            assert_eq!(error.sqlstate(), Some(state));
        }
        let retry = |number| error(number, "HY000", "").into_error(None).retry();
        assert_eq!(retry(1213), Retry::Transaction);
        assert_eq!(retry(1205), Retry::Transaction);
        assert_eq!(retry(1062), Retry::Never);
    }

    #[test]
    fn an_error_before_the_log_in_has_no_state() {
        let error = ServerError::parse(b"\xff\x10\x04Too many connections").unwrap();
        assert_eq!((error.number(), error.sqlstate()), (1040, None));
        let error = error.into_connect_error();
        assert_eq!((error.kind(), error.retry()), (Kind::Resources, Retry::Safe));
        assert!(ServerError::parse(b"\xff\x10").is_err());
        assert!(ServerError::parse(b"\x00\x10\x04").is_err());
    }
}
