//! Names, indexes and manifests.

use relay_bundle::images::manifest::MediaType;
use relay_bundle::images::platform::Platform;
use relay_bundle::model::digest::Digest;
use relay_bundle::registry::error::{RegistryError, RegistryFault};
use serde_json::json;

use crate::client::{Client, Options, image};
use crate::images::{CONFIG, Document, LAYER, index, index_of, manifest};
use crate::stub::{Answer, Stub};

fn serve(documents: Vec<Document>) -> Stub {
    Stub::start(move |seen, _| Document::serve(&documents, seen))
}

fn refused(stub: &Stub, name: &str) -> RegistryError {
    Client::plain(stub).registry.resolve(&image(stub, name), &Platform::default()).unwrap_err()
}

#[test]
fn index_tag_resolves_to_platform_manifest() {
    let (child, index) = (manifest(), index(&manifest()));
    let stub = serve(vec![index.clone(), child.clone()]);

    let found = Client::plain(&stub)
        .registry
        .resolve(&image(&stub, "a/b:1"), &Platform::default())
        .unwrap();

    assert_eq!((found.tagged, found.digest), (index.digest(), child.digest()));
    assert_eq!((found.media_type, found.size), (MediaType::OciManifest, child.bytes.len() as u64));
    let wanted = [CONFIG, LAYER].map(|bytes| (Digest::of(bytes), bytes.len() as u64));
    assert_eq!(found.blobs, wanted.into_iter().collect());
    let targets = [
        "GET /v2/a/b/manifests/1".to_owned(),
        format!("GET /v2/a/b/manifests/sha256:{}", child.digest()),
    ];
    assert_eq!(stub.targets(), targets);
    for seen in stub.seen() {
        let accept = seen.header("accept").unwrap();
        assert!(
            MediaType::ALL.iter().all(|media_type| accept.contains(media_type.as_str())),
            "{accept}"
        );
    }
}

#[test]
fn index_digest_remains_tagged_digest() {
    let (child, index) = (manifest(), index(&manifest()));
    let stub = serve(vec![index.clone(), child.clone()]);
    let reference = image(&stub, &format!("a:1@sha256:{}", index.digest()));

    let found = Client::plain(&stub).registry.resolve(&reference, &Platform::default()).unwrap();

    assert_eq!((found.tagged, found.digest), (index.digest(), child.digest()));
    assert!(stub.targets()[0].ends_with(&format!("/v2/a/manifests/sha256:{}", index.digest())));
}

#[test]
fn manifest_without_index_is_tagged_digest() {
    let child = manifest();
    let stub = serve(vec![child.clone()]);

    let found =
        Client::plain(&stub).registry.resolve(&image(&stub, "a"), &Platform::default()).unwrap();

    assert_eq!((found.tagged, found.digest), (child.digest(), child.digest()));
    assert_eq!(stub.targets()[0], "GET /v2/a/manifests/latest");
}

#[test]
fn image_for_other_platform_is_refused_without_index() {
    let stub = serve(vec![manifest()]);
    let resolve = |platform: &str| {
        Client::plain(&stub)
            .registry
            .resolve(&image(&stub, "a"), &platform.parse().unwrap())
            .map(|_| ())
    };

    let error = resolve("linux/arm64").unwrap_err();

    assert!(
        error.to_string().ends_with("the image is for linux/amd64, not for linux/arm64"),
        "{error}"
    );
    assert!(resolve("linux/amd64/v2").is_ok(), "a variant is not always written");
}

#[test]
fn pulled_manifest_matches_its_digest() {
    let child = manifest();
    let stub = serve(vec![child.clone()]);
    let reference = image(&stub, &format!("a@sha256:{}", child.digest()));

    let pulled = Client::plain(&stub).registry.pull_manifest(&reference).unwrap();

    assert_eq!((pulled.bytes, pulled.digest), (child.bytes.clone(), child.digest()));
}

#[test]
fn image_is_requested_from_mirror_of_its_registry() {
    let child = manifest();
    let stub = serve(vec![child]);
    let mirror = Some(format!("docker.io={}/hub", stub.address()));
    let client = Client::new(Options { mirror, plain: vec![&stub], ..Options::default() });

    client.registry.resolve(&"redis:8".parse().unwrap(), &Platform::default()).unwrap();

    assert_eq!(stub.targets()[0], "GET /v2/hub/library/redis/manifests/8");
}

#[test]
fn manifest_of_another_digest_is_refused() {
    let stub = Stub::start(|_, _| manifest().answer());
    let wanted = Digest::of(b"another");

    let error = refused(&stub, &format!("a@sha256:{wanted}"));

    assert!(
        matches!(error.why, RegistryFault::WrongDigest { wanted: named, .. } if named == wanted),
        "{error}"
    );
    assert_eq!(stub.seen().len(), 1, "a lie is not asked for again");
}

