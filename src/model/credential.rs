//! Recognises credentials: by the name of their key, or by their shape anywhere in a text.

use std::ops::Range;

use serde_json::Value;

/// The replacement for a value that must not be shown.
pub const REDACTED: &str = "<redacted>";

/// Substrings of the names of credentials, in lower case.
const SECRET_WORDS: [&str; 13] = [
    "secret",
    "passw",
    "pwd",
    "token",
    "encryptionkey",
    "shared_key",
    "api_key",
    "api-key",
    "apikey",
    "private",
    "credential",
    "auth",
    "header",
];

/// Returns whether a key's name implies that its value is a credential.
pub fn sounds_secret(key: &str) -> bool {
    if !key.is_ascii() {
        // Some non-ASCII letters have an ASCII lower-case form.
        let key = key.to_lowercase();
        return SECRET_WORDS.iter().any(|word| key.contains(word));
    }
    let begins = |rest: &[u8], word: &str| {
        rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
    };
    (0..key.len()).any(|at| SECRET_WORDS.iter().any(|word| begins(&key.as_bytes()[at..], word)))
}

/// Words in the names of credentials that are long enough to match despite a typo: only letters, in
/// lower case.
const LONG_WORDS: [&str; 12] = [
    "secret",
    "token",
    "passwd",
    "password",
    "passphrase",
    "apikey",
    "privatekey",
    "encryptionkey",
    "credential",
    // Longer words tolerate more typos.
    "jwtsecret",
    "adminpassword",
    "apitoken",
];

/// Words in the names of credentials that are too short to match with a typo.
const SHORT_WORDS: [&str; 3] = ["pass", "jwt", "key"];

/// Longer names are not compared with tolerance: they resemble everything.
const NAME_BYTES_MAX: usize = 128;

/// Returns whether an unknown key may be a misspelled credential: `jwtSecrt`, `pasword`,
/// `http_pass`.
///
/// Broader than [`sounds_secret`]: use it to hide values, but never to decide whether a value is a
/// credential.
pub fn resembles_secret(name: &str) -> bool {
    if sounds_secret(name) || name.len() > NAME_BYTES_MAX {
        return true;
    }
    let letters: Vec<u8> = name
        .bytes()
        .filter(u8::is_ascii_alphabetic)
        .map(|byte| byte.to_ascii_lowercase())
        .collect();
    SHORT_WORDS.iter().any(|word| letters.windows(word.len()).any(|part| part == word.as_bytes()))
        || LONG_WORDS.iter().any(|word| holds_nearly(&letters, word.as_bytes(), word.len() / 4))
}

/// Returns whether a part of `text` equals `word` up to `slips` replaced, missing, added or swapped
/// letters.
fn holds_nearly(text: &[u8], word: &[u8], slips: usize) -> bool {
    // One column per letter of `text`; row `n` is the distance between the first `n` letters of
    // `word` and a substring that ends here.
    let mut before = vec![usize::MAX; word.len() + 1];
    let mut column: Vec<usize> = (0..=word.len()).collect();
    for at in 0..text.len() {
        let mut next = vec![0; word.len() + 1];
        for row in 1..=word.len() {
            let replaced = column[row - 1] + usize::from(word[row - 1] != text[at]);
            next[row] = replaced.min(column[row] + 1).min(next[row - 1] + 1);
            let is_swapped =
                row > 1 && at > 0 && word[row - 1] == text[at - 1] && word[row - 2] == text[at];
            if is_swapped {
                next[row] = next[row].min(before[row - 2].saturating_add(1));
            }
        }
        (before, column) = (column, next);
        if column[word.len()] <= slips {
            return true;
        }
    }
    false
}

/// Returns whether a text may contain a credential with its name: `LDAP_PASSWORD=…`,
/// `--password=…`, `Authorization: …`.
pub fn may_assign_secret(text: &str) -> bool {
    let (names, _) = text.rsplit_once(['=', ':']).unwrap_or_default();
    names.split(['=', ':']).any(|name| !name.is_empty() && resembles_secret(name))
}

/// Returns whether `key` is the value of a pair whose name sounds secret, as in `{ name =
/// "LDAP_PASSWORD", value = "…" }`.
pub fn is_paired(name: Option<&str>, key: &str) -> bool {
    key == "value" && name.is_some_and(sounds_secret)
}

/// Returns whether a text contains a password before a host, a private key, an API key, a token
/// after its scheme, or JSON with a password.
pub fn holds_credential(text: &str) -> bool {
    holds_pem(text) || credentials(text).next().is_some() || is_json_with_secret(text)
}

