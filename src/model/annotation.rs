//! Recognises annotations with snippets of controller configuration, and redacts annotation values.

use super::credential::{
    REDACTED, credentials, holds_credential, may_assign_secret, resembles_secret, sounds_secret,
};

/// Returns whether a controller copies the annotation's value verbatim into its configuration.
pub fn is_snippet(annotation: &str) -> bool {
    let (prefix, name) = annotation.rsplit_once('/').unwrap_or_default();
    name.contains("snippet") || prefix.contains("haproxy") && name.starts_with("config-")
}

/// Returns the value without credentials. Redacts it completely if the key sounds secret, or if the
/// value may contain a credential without a recognisable shape.
pub fn shown_value(annotation: &str, value: &str) -> String {
    let may_hold = if is_snippet(annotation) { may_hold_secret } else { may_assign_secret };
    if sounds_secret(annotation) || may_hold(value) {
        return REDACTED.to_owned();
    }
    let shown = without_credentials(value);
    if holds_credential(&shown) { REDACTED.to_owned() } else { shown }
}

/// Returns whether a snippet may contain a credential: a secret-sounding word or variable, or a
/// random-looking word.
fn may_hold_secret(snippet: &str) -> bool {
    let words = || snippet.split(|c: char| c.is_whitespace() || "\"';{}()".contains(c));
    sounds_secret(snippet)
        || words().any(|word| word.starts_with('$') && resembles_secret(word))
        || words().any(is_random)
}

/// Shorter words are numbers, sizes or addresses.
const RANDOM_BYTES_MIN: usize = 16;

fn is_random(word: &str) -> bool {
    let longest = word
        .split(|c: char| !c.is_ascii_alphanumeric() && !"+=_-".contains(c))
        .max_by_key(|part| part.len());
    longest.is_some_and(|part| {
        part.len() >= RANDOM_BYTES_MIN
            && part.bytes().any(|byte| byte.is_ascii_digit())
            && part.bytes().any(|byte| byte.is_ascii_alphabetic())
    })
}

fn without_credentials(text: &str) -> String {
    let (mut shown, mut at) = (String::new(), 0);
    for credential in credentials(text) {
        shown.push_str(&text[at..credential.start]);
        shown.push_str(REDACTED);
        at = credential.end;
    }
    shown + &text[at..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNIPPET: &str = "nginx.ingress.kubernetes.io/configuration-snippet";

    #[test]
    fn value_that_may_hold_credential_is_not_shown() {
        for (annotation, value) in [
            (SNIPPET, "proxy_set_header Authorization \"Bearer Sup3rS3cretD\";"),
            (SNIPPET, "set $password sup3r;"),
            (SNIPPET, "set $pass sup3r;"),
            (SNIPPET, "more_set_headers \"X-Api-Key sup3r\";"),
            (SNIPPET, "proxy_set_header X-Key sup3r;"),
            (SNIPPET, "if ($arg_k != \"9f8a7b6c5d4e3f2a1b\") { return 403; }"),
            ("x.y/password", "sup3r"),
            ("vault.token", "sup3r"),
            ("x.y/config", "{\"password\":\"sup3r\"}"),
            ("x.y/config", "password=sup3r"),
        ] {
            assert_eq!(shown_value(annotation, value), REDACTED, "{annotation}: {value}");
        }
    }

    #[test]
    fn value_without_credential_is_shown() {
        for (annotation, value) in [
            (SNIPPET, "return 200;"),
            (SNIPPET, "proxy_pass http://inner:8080/; proxy_read_timeout 600s;"),
            ("nginx.ingress.kubernetes.io/proxy-body-size", "100m"),
            ("external-dns.alpha.kubernetes.io/hostname", "relay.example.internal"),
        ] {
            assert_eq!(shown_value(annotation, value), value, "{annotation}");
        }
    }

    #[test]
    fn credential_within_value_is_cut_out() {
        assert_eq!(
            shown_value("x.y/at", "see http://user:s3cret@inner/ now"),
            "see <redacted> now"
        );
    }

    #[test]
    fn snippet_is_told_by_its_name() {
        for annotation in
            [SNIPPET, "nginx.org/location-snippets", "haproxy-ingress.github.io/config-backend"]
        {
            assert!(is_snippet(annotation), "{annotation}");
        }
        assert!(!is_snippet("nginx.ingress.kubernetes.io/proxy-body-size"));
    }
}
