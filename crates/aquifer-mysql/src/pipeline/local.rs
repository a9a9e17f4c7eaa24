//! LOAD DATA LOCAL: the server asks for a file of this machine by name, and gets what the owner offered by that
//! name for this very command, or a file that is allowed and that the command's own text names; anything else it asks
//! for, whenever it does, is empty to it.

use std::path::{Path, PathBuf};

use aquifer_driver::{Error, ErrorKind, Result};

use super::Pipeline;
use crate::protocol::frame;

/// Most bytes of a piece of a file.
const PIECE_MAX: usize = 16 * 1024;

/// Which files of this machine a statement may load.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Files {
    /// All that it names.
    pub(crate) all: bool,
    /// Those of exactly these names.
    pub(crate) names: Vec<PathBuf>,
}

impl Files {
    /// The file that the server may have, if it may have one of this name during this command.
    fn find(&self, name: &[u8], sql: &str) -> Option<PathBuf> {
        let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
        let path = Path::new(name);
        let allowed = self.all || self.names.iter().any(|file| file.as_os_str() == name);
        (allowed && loads(sql, name)).then(|| path.to_owned())
    }
}

/// Whether the text loads a local file of this name: a server that asks for it at any other time does so by itself.
fn loads(sql: &str, name: &str) -> bool {
    let upper = sql.to_ascii_uppercase();
    let mut words = upper.split_ascii_whitespace();
    words.any(|word| word.ends_with("LOAD"))
        && words.any(|word| word == "LOCAL")
        && words.any(|word| word.starts_with("INFILE"))
        && ['\'', '"'].iter().any(|quote| sql.contains(&format!("{quote}{name}{quote}")))
}

/// What was offered, and how far it is.
#[derive(Debug, Default)]
pub(super) struct Local {
    /// The name of what the owner offers for the command under way; taken by the first request.
    offered: Option<Box<[u8]>>,
    /// The file that is to be opened.
    file: Option<PathBuf>,
    /// The number of the next packet of the contents, while some are due.
    due: Option<u8>,
    /// Some of the contents were given.
    begun: bool,
}

impl Pipeline {
    /// The command that was just started may ask once for a file of this name.
    pub(crate) fn offer(&mut self, name: &str) {
        self.local = Local { offered: Some(name.as_bytes().into()), ..Local::default() };
    }

    /// True while the server waits for contents of what was offered, or of a file.
    #[inline]
    pub(crate) fn wants_contents(&self) -> bool {
        self.local.due.is_some()
    }

    /// The file whose contents the server waits for, once for each.
    pub(crate) fn take_file(&mut self) -> Option<PathBuf> {
        self.local.file.take()
    }

    /// Most bytes of a piece.
    pub(crate) fn piece_max(&self) -> usize {
        PIECE_MAX.min(self.settings.packet_max).max(1)
    }

    /// The next piece of the contents, shorter than a packet can be; an empty one ends them.
    pub(crate) fn contents(&mut self, piece: &[u8]) {
        let Some(sequence) = self.local.due.take() else { return };
        let next = self.put_piece(piece, sequence);
        if piece.is_empty() {
            self.sequence = next;
            self.local.begun = false;
        } else {
            self.local.due = Some(next);
            self.local.begun = true;
        }
    }

    /// The contents cannot be had, for this reason. If the server has got none of them, the command fails; else it would
    /// take a part for the whole, and the connection is given up.
    ///
    /// # Errors
    ///
    /// In the second case.
    pub(crate) fn no_contents(&mut self, error: Error) -> Result<()> {
        if self.local.begun {
            return Err(self.broke(error));
        }
        self.contents(&[]);
        if let Some(job) = self.jobs.front_mut() {
            job.unloaded = Some(error);
        }
        Ok(())
    }

    fn put_piece(&mut self, piece: &[u8], sequence: u8) -> u8 {
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
        let start = frame::begin(&mut self.out);
        self.out.extend_from_slice(piece);
        frame::finish(&mut self.out, start, sequence)
    }

    /// The server asks for the file of this name.
    ///
    /// # Errors
    ///
    /// If later commands are on their way, which it would take for the file: the session cannot go on.
    pub(super) fn asked_for_file(&mut self, name: &[u8]) -> Result<()> {
        if self.encoded != 1 || self.sent < self.out.len() {
            return Err(Error::new(
                ErrorKind::Protocol,
                "the server asks for a file of this machine in the middle of a batch",
            ));
        }
        let sequence = self.sequence;
        if self.local.offered.take().is_some_and(|offered| *offered == *name) {
            self.local.due = Some(sequence);
            return Ok(());
        }
        let sql = self.jobs.front().filter(|_| !self.discarding).map_or("", |job| job.sql());
        if let Some(file) = self.settings.files.find(name, sql) {
            self.local.due = Some(sequence);
            self.local.file = Some(file);
            return Ok(());
        }
        self.sequence = self.put_piece(&[], sequence);
        if let Some(job) = self.jobs.front_mut() {
            job.unloaded = Some(not_offered());
        }
        Ok(())
    }
}

/// What becomes of a command during which the server asked for what was not offered.
#[cold]
fn not_offered() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the server asked for a file of this machine that was not offered, and was given nothing",
    )
    .with_hint(
        "`MysqlConnection::load_data` runs LOAD DATA LOCAL with the contents that it is given; `allowFiles` names files \
         that may be loaded",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_had_only_by_a_statement_that_loads_it_and_if_it_is_allowed() {
        let one = Files { all: false, names: vec!["/data/a.csv".into()] };
        let all = Files { all: true, names: Vec::new() };
        let load = "load data local infile '/data/a.csv' into table t";
        assert_eq!(one.find(b"/data/a.csv", load), Some("/data/a.csv".into()));
        assert_eq!(all.find(b"/data/a.csv", load), Some("/data/a.csv".into()));
        let both = "DO 1;LOAD DATA LOW_PRIORITY LOCAL INFILE \"/data/a.csv\" INTO TABLE t";
        assert!(one.find(b"/data/a.csv", both).is_some());
        for files in [&one, &all] {
            for (name, sql) in [
                (b"/etc/passwd".as_slice(), load),
                (b"/data/a.csv", "SELECT '/data/a.csv'"),
                (b"/data/a.csv", "LOAD DATA INFILE '/data/a.csv' INTO TABLE t"),
                (b"/data/a.csv", ""),
                (b"/data/a.cs", load),
                (b"", load),
                (b"\xff", load),
            ] {
                assert_eq!(files.find(name, sql), None, "{sql}");
            }
        }
        let other = "LOAD DATA LOCAL INFILE '/data/./a.csv' INTO TABLE t";
        assert_eq!(one.find(b"/data/./a.csv", other), None, "the name counts, not the file");
        assert_eq!(Files::default().find(b"/data/a.csv", load), None);
    }
}