#[test]
fn unknown_tag_and_lost_digest_are_told_apart() {
    let stub = Stub::start(|_, _| Answer::new(404, "{}"));

    assert!(matches!(refused(&stub, "a:1").why, RegistryFault::UnknownImage));
    let gone = refused(&stub, &format!("a@sha256:{}", Digest::of(b"x")));
    assert!(
        gone.to_string()
            .ends_with(&format!("the registry no longer has sha256:{}", Digest::of(b"x"))),
        "{gone}"
    );
    assert!(gone.remedy().unwrap().contains("relay-bundle lock --update"));
}

#[test]
fn missing_platform_is_told_with_those_that_there_are() {
    let stub = serve(vec![index(&manifest()), manifest()]);
    let platform: Platform = "linux/s390x".parse().unwrap();

    let error = Client::plain(&stub).registry.resolve(&image(&stub, "a"), &platform).unwrap_err();

    assert!(
        error
            .to_string()
            .contains("no manifest for linux/s390x; the index lists linux/amd64, linux/arm64"),
        "{error}"
    );
}

#[test]
fn child_that_is_not_as_its_index_lists_it_is_refused() {
    let child = manifest();
    let listed = |media_type: &str, size: usize| {
        let platform = json!({"os": "linux", "architecture": "amd64"});
        index_of(&[json!({"mediaType": media_type, "size": size, "platform": platform,
            "digest": format!("sha256:{}", child.digest())})])
    };
    let fault = |index: Document| refused(&serve(vec![index, child.clone()]), "a:1").why;

    let longer = fault(listed(child.media_type.as_str(), child.bytes.len() + 1));
    assert!(matches!(longer, RegistryFault::WrongSize { .. }), "{longer}");
    let docker = fault(listed(MediaType::DockerManifest.as_str(), child.bytes.len()));
    assert!(matches!(docker, RegistryFault::MediaType(_)), "{docker}");
}

#[test]
fn index_of_too_many_children_is_refused() {
    let child = json!({"mediaType": MediaType::OciManifest.as_str(), "size": 1,
        "digest": format!("sha256:{}", Digest::of(b"x")), "platform": {"os": "linux", "architecture": "amd64"}});
    for (children, limit) in [(1_001, "1001 entries"), (10_000, "it exceeds 20000 values")] {
        let stub = serve(vec![index_of(&vec![child.clone(); children])]);

        let error = refused(&stub, "a:1");

        assert!(matches!(error.why, RegistryFault::Manifest(_)), "{error}");
        assert!(error.to_string().contains(limit), "{error}");
    }
}

#[test]
fn manifest_of_schema_1_is_refused() {
    let body = "{\"schemaVersion\":1,\"fsLayers\":[]}";
    let by_type = Stub::start(move |_, _| {
        Answer::of("application/vnd.docker.distribution.manifest.v1+prettyjws", body)
    });
    let by_version = Stub::start(move |_, _| Answer::of(MediaType::OciManifest.as_str(), body));

    assert!(matches!(refused(&by_type, "a:1").why, RegistryFault::Schema1));
    let error = refused(&by_version, "a:1");
    assert!(error.to_string().contains("schema 1 are not supported"), "{error}");
}

#[test]
fn foreign_layer_is_refused() {
    let layer = json!({"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "size": 1,
        "digest": format!("sha256:{}", Digest::of(b"x"))});
    let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "size": 1,
        "digest": format!("sha256:{}", Digest::of(b"y"))});
    let value = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
    let stub = serve(vec![Document::new(MediaType::OciManifest, &value)]);

    let error = refused(&stub, "a:1");

    assert!(error.to_string().contains("foreign layer"), "{error}");
}

#[test]
fn endless_manifest_is_refused_at_its_limit() {
    let stub = Stub::start(|_, _| {
        Answer::of(MediaType::OciManifest.as_str(), vec![b' '; 1 << 16]).endless()
    });

    let error = refused(&stub, "a:1");

    assert!(matches!(error.why, RegistryFault::TooLarge { bytes_max: 4_194_304 }), "{error}");
}

#[test]
fn login_page_is_refused_as_manifest() {
    let stub = Stub::start(|_, _| Answer::of("text/html", "<html>log in</html>"));

    let error = refused(&stub, "a:1");

    assert!(
        matches!(&error.why, RegistryFault::MediaType(text) if text == "`text/html`"),
        "{error}"
    );
    assert!(error.remedy().unwrap().contains("login page"));
}

#[test]
fn registry_message_is_truncated() {
    let message = "x".repeat(50_000);
    let stub = Stub::start(move |_, _| {
        Answer::new(
            400,
            json!({"errors": [{"code": "UNSUPPORTED", "message": message}]}).to_string(),
        )
    });

    let error = refused(&stub, "a:1").to_string();

    assert!(error.contains("HTTP 400 UNSUPPORTED: xxx") && error.len() < 400, "{error}");
}
