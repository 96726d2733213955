//! `images.json`: the images of a bundle, with the manifests, configs and layers of each.
//!
//! `SHA256SUMS` lists this file but no blobs, so the signature covers them through it: a bundle has
//! the same content id with all, some or none of its images.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::lock::{Counted, LockedImage, TooMany};
use super::manifest::{BLOB_BYTES_MAX, MANIFEST_BYTES_MAX, MediaType};
use super::reference::ImageReference;
use crate::canonical::Canonical;
use crate::model::digest::{Digest, sha256};

/// The name of the list in a bundle.
pub const IMAGES: &str = "images.json";

/// The maximum size of a list: 64 images, 2,000 blobs and 4,000 references to blobs take 600 KiB.
pub const IMAGES_BYTES_MAX: u64 = 1 << 20;

const FORMAT: u32 = 1;

/// The images of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageList {
    /// The size of each config and layer, by digest.
    blobs: BTreeMap<Digest, u64>,
    manifests: BTreeMap<Digest, ListedManifest>,
    /// The images by reference, in byte order.
    images: BTreeMap<String, ListedImage>,
}

/// The manifest of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedManifest {
    pub media_type: MediaType,
    /// The size in bytes.
    pub size: u64,
}

/// An image, under one reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedImage {
    pub reference: ImageReference,
    /// The digest of its manifest, which the reference contains too.
    pub digest: Digest,
    /// The config and the layers.
    pub blobs: BTreeSet<Digest>,
}

/// Content that a bundle with images may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carryable {
    Manifest(ListedManifest),
    /// A config or layer: opaque bytes.
    Blob {
        size: u64,
    },
}

impl Carryable {
    pub fn size(self) -> u64 {
        match self {
            Self::Manifest(manifest) => manifest.size,
            Self::Blob { size } => size,
        }
    }
}

