//! The secrets that were sent to registries, token services and proxies.

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use crate::proxy::Proxy;

/// The secrets that were sent. Without `Debug`.
#[derive(Default)]
pub(super) struct SentSecrets(Mutex<Vec<Zeroizing<String>>>);

impl SentSecrets {
    /// Adds those of a request: its authorization, and the login of the proxy.
    pub(super) fn add_request(&self, headers: &HeaderMap, proxy: Option<&Proxy>) {
        let header = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
        if let Some((scheme, secret)) = header.and_then(split_header) {
            self.add(secret);
            let plain = (scheme == "Basic").then(|| STANDARD.decode(secret).unwrap_or_default());
            let plain = Zeroizing::new(plain.unwrap_or_default());
            let login = std::str::from_utf8(&plain).ok().and_then(|plain| plain.split_once(':'));
            self.add(login.map_or("", |(_, password)| password));
        }
        if let Some(login) = proxy.and_then(|proxy| proxy.login.as_ref()) {
            let plain = Zeroizing::new(format!("{}:{}", *login.user, *login.password));
            self.add(&Zeroizing::new(STANDARD.encode(plain.as_bytes())));
            self.add(&login.password);
        }
    }

    /// Adds one secret.
    pub(super) fn add(&self, secret: &str) {
        let mut secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !secret.is_empty() && secrets.iter().all(|known| known.as_str() != secret) {
            secrets.push(Zeroizing::new(secret.to_owned()));
        }
    }

    /// Returns whether a text repeats one of the secrets.
    pub(super) fn are_quoted(&self, text: &str) -> bool {
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bare_text = bare(text);
        secrets.iter().any(|secret| {
            let bare_secret = bare(secret);
            let is_bare = !bare_secret.is_empty() && bare_text.contains(bare_secret.as_str());
            is_bare || text.contains(secret.as_str())
        })
    }
}

fn split_header(header: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(header).ok()?.split_once(' ')
}

/// Decodes the escapes of a text and returns its letters and digits in lower case, to recognise a
/// secret that is quoted with other padding, escapes, dots or invisible characters, or as a host.
fn bare(text: &str) -> Zeroizing<String> {
    // Allocate the full size: a text that grows leaves copies of the secret behind.
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        let escaped = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        at += if escaped.is_some() { 3 } else { 1 };
        decoded.push(escaped.unwrap_or(*byte));
    }
    let mut bare = Zeroizing::new(String::with_capacity(3 * text.len()));
    for chunk in decoded.utf8_chunks() {
        let letters = chunk.valid().chars().filter(|letter| letter.is_alphanumeric());
        bare.extend(letters.flat_map(char::to_lowercase));
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::{self, ProxyEnvironment};

    /// Returns the secrets of a request with this authorization.
    fn sent(authorization: &str) -> SentSecrets {
        let secrets = SentSecrets::default();
        let headers = [(AUTHORIZATION, authorization.parse().unwrap())].into_iter().collect();
        secrets.add_request(&headers, None);
        secrets
    }

    #[test]
    fn secret_is_recognised_in_every_spelling() {
        let secrets = sent("Basic bWU6czMkY3IzdA==");
        for text in [
            "x bWU6czMkY3IzdA y",
            "wrong: Basic bWU6czMkY3IzdA==",
            "s3%24cr3t",
            "s3\u{200b}$cr3t!",
            "login me:s3$cr3t",
            "%62WU6czMkY3IzdA%3D%3D",
            "S3CR3T.example",
        ] {
            assert!(secrets.are_quoted(text), "{text}");
        }
        for text in ["", "denied", "me", "me is wrong", "s3cr"] {
            assert!(!secrets.are_quoted(text), "{text}");
        }
    }

    #[test]
    fn secret_of_any_characters_is_recognised() {
        for (password, text) in
            [("\u{43f}\u{430}\u{440}", "got \u{43f}.\u{430}\u{440}"), ("$&/", "got $&/")]
        {
            let secrets = sent(&format!("Basic {}", STANDARD.encode(format!("me:{password}"))));
            assert!(secrets.are_quoted(text), "{text}");
            assert!(!secrets.are_quoted("got $&"), "{text}");
        }
        assert!(sent("Bearer t0ken").are_quoted("got `t0ken`"));
        assert!(!sent("Basic bWU6").are_quoted("me is wrong"), "an empty password");
    }

    #[test]
    fn proxy_login_is_secret() {
        let https = Some("http://me:s3cret@proxy.example:3128".to_owned());
        let environment = ProxyEnvironment { https, ..ProxyEnvironment::default() };
        let registry = "https://r.example/v2/".parse().unwrap();
        let proxy = proxy::choose(&registry, None, &environment).unwrap();
        let secrets = SentSecrets::default();
        secrets.add_request(&HeaderMap::new(), proxy.as_ref());
        for text in ["s3cret", "Basic bWU6czNjcmV0"] {
            assert!(secrets.are_quoted(text), "{text}");
        }
        assert!(!secrets.are_quoted("me"));
    }
}
