//! Removes user names and passwords from URLs in messages.

use std::borrow::Cow;

use super::credential::holds_credential;

/// Returns a text whose URLs have no user information: `http://user:password@host` becomes
/// `http://host`.
pub fn without_user_info(text: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(text);
    let mut from = 0;
    while let Some(at) = shown[from..].find("://") {
        from += at + "://".len();
        if let Some(length) = user_info(&shown[from..]) {
            shown.to_mut().replace_range(from..from + length, "");
        }
    }
    shown
}

/// Returns the length of the user information, including `@`, at the start of a URL without its
/// scheme.
fn user_info(rest: &str) -> Option<usize> {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>".contains(c);
    let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
    let authority = &word[..word.find(['/', '?', '#']).unwrap_or(word.len())];
    if let Some(at) = authority.rfind('@') {
        return Some(at + 1);
    }
    // A password may contain a slash that should have been escaped; a path may contain `@`.
    let login = word.rfind('@').filter(|_| holds_credential(&format!("://{word}")));
    login.map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_with_user_and_password_is_shown_without_them() {
        for (text, shown) in [
            ("socks5://alice:EXAMPLEpw@127.0.0.1:28556/", "socks5://127.0.0.1:28556/"),
            ("proxy \"http://a:b@p:1\" or http://token@p:2", "proxy \"http://p:1\" or http://p:2"),
            ("http://a:b@c:d@proxy", "http://proxy"),
            ("http://a:b/c@proxy:3128", "http://proxy:3128"),
            ("http://a:b://c@proxy", "http://proxy"),
        ] {
            assert_eq!(without_user_info(text), shown, "{text}");
        }
    }

    #[test]
    fn text_without_user_info_stays_as_it_is() {
        for text in [
            "User \"oidc:alice@example.org\" cannot get pods",
            "https://host:8080/a@b?c=d@e",
            "https://[::1]:6443",
            "https://",
            "",
        ] {
            assert_eq!(without_user_info(text), text);
        }
    }
}
