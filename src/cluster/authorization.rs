//! The values of the headers that carry a login. They are marked as sensitive, so that no log shows
//! them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use zeroize::Zeroizing;

/// Returns the header for a token, or `None` if the token has a character that a header must not
/// have. Trims the token.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(&Zeroizing::new(format!("Bearer {}", token.trim())))
}

/// Returns the header for a user name and a password.
pub(super) fn basic(username: &str, password: &str) -> HeaderValue {
    let plain = Zeroizing::new(format!("{username}:{password}"));
    let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(plain.as_bytes())));
    sensitive(&value).expect("base64 has only characters that a header may have")
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}
