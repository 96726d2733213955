//! Plans a push: all questions and decisions come before the first upload.
//!
//! | the manifest is | a config or layer is | the blob is |
//! |---|---|---|
//! | there | not asked for, without `--deep` | there |
//! | absent | there | there |
//! | absent | in another repository of the bundle at the registry, or sent to one | mounted |
//! | absent | carried | sent |
//! | absent | neither | missing: nothing is uploaded |

use std::collections::{BTreeMap, BTreeSet};

use super::content::Content;
use super::destination::Destination;
use super::tags::{self, TagPlan};
use super::{Depth, Mode, Orders};
use crate::failure::Failure;
use crate::images::list::{Carryable, ImageList};
use crate::images::reference::Reference;
use crate::model::digest::Digest;
use crate::registry::{Availability, BlobUpload, MountAnswer, Registry};
use crate::ui::progress::size;

/// How a manifest, config or layer gets to its repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    There,
    Send,
    /// Mounted from this repository, or sent if the registry refuses.
    Mount(Reference),
    /// Mounted during planning, because the bundle does not carry it.
    Mounted,
    Missing,
}

/// The plan for one image.
pub(super) struct ImagePlan<'a> {
    pub(super) destination: &'a Destination<'a>,
    pub(super) manifest: Way,
    /// Configs and layers, except those that an earlier image has in the same repository.
    pub(super) blobs: BTreeMap<Digest, Way>,
    pub(super) tags: TagPlan,
}

/// Plans the push. Blobs that the bundle does not carry are mounted right away, which uploads
/// nothing.
///
/// # Errors
///
/// When a registry does not answer, or a blob is neither carried nor there.
pub(super) fn plan<'a>(
    registry: &Registry,
    destinations: &'a [Destination<'a>],
    (images, content): (&ImageList, &Content),
    orders: Orders,
) -> Result<Vec<ImagePlan<'a>>, Failure> {
    let mut survey = Survey {
        registry,
        destinations,
        images,
        content,
        orders,
        decided: BTreeSet::new(),
        assumed: BTreeSet::new(),
        blobs: BTreeMap::new(),
    };
    let plans = destinations.iter().map(|destination| survey.plan(destination));
    let plans: Vec<ImagePlan> = plans.collect::<Result<_, _>>()?;
    check_complete(&plans, (images, content))?;
    Ok(plans)
}

/// A digest in a repository.
type Place = (String, Digest);

/// The knowledge about the registries so far.
struct Survey<'a, 'b> {
    registry: &'b Registry,
    destinations: &'a [Destination<'a>],
    images: &'b ImageList,
    content: &'b Content<'b>,
    orders: Orders,
    decided: BTreeSet<Place>,
    /// Configs and layers of images whose manifests are there.
    assumed: BTreeSet<Place>,
    /// Whether a config or layer is there, or will be.
    blobs: BTreeMap<Place, bool>,
}

