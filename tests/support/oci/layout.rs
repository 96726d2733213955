//! Images as an OCI layout: a folder, or the archive that a node imports.

use std::path::Path;

use serde_json::{Value, json};

use super::image::{Content, Format, Image};
use crate::tar;

const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Returns the two names of an image by which the kubelet finds `repository:tag@digest` after an
/// import.
pub(crate) fn names(repository: &str, tag: &str, image: &Image) -> [String; 2] {
    [format!("{repository}:{tag}"), format!("{repository}@{}", image.manifest.digest)]
}

/// Writes a folder that `oci:FOLDER:TAG` refers to.
pub(crate) fn write_folder(folder: &Path, tag: &str, image: &Image) {
    let blobs = folder.join("blobs/sha256");
    fs_err::create_dir_all(&blobs).unwrap();
    fs_err::write(folder.join("oci-layout"), OCI_LAYOUT).unwrap();
    fs_err::write(folder.join("index.json"), index(&[tag.to_owned()], image).bytes).unwrap();
    for content in image.contents() {
        fs_err::write(blobs.join(content.hex()), &content.bytes).unwrap();
    }
}

/// Returns a tar of an OCI layout in which the image has these names, after `front`: the files of a
/// bundle.
pub(crate) fn archive(front: &[(&str, &[u8])], names: &[String], image: &Image) -> Vec<u8> {
    archive_without("", front, names, image)
}

/// Like [`archive`], without the blob of this digest.
pub(crate) fn archive_without(
    missing: &str,
    front: &[(&str, &[u8])],
    names: &[String],
    image: &Image,
) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        front.iter().flat_map(|(path, content)| tar::file(path, content)).collect();
    bytes.extend(tar::file("oci-layout", OCI_LAYOUT));
    bytes.extend(tar::file("index.json", &index(names, image).bytes));
    for content in image.contents().into_iter().filter(|content| content.digest != missing) {
        bytes.extend(tar::file(&format!("blobs/sha256/{}", content.hex()), &content.bytes));
    }
    bytes.resize(bytes.len() + 2 * tar::BLOCK, 0);
    bytes
}

fn index(names: &[String], image: &Image) -> Content {
    let entry = |name: &String| {
        let mut descriptor = image.manifest.descriptor();
        descriptor["annotations"] =
            json!({ "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name });
        descriptor
    };
    let manifests: Vec<Value> = names.iter().map(entry).collect();
    let index =
        json!({ "schemaVersion": 2, "mediaType": Format::Oci.index(), "manifests": manifests });
    Content::json(Format::Oci.index(), &index)
}
