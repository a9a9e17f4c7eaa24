//! What may happen at a log-in: `require_auth` and `channel_binding`, as in libpq.

use std::fmt;

use aquifer_driver::{Error, ErrorKind, Result};

use crate::config::ChannelBinding;

/// What the user insists on.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) require_auth: RequireAuth,
    /// Whether SCRAM is tied to the TLS session.
    pub(crate) channel_binding: ChannelBinding,
}

impl Default for Policy {
    fn default() -> Self {
        Self { require_auth: RequireAuth::default(), channel_binding: ChannelBinding::Prefer }
    }
}

/// A way to log in, by its name in `require_auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Password,
    Md5,
    Gss,
    Sspi,
    ScramSha256,
    OAuth,
    /// The server asks for nothing: trust, or a client certificate.
    None,
}

const METHODS: [(Method, &str); 7] = [
    (Method::Password, "password"),
    (Method::Md5, "md5"),
    (Method::Gss, "gss"),
    (Method::Sspi, "sspi"),
    (Method::ScramSha256, "scram-sha-256"),
    (Method::OAuth, "oauth"),
    (Method::None, "none"),
];

impl Method {
    pub(super) fn name(self) -> &'static str {
        METHODS[self as usize].1
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The methods that are allowed. The default is all of them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RequireAuth {
    allowed: u8,
    /// As the user wrote it, for messages.
    text: Box<str>,
}

impl Default for RequireAuth {
    fn default() -> Self {
        Self { allowed: u8::MAX, text: "".into() }
    }
}

impl RequireAuth {
    /// From libpq's form: names with commas between them (one of these must happen), or names with `!`
    /// before each (none of these may happen). `none` stands for a server that asks for nothing. Empty text
    /// allows everything.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for a name that is not known or comes twice, and for a mixture of both forms.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let wrong = |message: String| {
            let names: Vec<&str> = METHODS.iter().map(|(_, name)| *name).collect();
            Err(Error::new(ErrorKind::Configuration, message).with_hint(format!(
                "require_auth takes {}, or the same with `!` before each",
                names.join(", ")
            )))
        };
        let negative = text.starts_with('!');
        let mut named = 0;
        for item in text.split(',') {
            let (negated, name) = match item.strip_prefix('!') {
                Some(name) => (true, name),
                None => (false, item),
            };
            if negated != negative {
                return wrong(format!(
                    "require_auth method {item:?} cannot be mixed with {} methods",
                    if negative { "negative" } else { "non-negative" }
                ));
            }
            let Some((method, _)) = METHODS.iter().find(|(_, known)| *known == name) else {
                return wrong(format!("invalid require_auth value: {item:?}"));
            };
            if named & method.bit() != 0 {
                return wrong(format!("require_auth method {item:?} is specified more than once"));
            }
            named |= method.bit();
        }
        let allowed = if negative { !named } else { named };
        Ok(Self { allowed, text: text.into() })
    }

    pub(super) fn allows(&self, method: Method) -> bool {
        self.allowed & method.bit() != 0
    }

    /// The error for a method that is not allowed.
    pub(super) fn check(&self, method: Method) -> Result<()> {
        if self.allows(method) {
            return Ok(());
        }
        let what = match method {
            Method::None => "server did not perform any authentication".to_owned(),
            method => format!("server requested {:?}", method.name()),
        };
        Err(super::refused(format!(
            "authentication method requirement {:?} failed: {what}",
            self.text
        ))
        .with_hint("change the server's pg_hba.conf, or `require_auth`"))
    }
}

impl fmt::Debug for RequireAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequireAuth({:?})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str) -> Vec<&'static str> {
        let require = RequireAuth::parse(text).unwrap();
        METHODS
            .iter()
            .filter(|(method, _)| require.allows(*method))
            .map(|(_, name)| *name)
            .collect()
    }

    #[test]
    fn a_list_allows_what_it_names_and_a_negative_list_all_else() {
        assert_eq!(allowed("").len(), METHODS.len());
        assert_eq!(allowed("scram-sha-256"), ["scram-sha-256"]);
        assert_eq!(allowed("scram-sha-256,md5,none"), ["md5", "scram-sha-256", "none"]);
        assert_eq!(allowed("!password,!md5"), ["gss", "sspi", "scram-sha-256", "oauth", "none"]);
        // lib/pq would refuse every method here; libpq does not.
        assert_eq!(allowed("!none").len(), METHODS.len() - 1);
    }

    #[test]
    fn a_list_that_makes_no_sense_is_refused_with_the_item() {
        for (text, message) in [
            ("md6", "invalid require_auth value: \"md6\""),
            ("MD5", "invalid require_auth value: \"MD5\""),
            ("md5,", "invalid require_auth value: \"\""),
            ("md5, password", "invalid require_auth value: \" password\""),
            ("!", "invalid require_auth value: \"!\""),
            (
                "md5,!password",
                "require_auth method \"!password\" cannot be mixed with non-negative methods",
            ),
            (
                "!md5,password",
                "require_auth method \"password\" cannot be mixed with negative methods",
            ),
            ("md5,md5", "require_auth method \"md5\" is specified more than once"),
        ] {
            let error = RequireAuth::parse(text).unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Configuration, message));
        }
    }

    #[test]
    fn a_forbidden_method_is_named_with_the_requirement() {
        let require = RequireAuth::parse("md5").unwrap();
        let error = require.check(Method::Password).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert_eq!(
            error.message(),
            "authentication method requirement \"md5\" failed: server requested \"password\""
        );
        let error = RequireAuth::parse("!none").unwrap().check(Method::None).unwrap_err();
        assert!(error.message().ends_with("failed: server did not perform any authentication"));
    }

    #[test]
    fn every_method_has_the_name_at_its_place() {
        for (method, name) in METHODS {
            assert_eq!(method.name(), name);
        }
    }
}
