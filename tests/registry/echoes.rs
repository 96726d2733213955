//! Registries that repeat the credentials that they were sent: no message shows a part of them.

use relay_bundle::images::platform::Platform;
use relay_bundle::images::reference::ImageReference;
use relay_bundle::model::digest::Digest;
use relay_bundle::registry::error::{RegistryError, RegistryFault};
use relay_bundle::registry::{
    Availability, BlobRequest, BlobUpload, PulledManifest, UploadFailure,
};
use serde_json::{Value, json};

use crate::certificates::Certificates;
use crate::client::{BASIC, Client, LOGIN, PASSWORD, Sink, auths, image};
use crate::images::{Document, index_of, manifest};
use crate::site::Site;
use crate::site::carried::{PROFILE, image_of, lock, locked, put};
use crate::stub::{Answer, Stub};

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

/// Returns answers that repeat a secret.
type Echoes = fn(&str) -> Vec<Answer>;

/// Returns answers that fail every request, each with the secret elsewhere.
fn refusals(secret: &str) -> Vec<Answer> {
    let (start, end) = secret.split_at(3);
    let error = |status: u16, code: &str, message: &str| {
        let body = json!({"errors": [{"code": code, "message": message}]});
        Answer::new(status, body.to_string())
    };
    let shift = "x".repeat(189);
    vec![
        Answer::redirect(307, &format!("https://{secret}.example.invalid/x")),
        Answer::redirect(307, &format!("http://{secret}.example.invalid/x")),
        Answer::redirect(307, &format!("http://{start}.{end}.example.invalid/x")),
        error(403, "DENIED", secret),
        error(403, "DENIED", &format!("{shift}{secret}")),
        error(403, start, end),
        error(412, start, end),
    ]
}

/// Returns answers to a request for a manifest, all of them invalid.
fn manifests(secret: &str) -> Vec<Answer> {
    // Moves the secret to the place where messages end.
    let shift = "x".repeat(197);
    let layer = |media_type: &str| {
        let mut value: Value = serde_json::from_slice(&manifest().bytes).unwrap();
        value["layers"][0]["mediaType"] = media_type.into();
        Answer::of(OCI, value.to_string())
    };
    let platform = |os: &str| {
        let platform = json!({"os": os, "architecture": "amd64"});
        let digest = format!("sha256:{}", Digest::of(b"x"));
        json!({"mediaType": OCI, "size": 1, "digest": digest, "platform": platform})
    };
    vec![
        Answer::of(&format!("text/{}", secret.to_lowercase()), ""),
        Answer::of(OCI, format!("{{\"{secret}\":1,\"{secret}\":2}}")),
        layer(&format!("foreign/{secret}")),
        layer(&format!("foreign/{}{secret}", &shift[100..])),
        index_of(&[platform(secret)]).answer(),
        index_of(&[platform(&format!("{shift}{secret}"))]).answer(),
    ]
}

/// Starts a registry that asks for the login, and then gives one of the answers.
fn registry(certificates: &Certificates, echoes: Echoes, secret: &str, number: usize) -> Stub {
    let secret = secret.to_owned();
    Stub::start_tls(certificates, move |seen, _| match seen.header("authorization") {
        Some(BASIC) => echoes(&secret).swap_remove(number),
        _ => Answer::challenge("Basic realm=\"registry\""),
    })
}

#[track_caller]
fn shows_no_secret(text: &str) {
    let text = text.to_lowercase();
    for part in ["s3c", "bwu6", "znjc"] {
        assert!(!text.contains(part), "`{part}` is shown: {text}");
    }
}

#[track_caller]
fn hides(error: &RegistryError) {
    shows_no_secret(&format!("{error}\n{error:?}\n{:?}", error.remedy()));
}

