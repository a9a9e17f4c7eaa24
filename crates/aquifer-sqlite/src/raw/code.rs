//! Result codes and their symbolic names.
//!
//! The numbers are written out because the bindings of an older library in the supported range lack
//! the newest names.

use std::fmt;

use libsqlite3_sys as ffi;

/// A SQLite result code, extended where SQLite gives one (`2067`), else primary (`19`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(i32);

impl Code {
    /// A statement could not be prepared or run: bad SQL, a missing table, and whatever has no code
    /// of its own.
    pub const ERROR: Self = Self(ffi::SQLITE_ERROR);
    /// The authorizer refused the statement.
    pub const AUTH: Self = Self(ffi::SQLITE_AUTH);
    /// Another connection holds the lock that is needed.
    pub const BUSY: Self = Self(ffi::SQLITE_BUSY);
    /// Memory ran out.
    pub const NOMEM: Self = Self(ffi::SQLITE_NOMEM);
    /// The statement was stopped before its end.
    pub const INTERRUPT: Self = Self(ffi::SQLITE_INTERRUPT);
    /// The database file could not be opened.
    pub const CANTOPEN: Self = Self(ffi::SQLITE_CANTOPEN);
    /// A text, blob, row or SQL text exceeds its limit.
    pub const TOOBIG: Self = Self(ffi::SQLITE_TOOBIG);
    /// This layer was used in an order it does not allow.
    pub const MISUSE: Self = Self(ffi::SQLITE_MISUSE);
    /// A parameter or column index is out of range.
    pub const RANGE: Self = Self(ffi::SQLITE_RANGE);

    /// The code with this number.
    #[must_use]
    pub const fn new(raw: i32) -> Self {
        Self(raw)
    }

    /// The number, as the C library gave it.
    #[must_use]
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// The primary code: `SQLITE_CONSTRAINT` of `SQLITE_CONSTRAINT_UNIQUE`.
    #[must_use]
    pub const fn primary(self) -> Self {
        Self(self.0 & 0xff)
    }

