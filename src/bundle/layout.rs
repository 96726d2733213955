//! The files that a bundle may contain, and their paths.

use super::limits::{DOCUMENT_BYTES_MAX, MANIFEST_BYTES_MAX};
use crate::images::list::{IMAGES, IMAGES_BYTES_MAX};
use crate::model::safe_path::SafePath;

/// The signed statement; the only file that is added or replaced after the build.
pub const ATTESTATION: &str = "attestation.dsse.json";

/// The list of all other files; its digest is the content id.
pub const SUMS: &str = "SHA256SUMS";

/// The kind of a file, derived from its path alone. The list is closed: any other file is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `bundle.json` or `recipe.json`.
    Document,
    /// `images.json`: every image, manifest, config and layer.
    ImageList,
    /// `manifests/<name>.yaml`: one Kubernetes object. No subfolders: `kubectl apply -f` would skip
    /// them.
    Manifest,
    /// `secrets/<name>.age`: ciphertext.
    SealedSecret,
}

impl FileKind {
    /// Returns the kind of the file at `path`; `None` if the path is not allowed in a bundle.
    pub fn of(path: &SafePath) -> Option<Self> {
        match path.as_str().split_once('/') {
            None if matches!(path.as_str(), "bundle.json" | "recipe.json") => Some(Self::Document),
            None if path.as_str() == IMAGES => Some(Self::ImageList),
            Some(("manifests", name)) if is_one_segment(name, ".yaml") => Some(Self::Manifest),
            Some(("secrets", name)) if is_one_segment(name, ".age") => Some(Self::SealedSecret),
            _ => None,
        }
    }

    /// Returns the maximum size of such a file.
    pub fn bytes_max(self) -> u64 {
        match self {
            Self::Document => DOCUMENT_BYTES_MAX,
            Self::ImageList => IMAGES_BYTES_MAX,
            Self::Manifest | Self::SealedSecret => MANIFEST_BYTES_MAX,
        }
    }
}

fn is_one_segment(name: &str, ending: &str) -> bool {
    !name.contains('/') && name.strip_suffix(ending).is_some_and(|stem| !stem.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_bundle_format_have_kind() {
        let table = [
            ("bundle.json", Some(FileKind::Document)),
            ("images.json", Some(FileKind::ImageList)),
            ("recipe.json", Some(FileKind::Document)),
            ("manifests/10-cm-a.yaml", Some(FileKind::Manifest)),
            ("secrets/a.age", Some(FileKind::SealedSecret)),
            ("images/blobs/sha256/0a", None),
            ("blobs/sha256/0a", None),
            ("index.json", None),
            ("oci-layout", None),
            ("attestation.dsse.json", None),
            ("manifests/sub/a.yaml", None),
            ("manifests/a.yml", None),
            ("manifests", None),
            ("images", None),
            ("secrets/a.txt", None),
            ("readme.md", None),
            ("other/bundle.json", None),
        ];
        for (path, kind) in table {
            assert_eq!(FileKind::of(&SafePath::parse(path).unwrap()), kind, "{path}");
        }
    }
}