/// Asks a registry for everything that needs an image, and returns the failures.
fn failures(client: &Client, image: &ImageReference) -> Vec<RegistryError> {
    let registry = &client.registry;
    let Document { media_type, bytes } = manifest();
    let pushed = PulledManifest { media_type, digest: Digest::of(&bytes), bytes };
    let digest = Digest::of(b"abc");
    let upload = BlobUpload { image, digest, size: 3 };
    let wanted = BlobRequest { image, digest, size: 3, from: 0 };
    let results = [
        registry.resolve(image, &Platform::default()).err(),
        registry.pull_blob(&wanted, &mut Sink::default()).err(),
        registry.tagged(image).err(),
        registry.push_blob(&upload, &mut &b"abc"[..]).err().map(last),
        registry.push_manifest(&image.pinned(pushed.digest), &pushed).err(),
        registry.set_tag(image, &pushed).err(),
        unknown(registry.has_manifest(image)),
        unknown(registry.has_blob(image, digest, 3)),
    ];
    results.into_iter().flatten().collect()
}

fn last(failure: UploadFailure) -> RegistryError {
    let (UploadFailure::Final(error) | UploadFailure::Interrupted(error)) = failure;
    error
}

fn unknown(answer: Availability) -> Option<RegistryError> {
    let Availability::Unknown(error) = answer else { return None };
    Some(error)
}

#[test]
fn login_echoed_in_refusal_is_hidden_for_every_request() {
    let Some(certificates) = Certificates::get() else { return };
    for secret in [PASSWORD, LOGIN] {
        for number in 0..refusals(secret).len() {
            let stub = registry(certificates, refusals, secret, number);
            let client = Client::logged_in(certificates, &stub);
            let failed = failures(&client, &image(&stub, "a/b:1"));
            // Redirects are followed for reading only.
            assert!(failed.len() >= 5, "{number}: {failed:?}");
            failed.iter().for_each(hides);
        }
    }
}

#[test]
fn login_echoed_in_manifest_is_hidden() {
    let Some(certificates) = Certificates::get() else { return };
    for secret in [PASSWORD, LOGIN] {
        for number in 0..manifests(secret).len() {
            let stub = registry(certificates, manifests, secret, number);
            let client = Client::logged_in(certificates, &stub);
            let image = image(&stub, "a/b:1");
            let error = client.registry.resolve(&image, &Platform::default()).unwrap_err();
            assert!(matches!(error.why, RegistryFault::Echo), "{number}: {error}");
            hides(&error);
        }
    }
}

#[test]
fn login_echoed_in_presence_check_is_hidden() {
    let Some(certificates) = Certificates::get() else { return };
    let digests: Echoes = |secret| {
        let named = |digest: String| Answer::of(OCI, "").header("Docker-Content-Digest", &digest);
        let shift = "x".repeat(70);
        vec![
            named(secret.to_owned()),
            named(format!("sha256:{secret}")),
            named(format!("sha256:{shift}{secret}")),
            Answer::of(&format!("text/{secret}"), ""),
        ]
    };
    for number in 0..digests(PASSWORD).len() {
        let stub = registry(certificates, digests, PASSWORD, number);
        let client = Client::logged_in(certificates, &stub);
        let image = image(&stub, "a:1").pinned(Digest::of(b"a"));
        let error = unknown(client.registry.has_manifest(&image)).unwrap();
        assert!(matches!(error.why, RegistryFault::Echo), "{number}: {error}");
        hides(&error);
    }
}

#[test]
fn password_in_digest_form_is_hidden_as_digest() {
    let Some(certificates) = Certificates::get() else { return };
    let pin = Digest::of(b"password").to_string();
    let header = format!("sha256:{pin}");
    let stub = Stub::start_tls(certificates, move |seen, _| match seen.header("authorization") {
        Some(_) => Answer::of(OCI, "").header("Docker-Content-Digest", &header),
        None => Answer::challenge("Basic realm=\"registry\""),
    });
    let entry = json!({"username": "me", "password": pin});
    let client = Client::tls(certificates, &json!({"auths": {stub.address(): entry}}).to_string());

    let image = image(&stub, "a:1").pinned(Digest::of(b"a"));
    let error = unknown(client.registry.has_manifest(&image)).unwrap();

    assert!(!format!("{error} {error:?}").contains(pin.as_str()), "{error}");
}

/// Pulls with the login, and then from a repository whose challenge names this token service.
fn pulled_with_service(certificates: &Certificates, realm: String) -> RegistryError {
    let stub = Stub::start_tls(certificates, move |seen, _| {
        match (seen.header("authorization"), seen.target.starts_with("/v2/first/")) {
            (Some(BASIC), true) => manifest().answer(),
            (None, true) => Answer::challenge("Basic realm=\"registry\""),
            _ => Answer::challenge(&format!("Bearer realm=\"{realm}\"")),
        }
    });
    let client = Client::logged_in(certificates, &stub);
    client.registry.pull_manifest(&image(&stub, "first:1")).unwrap();
    client.registry.pull_manifest(&image(&stub, "second:1")).unwrap_err()
}

