//! Downloads the images of bundles from registries into the store.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::event::{TransferEvent, TransferObserver};
use super::meter::Meter;
use crate::failure::Failure;
use crate::images::list::{Carryable, ImageList};
use crate::images::reference::ImageReference;
use crate::media::unverified_bundle::UnverifiedBundle;
use crate::model::digest::Digest;
use crate::profile::resolve::image_sources;
use crate::registry::{BlobRequest, BlobSink, Registry};
use crate::store::blobs::{BlobEnd, BlobStart, BlobState, Blobs, PartialBlob};
use crate::store::{Store, StoreLock};

/// The images to fetch.
#[derive(Default)]
pub struct FetchList {
    /// The references, without duplicates.
    pub images: BTreeSet<String>,
    items: BTreeMap<Digest, FetchItem>,
}

/// A manifest, config or layer, and an image that contains it, at its source registry.
struct FetchItem {
    image: ImageReference,
    digest: Digest,
    kind: Carryable,
}

impl FetchList {
    /// Adds the images of a bundle. `name` is the argument that names it.
    ///
    /// # Errors
    ///
    /// When its images are not pinned, or its recipe names an invalid source.
    pub fn add(&mut self, bundle: &UnverifiedBundle, name: &str) -> Result<(), Failure> {
        let bundle = &bundle.bundle;
        let profile = &bundle.index.profile;
        let list = bundle.images.as_ref().ok_or_else(|| {
            Failure::input(format!("profile `{name}` is not locked"))
                .hint(format!("lock it: relay-bundle lock {profile}"))
        })?;
        self.images.extend(list.references().map(str::to_owned));
        let sources = image_sources(&bundle.recipe.settings);
        for image in list.images() {
            let name = image.reference.without_digest().to_string();
            let origin =
                sources.get(&name).map_or(Ok(image.reference.clone()), |source| source.parse());
            let invalid = |error| {
                Failure::input(format!("recipe.json of `{profile}` has an invalid image: {error}"))
            };
            let origin = origin.map_err(invalid)?.pinned(image.digest);
            let digests = [image.digest].into_iter().chain(image.blobs.iter().copied());
            self.add_blobs(&origin, digests, list);
        }
        Ok(())
    }

    fn add_blobs(
        &mut self,
        image: &ImageReference,
        digests: impl Iterator<Item = Digest>,
        list: &ImageList,
    ) {
        for digest in digests {
            let kind = list.get(&digest).expect("a list has everything that its images consist of");
            let item = || FetchItem { image: image.clone(), digest, kind };
            self.items.entry(digest).or_insert_with(item);
        }
    }
}

/// A fetch into a store, which keeps `gc` from removing blobs until it ends.
pub struct Fetch {
    blobs: Blobs,
    missing: Vec<FetchItem>,
    /// The number of manifests, configs and layers that the store had already.
    pub there: usize,
    _lock: StoreLock,
}

impl Fetch {
    /// Hashes the stored blobs. Altered ones are removed, and count as missing.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn begin(
        store: &Store,
        list: FetchList,
        observe: &TransferObserver<'_>,
    ) -> Result<Self, Failure> {
        let blobs = store.blobs();
        let lock = blobs.share()?;
        let all = list.items.len();
        let mut missing = Vec::new();
        for item in list.items.into_values() {
            match blobs.look_at(&item.digest, item.kind.size())? {
                BlobState::Whole => continue,
                BlobState::Absent => {}
                BlobState::Altered => {
                    let path = blobs.path_of(&item.digest);
                    observe(&TransferEvent::BlobAltered { path: &path });
                    blobs.discard(&item.digest)?;
                }
            }
            missing.push(item);
        }
        Ok(Self { blobs, there: all - missing.len(), missing, _lock: lock })
    }

    /// Returns the number of missing manifests, configs and layers.
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// Returns the size of the missing content.
    pub fn missing_bytes(&self) -> u64 {
        self.missing.iter().map(|item| item.kind.size()).sum()
    }

    /// Fetches the missing content.
    ///
    /// # Errors
    ///
    /// When a registry or the disk fails, or a registry has other content.
    pub fn run(&self, registry: &Registry, meter: &mut dyn Meter) -> Result<(), Failure> {
        self.missing.iter().try_for_each(|item| self.fetch(registry, item, meter))
    }

    /// Fetches one blob, unless another process has stored it.
    fn fetch(
        &self,
        registry: &Registry,
        item: &FetchItem,
        meter: &mut dyn Meter,
    ) -> Result<(), Failure> {
        let FetchItem { image, digest, kind } = item;
        // The partial file of a killed process may be damaged; the second attempt fetches all of it.
        for _ in 0..2 {
            let BlobStart::Partial(partial) = self.blobs.begin(*digest, kind.size())? else {
                return Ok(());
            };
            match fetch_rest(registry, partial, item, meter)? {
                BlobEnd::Stored => return Ok(()),
                BlobEnd::Wrong { .. } => meter.retreat(kind.size()),
            }
        }
        Err(Failure::world(format!("wrong content for sha256:{digest} of `{image}`"))
            .hint("fetch from another registry: --from HOST=MIRROR"))
    }
}

fn fetch_rest(
    registry: &Registry,
    mut partial: PartialBlob,
    FetchItem { image, digest, kind }: &FetchItem,
    meter: &mut dyn Meter,
) -> Result<BlobEnd, Failure> {
    if matches!(kind, Carryable::Manifest(_)) {
        let manifest = registry.pull_manifest(image)?;
        partial.restart()?;
        partial.append(&manifest.bytes)?;
        meter.advance(manifest.bytes.len() as u64);
        return Ok(partial.finish()?);
    }
    let from = partial.bytes();
    meter.advance(from);
    let request = BlobRequest { image, digest: *digest, size: kind.size(), from };
    let mut sink = Sink { partial, meter };
    if from < request.size {
        registry.pull_blob(&request, &mut sink)?;
    }
    Ok(sink.partial.finish()?)
}

struct Sink<'a> {
    partial: PartialBlob,
    meter: &'a mut dyn Meter,
}

impl BlobSink for Sink<'_> {
    fn begin(&mut self, offset: u64) -> io::Result<()> {
        if offset == 0 && self.partial.bytes() > 0 {
            self.meter.retreat(self.partial.bytes());
            self.partial.restart()?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.partial.append(bytes)?;
        self.meter.advance(bytes.len() as u64);
        Ok(())
    }
}
