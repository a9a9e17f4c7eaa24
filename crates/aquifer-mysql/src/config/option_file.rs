//! `~/.my.cnf`: the group `[client]` of MySQL's option files.
//!
//! The format is that of the servers' own programs ("Using Option Files" in MySQL's manual). `!include` lines are
//! passed over.

use std::io;
use std::path::Path;

/// More than any option file has.
const BYTES_MAX: u64 = 1 << 20;

/// What was found at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// Options of the driver's names, in order.
    Options(Vec<(&'static str, String)>),
    /// The file was passed over, for this reason.
    Ignored(String),
}

/// Reads the file's options. As MySQL's programs do, a file that anybody may write is passed over.
pub(super) fn read(path: &Path) -> Found {
    let ignored = |why: &dyn std::fmt::Display| {
        Found::Ignored(format!("the option file {} was passed over: {why}", path.display()))
    };
    let opened = std::fs::File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = match opened {
        Ok(opened) => opened,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Found::Nothing;
        }
        Err(error) => return ignored(&error),
    };
    if !metadata.is_file() {
        return ignored(&"it is no file");
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::mode(&metadata) & 0o002 != 0 {
        return ignored(&"anybody may write to it; its mode must be 0644 or less");
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    let mut file = io::Read::take(file, BYTES_MAX);
    match io::Read::read_to_string(&mut file, &mut text) {
        Ok(_) => Found::Options(parse(&text)),
        Err(error) => ignored(&error),
    }
}

/// The options of the group `[client]` that this driver has.
pub(super) fn parse(text: &str) -> Vec<(&'static str, String)> {
    let mut options: Vec<(&'static str, String)> = Vec::new();
    let mut client = false;
    for line in text.lines().map(str::trim) {
        if let Some(group) = line.strip_prefix('[') {
            client = group.split(']').next().is_some_and(|group| group.trim() == "client");
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
        options.extend(option(&name.replace('_', "-"), value));
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
            !include /etc/other.cnf\n\
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
        assert_eq!(parse(text), is.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(
            parse("[client]\nskip-ssl\nssl=0\nssl=1\nssl"),
            [("tls", "false".into()), ("tls", "false".into())]
        );
        assert_eq!(parse("[client]\npassword=a\\x'"), [("password", "a\\x'".to_owned())]);
    }
}
