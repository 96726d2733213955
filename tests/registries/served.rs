//! Each registry, with each kind of access, serves the uploaded bytes.

use serde_json::Value;

use crate::oci::image::{Format, Image};
use crate::oci::layout::write_folder;
use crate::oci::registry::{Access, Program, Registry};
use crate::oci::skopeo::{Place, Skopeo};

/// A layer of real size: 64 MiB.
const LARGE: usize = 64 << 20;

/// Copies an image to the registry and back with skopeo; every byte is preserved.
fn round_trip(program: Program, access: Access) {
    let Some((skopeo, registry)) = Skopeo::find().zip(Registry::start(program, access)) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let image = Image::index(Format::Oci, "hello");
    write_folder(&folder.path().join("there"), "v1", &image);
    let (there, back) = (folder.path().join("there"), folder.path().join("back"));

    let served = Place::Registry(&registry, "app/relay:v1");
    skopeo.copy(Place::Folder(&there, "v1"), served);
    skopeo.copy(served, Place::Folder(&back, "v1"));

    assert_eq!(registry.digest("app/relay", "v1").as_deref(), Some(image.manifest.digest.as_str()));
    assert_eq!(skopeo.manifest(served), image.manifest.bytes);
    for content in image.contents() {
        let bytes = fs_err::read(back.join("blobs/sha256").join(content.hex())).unwrap();
        assert!(bytes == content.bytes, "{}", content.digest);
    }
}

#[test]
fn docker_registry_plain_serves_image_pushed_by_skopeo() {
    round_trip(Program::DockerRegistry, Access::Plain);
}

#[test]
fn docker_registry_basic_serves_image_pushed_by_skopeo() {
    round_trip(Program::DockerRegistry, Access::Basic);
}

#[test]
fn docker_registry_bearer_serves_image_pushed_by_skopeo() {
    round_trip(Program::DockerRegistry, Access::Bearer);
}

#[test]
fn distribution_plain_serves_image_pushed_by_skopeo() {
    round_trip(Program::Distribution, Access::Plain);
}

#[test]
fn distribution_basic_serves_image_pushed_by_skopeo() {
    round_trip(Program::Distribution, Access::Basic);
}

#[test]
fn distribution_bearer_serves_image_pushed_by_skopeo() {
    round_trip(Program::Distribution, Access::Bearer);
}

#[test]
fn upload_keeps_media_types_and_digests() {
    for program in Program::ALL {
        let Some(registry) = Registry::start(program, Access::Plain) else { return };
        for format in Format::ALL {
            for image in
                [Image::tiny(format), Image::small(format, "hello"), Image::index(format, "hello")]
            {
                registry.push("app", "v1", &image);
                for part in image.parts() {
                    let path = format!("manifests/{}", part.manifest.digest);
                    let answer = registry.call("GET", "app", &path, None);
                    assert_eq!(
                        answer.header("Content-Type"),
                        Some(part.manifest.media_type),
                        "{program:?}"
                    );
                    assert_eq!(answer.body, part.manifest.bytes, "{program:?}");
                }
            }
        }
    }
}

#[test]
fn upload_of_64_mib_keeps_its_digest() {
    let Some((skopeo, registry)) =
        Skopeo::find().zip(Registry::start(Program::Distribution, Access::Basic))
    else {
        return;
    };
    let image = Image::large(LARGE);
    registry.push("app", "v1", &image);

    let folder = tempfile::tempdir().unwrap();
    skopeo.copy(Place::Registry(&registry, "app:v1"), Place::Folder(folder.path(), "v1"));

    let layer = image.blobs.last().unwrap();
    let bytes = fs_err::read(folder.path().join("blobs/sha256").join(layer.hex())).unwrap();
    assert_eq!(bytes.len(), LARGE);
    assert!(bytes == layer.bytes);
}

#[test]
fn request_without_credentials_is_challenged() {
    for (program, access) in
        Program::ALL.into_iter().flat_map(|program| Access::ALL.map(|access| (program, access)))
    {
        let Some(registry) = Registry::start(program, access) else { return };
        let answer = registry.anonymous("GET", "app", "tags/list");
        let (status, challenge) =
            (answer.status, answer.header("WWW-Authenticate").unwrap_or_default());
        let realm = registry.tokens().map(|tokens| format!("https://{}/token", tokens.address));
        match access {
            Access::Plain => assert_eq!((status, challenge), (404, "")),
            Access::Basic => assert_eq!((status, challenge), (401, "Basic realm=\"registry\"")),
            Access::Bearer => {
                let realm = realm.unwrap();
                let expected = format!(
                    "Bearer realm=\"{realm}\",service=\"registry\",scope=\"repository:app:pull\""
                );
                assert_eq!((status, challenge), (401, expected.as_str()));
            }
        }
    }
}

#[test]
fn token_server_records_requested_scopes() {
    let registry = Registry::start(Program::DockerRegistry, Access::Bearer);
    let Some((skopeo, registry)) = Skopeo::find().zip(registry) else { return };
    registry.push("app", "v1", &Image::small(Format::Oci, "hello"));
    skopeo.manifest(Place::Registry(&registry, "app:v1"));
    assert_eq!(registry.tokens().unwrap().scopes(), ["repository:app:pull"]);
}

#[test]
fn credentials_file_authenticates_skopeo() {
    let registry = Registry::start(Program::Distribution, Access::Basic);
    let Some((skopeo, registry)) = Skopeo::find().zip(registry) else { return };
    let image = Image::small(Format::Docker, "hello");
    registry.push("app", "v1", &image);
    let file = tempfile::NamedTempFile::new().unwrap();
    registry.write_credentials(file.path());
    let manifest = skopeo.manifest_with(file.path(), Place::Registry(&registry, "app:v1"));
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["mediaType"], image.manifest.media_type);
}
