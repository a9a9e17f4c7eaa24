//! [`Hosts`]: the names that a listener answers to.
//!
//! A page of any site can have its own name resolve to 127.0.0.1 and then read what listens there, with
//! the browser's blessing ("DNS rebinding"): only the `Host` field still tells its name. So a listener on
//! loopback answers to addresses, which no one can rebind, to `localhost`, and to names that were asked
//! for. Pure: a request's head in, a verdict out.

use std::net::IpAddr;

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Uri, Version};

use crate::problem::{Problem, Situation};

/// Characters of a refused name that an answer quotes.
const QUOTE_MAX: usize = 100;

/// Which names a listener answers to.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    /// Other machines reach the listener, by names that it cannot know.
    any: bool,
    /// Names in lower case; one with a leading dot stands for itself and all names below it.
    allowed: Vec<String>,
}

impl Hosts {
    /// The names of a listener; names that are allowed make one that others reach choosy, too.
    pub(crate) fn new(is_loopback: bool, allowed: &[String]) -> Self {
        let allowed: Vec<_> = allowed.iter().map(|name| normal(name)).collect();
        Self { any: !is_loopback && allowed.is_empty(), allowed }
    }

    /// Whether a request is for one of the names.
    ///
    /// # Errors
    ///
    /// [`Situation::MalformedRequest`] for an HTTP/1.1 request that does not say what it is for in exactly
    /// one well-formed `Host` (RFC 9112, section 3.2), [`Situation::Misdirected`] for another name.
    pub(crate) fn check(&self, head: &Parts) -> Result<(), Problem> {
        let Some(host) = target(head.version, &head.uri, &head.headers)? else {
            // HTTP/1.0 without a `Host`: no browser.
            return Ok(());
        };
        let host = normal(&host);
        if self.any || self.answers(&host) {
            return Ok(());
        }
        let shown: String = host.chars().take(QUOTE_MAX).collect();
        Err(Problem::new(Situation::Misdirected)
            .with_detail(format!("`{shown}` is no name of this service"))
            .with_hint(format!(
                "use its address or `localhost`, or start it with `--allow-host {shown}`"
            )))
    }

    /// `host` is normal.
    fn answers(&self, host: &str) -> bool {
        let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        // Browsers resolve everything below `localhost` to loopback themselves.
        address.unwrap_or(host).parse::<IpAddr>().is_ok()
            || within(host, ".localhost")
            || self.allowed.iter().any(|name| match name.starts_with('.') {
                true => within(host, name),
                false => host == name,
            })
    }
}

/// Whether a name is `domain`, which starts with a dot, or below it.
fn within(host: &str, domain: &str) -> bool {
    host.ends_with(domain) || Some(host) == domain.strip_prefix('.')
}

/// Lower case, and without the dot that ends a fully qualified name.
fn normal(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_suffix('.').map(str::to_owned).unwrap_or(name)
}

/// The name a request is for. A target with an authority (HTTP/2's, or a proxy's absolute form) outweighs
/// `Host`, which HTTP/1.1 must send all the same.
fn target(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let malformed = |detail: &str| {
        Err(Problem::new(Situation::MalformedRequest)
            .with_detail(detail)
            .with_hint("send one `Host` field with the name and port of the URL"))
    };
    let mut fields = headers.get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return malformed("the request has more than one `Host`");
    }
    if field.is_none() && version == Version::HTTP_11 {
        return malformed("the request has no `Host`");
    }
    if let Some(authority) = uri.authority() {
        return Ok(Some(authority.host().to_owned()));
    }
    let Some(field) = field else { return Ok(None) };
    let authority = Authority::try_from(field.as_bytes()).ok();
    match authority
        .filter(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'))
    {
        Some(authority) => Ok(Some(authority.host().to_owned())),
        None => malformed("the `Host` is not a name, or a name and a port"),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(version: Version, uri: &str, hosts: &[&str]) -> Parts {
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn verdict(hosts: &Hosts, host: &str) -> Option<Situation> {
        hosts.check(&head(Version::HTTP_11, "/", &[host])).err().map(|problem| problem.situation)
    }

    #[test]
    fn loopback_answers_to_addresses_and_to_localhost() {
        let hosts = Hosts::new(true, &[]);
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]:8080",
            "[::1]",
            "192.168.1.7:80",
            "localhost",
            "LocalHost:8080",
            "localhost.:8080",
            "shop.localhost",
        ] {
            assert_eq!(verdict(&hosts, host), None, "{host}");
        }
        for host in
            ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "notlocalhost", "1.2.3"]
        {
            assert_eq!(verdict(&hosts, host), Some(Situation::Misdirected), "{host}");
        }
    }

    #[test]
    fn names_that_are_allowed_are_answered_to_and_a_dot_means_all_below() {
        let hosts = Hosts::new(true, &["Shop.example.".into(), ".dev.example".into()]);
        for host in ["shop.example:80", "SHOP.EXAMPLE", "dev.example", "a.b.dev.example", "[::1]"] {
            assert_eq!(verdict(&hosts, host), None, "{host}");
        }
        for host in ["a.shop.example", "xdev.example", "example"] {
            assert_eq!(verdict(&hosts, host), Some(Situation::Misdirected), "{host}");
        }
    }

    #[test]
    fn what_others_reach_answers_to_any_name_until_names_are_given() {
        assert_eq!(verdict(&Hosts::new(false, &[]), "shop.example"), None);
        let hosts = Hosts::new(false, &["shop.example".into()]);
        assert_eq!(verdict(&hosts, "shop.example"), None);
        assert_eq!(verdict(&hosts, "10.0.0.7:8080"), None, "probes ask by address");
        assert_eq!(verdict(&hosts, "other.example"), Some(Situation::Misdirected));
    }

    #[test]
    fn http_1_1_says_once_what_it_is_for() {
        let hosts = Hosts::new(false, &[]);
        let check = |version, uri, fields: &[&str]| {
            hosts.check(&head(version, uri, fields)).err().map(|problem| problem.situation)
        };
        let malformed = Some(Situation::MalformedRequest);
        assert_eq!(check(Version::HTTP_11, "/", &[]), malformed);
        assert_eq!(check(Version::HTTP_11, "/", &["a", "b"]), malformed);
        for bad in ["", "a b", "user@a", "a/b", "http://a", ":80"] {
            assert_eq!(check(Version::HTTP_11, "/", &[bad]), malformed, "{bad:?}");
        }
        assert_eq!(check(Version::HTTP_10, "/", &[]), None);
        assert_eq!(check(Version::HTTP_2, "http://a/", &[]), None);
    }

    #[test]
    fn the_targets_own_authority_outweighs_the_field() {
        let hosts = Hosts::new(true, &[]);
        let check = |uri, field: &[&str]| hosts.check(&head(Version::HTTP_11, uri, field)).is_ok();
        assert!(!check("http://evil.example/", &["localhost"]));
        assert!(check("http://localhost/", &["evil.example"]));
        let rebound = hosts.check(&head(Version::HTTP_2, "http://evil.example/", &[])).unwrap_err();
        assert!(rebound.hint.unwrap().contains("--allow-host evil.example"));
    }
}