/// Returns whether a text is JSON with a string under a key that names a credential.
fn is_json_with_secret(text: &str) -> bool {
    let text = text.trim_start();
    let json = text.starts_with(['{', '[']).then(|| serde_json::from_str(text).ok()).flatten();
    json.is_some_and(|value| states_secret(&value))
}

fn states_secret(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| match value {
            Value::String(text) => {
                names_credential(key) && !text.is_empty() && !is_placeholder(text)
            }
            value => states_secret(value),
        }),
        Value::Array(items) => items.iter().any(states_secret),
        _ => false,
    }
}

/// Returns whether a name ends with a word for a credential. Stricter than [`sounds_secret`]:
/// `secretName` and `tokenEndpoint` are not credentials.
pub fn names_credential(name: &str) -> bool {
    const WORDS: [&str; 9] = [
        "secret",
        "token",
        "passwd",
        "password",
        "passphrase",
        "apikey",
        "privatekey",
        "encryptionkey",
        "authorization",
    ];
    let letters: String = name
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    WORDS.iter().any(|word| letters.ends_with(word))
}

/// Returns whether a text is a placeholder: `$(DB_PASSWORD)`, `${TOKEN}`, `{{ token }}`.
fn is_placeholder(text: &str) -> bool {
    ["$(", "${", "{{"].iter().any(|start| text.starts_with(start))
}

/// Returns whether a text contains PEM, which must be assumed to be a private key.
pub fn holds_pem(text: &str) -> bool {
    text.contains("-----BEGIN")
}

/// Returns whether a text may contain a login before a host that [`holds_credential`] misses
/// because of a typo: `https://user:a b@proxy`, `https://user:password.proxy:3128`.
pub fn may_hold_login(text: &str) -> bool {
    let has_login = |(login, host): (&str, &str)| {
        login.contains(':') && !host.starts_with("sha256:") && !login.starts_with("mailto:")
    };
    text.rsplit_once('@').is_some_and(has_login)
        || has_login_option(text)
        || text.split_once("://").is_some_and(|(_, rest)| {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            !host.starts_with('[') && host.split_once(':').is_some_and(|(_, port)| !is_number(port))
        })
}

/// Returns whether a command line passes a login: `-u user:password`, `--user=user:password`.
fn has_login_option(text: &str) -> bool {
    let words = text.split_whitespace();
    let after = text.split_whitespace().skip(1).chain([""]);
    words.zip(after).any(|(option, next)| {
        let attached = ["-u", "-U", "--user=", "--proxy-user="]
            .iter()
            .any(|start| option.strip_prefix(start).is_some_and(|login| login.contains(':')));
        attached || is_login_option(option) && next.contains(':')
    })
}

/// Returns whether an option of a command line takes a login.
pub fn is_login_option(option: &str) -> bool {
    ["-u", "-U", "--user", "--proxy-user"].contains(&option)
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the ranges of credentials in a text. Whole words: a part of a password is secret too.
pub fn credentials(text: &str) -> impl Iterator<Item = Range<usize>> {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>".contains(c);
    let mut before = "";
    let words = text.split(ends).filter(|word| !word.is_empty());
    let words = words.filter(move |word| {
        let scheme = std::mem::replace(&mut before, word);
        is_credential(word) || is_scheme(scheme) && is_token(word)
    });
    words.map(|word| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        start..start + word.len()
    })
}

/// The prefix of age private keys, in either case.
const AGE_PRIVATE: &str = "AGE-SECRET-KEY-";

fn is_credential(word: &str) -> bool {
    let is_key = |part: &[u8]| part.eq_ignore_ascii_case(AGE_PRIVATE.as_bytes());
    word.as_bytes().windows(AGE_PRIVATE.len()).any(is_key)
        || has_api_key(word)
        || has_password(word)
}

/// The prefixes of API keys that identify the service.
const API_KEYS: [&str; 6] = ["sk-ant-", "sk-proj-", "ghp_", "github_pat_", "glpat-", "xoxb-"];

/// Examples such as `sk-ant-api03-…` have fewer characters after the prefix.
const API_KEY_BYTES_MIN: usize = 8;

fn has_api_key(word: &str) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_key =
        |(_, rest): (&str, &str)| rest.bytes().take_while(is_part).count() >= API_KEY_BYTES_MIN;
    API_KEYS.iter().any(|start| word.split_once(start).is_some_and(is_key))
}

/// Returns whether a word is a scheme before a token: `Authorization: Bearer …`.
fn is_scheme(word: &str) -> bool {
    ["Bearer", "Basic"].iter().any(|scheme| {
        let start = word.len().checked_sub(scheme.len()).and_then(|at| word.get(at..));
        start.is_some_and(|end| end.eq_ignore_ascii_case(scheme))
    })
}

