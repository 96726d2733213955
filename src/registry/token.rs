//! Requests tokens from token services.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Uri};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::challenge::TokenService;
use super::credentials::{LoginSecret, RegistryLogin};
use super::error::{RegistryFault, ReportedError, RequestFailure};
use super::host::Wire;
use super::place::RegistryPlace;
use super::redirect::is_redirect;
use super::reply::{SMALL_BYTES_MAX, retry_after};
use super::transport::{HttpAnswer, HttpBody, HttpRequest, HttpTransport};

/// The client name for token services.
const CLIENT_ID: &str = env!("CARGO_PKG_NAME");

#[derive(Deserialize)]
struct IssuedToken {
    token: Option<LoginSecret>,
    access_token: Option<LoginSecret>,
}

/// Requests a token for the scope of a challenge. Returns `None` if the service denies it.
///
/// The service may be at another host than the registry. It must use TLS, except where plain
/// HTTP is allowed; then it receives no login.
pub(super) fn request_token(
    transport: &HttpTransport,
    registry: &RegistryPlace,
    service: &TokenService,
    login: Option<&RegistryLogin>,
) -> Result<Option<HeaderValue>, RequestFailure> {
    let realm = realm(&service.realm).ok_or(RegistryFault::Token("its address cannot be used"));
    let realm = realm.and_then(|realm| transport.check(&realm, None).map(|()| realm));
    let realm = realm.map_err(|why| why.at(registry))?;

    let login = login.filter(|_| Wire::of(&realm) == Some(Wire::Tls));
    let mut answer = match login {
        Some(RegistryLogin::Identity(identity)) => exchange(transport, &realm, service, identity)?,
        Some(RegistryLogin::Password { .. }) | None => {
            let uri = with_query(&realm, service);
            let uri =
                uri.ok_or_else(|| RegistryFault::Token("its address cannot be used").at(registry))?;
            let header = login.and_then(basic).map(|header| (AUTHORIZATION, header));
            let headers = header.into_iter().collect();
            transport.send(HttpRequest {
                method: Method::GET,
                uri: &uri,
                headers,
                body: HttpBody::Empty,
            })?
        }
    };

    let place = answer.place.clone();
    let retry_after = retry_after(answer.header(&RETRY_AFTER));
    let body = Zeroizing::new(answer.read_all(SMALL_BYTES_MAX)?);
    match answer.status {
        200..=299 => header(&body).map(Some).map_err(|why| RegistryFault::Token(why).at(&place)),
        400 | 401 | 403 => Ok(None),
        code if is_redirect(code) => Err(RegistryFault::Token("it points elsewhere").at(&place)),
        // Omit the message: it may quote our credentials.
        code => {
            Err(RegistryFault::Status { code, retry_after, error: ReportedError::default() }
                .at(&place))
        }
    }
}

/// Exchanges an identity token for an access token.
fn exchange(
    transport: &HttpTransport,
    realm: &Uri,
    service: &TokenService,
    identity: &str,
) -> Result<HttpAnswer, RequestFailure> {
    let form = Zeroizing::new(form(service, identity));
    transport.secrets.add(identity);
    let content_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    let headers = [(CONTENT_TYPE, content_type)].into_iter().collect();
    transport.send(HttpRequest {
        method: Method::POST,
        uri: realm,
        headers,
        body: HttpBody::Text(&form),
    })
}

/// Returns the header for a user name and password, or `None` for an identity token, which only
/// token services accept.
pub(super) fn basic(login: &RegistryLogin) -> Option<HeaderValue> {
    let RegistryLogin::Password { user, password } = login else { return None };
    let plain = Zeroizing::new(format!("{}:{}", **user, **password));
    sensitive(&Zeroizing::new(format!("Basic {}", STANDARD.encode(plain.as_bytes()))))
}

/// Returns the header for the token in a token service's answer.
fn header(body: &[u8]) -> Result<HeaderValue, &'static str> {
    let issued: IssuedToken =
        serde_json::from_slice(body).map_err(|_| "it is not JSON with a token")?;
    let token = [issued.token, issued.access_token]
        .into_iter()
        .flatten()
        .find(|LoginSecret(token)| !token.is_empty());
    let LoginSecret(token) = token.ok_or("it has no token")?;
    sensitive(&Zeroizing::new(format!("Bearer {}", *token)))
        .ok_or("its token contains a control character")
}

