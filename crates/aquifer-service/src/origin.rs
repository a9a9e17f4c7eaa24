//! Whether a request comes from a page of another site.
//!
//! A browser lets any page send a POST without a body to any address, loopback included; it only keeps the
//! answer from the page. Whatever writes is therefore refused when the browser says that another origin
//! asks, by the rules of Go's `http.CrossOriginProtection`. What is not a browser sends neither field and
//! is not held up. Pure: a request's head in, a verdict out.

use http::header::{HOST, HeaderName, ORIGIN};
use http::request::Parts;

use crate::problem::{Problem, Situation};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what a page of another origin sends; only for methods that may change something.
///
/// # Errors
///
/// [`Situation::CrossOrigin`].
pub(crate) fn check(head: &Parts) -> Result<(), Problem> {
    let field = |name| head.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let same = match (field(SEC_FETCH_SITE), field(ORIGIN)) {
        // `none`: the person asked, with the address bar or a bookmark.
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, None) => true,
        // Browsers that are older than the field, and pages that came without TLS from another machine.
        (None, Some(origin)) => {
            let target = head.uri.authority().map(|authority| authority.as_str());
            let target = target.or_else(|| field(HOST)).unwrap_or_default();
            let from = origin.split_once("://").map_or("", |(_, from)| from);
            !from.is_empty() && from.eq_ignore_ascii_case(target)
        }
    };
    if same {
        return Ok(());
    }
    Err(Problem::new(Situation::CrossOrigin)
        .with_detail("a page of another origin asks for something that may write")
        .with_hint("pages may write only to the host and port that they came from"))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn passes(uri: &str, fields: &[(&str, &str)]) -> bool {
        let mut request = Request::post(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap().into_parts().0).is_ok()
    }

    #[test]
    fn what_is_no_browser_passes() {
        assert!(passes("/", &[("host", "127.0.0.1:8080")]));
    }

    #[test]
    fn what_the_browser_says_of_the_site_decides() {
        let host = ("host", "127.0.0.1:8080");
        for site in ["same-origin", "none"] {
            // A proxy may have changed the host on the way.
            let fields = [host, ("sec-fetch-site", site), ("origin", "https://shop.example")];
            assert!(passes("/", &fields), "{site}");
        }
        for site in ["cross-site", "same-site", "", "no\u{a0}ne"] {
            let fields = [host, ("sec-fetch-site", site), ("origin", "http://127.0.0.1:8080")];
            assert!(!passes("/", &fields), "{site}");
        }
    }

    #[test]
    fn without_it_the_origin_must_be_the_target() {
        let host = ("host", "localhost:8080");
        assert!(passes("/", &[host, ("origin", "http://LOCALHOST:8080")]));
        assert!(passes("http://[::1]:8080/", &[("origin", "http://[::1]:8080")]));
        for origin in
            ["null", "", "http://", "http://localhost", "http://localhost:8081", "http://evil"]
        {
            assert!(!passes("/", &[host, ("origin", origin)]), "{origin}");
        }
        assert!(!passes("/", &[("origin", "null")]));
    }
}
