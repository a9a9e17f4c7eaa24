//! [`Dsn`]: a data source name, taken apart as far as all drivers agree.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::{Error, ErrorKind, Result};

/// A URL such as `postgres://app@db1/shop?sslmode=require`, or a driver's own form without a scheme.
///
/// It may hold a password: `Debug` and `Display` show everything but that.
#[derive(Clone, PartialEq, Eq)]
pub struct Dsn {
    scheme: Box<str>,
    /// Between the scheme's colon and the question mark, still percent-encoded.
    body: Box<str>,
    params: Vec<(String, String)>,
    /// False for a driver's own form: the body is then the whole text.
    is_url: bool,
}

impl Dsn {
    /// Takes a URL apart: scheme, body, and the query's parameters, percent-decoded, in order.
    ///
    /// # Errors
    ///
    /// If there is no scheme, or the query is malformed or names a key twice.
    pub fn parse(url: &str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once(':') else {
            return Err(no_scheme(url));
        };
        let mut letters = scheme.bytes();
        let valid = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
            && letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !valid {
            return Err(no_scheme(url));
        }
        let (body, query) = match rest.split_once('?') {
            Some((body, query)) => (body, Some(query)),
            None => (rest, None),
        };
        // `//app:secret?more@db1`: what follows the question mark is the rest of a password.
        let authority = body.strip_prefix("//").filter(|authority| !authority.contains(['/', '@']));
        if authority.is_some_and(|authority| authority.contains(':'))
            && query.is_some_and(|query| query.contains('@'))
        {
            return Err(Error::new(
                ErrorKind::Configuration,
                "the URL's user or password has an unescaped `?`",
            )
            .with_hint("write it as `%3F`"));
        }
        let mut params: Vec<(String, String)> = Vec::new();
        for pair in
            query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty())
        {
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                Error::new(ErrorKind::Configuration, "an option in the URL's query has no value")
                    .with_hint("write `key=value`; a literal `&` in a value is `%26`")
            })?;
            let key = decode(key, "an option's name")?;
            let value = decode(value, &format!("the option `{}`", printable(&key)))?;
            if params.iter().any(|(seen, _)| *seen == key) {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!("the URL gives the option `{}` twice", printable(&key)),
                ));
            }
            params.push((key, value));
        }
        Ok(Self {
            scheme: scheme.to_ascii_lowercase().into(),
            body: body.into(),
            params,
            is_url: true,
        })
    }

    /// A text in the driver's own form (`host=db1 user=app`), for `Db::open_with`.
    pub fn native(driver: &str, text: &str) -> Self {
        Self { scheme: driver.into(), body: text.into(), params: Vec::new(), is_url: false }
    }

    /// The scheme, in lower case, or the driver's name.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What stands between the scheme's colon and the question mark, still percent-encoded; for a
    /// driver's own form, the whole text.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// True if this came from a URL, false for a driver's own form.
    pub fn is_url(&self) -> bool {
        self.is_url
    }

    /// The query's parameters, percent-decoded, in order.
    pub fn params(&self) -> &[(String, String)] {
        &self.params
    }

    /// Takes out the parameters whose key starts with `prefix`; the keys come back without it.
    pub fn take_params(&mut self, prefix: &str) -> Vec<(String, String)> {
        let mut taken = Vec::new();
        self.params.retain_mut(|(key, value)| match key.strip_prefix(prefix) {
            Some(rest) => {
                taken.push((rest.to_owned(), std::mem::take(value)));
                false
            }
            None => true,
        });
        taken
    }

    /// Decodes `%41` into `A`.
    ///
    /// # Errors
    ///
    /// If the result is not UTF-8; `what` names the part in the message.
    pub fn decode(text: &str, what: &str) -> Result<String> {
        decode(text, what)
    }
}

fn decode(text: &str, what: &str) -> Result<String> {
    percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| {
        Error::new(ErrorKind::Configuration, format!("{what} in the URL is not UTF-8 once decoded"))
    })
}