/// Returns a header that is marked as sensitive, so that no log shows it.
fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Parses the URL of a token service. A URL with a login is refused.
fn realm(text: &str) -> Option<Uri> {
    let uri: Uri = text.trim().parse().ok()?;
    let has_login = uri.authority()?.as_str().contains('@');
    (Wire::of(&uri).is_some() && !has_login).then_some(uri)
}

/// Adds the service and the scopes to the URL of a token service.
fn with_query(realm: &Uri, service: &TokenService) -> Option<Uri> {
    let mut text = realm.to_string();
    let mut separator = if realm.query().is_some() { '&' } else { '?' };
    let scopes = service.scope.iter().flat_map(|scope| scope.split_whitespace());
    let parameters = service.service.iter().map(|service| ("service", service.as_str()));
    for (name, value) in parameters.chain(scopes.map(|scope| ("scope", scope))) {
        text.push(separator);
        text.push_str(name);
        text.push('=');
        escape(value, &mut text);
        separator = '&';
    }
    text.parse().ok()
}

/// Returns the form that exchanges an identity token for an access token.
fn form(service: &TokenService, identity: &str) -> String {
    // Allocate the full size: a text that grows leaves copies of the token behind.
    let length = [Some(identity), service.service.as_deref(), service.scope.as_deref()];
    let length: usize = length.into_iter().flatten().map(|text| text.len() * 3).sum();
    let mut text = String::with_capacity(length + 128);
    text.push_str("grant_type=refresh_token&client_id=");
    escape(CLIENT_ID, &mut text);
    for (name, value) in [("service", &service.service), ("scope", &service.scope)] {
        if let Some(value) = value {
            text.extend(["&", name, "="]);
            escape(value, &mut text);
        }
    }
    text.push_str("&refresh_token=");
    escape(identity, &mut text);
    text
}

/// Percent-encodes a value for queries and forms.
fn escape(value: &str, into: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.extend([byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)])));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(scope: Option<&str>) -> TokenService {
        let scope = scope.map(str::to_owned);
        TokenService { realm: String::new(), service: Some("r.example/a&b".to_owned()), scope }
    }

    #[test]
    fn token_is_requested_for_challenge_scopes() {
        let query = |realm: &str, scope| {
            with_query(&realm.parse().unwrap(), &service(scope)).unwrap().to_string()
        };
        assert_eq!(
            query("https://a.example/token", Some("repository:a/b:pull,push repository:c:pull")),
            "https://a.example/token?service=r.example%2Fa%26b&scope=repository%3Aa%2Fb%3Apull%2Cpush\
             &scope=repository%3Ac%3Apull"
        );
        assert_eq!(
            query("https://a.example/t?x=1", None),
            "https://a.example/t?x=1&service=r.example%2Fa%26b"
        );
    }

    #[test]
    fn identity_token_is_exchanged_by_form() {
        assert_eq!(
            form(&service(Some("repository:a:pull")), "i+d"),
            "grant_type=refresh_token&client_id=relay-bundle&service=r.example%2Fa%26b&scope=repository%3Aa%3Apull\
             &refresh_token=i%2Bd"
        );
    }

    #[test]
    fn realm_with_login_or_foreign_scheme_is_rejected() {
        assert!(
            realm("https://a.example/token").is_some() && realm("http://127.0.0.1:1/t").is_some()
        );
        for text in
            ["", "a.example", "/token", "ftp://a.example", "https://me:pw@a.example/t", "https://"]
        {
            assert!(realm(text).is_none(), "{text}");
        }
    }

    #[test]
    fn token_is_read_under_both_names_and_never_quoted() {
        let read = |text: &str| header(text.as_bytes());
        assert_eq!(read(r#"{"token":"t"}"#).unwrap(), "Bearer t");
        assert_eq!(read(r#"{"access_token":"t","expires_in":1}"#).unwrap(), "Bearer t");
        assert!(format!("{:?}", read(r#"{"token":"s3cret"}"#)).contains("Sensitive"));
        for text in
            ["", "s3cret", r#"{"token":7}"#, r#"{"token":""}"#, r#"{"token":"s3\ncret"}"#, "{}"]
        {
            assert!(read(text).is_err_and(|why| !why.contains("s3")), "{text}");
        }
    }
}
