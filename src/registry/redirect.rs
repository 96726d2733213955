//! Resolves the target of a redirect. Pure: the caller decides whether to follow it.

use http::Uri;

/// The maximum number of redirects per request.
pub(super) const REDIRECTS_MAX: usize = 5;

/// Returns whether a status is a redirect.
pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Resolves `Location` against the URI of the answer. A location with a login is refused.
pub(super) fn target(from: &Uri, location: &str) -> Option<Uri> {
    let location = location.trim().split('#').next().unwrap_or_default();
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let text = if location.is_empty() {
        return None;
    } else if location.split(['/', '?']).next().is_some_and(|start| start.contains(':')) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", from.path())
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    let uri: Uri = text.parse().ok()?;
    // The client would turn a login in the URL into a header.
    let is_plain =
        uri.scheme().is_some() && uri.authority().is_some_and(|it| !it.as_str().contains('@'));
    is_plain.then_some(uri)
}

/// Returns whether both URIs belong to the same server, which may receive the same credentials.
pub(super) fn is_same_server(one: &Uri, other: &Uri) -> bool {
    let port = |uri: &Uri| {
        uri.port_u16().or(if uri.scheme_str() == Some("https") { Some(443) } else { Some(80) })
    };
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    one.scheme() == other.scheme() && host(one) == host(other) && port(one) == port(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_is_resolved_against_responding_address() {
        let from: Uri = "https://r.example:5000/v2/a/blobs/x?y=1".parse().unwrap();
        for (location, wanted) in [
            ("https://s.example/b?sig=1", "https://s.example/b?sig=1"),
            ("//s.example/b", "https://s.example/b"),
            ("/b?c#d", "https://r.example:5000/b?c"),
            ("b", "https://r.example:5000/v2/a/blobs/b"),
            ("?z", "https://r.example:5000/v2/a/blobs/x?z"),
        ] {
            assert_eq!(target(&from, location).unwrap().to_string(), wanted, "{location}");
        }
    }

    #[test]
    fn invalid_location_or_location_with_login_is_rejected() {
        let from: Uri = "https://r.example/v2/".parse().unwrap();
        for location in [
            "",
            "https://",
            "https://a:b@s.example/",
            "//a@s.example/",
            "https://a b/",
            "mailto:x",
            "\u{0}",
        ] {
            assert_eq!(target(&from, location), None, "{location}");
        }
    }

    #[test]
    fn same_server_requires_equal_scheme_host_and_port() {
        let is_same =
            |one: &str, other: &str| is_same_server(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(is_same("https://r.example/a", "https://R.example:443/b"));
        for other in [
            "http://r.example/",
            "https://r.example:444/",
            "https://s.r.example/",
            "https://r.example.org/",
        ] {
            assert!(!is_same("https://r.example/", other), "{other}");
        }
    }
}
