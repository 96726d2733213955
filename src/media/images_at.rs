//! The place of a bundle's images: its archive, the store that it is an entry of, or none.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use camino::Utf8Path;

use super::medium::entry_at;
use crate::bundle::carried::Carried;
use crate::images::list::ImageList;
use crate::images::summary::{ImagesPlace, ImagesSummary};
use crate::model::command_line::command_line;
use crate::model::digest::Digest;
use crate::store::{DEFAULT_FOLDER, Store};

/// The place where the images of a bundle are looked for.
pub enum ImagesAt {
    Archive,
    Store(Store),
    /// A folder outside a store has no images.
    Nowhere,
}

/// Returns the command that fetches the images of a bundle or profile into a store.
pub fn fetch_line(store: &Utf8Path, bundle: &str) -> String {
    let mut words = vec!["fetch", bundle];
    if store != DEFAULT_FOLDER {
        words.extend(["--store", store.as_str()]);
    }
    command_line(words)
}

/// How thoroughly images are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// By the headers of the archive, and by size in the store.
    BySize,
    /// By hashing every byte. The bytes of an archive have been hashed already.
    ByDigest,
}

impl ImagesAt {
    /// Returns where the images of the bundle at `path` are.
    pub fn path(path: &Utf8Path) -> io::Result<Self> {
        if !path.is_dir() {
            return Ok(Self::Archive);
        }
        let entry = entry_at(&path.canonicalize_utf8()?);
        Ok(entry.map_or(Self::Nowhere, |(store, _)| Self::Store(store)))
    }

    /// Counts the available configs and layers. `carried` lists those in the archive.
    pub fn count(
        &self,
        images: &ImageList,
        carried: &Carried,
        counting: Counting,
    ) -> io::Result<ImagesSummary> {
        let (missing, place): (BTreeSet<Digest>, ImagesPlace) = match (self, counting) {
            (Self::Archive, Counting::ByDigest) => (absent(carried, images), ImagesPlace::Archive),
            (Self::Archive, Counting::BySize) => (absent(carried, images), ImagesPlace::Headers),
            (Self::Store(store), Counting::ByDigest) => {
                (useless(images, &store.blobs().bad(images)?), ImagesPlace::HashedStore)
            }
            (Self::Store(store), Counting::BySize) => {
                (useless(images, &store.blobs().missing(images)?), ImagesPlace::Store)
            }
            (Self::Nowhere, _) => {
                (images.blobs().map(|(digest, _)| digest).collect(), ImagesPlace::Archive)
            }
        };
        Ok(ImagesSummary::of(images, place, |digest| !missing.contains(digest)))
    }
}

fn absent(carried: &Carried, images: &ImageList) -> BTreeSet<Digest> {
    carried.missing(images).map(|(digest, _)| digest).collect()
}

/// Returns the configs and layers that are missing, or whose image lacks its manifest.
fn useless(images: &ImageList, missing: &BTreeMap<Digest, u64>) -> BTreeSet<Digest> {
    let lost = images.images().filter(|image| missing.contains_key(&image.digest));
    lost.flat_map(|image| &image.blobs).chain(missing.keys()).copied().collect()
}
