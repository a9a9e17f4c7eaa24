//! `~/.my.cnf`: the group `[client]` of MySQL's option files.
//!
//! The format is that of the servers' own programs ("Using Option Files" in MySQL's manual).

use std::io;
use std::path::{Path, PathBuf};

/// More than any option file has.
const BYTES_MAX: u64 = 1 << 20;
/// How deep files include files: as for MySQL's programs.
const DEPTH_MAX: usize = 10;
/// How many files are read in all.
const FILES_MAX: usize = 100;

/// What was found at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Options(Options),
    /// The file was passed over, for this reason.
    Ignored(String),
}

/// What files say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// Options of the driver's names, in order.
    pub(super) options: Vec<(&'static str, String)>,
    /// Why a file that was to be included was passed over.
    pub(super) ignored: Option<String>,
    files: usize,
}

/// Reads the file's options, and those of the files that it includes, where it does. As MySQL's programs do, a file that
/// anybody may write is passed over.
pub(super) fn read(path: &Path) -> Found {
    let mut read = Options::default();
    match read.read(path, 0) {
        Ok(true) => Found::Options(read),
        Ok(false) => Found::Nothing,
        Err(why) => Found::Ignored(why),
    }
}

impl Options {
    /// Adds a file's options; false if it is not there.
    fn read(&mut self, path: &Path, depth: usize) -> Result<bool, String> {
        let why = |why: &str| format!("the option file {} was passed over: {why}", path.display());
        if depth > DEPTH_MAX || self.files >= FILES_MAX {
            return Err(why("files include too many others"));
        }
        self.files += 1;
        let text = match open(path) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(false),
            Err(error) => return Err(why(&error)),
        };
        for item in parse(&text) {
            match item {
                Item::Option(name, value) => self.options.push((name, value)),
                Item::Include(file) => self.include(&beside(path, &file), depth),
                Item::IncludeDirectory(directory) => {
                    for file in files_of(&beside(path, &directory)) {
                        self.include(&file, depth);
                    }
                }
            }
        }
        Ok(true)
    }

    fn include(&mut self, path: &Path, depth: usize) {
        match self.read(path, depth + 1) {
            Ok(true) => {}
            Ok(false) => {
                let why = format!("the option file {} does not exist", path.display());
                self.ignored.get_or_insert(why);
            }
            Err(why) => {
                self.ignored.get_or_insert(why);
            }
        }
    }
}

/// A path that is not absolute is one beside the file that has it.
fn beside(file: &Path, path: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}

/// The option files of a directory, by their names.
fn files_of(directory: &Path) -> Vec<PathBuf> {
    let ending = if cfg!(windows) { "ini" } else { "cnf" };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let is_one = |path: &PathBuf| path.extension().is_some_and(|found| found == ending);
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(is_one).collect();
    files.sort();
    files
}

/// The file's text; `None` if it is not there, or why it is passed over.
fn open(path: &Path) -> Result<Option<zeroize::Zeroizing<String>>, String> {
    let opened = std::fs::File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = match opened {
        Ok(opened) => opened,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error.to_string()),
    };
    if !metadata.is_file() {
        return Err("it is no file".to_owned());
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::mode(&metadata) & 0o002 != 0 {
        return Err("anybody may write to it; its mode must be 0644 or less".to_owned());
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    let mut file = io::Read::take(file, BYTES_MAX);
    match io::Read::read_to_string(&mut file, &mut text) {
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(error.to_string()),
    }
}

/// Something that a file says.
#[derive(Debug, PartialEq, Eq)]
enum Item {
    Option(&'static str, String),
    Include(String),
    IncludeDirectory(String),
}

/// The options of the group `[client]` that this driver has, and what is included, in whichever group.
fn parse(text: &str) -> Vec<Item> {
    let mut options = Vec::new();
    let mut client = false;
    for line in text.lines().map(str::trim) {
        if let Some(group) = line.strip_prefix('[') {
            client = group.split(']').next().is_some_and(|group| group.trim() == "client");
            continue;
        }
        if let Some((what, path)) =
            line.strip_prefix('!').and_then(|line| line.split_once(char::is_whitespace))
        {
            match what {
                "include" => options.push(Item::Include(path.trim().to_owned())),
                "includedir" => options.push(Item::IncludeDirectory(path.trim().to_owned())),
                _ => {}
            }
            continue;
        }
        if !client || line.is_empty() || line.starts_with(['#', ';', '!']) {
            continue;
        }
        let line = without_comment(line);
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.trim(), Some(unquote(value.trim()))),
            None => (line.trim(), None),
        };
        let option = option(&name.replace('_', "-"), value);
        options.extend(option.map(|(name, value)| Item::Option(name, value)));
    }
    options
}

