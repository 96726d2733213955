//! Which servers receive credentials. They are sent only over TLS, so these servers have it.

use relay_bundle::registry::error::{LoginUse, RegistryError, RegistryFault};
use relay_bundle::registry::{
    CredentialError, CredentialFile, CredentialWarning, Presence, RegistryCredentials,
};

use crate::certificates::Certificates;
use crate::client::{BASIC, Client, LOGIN, Options, auths, image};
use crate::images::manifest;
use crate::stub::{Answer, Stub};

fn pull(client: &Client, stub: &Stub) -> Result<(), RegistryError> {
    client.registry.pull_manifest(&image(stub, "a/b:1")).map(|_| ())
}

/// Starts a registry that accepts the token `good`; a request without it gets a challenge.
fn with_tokens(certificates: &Certificates, challenge: String) -> Stub {
    Stub::start_tls(certificates, move |seen, _| match seen.header("authorization") {
        Some("Bearer good") => manifest().answer(),
        _ => Answer::challenge(&challenge),
    })
}

#[test]
fn login_is_sent_where_registry_requests_it() {
    let Some(certificates) = Certificates::get() else { return };
    let stub = Stub::start_tls(certificates, |seen, _| match seen.header("authorization") {
        Some(BASIC) => manifest().answer(),
        _ => Answer::challenge("Basic realm=\"registry\""),
    });
    let client = Client::logged_in(certificates, &stub);

    pull(&client, &stub).unwrap();
    pull(&client, &stub).unwrap();

    let basic = || Some(BASIC.to_owned());
    assert_eq!(stub.authorizations(), [None, basic(), basic()]);
}

#[test]
fn login_that_is_not_accepted_is_sent_once_and_not_shown() {
    let Some(certificates) = Certificates::get() else { return };
    let stub = Stub::start_tls(certificates, |_, _| Answer::challenge("Basic realm=\"registry\""));

    let error = pull(&Client::logged_in(certificates, &stub), &stub).unwrap_err();

    assert_eq!(stub.authorizations().len(), 2);
    assert!(
        matches!(error.why, RegistryFault::Denied { access: LoginUse::Credentials, .. }),
        "{error}"
    );
    let shown = format!("{error} {error:?} {}", error.remedy().unwrap());
    assert!(!shown.contains("s3cret") && !shown.contains(LOGIN), "{shown}");
}

#[test]
fn registry_message_quoting_login_is_not_shown() {
    let Some(certificates) = Certificates::get() else { return };
    for quoted in ["s3cret", LOGIN] {
        let body =
            format!("{{\"errors\":[{{\"code\":\"DENIED\",\"message\":\"{quoted} is wrong\"}}]}}");
        let stub =
            Stub::start_tls(certificates, move |seen, _| match seen.header("authorization") {
                None => Answer::challenge("Basic realm=\"registry\""),
                Some(_) => Answer::new(403, body.clone()),
            });
        let error = pull(&Client::logged_in(certificates, &stub), &stub).unwrap_err();
        assert!(error.to_string().ends_with("access denied (HTTP 403)"), "{error}");
    }
}

#[test]
fn missing_login_is_reported_with_login_command() {
    let Some(certificates) = Certificates::get() else { return };
    let stub = Stub::start_tls(certificates, |_, _| Answer::challenge("Basic realm=\"registry\""));

    let error = pull(&Client::tls(certificates, "{}"), &stub).unwrap_err();

    assert!(
        matches!(error.why, RegistryFault::Denied { access: LoginUse::Anonymous, .. }),
        "{error}"
    );
    assert!(error.remedy().unwrap().contains(&format!("docker login {}", stub.address())));
}

#[test]
fn token_service_gets_login() {
    let Some(certificates) = Certificates::get() else { return };
    let service = Stub::start_tls(certificates, |_, _| Answer::new(200, "{\"token\":\"good\"}"));
    let realm = service.address();
    let challenge = format!("Bearer realm=\"https://{realm}/token\",scope=\"repository:a/b:pull\"");
    let stub = with_tokens(certificates, challenge);

    pull(&Client::logged_in(certificates, &stub), &stub).unwrap();

    assert_eq!(service.authorizations(), [Some(BASIC.to_owned())]);
    assert_eq!(stub.authorizations(), [None, Some("Bearer good".to_owned())]);
}