    /// The symbolic name, such as `SQLITE_CONSTRAINT_UNIQUE`. An extended code newer than this
    /// table has the name of its primary code, and a primary code newer than it is
    /// `SQLITE_UNKNOWN`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match exact_name(self.0) {
            Some(name) => name,
            None => match exact_name(self.0 & 0xff) {
                Some(name) => name,
                None => "SQLITE_UNKNOWN",
            },
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

const fn exact_name(raw: i32) -> Option<&'static str> {
    Some(match raw {
        0 => "SQLITE_OK",
        256 => "SQLITE_OK_LOAD_PERMANENTLY",
        512 => "SQLITE_OK_SYMLINK",
        1 => "SQLITE_ERROR",
        257 => "SQLITE_ERROR_MISSING_COLLSEQ",
        513 => "SQLITE_ERROR_RETRY",
        769 => "SQLITE_ERROR_SNAPSHOT",
        1025 => "SQLITE_ERROR_RESERVESIZE",
        1281 => "SQLITE_ERROR_KEY",
        1537 => "SQLITE_ERROR_UNABLE",
        2 => "SQLITE_INTERNAL",
        3 => "SQLITE_PERM",
        4 => "SQLITE_ABORT",
        516 => "SQLITE_ABORT_ROLLBACK",
        5 => "SQLITE_BUSY",
        261 => "SQLITE_BUSY_RECOVERY",
        517 => "SQLITE_BUSY_SNAPSHOT",
        773 => "SQLITE_BUSY_TIMEOUT",
        6 => "SQLITE_LOCKED",
        262 => "SQLITE_LOCKED_SHAREDCACHE",
        518 => "SQLITE_LOCKED_VTAB",
        7 => "SQLITE_NOMEM",
        8 => "SQLITE_READONLY",
        264 => "SQLITE_READONLY_RECOVERY",
        520 => "SQLITE_READONLY_CANTLOCK",
        776 => "SQLITE_READONLY_ROLLBACK",
        1032 => "SQLITE_READONLY_DBMOVED",
        1288 => "SQLITE_READONLY_CANTINIT",
        1544 => "SQLITE_READONLY_DIRECTORY",
        9 => "SQLITE_INTERRUPT",
        10 => "SQLITE_IOERR",
        266 => "SQLITE_IOERR_READ",
        522 => "SQLITE_IOERR_SHORT_READ",
        778 => "SQLITE_IOERR_WRITE",
        1034 => "SQLITE_IOERR_FSYNC",
        1290 => "SQLITE_IOERR_DIR_FSYNC",
        1546 => "SQLITE_IOERR_TRUNCATE",
        1802 => "SQLITE_IOERR_FSTAT",
        2058 => "SQLITE_IOERR_UNLOCK",
        2314 => "SQLITE_IOERR_RDLOCK",
        2570 => "SQLITE_IOERR_DELETE",
        2826 => "SQLITE_IOERR_BLOCKED",
        3082 => "SQLITE_IOERR_NOMEM",
        3338 => "SQLITE_IOERR_ACCESS",
        3594 => "SQLITE_IOERR_CHECKRESERVEDLOCK",
        3850 => "SQLITE_IOERR_LOCK",
        4106 => "SQLITE_IOERR_CLOSE",
        4362 => "SQLITE_IOERR_DIR_CLOSE",
        4618 => "SQLITE_IOERR_SHMOPEN",
        4874 => "SQLITE_IOERR_SHMSIZE",
        5130 => "SQLITE_IOERR_SHMLOCK",
        5386 => "SQLITE_IOERR_SHMMAP",
        5642 => "SQLITE_IOERR_SEEK",
        5898 => "SQLITE_IOERR_DELETE_NOENT",
        6154 => "SQLITE_IOERR_MMAP",
        6410 => "SQLITE_IOERR_GETTEMPPATH",
        6666 => "SQLITE_IOERR_CONVPATH",
        6922 => "SQLITE_IOERR_VNODE",
        7178 => "SQLITE_IOERR_AUTH",
        7434 => "SQLITE_IOERR_BEGIN_ATOMIC",
        7690 => "SQLITE_IOERR_COMMIT_ATOMIC",
        7946 => "SQLITE_IOERR_ROLLBACK_ATOMIC",
        8202 => "SQLITE_IOERR_DATA",
        8458 => "SQLITE_IOERR_CORRUPTFS",
        8714 => "SQLITE_IOERR_IN_PAGE",
        8970 => "SQLITE_IOERR_BADKEY",
        9226 => "SQLITE_IOERR_CODEC",
        11 => "SQLITE_CORRUPT",
        267 => "SQLITE_CORRUPT_VTAB",
        523 => "SQLITE_CORRUPT_SEQUENCE",
        779 => "SQLITE_CORRUPT_INDEX",
        12 => "SQLITE_NOTFOUND",
        13 => "SQLITE_FULL",
        14 => "SQLITE_CANTOPEN",
        270 => "SQLITE_CANTOPEN_NOTEMPDIR",
        526 => "SQLITE_CANTOPEN_ISDIR",
        782 => "SQLITE_CANTOPEN_FULLPATH",
        1038 => "SQLITE_CANTOPEN_CONVPATH",
        1294 => "SQLITE_CANTOPEN_DIRTYWAL",
        1550 => "SQLITE_CANTOPEN_SYMLINK",
        15 => "SQLITE_PROTOCOL",
        16 => "SQLITE_EMPTY",
        17 => "SQLITE_SCHEMA",
        18 => "SQLITE_TOOBIG",
        19 => "SQLITE_CONSTRAINT",
        275 => "SQLITE_CONSTRAINT_CHECK",
        531 => "SQLITE_CONSTRAINT_COMMITHOOK",
        787 => "SQLITE_CONSTRAINT_FOREIGNKEY",
        1043 => "SQLITE_CONSTRAINT_FUNCTION",
        1299 => "SQLITE_CONSTRAINT_NOTNULL",
        1555 => "SQLITE_CONSTRAINT_PRIMARYKEY",
        1811 => "SQLITE_CONSTRAINT_TRIGGER",
        2067 => "SQLITE_CONSTRAINT_UNIQUE",
        2323 => "SQLITE_CONSTRAINT_VTAB",
        2579 => "SQLITE_CONSTRAINT_ROWID",
        2835 => "SQLITE_CONSTRAINT_PINNED",
        3091 => "SQLITE_CONSTRAINT_DATATYPE",
        20 => "SQLITE_MISMATCH",
        21 => "SQLITE_MISUSE",
        22 => "SQLITE_NOLFS",
        23 => "SQLITE_AUTH",
        279 => "SQLITE_AUTH_USER",
        24 => "SQLITE_FORMAT",
        25 => "SQLITE_RANGE",
        26 => "SQLITE_NOTADB",
        27 => "SQLITE_NOTICE",
        283 => "SQLITE_NOTICE_RECOVER_WAL",
        539 => "SQLITE_NOTICE_RECOVER_ROLLBACK",
        795 => "SQLITE_NOTICE_RBU",
        28 => "SQLITE_WARNING",
        284 => "SQLITE_WARNING_AUTOINDEX",
        100 => "SQLITE_ROW",
        101 => "SQLITE_DONE",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the table against the constants of the oldest library in the supported range.
    macro_rules! names {
        ($($name:ident)*) => {
            [$((ffi::$name, stringify!($name))),*]
        };
    }

    #[test]
    fn every_constant_of_the_bindings_has_its_name() {
        let constants = names![
            SQLITE_OK
            SQLITE_OK_LOAD_PERMANENTLY
            SQLITE_OK_SYMLINK
            SQLITE_ERROR
            SQLITE_ERROR_MISSING_COLLSEQ
            SQLITE_ERROR_RETRY
            SQLITE_ERROR_SNAPSHOT
            SQLITE_INTERNAL
            SQLITE_PERM
            SQLITE_ABORT
            SQLITE_ABORT_ROLLBACK
            SQLITE_BUSY
            SQLITE_BUSY_RECOVERY
            SQLITE_BUSY_SNAPSHOT
            SQLITE_BUSY_TIMEOUT
            SQLITE_LOCKED
            SQLITE_LOCKED_SHAREDCACHE
            SQLITE_LOCKED_VTAB
            SQLITE_NOMEM
            SQLITE_READONLY
            SQLITE_READONLY_RECOVERY
            SQLITE_READONLY_CANTLOCK
            SQLITE_READONLY_ROLLBACK
            SQLITE_READONLY_DBMOVED
            SQLITE_READONLY_CANTINIT
            SQLITE_READONLY_DIRECTORY
            SQLITE_INTERRUPT
            SQLITE_IOERR
            SQLITE_IOERR_READ
            SQLITE_IOERR_SHORT_READ
            SQLITE_IOERR_WRITE
            SQLITE_IOERR_FSYNC
            SQLITE_IOERR_DIR_FSYNC
            SQLITE_IOERR_TRUNCATE
            SQLITE_IOERR_FSTAT
            SQLITE_IOERR_UNLOCK
            SQLITE_IOERR_RDLOCK
            SQLITE_IOERR_DELETE
            SQLITE_IOERR_BLOCKED
            SQLITE_IOERR_NOMEM
            SQLITE_IOERR_ACCESS
            SQLITE_IOERR_CHECKRESERVEDLOCK
            SQLITE_IOERR_LOCK
            SQLITE_IOERR_CLOSE
            SQLITE_IOERR_DIR_CLOSE
            SQLITE_IOERR_SHMOPEN
            SQLITE_IOERR_SHMSIZE
            SQLITE_IOERR_SHMLOCK
            SQLITE_IOERR_SHMMAP
            SQLITE_IOERR_SEEK
            SQLITE_IOERR_DELETE_NOENT
            SQLITE_IOERR_MMAP
            SQLITE_IOERR_GETTEMPPATH
            SQLITE_IOERR_CONVPATH
            SQLITE_IOERR_VNODE
            SQLITE_IOERR_AUTH
            SQLITE_IOERR_BEGIN_ATOMIC
            SQLITE_IOERR_COMMIT_ATOMIC
            SQLITE_IOERR_ROLLBACK_ATOMIC
            SQLITE_IOERR_DATA
            SQLITE_IOERR_CORRUPTFS
            SQLITE_IOERR_IN_PAGE
            SQLITE_CORRUPT
            SQLITE_CORRUPT_VTAB
            SQLITE_CORRUPT_SEQUENCE
            SQLITE_CORRUPT_INDEX
            SQLITE_NOTFOUND
            SQLITE_FULL
            SQLITE_CANTOPEN
            SQLITE_CANTOPEN_NOTEMPDIR
            SQLITE_CANTOPEN_ISDIR
            SQLITE_CANTOPEN_FULLPATH
            SQLITE_CANTOPEN_CONVPATH
            SQLITE_CANTOPEN_DIRTYWAL
            SQLITE_CANTOPEN_SYMLINK
            SQLITE_PROTOCOL
            SQLITE_EMPTY
            SQLITE_SCHEMA
            SQLITE_TOOBIG
            SQLITE_CONSTRAINT
            SQLITE_CONSTRAINT_CHECK
            SQLITE_CONSTRAINT_COMMITHOOK
            SQLITE_CONSTRAINT_FOREIGNKEY
            SQLITE_CONSTRAINT_FUNCTION
            SQLITE_CONSTRAINT_NOTNULL
            SQLITE_CONSTRAINT_PRIMARYKEY
            SQLITE_CONSTRAINT_TRIGGER
            SQLITE_CONSTRAINT_UNIQUE
            SQLITE_CONSTRAINT_VTAB
            SQLITE_CONSTRAINT_ROWID
            SQLITE_CONSTRAINT_PINNED
            SQLITE_CONSTRAINT_DATATYPE
            SQLITE_MISMATCH
            SQLITE_MISUSE
            SQLITE_NOLFS
            SQLITE_AUTH
            SQLITE_AUTH_USER
            SQLITE_FORMAT
            SQLITE_RANGE
            SQLITE_NOTADB
            SQLITE_NOTICE
            SQLITE_NOTICE_RECOVER_WAL
            SQLITE_NOTICE_RECOVER_ROLLBACK
            SQLITE_NOTICE_RBU
            SQLITE_WARNING
            SQLITE_WARNING_AUTOINDEX
            SQLITE_ROW
            SQLITE_DONE
        ];
        for (raw, name) in constants {
            assert_eq!(Code::new(raw).name(), name, "{raw}");
        }
        assert_eq!(constants.len(), 108);
    }

    #[test]
    fn an_unknown_extended_code_has_the_name_of_its_primary_code() {
        assert_eq!(Code::new(19 | (200 << 8)).name(), "SQLITE_CONSTRAINT");
        assert_eq!(Code::new(99).name(), "SQLITE_UNKNOWN");
        assert_eq!(Code::new(2067).primary().name(), "SQLITE_CONSTRAINT");
        assert_eq!(format!("{:?}", Code::new(2067)), "SQLITE_CONSTRAINT_UNIQUE(2067)");
    }
}
