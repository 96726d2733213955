//! The OCI image layout in an archive: `oci-layout`, `index.json` and `blobs/sha256/…`, as
//! container runtimes import it.
//!
//! Both files are derived from `images.json`, so a reader generates them and compares the bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::list::ImageList;
use super::manifest::MediaType;
use crate::canonical::Canonical;
use crate::model::digest::Digest;
use crate::model::safe_path::SafePath;

/// The marker file of an image layout, and its content.
pub const OCI_LAYOUT: &str = "oci-layout";
pub const OCI_LAYOUT_BYTES: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The file that names the images.
pub const INDEX: &str = "index.json";

/// The folder of manifests, configs and layers, each named by its digest.
pub const BLOBS: &str = "blobs/sha256/";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LayoutIndex {
    manifests: Vec<IndexEntry>,
    media_type: &'static str,
    schema_version: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IndexEntry {
    annotations: Annotations,
    digest: String,
    media_type: &'static str,
    size: u64,
}

#[derive(Serialize)]
struct Annotations {
    /// Read by containerd.
    #[serde(rename = "io.containerd.image.name")]
    containerd: String,
    /// Read by all other runtimes.
    #[serde(rename = "org.opencontainers.image.ref.name")]
    oci: String,
}

/// Returns whether `name` is the path of `oci-layout`, of `index.json`, or of a folder above the
/// blobs.
pub fn is_in_layout(name: &str) -> bool {
    matches!(name, OCI_LAYOUT | INDEX) || BLOBS.starts_with(&format!("{name}/"))
}

/// Returns the path of a manifest, config or layer.
pub fn path_of(digest: &Digest) -> SafePath {
    SafePath::parse(&format!("{BLOBS}{digest}")).expect("hexadecimal digits make a path")
}

/// Returns the digest in a path made by [`path_of`].
pub fn digest_of(path: &str) -> Option<Digest> {
    path.strip_prefix(BLOBS)?.parse().ok()
}

/// Returns the bytes of `index.json`.
pub fn index(images: &ImageList) -> Vec<u8> {
    let manifests: BTreeMap<_, _> = images.manifests().collect();
    let entry = |(name, digest): (String, Digest)| IndexEntry {
        annotations: Annotations { containerd: name.clone(), oci: name },
        digest: digest.prefixed(),
        media_type: manifests[&digest].media_type.as_str(),
        size: manifests[&digest].size,
    };
    let names = images.runtime_names().expect("a list of images has no name twice");
    let index = LayoutIndex {
        manifests: names.into_iter().map(entry).collect(),
        media_type: MediaType::OciIndex.as_str(),
        schema_version: 2,
    };
    Canonical::of(&index).expect("sizes are far below 2^53").into_bytes()
}