/// Names in messages are short and without control characters, whatever the user pasted.
fn printable(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cold]
fn no_scheme(text: &str) -> Error {
    // The text is not shown: what was pasted here may be a password.
    let error = Error::new(ErrorKind::Configuration, "the database URL has no scheme");
    let ends = [".db", ".db3", ".sqlite", ".sqlite3", ".s3db", ":memory:"];
    let path = text.split('?').next().unwrap_or_default();
    if ends.iter().any(|end| path.ends_with(end)) {
        return error.with_hint(
            "a database in a file is `sqlite:PATH`: `sqlite:stations.db`, `sqlite::memory:`",
        );
    }
    error.with_hint(
        "write `sqlite:file.db` or `postgres://…`; \
         a driver's own form goes through `Db::open_with(driver, dsn)`",
    )
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_url {
            return write!(f, "{} (a DSN in the driver's own form)", self.scheme);
        }
        write!(f, "{}:", self.scheme)?;
        let Some((user, rest)) =
            self.body.strip_prefix("//").and_then(|body| body.rsplit_once('@'))
        else {
            return match self.body.rsplit_once('@') {
                // `user:password@tcp(db1)/shop`, a DSN of Go's that was taken for a URL.
                Some((_, rest)) if !self.body.starts_with('/') => write!(f, "***@{rest}"),
                _ => f.write_str(&self.body),
            };
        };
        match user.split_once(':') {
            Some((name, _)) => write!(f, "//{name}:***@{rest}"),
            None => write!(f, "//{user}@{rest}"),
        }
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.params.iter().map(|(key, _)| key).collect();
        f.debug_struct("Dsn").field("url", &format_args!("{self}")).field("options", &keys).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_place_of_a_url_is_told_how_to_become_one() {
        for path in ["stations.db", "/var/lib/a b.sqlite3", "./x.db?mode=ro", ":memory:"] {
            let error = Dsn::parse(path).unwrap_err();
            assert!(error.hint().unwrap().contains("`sqlite:PATH`"), "{path}: {error}");
        }
        assert!(!Dsn::parse("hunter2").unwrap_err().to_string().contains("PATH"));
    }

    #[test]
    fn a_url_comes_apart_into_scheme_body_and_decoded_params() {
        let dsn = Dsn::parse("SQLite:///var/lib/a%20b.db?mode=ro&pool_max_open=4").unwrap();
        assert_eq!(dsn.scheme(), "sqlite");
        assert_eq!(dsn.body(), "///var/lib/a%20b.db");
        assert_eq!(
            dsn.params(),
            [("mode".into(), "ro".into()), ("pool_max_open".into(), "4".into())]
        );
    }

    #[test]
    fn params_with_the_prefix_are_taken_out() {
        let mut dsn = Dsn::parse("sqlite::memory:?pool_max_open=4&mode=rw").unwrap();
        assert_eq!(dsn.take_params("pool_"), [("max_open".to_owned(), "4".to_owned())]);
        assert_eq!(dsn.params().len(), 1);
    }

    #[test]
    fn no_text_shows_the_password() {
        for url in [
            "postgres://app:hunter2@db1:5432/shop",
            "postgres://app:hun%40ter2@db/shop?password=hunter2",
        ] {
            let dsn = Dsn::parse(url).unwrap();
            let shown = format!("{dsn} {dsn:?}");
            assert!(!shown.contains("hunter2") && !shown.contains("ter2"), "{shown}");
            assert!(shown.contains("app:***@"), "{shown}");
        }
        let taken_for_a_url = Dsn::parse("app:hunter2@tcp(db1)/shop").unwrap();
        assert_eq!(taken_for_a_url.to_string(), "app:***@tcp(db1)/shop");
        let file = Dsn::parse("sqlite:/var/lib/me@db1/a.db").unwrap();
        assert_eq!(file.to_string(), "sqlite:/var/lib/me@db1/a.db");
        assert!(!format!("{}", Dsn::native("postgres", "password=hunter2")).contains("hunter2"));
        assert!(!Dsn::parse("hunter2").unwrap_err().to_string().contains("hunter2"));
    }

    #[test]
    fn malformed_urls_name_the_part() {
        for (url, part) in [
            ("demo.db", "no scheme"),
            ("sqlite:x?mode", "has no value"),
            ("postgres://app:hun?ter2=x@host/db", "unescaped `?`"),
            ("postgres://app:hun?ter2@host", "unescaped `?`"),
            ("sqlite:x?mode=a&mode=b", "twice"),
            ("sqlite:x?mode=%ff", "UTF-8"),
        ] {
            let error = Dsn::parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(part), "{url}: {error}");
            assert!(!format!("{error} {error:?}").contains("ter2"), "{error:?}");
        }
    }
}
