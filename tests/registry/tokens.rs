//! Tokens without credentials: challenges, their scope, and services with invalid answers.

use relay_bundle::registry::error::{LoginUse, RegistryError, RegistryFault};

use crate::client::{Client, Options, image};
use crate::images::{Document, manifest};
use crate::stub::{Answer, Stub};

fn pull(client: &Client, stub: &Stub) -> Result<(), RegistryError> {
    client.registry.pull_manifest(&image(stub, "a/b:1")).map(|_| ())
}

/// Starts a registry that accepts the token `good` of a service at `realm`.
fn registry(realm: String) -> Stub {
    let documents = [manifest()];
    Stub::start(move |seen, _| match seen.header("authorization") {
        Some("Bearer good") => Document::serve(&documents, seen),
        _ => Answer::challenge(&format!(
            "Bearer realm=\"{realm}\",service=\"the registry\",scope=\"repository:a/b:pull\""
        )),
    })
}

fn with_service(service: &Stub) -> (Stub, Client) {
    let stub = registry(format!("http://{}/token", service.address()));
    let client = Client::new(Options { plain: vec![&stub, service], ..Options::default() });
    (stub, client)
}

#[test]
fn token_is_reused() {
    let service = Stub::start(|_, _| Answer::new(200, "{\"token\":\"good\"}"));
    let (stub, client) = with_service(&service);

    pull(&client, &stub).unwrap();
    pull(&client, &stub).unwrap();

    assert_eq!(
        service.targets(),
        ["GET /token?service=the%20registry&scope=repository%3Aa%2Fb%3Apull"]
    );
    let authorizations: Vec<bool> =
        stub.seen().iter().map(|seen| seen.header("authorization").is_some()).collect();
    assert_eq!(authorizations, [false, true, true]);
}

#[test]
fn token_that_expired_is_renewed_once() {
    let service = Stub::start(|_, before| {
        Answer::new(200, ["{\"token\":\"old\"}", "{\"token\":\"good\"}"][before.min(1)])
    });
    let documents = [manifest()];
    let realm = service.address();
    let stub = Stub::start(move |seen, before| match (seen.header("authorization"), before) {
        (Some("Bearer old"), 0..=1) | (Some("Bearer good"), _) => Document::serve(&documents, seen),
        _ => Answer::challenge(&format!("Bearer realm=\"http://{realm}/token\"")),
    });
    let client = Client::new(Options { plain: vec![&stub, &service], ..Options::default() });

    pull(&client, &stub).unwrap();
    pull(&client, &stub).unwrap();

    assert_eq!(service.seen().len(), 2);
}

#[test]
fn token_that_is_never_accepted_is_asked_for_once() {
    let service = Stub::start(|_, _| Answer::new(200, "{\"token\":\"bad\"}"));
    let (stub, client) = with_service(&service);

    let error = pull(&client, &stub).unwrap_err();

    assert!(
        matches!(error.why, RegistryFault::Denied { code: 401, access: LoginUse::PlainHttp, .. }),
        "{error}"
    );
    assert_eq!((stub.seen().len(), service.seen().len(), client.pauses()), (2, 1, vec![]));
    assert!(error.to_string().contains("UNAUTHORIZED: who are you"), "{error}");
}

#[test]
fn token_service_that_fails_is_asked_again() {
    let service = Stub::start(|_, before| match before {
        0 => Answer::new(503, ""),
        1 => Answer::new(429, "").header("Retry-After", "3"),
        _ => Answer::new(200, "{\"access_token\":\"good\"}"),
    });
    let (stub, client) = with_service(&service);

    pull(&client, &stub).unwrap();

    assert_eq!(client.pauses(), [1, 3]);
}

#[test]
fn token_service_denial_is_denial_by_registry() {
    let service = Stub::start(|_, _| Answer::new(401, ""));
    let (stub, client) = with_service(&service);

    let error = pull(&client, &stub).unwrap_err();

    assert!(matches!(error.why, RegistryFault::Denied { .. }), "{error}");
    assert_eq!(error.place.host, stub.address());
}

#[test]
fn bad_token_answer_is_not_shown() {
    let long = format!("{{\"token\":\"{}\"}}", "s3cret".repeat(20_000));
    for body in
        ["s3cret", "{\"token\":[\"s3cret\"]}", "{\"token\":\"s3cret\\n\"}", "{}", long.as_str()]
    {
        let body = body.to_owned();
        let service = Stub::start(move |_, _| Answer::new(200, body.clone()));
        let (stub, client) = with_service(&service);
        let error = pull(&client, &stub).unwrap_err();
        assert!(
            matches!(error.why, RegistryFault::Token(_) | RegistryFault::TooLarge { .. }),
            "{error}"
        );
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        assert_eq!(error.place.host, service.address());
        assert_eq!(stub.seen().len(), 1);
    }
}

#[test]
fn token_service_that_points_elsewhere_is_not_followed() {
    let other = Stub::start(|_, _| Answer::new(200, "{\"token\":\"good\"}"));
    let location = format!("http://{}/token", other.address());
    let service = Stub::start(move |_, _| Answer::redirect(307, &location));
    let (stub, client) = with_service(&service);

    assert!(matches!(pull(&client, &stub).unwrap_err().why, RegistryFault::Token(_)));
    assert!(other.seen().is_empty());
}

#[test]
fn plain_http_token_service_is_not_asked() {
    for realm in ["http://token.example.invalid/t", "http://0.0.0.0:1/t"] {
        let stub = registry(realm.to_owned());
        let error = pull(&Client::plain(&stub), &stub).unwrap_err();
        assert!(matches!(error.why, RegistryFault::PlainHttp { .. }), "{error}");
    }
}

#[test]
fn token_service_at_odd_address_is_not_asked() {
    for realm in ["", "token", "ftp://a.example/t", "https://me:s3cret@a.example/t"] {
        let stub = registry(realm.to_owned());
        let error = pull(&Client::plain(&stub), &stub).unwrap_err();
        assert!(matches!(error.why, RegistryFault::Token(_)), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

#[test]
fn challenge_with_unknown_scheme_is_reported() {
    for challenge in ["Negotiate", "Bearer", ""] {
        let stub = Stub::start(move |_, _| Answer::challenge(challenge));
        let error = pull(&Client::plain(&stub), &stub).unwrap_err();
        assert!(matches!(error.why, RegistryFault::Challenge), "{error}");
    }
}