/// Why an `images.json` is rejected.
#[derive(Debug, thiserror::Error)]
pub enum InvalidImageList {
    #[error("it is not JSON of this format: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it has format {found}; this version reads format {FORMAT}")]
    Format { found: u32 },
    #[error("it is not in canonical form")]
    Spelling,
    #[error(transparent)]
    TooMany(#[from] TooMany),
    #[error("it has {found} bytes; the limit is {IMAGES_BYTES_MAX}")]
    TooLarge { found: usize },
    #[error("sha256:{digest} has {size} bytes; expected 1 to {most}")]
    Oversized { digest: Digest, size: u64, most: u64 },
    #[error("{0}")]
    Contradiction(String),
}

impl InvalidImageList {
    /// Returns whether the list exceeds a limit, rather than being malformed or inconsistent.
    pub fn exceeds_limit(&self) -> bool {
        matches!(self, Self::TooMany(_) | Self::TooLarge { .. } | Self::Oversized { .. })
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ListText {
    blobs: Vec<ListBlobText>,
    format: u32,
    images: Vec<ListImageText>,
    manifests: Vec<ListManifestText>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ListBlobText {
    #[serde(with = "sha256")]
    digest: Digest,
    size: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ListImageText {
    blobs: Vec<PrefixedDigest>,
    #[serde(with = "sha256")]
    digest: Digest,
    reference: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListManifestText {
    #[serde(with = "sha256")]
    digest: Digest,
    media_type: String,
    size: u64,
}

/// A digest in the list.
#[derive(Deserialize, Serialize)]
#[serde(transparent)]
struct PrefixedDigest(#[serde(with = "sha256")] Digest);

impl ImageList {
    /// Creates a list from images, by their reference in the cluster.
    ///
    /// # Errors
    ///
    /// Returns an error if the images exceed a limit or contradict each other.
    pub fn of<'a>(
        images: impl IntoIterator<Item = (ImageReference, &'a LockedImage)>,
    ) -> Result<Self, InvalidImageList> {
        let mut list =
            Self { blobs: BTreeMap::new(), manifests: BTreeMap::new(), images: BTreeMap::new() };
        for (reference, locked) in images {
            let LockedImage { digest, media_type, size, blobs, .. } = locked;
            let manifest = ListedManifest { media_type: *media_type, size: *size };
            if *list.manifests.entry(*digest).or_insert(manifest) != manifest {
                return Err(contradiction(format!("sha256:{digest} has two sizes or media types")));
            }
            for (blob, size) in blobs {
                if list.blobs.entry(*blob).or_insert(*size) != size {
                    return Err(contradiction(format!("sha256:{blob} has two sizes")));
                }
            }
            let blobs = blobs.keys().copied().collect();
            list.images
                .insert(reference.to_string(), ListedImage { reference, digest: *digest, blobs });
        }
        list.check()?;
        match list.to_bytes() {
            bytes if bytes.len() as u64 > IMAGES_BYTES_MAX => {
                Err(InvalidImageList::TooLarge { found: bytes.len() })
            }
            _ => Ok(list),
        }
    }

    /// Parses the bytes of `images.json`.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes exceed a limit, are inconsistent, or are not what
    /// [`Self::to_bytes`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidImageList> {
        if bytes.len() as u64 > IMAGES_BYTES_MAX {
            return Err(InvalidImageList::TooLarge { found: bytes.len() });
        }
        let ListText { blobs, format, images, manifests } = serde_json::from_slice(bytes)?;
        if format != FORMAT {
            return Err(InvalidImageList::Format { found: format });
        }
        check_counts(blobs.len(), images.iter().map(|image| image.blobs.len()))?;
        let list = Self {
            blobs: blobs.into_iter().map(|blob| (blob.digest, blob.size)).collect(),
            manifests: manifests
                .into_iter()
                .map(ListManifestText::read)
                .collect::<Result<_, _>>()?,
            images: images.into_iter().map(ListImageText::read).collect::<Result<_, _>>()?,
        };
        list.check()?;
        // Also rejects duplicates and unsorted entries.
        if list.to_bytes() == bytes { Ok(list) } else { Err(InvalidImageList::Spelling) }
    }

    /// Returns the bytes of `images.json`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let blobs =
            self.blobs.iter().map(|(digest, size)| ListBlobText { digest: *digest, size: *size });
        let images = self.images.iter().map(|(reference, image)| ListImageText {
            blobs: image.blobs.iter().copied().map(PrefixedDigest).collect(),
            digest: image.digest,
            reference: reference.clone(),
        });
        let manifests = self.manifests.iter().map(|(digest, manifest)| ListManifestText {
            digest: *digest,
            media_type: manifest.media_type.as_str().to_owned(),
            size: manifest.size,
        });
        let written = ListText {
            blobs: blobs.collect(),
            format: FORMAT,
            images: images.collect(),
            manifests: manifests.collect(),
        };
        Canonical::of(&written).expect("sizes are far below 2^53").into_bytes()
    }

    /// Yields the images, ordered by reference.
    pub fn images(&self) -> impl ExactSizeIterator<Item = &ListedImage> {
        self.images.values()
    }

    /// Yields the references of the images, in byte order.
    pub fn references(&self) -> impl ExactSizeIterator<Item = &str> {
        self.images.keys().map(String::as_str)
    }

    /// Yields the manifests, ordered by digest.
    pub fn manifests(&self) -> impl ExactSizeIterator<Item = (Digest, ListedManifest)> {
        self.manifests.iter().map(|(digest, manifest)| (*digest, *manifest))
    }

    /// Yields the configs and layers, ordered by digest, each with its size.
    pub fn blobs(&self) -> impl ExactSizeIterator<Item = (Digest, u64)> {
        self.blobs.iter().map(|(digest, size)| (*digest, *size))
    }

    /// Returns the entry with the digest `digest`.
    pub fn get(&self, digest: &Digest) -> Option<Carryable> {
        let blob = || self.blobs.get(digest).map(|size| Carryable::Blob { size: *size });
        self.manifests.get(digest).copied().map(Carryable::Manifest).or_else(blob)
    }

    /// Yields all content that a bundle with these images may carry, ordered by digest.
    pub fn carryable(&self) -> impl Iterator<Item = (Digest, Carryable)> {
        let manifests =
            self.manifests().map(|(digest, manifest)| (digest, Carryable::Manifest(manifest)));
        let blobs = self.blobs().map(|(digest, size)| (digest, Carryable::Blob { size }));
        manifests.chain(blobs).collect::<BTreeMap<_, _>>().into_iter()
    }

    /// Returns the names under which a runtime stores the images, each with the digest of its
    /// manifest.
    ///
    /// After an import, a kubelet finds `repository:tag@digest` only if both `repository:tag` and
    /// `repository@digest` exist.
    pub(super) fn runtime_names(&self) -> Result<BTreeMap<String, Digest>, InvalidImageList> {
        let mut names = BTreeMap::new();
        for image in self.images() {
            let full = image.reference.full();
            let pinned =
                format!("{}/{}@sha256:{}", full.registry(), full.repository(), image.digest);
            let tagged =
                full.tag().map(|tag| format!("{}/{}:{tag}", full.registry(), full.repository()));
            for name in tagged.into_iter().chain([pinned]) {
                if *names.entry(name.clone()).or_insert(image.digest) != image.digest {
                    return Err(contradiction(format!("`{name}` would be two images")));
                }
            }
        }
        Ok(names)
    }

    fn check(&self) -> Result<(), InvalidImageList> {
        check_counts(self.blobs.len(), self.images.values().map(|image| image.blobs.len()))?;
        if self.images.is_empty() {
            return Err(contradiction("it lists no image".to_owned()));
        }
        self.check_sizes()?;
        self.images.values().try_for_each(|image| self.check_image(image))?;
        self.check_uses()
    }

    fn check_sizes(&self) -> Result<(), InvalidImageList> {
        let manifests =
            self.manifests().map(|(digest, manifest)| (digest, manifest.size, MANIFEST_BYTES_MAX));
        let blobs = self.blobs().map(|(digest, size)| (digest, size, BLOB_BYTES_MAX));
        match manifests.chain(blobs).find(|(_, size, most)| !(1..=*most).contains(size)) {
            Some((digest, 0, most)) => {
                Err(contradiction(format!("sha256:{digest} has 0 bytes; expected 1 to {most}")))
            }
            Some((digest, size, most)) => Err(InvalidImageList::Oversized { digest, size, most }),
            None => Ok(()),
        }
    }

    fn check_image(&self, image: &ListedImage) -> Result<(), InvalidImageList> {
        let ListedImage { reference, digest, blobs } = image;
        if reference.digest() != Some(*digest) {
            return Err(contradiction(format!("`{reference}` is not pinned to sha256:{digest}")));
        }
        if !self.manifests.contains_key(digest) {
            return Err(contradiction(format!("the manifest sha256:{digest} is not listed")));
        }
        if let Some(blob) = blobs.iter().find(|blob| !self.blobs.contains_key(*blob)) {
            return Err(contradiction(format!("sha256:{blob} of `{reference}` is not listed")));
        }
        let is_same = |other: &&ListedImage| other.digest == *digest && other.blobs != *blobs;
        if let Some(other) = self.images.values().find(is_same) {
            let why = format!(
                "`{reference}` and `{}` have the same manifest, but different configs and layers",
                other.reference
            );
            return Err(contradiction(why));
        }
        Ok(())
    }

    /// Checks that each entry belongs to an image, and has only one role.
    fn check_uses(&self) -> Result<(), InvalidImageList> {
        let used: BTreeSet<Digest> =
            self.images.values().flat_map(|image| &image.blobs).copied().collect();
        let heads: BTreeSet<Digest> = self.images.values().map(|image| image.digest).collect();
        let unused = self.blobs.keys().find(|blob| !used.contains(*blob));
        if let Some(unused) =
            unused.or_else(|| self.manifests.keys().find(|one| !heads.contains(*one)))
        {
            return Err(contradiction(format!("sha256:{unused} belongs to no image")));
        }
        match self.manifests.keys().find(|digest| self.blobs.contains_key(*digest)) {
            Some(both) => Err(contradiction(format!(
                "sha256:{both} is listed as a manifest and as a config or layer"
            ))),
            None => self.runtime_names().map(drop),
        }
    }
}

impl ListImageText {
    fn read(self) -> Result<(String, ListedImage), InvalidImageList> {
        let Self { blobs, digest, reference } = self;
        let parsed = reference.parse().map_err(|error| contradiction(format!("{error}")))?;
        let blobs = blobs.into_iter().map(|blob| blob.0).collect();
        Ok((reference, ListedImage { reference: parsed, digest, blobs }))
    }
}

impl ListManifestText {
    fn read(self) -> Result<(Digest, ListedManifest), InvalidImageList> {
        let Self { digest, media_type, size } = self;
        let known = MediaType::ALL
            .into_iter()
            .find(|known| known.as_str() == media_type && !known.is_index())
            .ok_or_else(|| {
                contradiction(format!(
                    "sha256:{digest} does not have the media type of an image manifest"
                ))
            })?;
        Ok((digest, ListedManifest { media_type: known, size }))
    }
}

/// Checks the number of distinct blobs, and of the blobs of each image.
fn check_counts(
    blobs: usize,
    of_images: impl ExactSizeIterator<Item = usize>,
) -> Result<(), TooMany> {
    Counted::Images.check(of_images.len())?;
    Counted::Blobs.check(blobs)?;
    Counted::BlobEntries.check(of_images.sum())
}

fn contradiction(why: String) -> InvalidImageList {
    InvalidImageList::Contradiction(why)
}

#[cfg(test)]
mod tests;
