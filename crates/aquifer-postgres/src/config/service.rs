//! The service file, `~/.pg_service.conf`: named groups of parameters.

use aquifer_driver::{Error, ErrorKind, Result};

/// The parameters of a service, in order, or `None` if the file has no such service.
///
/// # Errors
///
/// `Configuration` for a line without `=` and for a service that names another; the message names the
/// file and the line, never a value.
pub(crate) fn parse(
    file: &str,
    path: &str,
    service: &str,
) -> Result<Option<Vec<(String, String)>>> {
    let mut found: Option<Vec<(String, String)>> = None;
    for (number, line) in file.lines().enumerate() {
        let line = line.trim_matches([' ', '\t', '\r', '\x0b', '\x0c']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if header.strip_suffix(']') == Some(service) {
                found = Some(Vec::new());
            }
            continue;
        }
        let Some(pairs) = &mut found else {
            continue;
        };
        let malformed = |what: &str| {
            Error::new(
                ErrorKind::Configuration,
                format!("the service file {path} {what} in line {}", number + 1),
            )
        };
        let (key, value) = line
            .split_once('=')
            .map(|(key, value)| (key.trim_end(), value.trim_start()))
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| malformed("has no `key=value`"))?;
        if key == "service" || key == "servicefile" {
            return Err(malformed("names another service"));
        }
        // The first of two is the one that counts, as in libpq.
        if !pairs.iter().any(|(seen, _)| seen == key) {
            pairs.push((key.to_owned(), value.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# comment\n\
                        [other]\n\
                        host=elsewhere\n\
                        nonsense\n\
                        \n\
                        [shop]\n\
                        # inside\n\
                        host=db1,db2\r\n\
                        \tdbname = shop \n\
                        host=second\n\
                        password=a=b\n\
                        [shop]\n\
                        user=never\n";

    #[test]
    fn a_service_is_its_own_group_and_nothing_else() {
        let pairs = parse(FILE, "f", "shop").unwrap().unwrap();
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("host", "db1,db2"), ("dbname", "shop"), ("password", "a=b")]);
        assert_eq!(parse(FILE, "f", "missing").unwrap(), None);
        assert_eq!(parse("[a]\n[b]\nx=1", "f", "a").unwrap(), Some(Vec::new()));
    }

    #[test]
    fn a_bad_line_is_named_and_not_shown() {
        let error = parse(FILE, "/etc/s.conf", "other").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let text = error.to_string();
        assert!(text.contains("/etc/s.conf") && text.contains("line 4"), "{text}");
        assert!(!text.contains("nonsense"), "{text}");
        let error = parse("[a]\nservice=b", "f", "a").unwrap_err();
        assert!(error.to_string().contains("another service"), "{error}");
    }
}
