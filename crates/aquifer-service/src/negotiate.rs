//! What a request's headers ask for: `Accept`, `Content-Type`, `X-Request-Id`.

/// Characters that an inbound request id may have.
const REQUEST_ID_MAX: usize = 128;

/// Whether `Accept` lets JSON through. It does unless the most specific range that covers JSON has the
/// quality 0; a range that does not cover it is a wish, not a refusal.
pub(crate) fn accepts_json(accept: Option<&str>) -> bool {
    let mut best = (0, true);
    for range in accept.unwrap_or("*/*").split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let specificity = match &*media {
            "application/json" => 3,
            "application/*" => 2,
            "*/*" => 1,
            _ => continue,
        };
        let refused = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(key, _)| key.trim().eq_ignore_ascii_case("q"))
            .is_some_and(|(_, q)| q.trim().parse::<f32>().is_ok_and(|q| q == 0.0));
        if specificity > best.0 {
            best = (specificity, !refused);
        }
    }
    best.1
}

/// Whether `Content-Type` says JSON (in UTF-8, its only encoding).
pub(crate) fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let json = parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.filter_map(|parameter| parameter.split_once('=')).all(|(key, value)| {
        !key.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    json && utf8
}

/// Whether a body with these `Content-Encoding` fields is as it was written.
pub(crate) fn is_identity<'a>(mut fields: impl Iterator<Item = &'a http::HeaderValue>) -> bool {
    fields.all(|field| {
        field.to_str().is_ok_and(|codings| {
            let mut codings = codings.split(',').map(str::trim);
            codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
        })
    })
}

/// An inbound `X-Request-Id` that is safe to repeat in logs and answers.
pub(crate) fn request_id(inbound: Option<&str>) -> Option<&str> {
    inbound.filter(|id| {
        (1..=REQUEST_ID_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_refused_only_in_so_many_words() {
        for (accept, ok) in [
            (None, true),
            (Some("application/json"), true),
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), true),
            (Some("text/csv"), true),
            (Some("application/json;q=0"), false),
            (Some("*/*;q=0"), false),
            (Some("*/*;q=0, application/json"), true),
            (Some("application/*; Q=0.0, */*"), false),
            (Some(""), true),
            (Some(";;=,,q"), true),
        ] {
            assert_eq!(accepts_json(accept), ok, "{accept:?}");
        }
    }

    #[test]
    fn content_types_are_compared_without_case_and_parameters() {
        assert!(is_json("application/json"));
        assert!(is_json("Application/JSON; charset=\"UTF-8\""));
        for other in ["", "text/plain", "application/json; charset=latin1", "application/jsonx"] {
            assert!(!is_json(other), "{other}");
        }
    }

    #[test]
    fn request_ids_are_short_and_harmless() {
        assert_eq!(request_id(Some("01J9Z7-a.b:c/d+e=_")), Some("01J9Z7-a.b:c/d+e=_"));
        for bad in ["", "a b", "a\"b", "é", &"x".repeat(129)] {
            assert_eq!(request_id(Some(bad)), None, "{bad}");
        }
    }
}
