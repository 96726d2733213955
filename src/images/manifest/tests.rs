//! Manifests that must be accepted, and manifests that must be rejected.

use serde_json::{Value, json};

use super::*;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn sha(text: &str) -> String {
    format!("sha256:{}", Digest::of(text.as_bytes()))
}

fn blob(media_type: &str, text: &str) -> Value {
    json!({"mediaType": media_type, "digest": sha(text), "size": text.len()})
}

fn image() -> Value {
    json!({"schemaVersion": 2, "mediaType": MediaType::OciManifest.as_str(), "config": blob(CONFIG, "{}"),
        "layers": [blob(LAYER, "one"), blob(LAYER, "two")]})
}

fn index() -> Value {
    let child = |text: &str, architecture: &str| {
        let mut child = blob(MediaType::OciManifest.as_str(), text);
        child["platform"] = json!({"os": "linux", "architecture": architecture});
        child
    };
    json!({"schemaVersion": 2, "mediaType": MediaType::OciIndex.as_str(), "manifests": [
        child("a", "amd64"), child("b", "arm64"), blob(MediaType::OciManifest.as_str(), "attestation")]})
}

fn parse(document: &Value) -> Result<ImageManifest, BadManifest> {
    ImageManifest::parse(document.to_string().as_bytes(), MediaType::OciManifest)
}

/// Replaces one value in a document.
fn with(mut document: Value, pointer: &str, key: &str, value: Value) -> Value {
    document.pointer_mut(pointer).unwrap()[key] = value;
    document
}

#[test]
fn manifest_names_its_config_and_layers() {
    let manifest = parse(&image()).unwrap();
    let sizes: Vec<u64> = manifest.blobs().into_values().collect();
    assert_eq!((sizes.len(), sizes.iter().sum::<u64>()), (3, 8));

    // Repeated layers are common, such as the empty layer.
    let mut twice = image();
    twice["layers"][1] = twice["layers"][0].clone();
    assert_eq!(parse(&twice).unwrap().blobs().len(), 2);
}

#[test]
fn ambiguous_manifest_is_refused() {
    let cases = [
        ("schema 1", with(image(), "", "schemaVersion", json!(1))),
        ("no schema", with(image(), "", "schemaVersion", json!("2"))),
        (
            "another type inside",
            with(image(), "", "mediaType", json!(MediaType::DockerManifest.as_str())),
        ),
        ("an index inside", with(image(), "", "mediaType", json!(MediaType::OciIndex.as_str()))),
        ("manifests beside layers", with(image(), "", "manifests", json!([]))),
        ("manifests in another case", with(image(), "", "Manifests", json!([]))),
        ("layers of schema 1", with(image(), "", "fsLayers", json!([]))),
        ("Layers alone", {
            let mut document = image();
            let layers = document.as_object_mut().unwrap().remove("layers").unwrap();
            with(document, "", "Layers", layers)
        }),
        ("urls", with(image(), "/layers/0", "urls", json!(["https://layers.example/x"]))),
        ("URLs", with(image(), "/layers/0", "URLs", json!([]))),
        (
            "a foreign layer",
            with(
                image(),
                "/layers/0",
                "mediaType",
                json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
            ),
        ),
        (
            "a manifest as a layer",
            with(image(), "/layers/0", "mediaType", json!(MediaType::DockerManifest.as_str())),
        ),
        (
            "an index as the config",
            with(image(), "/config", "mediaType", json!(MediaType::OciIndex.as_str())),
        ),
        (
            "sha512",
            with(image(), "/config", "digest", json!(format!("sha512:{}", "0".repeat(128)))),
        ),
        ("size 0", with(image(), "/config", "size", json!(0))),
        ("size -1", with(image(), "/config", "size", json!(-1))),
        ("a size in a string", with(image(), "/config", "size", json!("2"))),
        ("a layer over the limit", with(image(), "/layers/1", "size", json!(BLOB_BYTES_MAX + 1))),
        ("no media type", with(image(), "/config", "mediaType", json!(""))),
        ("other data", with(image(), "/config", "data", json!("e30K"))),
        ("no base64", with(image(), "/config", "data", json!("{}"))),
        ("two sizes", {
            let mut document = image();
            document["layers"][1] = document["layers"][0].clone();
            with(document, "/layers/1", "size", json!(4))
        }),
        ("too many layers", with(image(), "", "layers", json!(vec![blob(LAYER, "x"); 501]))),
        ("no config", with(image(), "", "config", Value::Null)),
        ("an artifact", with(image(), "", "blobs", json!([]))),
    ];

    for (name, document) in cases {
        assert!(parse(&document).is_err(), "{name}");
    }
    assert!(parse(&with(image(), "/config", "data", json!("e30="))).is_ok());
    assert!(parse(&with(image(), "", "subject", blob(CONFIG, "x"))).is_ok());
}

#[test]
fn media_type_is_required_for_docker_and_optional_for_oci() {
    let mut document = image();
    document.as_object_mut().unwrap().remove("mediaType");
    assert!(parse(&document).is_ok());
    assert!(
        ImageManifest::parse(document.to_string().as_bytes(), MediaType::DockerManifest).is_err()
    );
}

#[test]
fn index_resolves_to_only_child_for_platform() {
    let parse =
        |document: &Value| ImageIndex::parse(document.to_string().as_bytes(), MediaType::OciIndex);
    let found = parse(&index()).unwrap();
    assert_eq!(found.child(&Platform::default()).unwrap().size, 1);
    assert_eq!(found.child(&"linux/arm64/v8".parse().unwrap()).unwrap().digest, Digest::of(b"b"));
    let absent = found.child(&"linux/s390x".parse().unwrap()).unwrap_err().to_string();
    assert_eq!(absent, "no manifest for linux/s390x; the index lists linux/amd64, linux/arm64");

    let mut twice = index();
    let child = twice["manifests"][0].clone();
    twice["manifests"].as_array_mut().unwrap().push(child);
    let twice = parse(&twice).unwrap();
    assert!(matches!(twice.child(&Platform::default()), Err(NoChild::Ambiguous { number: 2, .. })));

    let mut many = index();
    many["manifests"] = json!(vec![blob(CONFIG, "x"); 10_000]);
    assert!(parse(&many).is_err());
    assert!(parse(&with(index(), "", "layers", json!([]))).is_err());
    assert!(parse(&with(index(), "", "Config", json!({}))).is_err());
}
