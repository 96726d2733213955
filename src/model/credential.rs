//! What gives a credential away: the name that it stands under, or its own shape wherever it stands.

use std::ops::Range;

/// What the name of a credential has in it, in lower case.
const SECRET_WORDS: [&str; 12] = [
    "secret",
    "passw",
    "pwd",
    "token",
    "encryptionkey",
    "shared_key",
    "api_key",
    "apikey",
    "private",
    "credential",
    "auth",
    "header",
];

/// Tells whether a key's name says that its value is a credential.
pub fn sounds_secret(key: &str) -> bool {
    if !key.is_ascii() {
        // Some letters of other scripts have one of these as their small letter.
        let key = key.to_lowercase();
        return SECRET_WORDS.iter().any(|word| key.contains(word));
    }
    let begins = |rest: &[u8], word: &str| {
        rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
    };
    (0..key.len()).any(|at| SECRET_WORDS.iter().any(|word| begins(&key.as_bytes()[at..], word)))
}

/// Tells whether `key` is the value of a pair whose name sounds secret: `{ name = "LDAP_PASSWORD", value = "…" }`.
pub fn is_paired(name: Option<&str>, key: &str) -> bool {
    key == "value" && name.is_some_and(sounds_secret)
}

/// Tells whether a text holds a password in front of a host, or a private key of age.
pub fn holds_credential(text: &str) -> bool {
    credentials(text).next().is_some()
}

/// Returns where a text holds such: whole words, because a part of a password is one too.
pub fn credentials(text: &str) -> impl Iterator<Item = Range<usize>> {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>".contains(c);
    let words = text.split(ends).filter(|word| is_credential(word));
    words.map(|word| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        start..start + word.len()
    })
}

/// How private keys of age begin, in either case.
const AGE_PRIVATE: &str = "AGE-SECRET-KEY-";

fn is_credential(word: &str) -> bool {
    let is_key = |part: &[u8]| part.eq_ignore_ascii_case(AGE_PRIVATE.as_bytes());
    word.as_bytes().windows(AGE_PRIVATE.len()).any(is_key) || has_password(word)
}

/// Tells whether a word is `scheme://user:password@…` or `user:password@host`.
fn has_password(word: &str) -> bool {
    let (scheme, rest) = word.split_once("://").map_or((None, word), |(scheme, rest)| (Some(scheme), rest));
    let Some((user, password, host)) = rest
        .rsplit_once('@')
        .and_then(|(login, host)| login.split_once(':').map(|(user, password)| (user, password, host)))
    else {
        return false;
    };
    // `host:8080/a@b` has a port, `image:tag@sha256:…` a digest.
    let is_port = password
        .split_once('/')
        .is_some_and(|(port, _)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let is_login = scheme.is_some()
        || !user.is_empty() && !host.is_empty() && !host.starts_with("sha256:") && user != "mailto";
    is_login && !password.is_empty() && !is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_sounds_secret_in_any_case_and_place() {
        for name in ["password", "MY_PASSWD", "jwtSecret", "x-auth", "to\u{212a}en", "HEADER"] {
            assert!(sounds_secret(name), "{name}");
        }
        for name in ["", "logLevel", "pass", "toke", "n\u{e4}me"] {
            assert!(!sounds_secret(name), "{name}");
        }
    }

    #[test]
    fn a_password_in_front_of_a_host_and_a_private_key_are_credentials() {
        for text in [
            "http://user:pass@proxy:3128",
            "redis://:pass@redis",
            "https://user:p/w@proxy",
            "user:pass@host",
            "see http://user:pass@proxy now",
            "AGE-SECRET-KEY-1QQQ",
            "age-secret-key-1qqq",
        ] {
            assert!(holds_credential(text), "{text}");
        }
        for text in [
            "http://proxy:3128",
            "https://host:8080/a@b",
            "https://user@host/",
            "ghcr.io/a/b:1.0@sha256:00",
            "mailto:ops@example.org",
            "ops@example.org",
            "12:30",
        ] {
            assert!(!holds_credential(text), "{text}");
        }
    }
}