#[test]
fn token_service_address_echoing_login_is_hidden() {
    let Some(certificates) = Certificates::get() else { return };
    for scheme in ["https", "http"] {
        let realm = format!("{scheme}://{PASSWORD}.example.invalid/token");
        hides(&pulled_with_service(certificates, realm));
    }
}

#[test]
fn token_service_answer_echoing_login_is_hidden() {
    let Some(certificates) = Certificates::get() else { return };
    for status in [200, 307, 404, 500] {
        let service = Stub::start_tls(certificates, move |_, _| {
            let body = json!({"errors": [{"code": "X", "message": BASIC}], PASSWORD: PASSWORD});
            Answer::new(status, body.to_string())
                .header("Location", &format!("https://{PASSWORD}.example.invalid/"))
        });
        let realm = format!("https://{}/token", service.address());
        hides(&pulled_with_service(certificates, realm));
    }
}

#[test]
fn token_and_login_behind_it_are_hidden() {
    let Some(certificates) = Certificates::get() else { return };
    for secret in ["bWU6tok3n", PASSWORD] {
        let service = Stub::start_tls(certificates, |_, _| {
            Answer::new(200, json!({"token": "bWU6tok3n"}).to_string())
        });
        let realm = service.address();
        let stub =
            Stub::start_tls(certificates, move |seen, _| match seen.header("authorization") {
                Some(_) => Answer::of(&format!("text/{}", secret.to_lowercase()), ""),
                None => Answer::challenge(&format!("Bearer realm=\"https://{realm}/token\"")),
            });
        let client = Client::logged_in(certificates, &stub);
        hides(&client.registry.pull_manifest(&image(&stub, "a:1")).unwrap_err());
    }
}

/// Runs a command against registries that repeat the login, with a text and with a report.
#[track_caller]
fn command_hides(echoes: Echoes, prepare: fn(&Stub) -> Site, command: &[&str]) {
    let Some(certificates) = Certificates::get() else { return };
    for number in 0..echoes(PASSWORD).len() {
        let stub = registry(certificates, echoes, PASSWORD, number);
        let site = prepare(&stub);
        put(&site.file("auth.json"), auths(&stub.address()).as_bytes());
        let (ca, from) = (certificates.path("ca.crt"), format!("ghcr.io={}", stub.address()));
        let own = ["--registry-config", "auth.json", "--ca", ca.as_str()];
        let command = command.iter().map(|word| if *word == "FROM" { &from } else { *word });
        for more in [&[][..], &["--json"]] {
            let line = command.clone().chain(own).chain(more.iter().copied());
            let ended = site.run(&line.collect::<Vec<_>>());
            assert_eq!(ended.code, 4, "{number}: {}{}", ended.stdout, ended.stderr);
            shows_no_secret(&(ended.stdout + &ended.stderr));
        }
    }
}

fn with_lock(_: &Stub) -> Site {
    let site = Site::new("registry.example.internal:5000");
    lock(&site.file("profiles"), locked(&image_of(&[b"layer"])));
    site
}

fn with_archive(stub: &Stub) -> Site {
    let site = Site::new(&stub.address());
    site.build(&[&image_of(&[b"layer"])], "all.tar", "all");
    site
}

#[test]
fn lock_hides_login_echoed_by_registry() {
    let prepare = |_: &Stub| Site::new("registry.example.internal:5000");
    command_hides(manifests, prepare, &["lock", PROFILE, "--from", "FROM"]);
    command_hides(refusals, prepare, &["lock", PROFILE, "--from", "FROM"]);
}

#[test]
fn fetch_hides_login_echoed_by_registry() {
    command_hides(refusals, with_lock, &["fetch", PROFILE, "--from", "FROM"]);
}

#[test]
fn push_hides_login_echoed_by_registry() {
    command_hides(refusals, with_archive, &["push", "all.tar", "--key", "key.pub.pem"]);
}