/// Returns whether a word after a scheme is a token rather than prose: it contains a digit, or
/// mixed case.
fn is_token(word: &str) -> bool {
    let token = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    let is_mixed = || {
        token.bytes().skip(1).any(|byte| byte.is_ascii_uppercase())
            && token.bytes().any(|byte| byte.is_ascii_lowercase())
    };
    token.len() >= 8
        && token.bytes().all(is_sign)
        && (token.bytes().any(|byte| byte.is_ascii_digit()) || is_mixed())
}

/// Returns whether a word is `scheme://user:password@…` or `user:password@host`.
fn has_password(word: &str) -> bool {
    let (scheme, rest) =
        word.split_once("://").map_or((None, word), |(scheme, rest)| (Some(scheme), rest));
    let Some((user, password, host)) = rest.rsplit_once('@').and_then(|(login, host)| {
        login.split_once(':').map(|(user, password)| (user, password, host))
    }) else {
        return false;
    };
    // `host:8080/a@b` has a port, and `image:tag@sha256:…` a digest.
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
    fn secret_sounding_name_is_found_in_any_case_and_position() {
        for name in ["password", "MY_PASSWD", "jwtSecret", "x-auth", "to\u{212a}en", "HEADER"] {
            assert!(sounds_secret(name), "{name}");
        }
        for name in ["", "logLevel", "pass", "toke", "n\u{e4}me"] {
            assert!(!sounds_secret(name), "{name}");
        }
    }

    #[test]
    fn misspelt_name_of_credential_resembles_secret() {
        for name in [
            "jwtSecrt",
            "jwtSercet",
            "jwStceret",
            "Secre",
            "adminPasswrd",
            "pasword",
            "encryptonKey",
            "encKey",
            "tokne",
            "http_pass",
            "api-ky-token",
            "shared_ky_credntial",
            "jwt",
        ] {
            assert!(resembles_secret(name), "{name}");
        }
        for name in
            ["", "logLevle", "replicaCuont", "pahts", "operater", "lgoMaxSize", "hots", "namespce"]
        {
            assert!(!resembles_secret(name), "{name}");
        }
    }

    #[test]
    fn damaged_login_in_front_of_host_is_recognised() {
        for text in [
            "http://user:a b@proxy",
            "http:/user:a b@proxy",
            "http://userpass@proxy",
            "http://user:pass.proxy:3128",
        ] {
            assert!(may_hold_login(text), "{text}");
        }
        for text in [
            "http://proxy:3128/a",
            "http://proxy",
            "https://[::1]:3128/",
            "a/b:1.0@sha256:00",
            "mailto:a@b",
            "12:30",
        ] {
            assert!(!may_hold_login(text), "{text}");
        }
    }

    #[test]
    fn assignment_to_name_of_credential_is_recognised() {
        for text in [
            "LDAP_PASSWORD=a",
            "--password=a",
            "=-pasword=a",
            "Authorization: Bearer a",
            "a password: b",
        ] {
            assert!(may_assign_secret(text), "{text}");
        }
        for text in
            ["LOG_LEVEL=a", "https://host/auth", "password", "--verbose=1", "", "ghcr.io/a/b:1"]
        {
            assert!(!may_assign_secret(text), "{text}");
        }
    }

    #[test]
    fn url_password_and_private_key_are_credentials() {
        for text in [
            "http://user:pass@proxy:3128",
            "redis://:pass@redis",
            "https://user:p/w@proxy",
            "user:pass@host",
            "see http://user:pass@proxy now",
            "AGE-SECRET-KEY-1QQQ",
            "age-secret-key-1qqq",
            "-----BEGIN PRIVATE KEY-----",
            "sk-ant-api03-EXAMPLEexample",
            "key=ghp_EXAMPLEexample",
            "proxy_set_header Authorization \"Bearer Sup3rS3cretD\";",
            "Authorization:Basic dXNlcjpwYXNz",
            "{\"password\":\"hunter\"}",
            " [{\"a\":{\"client_secret\":\"x\"}}]",
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
            "sk-ant-api03-\u{2026}",
            "set the Bearer authentication, or Basic authentication.",
            "Authorization: Bearer $token",
            "{\"password\":\"$(DB_PASSWORD)\",\"token\":\"\"}",
            "{\"secretName\":\"oidc\",\"tokenEndpoint\":\"https://a\",\"token\":3}",
            "{token: x}",
        ] {
            assert!(!holds_credential(text), "{text}");
        }
    }
}