fn option(name: &str, value: Option<String>) -> Option<(&'static str, String)> {
    let name = name.strip_prefix("loose-").unwrap_or(name);
    let off = |value: &Option<String>| {
        value.as_ref().is_some_and(|value| {
            ["0", "off", "false"].iter().any(|word| word.eq_ignore_ascii_case(value))
        })
    };
    Some(match name {
        "host" => ("host", value?),
        "port" => ("port", value?),
        "socket" => ("socket", value?),
        "user" => ("user", value?),
        "password" | "password1" => ("password", value?),
        "password2" => ("password2", value?),
        "password3" => ("password3", value?),
        "ssl-ca" => ("tlsCa", value?),
        "ssl-cert" => ("tlsCert", value?),
        "ssl-key" => ("tlsKey", value?),
        "ssl-mode" => ("tls", value?),
        "server-public-key-path" => ("serverPubKey", value?),
        "connect-timeout" => ("timeout", format!("{}s", value?)),
        "ssl" if off(&value) => ("tls", "false".to_owned()),
        "skip-ssl" | "disable-ssl" if !off(&value) => ("tls", "false".to_owned()),
        "ssl-verify-server-cert" if !off(&value) => ("tls", "true".to_owned()),
        _ => return None,
    })
}

/// The line up to a `#` that is in no quotes.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut escaped) = (None, false);
    for (at, letter) in line.char_indices() {
        match (quote, letter) {
            (None, '#') => return &line[..at],
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if letter == open && !escaped => quote = None,
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
    }
    line
}

fn unquote(text: &str) -> String {
    let quoted = ['\'', '"']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote).and_then(|text| text.strip_suffix(*quote)));
    let mut letters = quoted.unwrap_or(text).chars();
    let mut out = String::new();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('b') => out.push('\u{8}'),
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('s') => out.push(' '),
            Some(same @ ('\\' | '\'' | '"')) => out.push(same),
            // Not an escape: both stand for themselves.
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_client_is_read_as_mysql_reads_it() {
        let text = "user=nobody\n\
            [mysqld]\nport=1\n\
            [client] # ours\n\
            ; a comment\n\
            user = app\r\n\
            password = \"p#w'\\\\d\\s\"   # and a comment\n\
            loose-ssl_ca=/ca.pem\n\
            unknown-option=1\nno-auto-rehash\n\
            ssl-verify-server-cert\n\
            connect_timeout=7\n\
            [client-other]\nhost=db9\n\
            [client]\nhost=db2#x\n";
        let is = [
            ("user", "app"),
            ("password", "p#w'\\d "),
            ("tlsCa", "/ca.pem"),
            ("tls", "true"),
            ("timeout", "7s"),
            ("host", "db2"),
        ];
        let option = |(name, value): (_, &str)| Item::Option(name, value.to_owned());
        assert_eq!(parse(text), is.map(option));
        let off = || option(("tls", "false"));
        assert_eq!(parse("[client]\nskip-ssl\nssl=0\nssl=1\nssl"), [off(), off()]);
        assert_eq!(parse("[client]\npassword=a\\x'"), [option(("password", "a\\x'"))]);
    }

    #[test]
    fn files_are_included_where_they_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("more.d")).unwrap();
        for (name, text) in [
            (
                "my.cnf",
                "!include first.cnf\n[client]\nuser=b\n!includedir more.d\nport=1\n!include gone.cnf\n!other x",
            ),
            ("first.cnf", "user=lost\n[client]\nuser=a\nhost=h"),
            ("more.d/2.cnf", "[client]\nuser=d"),
            ("more.d/1.cnf", "[client]\nuser=c\n[mysqld]\nport=9"),
            ("more.d/3.txt", "[client]\nuser=x"),
            ("round.cnf", "[client]\nuser=r\n!include round.cnf"),
            ("wide.cnf", "!includedir ."),
        ] {
            std::fs::write(at(name), text).unwrap();
        }
        let Found::Options(read) = super::read(&at("my.cnf")) else { panic!("it is there") };
        let is = [
            ("user", "a"),
            ("host", "h"),
            ("user", "b"),
            ("user", "c"),
            ("user", "d"),
            ("port", "1"),
        ];
        assert_eq!(read.options, is.map(|(name, value)| (name, value.to_owned())));
        assert!(read.ignored.unwrap().contains("gone.cnf"));
        // None without an end.
        let Found::Options(read) = super::read(&at("round.cnf")) else { panic!("it is there") };
        assert_eq!(read.options.len(), DEPTH_MAX + 1);
        assert!(read.ignored.unwrap().contains("too many"));
        let Found::Options(read) = super::read(&at("wide.cnf")) else { panic!("it is there") };
        assert!(read.files <= FILES_MAX && read.ignored.is_some());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(at("first.cnf"), PermissionsExt::from_mode(0o666)).unwrap();
            let Found::Options(read) = super::read(&at("my.cnf")) else { panic!("it is there") };
            assert_eq!(
                read.options[0],
                ("user", "b".to_owned()),
                "anybody may have written the other"
            );
            assert!(read.ignored.unwrap().contains("0644"));
        }
    }
}
