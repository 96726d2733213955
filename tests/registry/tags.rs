//! Manifests and tags that are pushed: sent, read back, and compared.

use relay_bundle::images::reference::ImageReference;
use relay_bundle::registry::error::RegistryFault;
use relay_bundle::registry::{Persistence, PulledManifest, TagTarget};

use crate::client::{Client, Options, image};
use crate::images::{Document, manifest};
use crate::stub::{Answer, Stub};

fn sent(document: &Document) -> PulledManifest {
    PulledManifest {
        media_type: document.media_type,
        bytes: document.bytes.clone(),
        digest: document.digest(),
    }
}

fn pinned(stub: &Stub) -> ImageReference {
    image(stub, "a:1").pinned(manifest().digest())
}

#[test]
fn manifest_is_sent_by_digest_and_read_back() {
    let stub = Stub::start(|seen, _| match seen.method.as_str() {
        "PUT" => Answer::new(201, ""),
        _ => manifest().answer(),
    });
    Client::plain(&stub).registry.push_manifest(&pinned(&stub), &sent(&manifest())).unwrap();
    let path = format!("/v2/a/manifests/sha256:{}", manifest().digest());
    assert_eq!(stub.targets(), [format!("PUT {path}"), format!("GET {path}")]);
    assert_eq!(stub.seen()[0].header("content-type"), Some(manifest().media_type.as_str()));
    assert_eq!(stub.seen()[0].body.as_bytes(), manifest().bytes);
}

#[test]
fn registry_that_stores_something_else_is_told() {
    let stub = Stub::start(|seen, _| match seen.method.as_str() {
        "PUT" => Answer::new(201, ""),
        _ => Answer::of(manifest().media_type.as_str(), "{}"),
    });
    let client = Client::plain(&stub);
    let error = client.registry.push_manifest(&pinned(&stub), &sent(&manifest())).unwrap_err();
    assert!(matches!(error.why, RegistryFault::WrongDigest { .. }), "{error}");
    assert!(error.remedy().unwrap().contains("stores different content"), "{:?}", error.remedy());
    let error = client.registry.set_tag(&image(&stub, "a:1"), &sent(&manifest())).unwrap_err();
    assert!(matches!(error.why, RegistryFault::WrongDigest { .. }), "{error}");
}

/// Simulates a registry that reads one of its files while another push writes it.
fn registry_that_misreads(times: usize, code: &'static str) -> Stub {
    Stub::start(move |seen, before| match seen.method.as_str() {
        "PUT" if before < times => {
            Answer::new(400, format!(r#"{{"errors":[{{"code":"{code}","message":"no"}}]}}"#))
        }
        "PUT" => Answer::new(201, ""),
        _ => manifest().answer(),
    })
}

/// Returns how often a manifest was sent.
fn puts(stub: &Stub) -> usize {
    stub.seen().iter().filter(|seen| seen.method == "PUT").count()
}

#[test]
fn manifest_whose_digest_is_misread_is_sent_again() {
    let stub = registry_that_misreads(2, "DIGEST_INVALID");
    let client = Client::plain(&stub);
    client.registry.push_manifest(&pinned(&stub), &sent(&manifest())).unwrap();
    assert_eq!((client.pauses(), puts(&stub)), (vec![1, 1], 3));
}

#[test]
fn manifest_with_digest_still_misread_fails_after_two_retries() {
    assert_eq!(refused(Persistence::Retry, "DIGEST_INVALID"), (vec![1, 1], 3));
}

#[test]
fn impatient_client_sends_manifest_with_misread_digest_once() {
    assert_eq!(refused(Persistence::Once, "DIGEST_INVALID"), (vec![], 1));
}

#[test]
fn manifest_that_is_refused_is_not_sent_again() {
    assert_eq!(refused(Persistence::Retry, "MANIFEST_INVALID"), (vec![], 1));
}

/// Pushes to a registry that refuses every manifest; returns the pauses, and how often it was sent.
fn refused(persistence: Persistence, code: &'static str) -> (Vec<u64>, usize) {
    let stub = registry_that_misreads(usize::MAX, code);
    let persistence = Some(persistence);
    let client = Client::new(Options { plain: vec![&stub], persistence, ..Options::default() });
    let error = client.registry.push_manifest(&pinned(&stub), &sent(&manifest())).unwrap_err();
    assert!(error.to_string().contains(&format!("HTTP 400 {code}: no")), "{error}");
    assert!(error.remedy().unwrap().contains("--deep"), "{:?}", error.remedy());
    (client.pauses(), puts(&stub))
}

#[test]
fn misread_digest_and_server_failures_share_retry_count() {
    let stub = Stub::start(|_, before| match before {
        0 => Answer::new(400, r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#),
        _ => Answer::new(503, ""),
    });
    let client = Client::plain(&stub);
    let error = client.registry.push_manifest(&pinned(&stub), &sent(&manifest())).unwrap_err();
    assert!(matches!(error.why, RegistryFault::Status { code: 503, .. }), "{error}");
    assert_eq!((client.pauses(), puts(&stub)), (vec![1, 2, 4, 8, 16], 6));
}

#[test]
fn registry_losing_manifest_is_reported() {
    let stub = Stub::start(|seen, _| match seen.method.as_str() {
        "PUT" => Answer::new(201, ""),
        _ => Answer::new(404, ""),
    });
    let error = Client::plain(&stub)
        .registry
        .push_manifest(&pinned(&stub), &sent(&manifest()))
        .unwrap_err();
    assert!(matches!(error.why, RegistryFault::Gone(_)), "{error}");
    assert!(error.remedy().unwrap().contains("does not keep uploads"), "{:?}", error.remedy());
}

#[test]
fn immovable_tag_is_reported_as_refusal() {
    for status in [400, 403, 405, 409, 412] {
        let stub = Stub::start(move |_, _| Answer::new(status, ""));
        let error = Client::plain(&stub)
            .registry
            .set_tag(&image(&stub, "a:1"), &sent(&manifest()))
            .unwrap_err();
        assert!(error.is_refusal(), "{status}: {error}");
    }
    let stub = Stub::start(|_, _| Answer::new(503, ""));
    let error = Client::plain(&stub)
        .registry
        .set_tag(&image(&stub, "a:1"), &sent(&manifest()))
        .unwrap_err();
    assert!(!error.is_refusal(), "{error}");
}

#[test]
fn tag_target_is_nothing_manifest_or_other() {
    let target = |answer: fn() -> Answer| {
        let stub = Stub::start(move |_, _| answer());
        Client::plain(&stub).registry.tagged(&image(&stub, "a:1")).unwrap()
    };
    assert!(matches!(target(|| Answer::new(404, "")), TagTarget::Nothing));
    let digest = manifest().digest();
    assert!(
        matches!(target(|| manifest().answer()), TagTarget::Manifest(found) if found.digest == digest)
    );
    assert!(matches!(target(|| Answer::of("application/vnd.cncf.helm", "{}")), TagTarget::Other));
}
