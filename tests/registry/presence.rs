//! Presence checks: which answers mean that a registry has an item.

use relay_bundle::model::digest::Digest;
use relay_bundle::registry::error::RegistryFault;
use relay_bundle::registry::{Availability, Persistence};

use crate::client::{Client, Options, image};
use crate::images::manifest;
use crate::stub::{Answer, Stub};

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

/// Asks a registry with this answer for a manifest.
fn asked(answer: fn() -> Answer) -> (Availability, Stub) {
    let stub = Stub::start(move |_, _| answer());
    let reference = image(&stub, &format!("a/b:1@sha256:{}", manifest().digest()));
    (Client::plain(&stub).registry.has_manifest(&reference), stub)
}

fn why(answer: Availability) -> RegistryFault {
    match answer {
        Availability::Unknown(error) => error.why,
        known => panic!("{known:?}"),
    }
}

#[test]
fn manifest_is_asked_for_by_digest_with_each_type() {
    let (answer, stub) = asked(|| Answer::of(OCI, ""));
    assert!(matches!(answer, Availability::There), "{answer:?}");
    assert_eq!(stub.targets(), [format!("HEAD /v2/a/b/manifests/sha256:{}", manifest().digest())]);
    assert_eq!(stub.seen()[0].header("accept").unwrap().matches("application/").count(), 4);
}

#[test]
fn missing_manifest_is_absent() {
    let (answer, _) = asked(|| Answer::new(404, ""));
    assert!(matches!(answer, Availability::Absent), "{answer:?}");
}

#[test]
fn login_page_does_not_count_as_manifest() {
    let (answer, _) = asked(|| Answer::of("text/html", "<html>"));
    assert!(matches!(why(answer), RegistryFault::MediaType(text) if text == "`text/html`"));
}

#[test]
fn manifest_of_another_digest_does_not_count() {
    let named = || {
        Answer::of(OCI, "")
            .header("Docker-Content-Digest", &format!("sha256:{}", Digest::of(b"another")))
    };
    assert!(matches!(why(asked(named).0), RegistryFault::WrongDigest { .. }));
    let right = || {
        Answer::of(OCI, "")
            .header("Docker-Content-Digest", &format!("sha256:{}", manifest().digest()))
    };
    assert!(matches!(asked(right).0, Availability::There));
}

#[test]
fn denial_by_registry_leaves_manifest_presence_unknown() {
    for status in [401, 403] {
        let stub =
            Stub::start(move |_, _| Answer::challenge("Basic realm=\"r\"").with_status(status));
        let answer = Client::plain(&stub).registry.has_manifest(&image(&stub, "a:1"));
        assert!(matches!(why(answer), RegistryFault::Denied { .. }), "{status}");
    }
}

#[test]
fn registry_outage_leaves_manifest_presence_unknown() {
    let stub = Stub::start(|_, _| Answer::new(503, ""));
    let client = Client::plain(&stub);
    let answer = client.registry.has_manifest(&image(&stub, "a:1"));
    assert!(matches!(why(answer), RegistryFault::Status { code: 503, .. }));
    assert_eq!(client.pauses(), [1, 2, 4, 8, 16]);
}

#[test]
fn unanswered_first_request_is_not_interrupted_upload() {
    let stub = Stub::start(|_, _| Answer::new(200, ""));
    let client = Client::plain(&stub);
    let Availability::Unknown(error) =
        client.registry.has_manifest(&"127.0.0.1:1/a:1".parse().unwrap())
    else {
        panic!()
    };
    let remedy = error.remedy().unwrap();
    assert!(remedy.starts_with("check the host, the network"), "{remedy}");
}

#[test]
fn impatient_client_asks_once() {
    let stub = Stub::start(|_, _| Answer::new(503, ""));
    let persistence = Some(Persistence::Once);
    let client = Client::new(Options { plain: vec![&stub], persistence, ..Options::default() });
    assert!(matches!(client.registry.has_manifest(&image(&stub, "a:1")), Availability::Unknown(_)));
    assert_eq!((stub.seen().len(), client.pauses()), (1, vec![]));
}

#[test]
fn blob_counts_if_answer_omits_size() {
    let stub = Stub::start(|_, _| Answer::new(200, "").header("Transfer-Encoding", "chunked"));
    let client = Client::plain(&stub);
    let answer = client.registry.has_blob(&image(&stub, "a:1"), Digest::of(b"abc"), 3);
    assert!(matches!(answer, Availability::There), "{answer:?}");
}

#[test]
fn blob_counts_with_its_size_only() {
    for (body, is_there) in [("abc", true), ("", true), ("abcd", false)] {
        let stub = Stub::start(move |_, _| Answer::new(200, body));
        let client = Client::new(Options { plain: vec![&stub], ..Options::default() });
        let answer = client.registry.has_blob(&image(&stub, "a:1"), Digest::of(b"abc"), 3);
        assert_eq!(matches!(answer, Availability::There), is_there, "{body} {answer:?}");
    }
}
