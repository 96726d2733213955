//! The number of images of a bundle, and how many of their configs and layers are present.

use std::fmt;

use serde::Serialize;

use super::list::ImageList;
use crate::model::digest::Digest;
use crate::model::size::size;

/// The images of a bundle with pinned images.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagesSummary {
    images: usize,
    /// Distinct configs and layers.
    blobs: usize,
    /// The sum of their sizes.
    bytes: u64,
    /// Missing configs and layers.
    missing: usize,
    missing_bytes: u64,
    place: ImagesPlace,
    /// Whether the present blobs were hashed and compared with their digests.
    hashed: bool,
}

/// The place that was searched for blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ImagesPlace {
    /// An archive that was read and hashed.
    Archive,
    /// An archive of which only the headers were read.
    Headers,
    /// The store; the blobs were compared by size.
    Store,
    /// The store; the blobs were hashed.
    HashedStore,
}

impl ImagesSummary {
    /// Counts the configs and layers of the images; `is_there` says which are present.
    pub fn of(images: &ImageList, place: ImagesPlace, is_there: impl Fn(&Digest) -> bool) -> Self {
        let missing: Vec<u64> =
            images.blobs().filter(|(digest, _)| !is_there(digest)).map(|(_, size)| size).collect();
        Self {
            images: images.images().len(),
            blobs: images.blobs().len(),
            bytes: images.blobs().map(|(_, size)| size).sum(),
            missing: missing.len(),
            missing_bytes: missing.iter().sum(),
            place,
            hashed: matches!(place, ImagesPlace::Archive | ImagesPlace::HashedStore),
        }
    }

    /// Returns whether every config and layer is present.
    pub fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Returns the missing amount, in words.
    pub fn missing_text(&self) -> String {
        format!(
            "{} of {} configs and layers are missing ({})",
            self.missing,
            self.blobs,
            size(self.missing_bytes)
        )
    }
}

impl fmt::Display for ImagesSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, blobs, missing, .. } = self;
        let is_in_store = matches!(self.place, ImagesPlace::Store | ImagesPlace::HashedStore);
        let there = if is_in_store { "in the store" } else { "carried" };
        let hashed = if self.hashed { "" } else { ", not hashed" };
        let plural = if *images == 1 { "image" } else { "images" };
        let bytes = size(self.bytes);
        match missing {
            0 => write!(
                f,
                "{images} {plural}, {blobs} configs and layers, {bytes}: all {there}{hashed}"
            ),
            _ if missing == blobs => {
                write!(f, "{images} {plural}, {blobs} configs and layers, {bytes}: none {there}")
            }
            _ => write!(
                f,
                "{images} {plural}, {} of {blobs} configs and layers {there}{hashed}, {missing} missing ({})",
                blobs - missing,
                size(self.missing_bytes)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::lock::LockedImage;
    use crate::images::manifest::MediaType;
    use crate::images::reference::ImageReference;

    #[test]
    fn summary_names_what_is_there_and_what_is_missing() {
        let digest = Digest::of(b"manifest");
        let [config, layer] = [b"config".as_slice(), b"layer"].map(Digest::of);
        let locked = LockedImage {
            tagged: digest,
            digest,
            media_type: MediaType::OciManifest,
            size: 707,
            blobs: [(config, 470), (layer, 268_000_000)].into(),
        };
        let reference: ImageReference = "redis:8".parse().unwrap();
        let images = ImageList::of([(reference.pinned(digest), &locked)]).unwrap();
        let text = |place, there: &[Digest]| {
            ImagesSummary::of(&images, place, |one| there.contains(one)).to_string()
        };

        assert_eq!(
            text(ImagesPlace::Archive, &[config, layer]),
            "1 image, 2 configs and layers, 268.0 MB: all carried"
        );
        assert_eq!(
            text(ImagesPlace::Headers, &[config, layer]),
            "1 image, 2 configs and layers, 268.0 MB: all carried, not hashed"
        );
        assert_eq!(
            text(ImagesPlace::Archive, &[]),
            "1 image, 2 configs and layers, 268.0 MB: none carried"
        );
        assert_eq!(
            text(ImagesPlace::Store, &[config]),
            "1 image, 1 of 2 configs and layers in the store, not hashed, 1 missing (268.0 MB)"
        );
    }
}
