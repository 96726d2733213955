//! A node without a registry imports an archive, and the kubelet finds the image under the
//! reference of the pod.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::oci::containerd::{Containerd, ImageStatus};
use crate::oci::image::{Content, Format, Image};
use crate::oci::is_root;
use crate::oci::layout::{archive, archive_without, names};
use crate::oci::skopeo::{Place, Skopeo};
use crate::tools::find;

const REPOSITORY: &str = "registry.example.internal:5000/wei-shaw/claude-relay-service";
/// Files of a bundle, which precede the images.
const FRONT: [(&str, &[u8]); 3] = [
    ("attestation.dsse.json", b"{}"),
    ("SHA256SUMS", b"sums\n"),
    ("manifests/one.yaml", b"kind: Pod\n"),
];

fn written(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.tar");
    fs_err::write(&file, bytes).unwrap();
    (folder, file)
}

fn reference(image: &Image) -> String {
    format!("{REPOSITORY}:v1@{}", image.manifest.digest)
}

#[test]
fn import_finds_reference_with_tag_and_digest() {
    let Some(containerd) = Containerd::start() else { return };
    for format in Format::ALL {
        let image = Image::small(format, &format!("{format:?}"));
        let [tag, digest] = names(REPOSITORY, "v1", &image);
        let (_folder, file) = written(&archive(&FRONT, &[tag.clone(), digest.clone()], &image));
        containerd.import(&file).unwrap();
        let id = image.blobs[0].digest.clone();
        let expected = ImageStatus { id, tags: vec![tag], digests: vec![digest] };
        assert_eq!(containerd.image_status(&reference(&image)), Some(expected), "{format:?}");
    }
}

/// The kubelet and containerd normalise the pod's reference; an import takes the names unchanged.
#[test]
fn import_finds_short_reference_under_normalised_name() {
    let Some(containerd) = Containerd::start() else { return };
    let image = Image::small(Format::Oci, "hello");
    let (_folder, file) =
        written(&archive(&FRONT, &names("docker.io/library/redis", "7.2", &image), &image));
    containerd.import(&file).unwrap();
    let reference = format!("redis:7.2@{}", image.manifest.digest);
    assert!(containerd.image_status(&reference).is_some());
}

#[test]
fn import_misses_short_reference_under_short_name() {
    let Some(containerd) = Containerd::start() else { return };
    let image = Image::small(Format::Oci, "hello");
    let (_folder, file) = written(&archive(&FRONT, &names("redis", "7.2", &image), &image));
    containerd.import(&file).unwrap();
    let reference = format!("redis:7.2@{}", image.manifest.digest);
    assert_eq!(containerd.image_status(&reference), None);
}

#[test]
fn import_under_tag_alone_misses_reference_with_digest() {
    let Some(containerd) = Containerd::start() else { return };
    let image = Image::small(Format::Oci, "hello");
    let [tag, digest] = names(REPOSITORY, "v1", &image);
    let (_folder, file) = written(&archive(&FRONT, std::slice::from_ref(&tag), &image));
    containerd.import(&file).unwrap();
    assert!(containerd.image_status(&tag).is_some());
    assert_eq!(containerd.image_status(&digest), None);
    assert_eq!(containerd.image_status(&reference(&image)), None);
}

#[test]
fn import_without_layer_fails_but_keeps_names() {
    let Some(containerd) = Containerd::start() else { return };
    let image = Image::small(Format::Oci, "hello");
    let names = names(REPOSITORY, "v1", &image);
    let missing = &image.blobs[1].digest;
    let (_folder, file) = written(&archive_without(missing, &FRONT, &names, &image));
    let why = containerd.import(&file).unwrap_err();
    assert!(why.contains(missing), "{why}");
    let found = containerd.names();
    assert!(names.iter().all(|name| found.contains(name)), "{found:?}");
}

/// skopeo unpacks an archive and gives folders without a header to root, so an ordinary user cannot
/// read it.
#[test]
fn skopeo_reads_archive_under_each_name_as_root() {
    let Some(skopeo) = Skopeo::find().filter(|_| is_root("skopeo with an archive")) else { return };
    let image = Image::small(Format::Oci, "hello");
    let names = names(REPOSITORY, "v1", &image);
    let (folder, file) = written(&archive(&FRONT, &names, &image));
    for (number, name) in names.iter().enumerate() {
        let copy = folder.path().join(number.to_string());
        skopeo.copy(Place::Archive(&file, name), Place::Folder(&copy, "copy"));
        assert_eq!(
            fs_err::read(blob(&copy, &image.manifest)).unwrap(),
            image.manifest.bytes,
            "{name}"
        );
    }
}

#[test]
fn skopeo_reads_unpacked_archive_under_each_name() {
    let Some((skopeo, tar)) = Skopeo::find().zip(find("tar", "tar")) else { return };
    let image = Image::small(Format::Oci, "hello");
    let names = names(REPOSITORY, "v1", &image);
    let (folder, file) = written(&archive(&FRONT, &names, &image));
    let mut unpack = Command::new(tar);
    unpack.arg("-xf").arg(&file).arg("-C").arg(folder.path()).args([
        "oci-layout",
        "index.json",
        "blobs",
    ]);
    assert!(unpack.status().unwrap().success());
    for (number, name) in names.iter().enumerate() {
        let copy = folder.path().join(number.to_string());
        skopeo.copy(Place::Folder(folder.path(), name), Place::Folder(&copy, "copy"));
        for content in image.contents() {
            assert_eq!(fs_err::read(blob(&copy, content)).unwrap(), content.bytes, "{name}");
        }
    }
}

fn blob(layout: &Path, content: &Content) -> PathBuf {
    layout.join("blobs/sha256").join(content.hex())
}