impl<'a> Survey<'a, '_> {
    fn plan(&mut self, destination: &'a Destination<'a>) -> Result<ImagePlan<'a>, Failure> {
        let tags = tags::plan(self.registry, destination, self.orders.tags)?;
        let manifest = self.manifest(destination)?;
        let is_asked = manifest != Way::There || self.orders.depth == Depth::Blobs;
        let mut blobs = BTreeMap::new();
        for digest in &destination.listed.blobs {
            let place = (destination.repository(), *digest);
            if !is_asked {
                // Not recorded as present: the registry may have lost it, and an absent image in
                // the same repository still has to ask.
                if self.assumed.insert(place) {
                    blobs.insert(*digest, Way::There);
                }
            } else if self.decided.insert(place) {
                let way = self.blob(destination, *digest)?;
                blobs.insert(*digest, way);
            }
        }
        Ok(ImagePlan { destination, manifest, blobs, tags })
    }

    fn manifest(&mut self, destination: &Destination) -> Result<Way, Failure> {
        let digest = destination.listed.digest;
        if !self.decided.insert((destination.repository(), digest)) {
            // The same image under another tag.
            return Ok(Way::There);
        }
        Ok(if is_there(self.registry.has_manifest(&destination.image))? {
            Way::There
        } else if self.content.there.contains(&digest) {
            Way::Send
        } else {
            Way::Missing
        })
    }

    fn blob(&mut self, destination: &Destination, digest: Digest) -> Result<Way, Failure> {
        if self.has(destination, digest)? {
            return Ok(Way::There);
        }
        let is_carried = self.content.there.contains(&digest);
        let otherwise = if is_carried { Way::Send } else { Way::Missing };
        let way = self.mount(destination, digest, is_carried.into())?.unwrap_or(otherwise);
        self.blobs.insert((destination.repository(), digest), way != Way::Missing);
        Ok(way)
    }

    /// Finds another repository of the same registry to mount from.
    fn mount(
        &mut self,
        destination: &Destination,
        digest: Digest,
        carriage: Carriage,
    ) -> Result<Option<Way>, Failure> {
        let own = destination.repository();
        let others = self.destinations.iter().filter(|other| other.is_beside(destination));
        let others = others.filter(|other| other.repository() != own);
        // Repositories whose images list the blob come first; a carried blob is sought only there.
        let (likely, others): (Vec<_>, Vec<_>) =
            others.partition(|other| other.listed.blobs.contains(&digest));
        let others = others.into_iter().filter(|_| carriage == Carriage::Absent);
        let mut seen = BTreeSet::new();
        for other in likely.into_iter().chain(others) {
            if !seen.insert(other.repository()) || !self.has(other, digest)? {
                continue;
            }
            if carriage == Carriage::Carried || self.orders.mode == Mode::DryRun {
                return Ok(Some(Way::Mount(other.image.clone())));
            }
            let upload = BlobUpload { image: &destination.image, digest, size: self.size(digest) };
            if self.registry.mount(&upload, &other.image)? == MountAnswer::Mounted {
                return Ok(Some(Way::Mounted));
            }
        }
        Ok(None)
    }

    /// Asks for each config or layer only once.
    fn has(&mut self, destination: &Destination, digest: Digest) -> Result<bool, Failure> {
        let place = (destination.repository(), digest);
        if let Some(known) = self.blobs.get(&place) {
            return Ok(*known);
        }
        let size = self.size(digest);
        let found = is_there(self.registry.has_blob(&destination.image, digest, size))?;
        self.blobs.insert(place, found);
        Ok(found)
    }

    fn size(&self, digest: Digest) -> u64 {
        blob_size(self.images, digest)
    }
}

/// Returns the size of a config or layer of a bundle's image.
pub(super) fn blob_size(images: &ImageList, digest: Digest) -> u64 {
    images.get(&digest).expect("the blobs of an image are listed").size()
}

/// Whether the bundle has the bytes of a config or layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carriage {
    Carried,
    Absent,
}

impl From<bool> for Carriage {
    fn from(is_carried: bool) -> Self {
        if is_carried { Self::Carried } else { Self::Absent }
    }
}

fn is_there(answer: Availability) -> Result<bool, Failure> {
    match answer {
        Availability::There => Ok(true),
        Availability::Absent => Ok(false),
        Availability::Unknown(error) => Err(error.into()),
    }
}

/// Refuses to start a push that cannot be completed.
fn check_complete(
    plans: &[ImagePlan],
    (images, content): (&ImageList, &Content),
) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for ImagePlan { destination, manifest, blobs, .. } in plans {
        let manifest =
            (*manifest == Way::Missing).then_some((destination.listed.digest, "manifest"));
        let blobs = blobs
            .iter()
            .filter(|(_, way)| **way == Way::Missing)
            .map(|(digest, _)| (*digest, "blob"));
        missing.extend(manifest.into_iter().chain(blobs).map(|(digest, what)| {
            let bytes = images.get(&digest).map_or(0, Carryable::size);
            format!("`{}`: {what} sha256:{digest} ({})", destination.image, size(bytes))
        }));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let number = missing.len();
    let failure = Failure::world(format!(
        "the bundle and the registry lack parts of the images ({number}); nothing was uploaded"
    ));
    let failure = missing.into_iter().fold(failure, Failure::reason);
    Err(content.remedies().into_iter().fold(failure, Failure::hint))
}