#[test]
fn login_withheld_from_plain_http_token_service_is_reported() {
    let Some(certificates) = Certificates::get() else { return };
    let service = Stub::start(|_, _| Answer::new(401, ""));
    let realm = service.address();
    let stub = Stub::start_tls(certificates, move |_, _| {
        Answer::challenge(&format!(
            "Bearer realm=\"http://{realm}/token\",scope=\"repository:a/b:pull\""
        ))
    });

    let error = pull(&Client::logged_in(certificates, &stub), &stub).unwrap_err();

    assert_eq!(service.authorizations(), [None]);
    assert!(
        matches!(error.why, RegistryFault::Denied { access: LoginUse::PlainHttp, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("credentials are not sent over plain HTTP"), "{error}");
}

#[test]
fn identity_token_is_exchanged_in_request_body() {
    let Some(certificates) = Certificates::get() else { return };
    let service =
        Stub::start_tls(certificates, |_, _| Answer::new(200, "{\"access_token\":\"good\"}"));
    let realm = service.address();
    let stub =
        with_tokens(certificates, format!("Bearer realm=\"https://{realm}/token\",service=\"r\""));
    let credentials =
        format!("{{\"auths\":{{\"{}\":{{\"identitytoken\":\"s3+cret\"}}}}}}", stub.address());

    pull(&Client::tls(certificates, &credentials), &stub).unwrap();

    let sent = &service.seen()[0];
    assert_eq!((sent.method.as_str(), sent.target.as_str()), ("POST", "/token"));
    assert_eq!(
        sent.body,
        "grant_type=refresh_token&client_id=relay-bundle&service=r&refresh_token=s3%2Bcret"
    );
    assert_eq!(sent.header("authorization"), None);
}

#[test]
fn login_is_not_sent_over_plain_http() {
    let stub = Stub::start(|_, _| Answer::challenge("Basic realm=\"registry\""));
    let credentials = auths(&stub.address());
    let options = || Options { credentials: Some(&credentials), ..Options::default() };

    for client in [Client::new(options()), Client::new(Options { plain: vec![&stub], ..options() })]
    {
        let error = pull(&client, &stub).unwrap_err();
        assert!(
            matches!(error.why, RegistryFault::Denied { access: LoginUse::PlainHttp, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("credentials are not sent over plain HTTP"), "{error}");
    }
    assert!(stub.authorizations().iter().all(Option::is_none));
}

#[test]
fn login_is_not_sent_to_plain_http_token_service() {
    let Some(certificates) = Certificates::get() else { return };
    let service = Stub::start(|_, _| Answer::new(200, "{\"token\":\"good\"}"));
    let realm = service.address();
    let stub = with_tokens(certificates, format!("Bearer realm=\"http://{realm}/token\""));

    pull(&Client::logged_in(certificates, &stub), &stub).unwrap();

    assert_eq!(service.authorizations(), [None]);
}

#[test]
fn cross_host_redirect_drops_authorization_permanently() {
    let Some(certificates) = Certificates::get() else { return };
    let home = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let back = std::sync::Arc::clone(&home);
    let storage = Stub::start_tls(certificates, move |_, _| {
        Answer::redirect(307, &format!("https://{}/back", back.get().unwrap()))
    });
    let location = format!("https://{}/blob?signature=x", storage.address());
    let stub = Stub::start_tls(certificates, move |seen, _| {
        match (seen.header("authorization"), seen.target.as_str()) {
            (_, "/back") => manifest().answer(),
            (Some(BASIC), "/v2/a/b/manifests/1") => Answer::redirect(302, "/v2/moved"),
            (Some(BASIC), _) => Answer::redirect(307, &location),
            _ => Answer::challenge("Basic realm=\"registry\""),
        }
    });
    home.set(stub.address()).unwrap();

    pull(&Client::logged_in(certificates, &stub), &stub).unwrap();

    let basic = || Some(BASIC.to_owned());
    assert_eq!(stub.authorizations(), [None, basic(), basic(), None], "{:?}", stub.targets());
    assert_eq!(storage.authorizations(), [None]);
    assert_eq!(storage.targets(), ["GET /blob?signature=x"]);
}

#[test]
fn challenge_of_another_host_is_not_answered() {
    let Some(certificates) = Certificates::get() else { return };
    let storage = Stub::start_tls(certificates, |_, _| Answer::challenge("Basic realm=\"s3cret\""));
    let location = format!("https://{}/blob", storage.address());
    let stub = Stub::start_tls(certificates, move |_, _| Answer::redirect(307, &location));

    let error = pull(&Client::logged_in(certificates, &stub), &stub).unwrap_err();

    assert!(matches!(error.why, RegistryFault::Status { code: 401, .. }), "{error}");
    assert_eq!(error.place.host, storage.address());
    assert_eq!(storage.authorizations(), [None]);
}

#[test]
fn operator_named_host_containing_password_is_shown() {
    let Some(certificates) = Certificates::get() else { return };
    let stub = Stub::start_tls(certificates, |seen, _| match seen.header("authorization") {
        Some(_) => Answer::new(404, ""),
        None => Answer::challenge("Basic realm=\"registry\""),
    });
    let entry = serde_json::json!({"username": "me", "password": "127.0.0.1"});
    let file = serde_json::json!({"auths": {stub.address(): entry}});
    let client = Client::tls(certificates, &file.to_string());

    let error = client.registry.pull_manifest(&image(&stub, "a:1")).unwrap_err();

    assert!(error.to_string().contains(&stub.address()), "{error}");
}

#[test]
fn file_that_others_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = camino::Utf8PathBuf::from_path_buf(folder.path().join("config.json")).unwrap();
    let warnings = |text: &str, mode: u32| {
        fs_err::write(&path, text).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let file = CredentialFile { path: path.clone(), presence: Presence::Required };
        RegistryCredentials::read(&[file]).unwrap().1
    };
    let secret = auths("r.example");

    assert_eq!(
        warnings(&secret, 0o644),
        [CredentialWarning::Readable { path: path.clone(), mode: 0o644 }]
    );
    assert_eq!(warnings(&secret, 0o600), []);
    assert_eq!(warnings("{\"credsStore\":\"pass\"}", 0o644), []);
}

#[test]
fn file_that_must_be_there_is_missed() {
    let file = |presence| CredentialFile { path: "/nowhere/config.json".into(), presence };
    assert!(RegistryCredentials::read(&[file(Presence::Optional)]).is_ok());
    let error = RegistryCredentials::read(&[file(Presence::Required)]).err().unwrap();
    assert!(
        matches!(error, CredentialError::Read(_))
            && error.to_string().contains("/nowhere/config.json"),
        "{error}"
    );
}
