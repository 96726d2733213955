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

use super::content::PushContent;
use super::destination::{Destination, Destinations};
use super::tags::{self, TagPlan};
use super::{PushDepth, PushMode, PushOptions};
use crate::failure::Failure;
use crate::images::reference::ImageReference;
use crate::model::digest::Digest;
use crate::model::size::size;
use crate::registry::{Availability, BlobUpload, MountAnswer, Registry};

/// How a manifest, config or layer gets to its repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    There,
    Send,
    /// Mounted from this repository, or sent if the registry refuses.
    Mount(ImageReference),
    /// Mounted during planning, because the bundle does not carry it.
    Mounted,
    Missing,
}

/// The plan for one image.
pub struct ImagePlan<'a> {
    pub destination: &'a Destination<'a>,
    pub manifest: Delivery,
    /// Configs and layers, except those that an earlier image has in the same repository.
    pub(super) blobs: BTreeMap<Digest, Delivery>,
    pub(super) tags: TagPlan,
}

/// The plan of a push, and the content to send.
pub struct PushPlan<'a> {
    pub(super) content: &'a PushContent<'a>,
    pub images: Vec<ImagePlan<'a>>,
}

impl<'a> PushPlan<'a> {
    /// Plans the push. Blobs that the bundle does not carry are mounted right away, which uploads
    /// nothing.
    ///
    /// # Errors
    ///
    /// When a registry does not answer, or a blob is neither carried nor there.
    pub fn make(
        registry: &Registry,
        destinations: &'a Destinations<'a>,
        content: &'a PushContent<'a>,
        options: PushOptions,
    ) -> Result<Self, Failure> {
        let destinations = &destinations.pushed;
        let mut survey = Survey {
            registry,
            destinations,
            content,
            options,
            decided: BTreeSet::new(),
            assumed: BTreeSet::new(),
            blobs: BTreeMap::new(),
        };
        let images = destinations.iter().map(|destination| survey.plan(destination));
        let plan = Self { images: images.collect::<Result<_, _>>()?, content };
        plan.check_complete()?;
        Ok(plan)
    }

    /// Returns the number of bytes to send if the registry refuses no mount.
    pub fn bytes_to_send(&self) -> u64 {
        let ways = self.images.iter().flat_map(|image| &image.blobs);
        let sent = ways.filter(|(_, way)| **way == Delivery::Send);
        sent.map(|(digest, _)| self.content.size_of(*digest)).sum()
    }

    /// Refuses to start a push that cannot be completed.
    fn check_complete(&self) -> Result<(), Failure> {
        let mut missing = Vec::new();
        for ImagePlan { destination, manifest, blobs, .. } in &self.images {
            let manifest =
                (*manifest == Delivery::Missing).then_some((destination.listed.digest, "manifest"));
            let blobs = blobs
                .iter()
                .filter(|(_, way)| **way == Delivery::Missing)
                .map(|(digest, _)| (*digest, "blob"));
            missing.extend(manifest.into_iter().chain(blobs).map(|(digest, what)| {
                let bytes = self.content.size_of(digest);
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
        Err(self.content.remedies().into_iter().fold(failure, Failure::hint))
    }
}

/// A digest in a repository.
type BlobPlace = (String, Digest);

/// The knowledge about the registries so far.
struct Survey<'a, 'b> {
    registry: &'b Registry,
    destinations: &'a [Destination<'a>],
    content: &'b PushContent<'b>,
    options: PushOptions,
    decided: BTreeSet<BlobPlace>,
    /// Configs and layers of images whose manifests are there.
    assumed: BTreeSet<BlobPlace>,
    /// Whether a config or layer is there, or will be.
    blobs: BTreeMap<BlobPlace, bool>,
}

impl<'a> Survey<'a, '_> {
    fn plan(&mut self, destination: &'a Destination<'a>) -> Result<ImagePlan<'a>, Failure> {
        let tags = tags::plan(self.registry, destination, self.options.tags)?;
        let manifest = self.manifest(destination)?;
        let is_asked = manifest != Delivery::There || self.options.depth == PushDepth::Blobs;
        let mut blobs = BTreeMap::new();
        for digest in &destination.listed.blobs {
            let place = (destination.repository(), *digest);
            if !is_asked {
                // Not recorded as present: the registry may have lost it, and an absent image in
                // the same repository still has to ask.
                if self.assumed.insert(place) {
                    blobs.insert(*digest, Delivery::There);
                }
            } else if self.decided.insert(place) {
                let way = self.blob(destination, *digest)?;
                blobs.insert(*digest, way);
            }
        }
        Ok(ImagePlan { destination, manifest, blobs, tags })
    }

    fn manifest(&mut self, destination: &Destination) -> Result<Delivery, Failure> {
        let digest = destination.listed.digest;
        if !self.decided.insert((destination.repository(), digest)) {
            // The same image under another tag.
            return Ok(Delivery::There);
        }
        Ok(if is_there(self.registry.has_manifest(&destination.image))? {
            Delivery::There
        } else if self.content.there.contains(&digest) {
            Delivery::Send
        } else {
            Delivery::Missing
        })
    }

    fn blob(&mut self, destination: &Destination, digest: Digest) -> Result<Delivery, Failure> {
        if self.has(destination, digest)? {
            return Ok(Delivery::There);
        }
        let is_carried = self.content.there.contains(&digest);
        let otherwise = if is_carried { Delivery::Send } else { Delivery::Missing };
        let way = self.mount(destination, digest, is_carried.into())?.unwrap_or(otherwise);
        self.blobs.insert((destination.repository(), digest), way != Delivery::Missing);
        Ok(way)
    }

    /// Finds another repository of the same registry to mount from.
    fn mount(
        &mut self,
        destination: &Destination,
        digest: Digest,
        carriage: Carriage,
    ) -> Result<Option<Delivery>, Failure> {
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
            if carriage == Carriage::Carried || self.options.mode == PushMode::DryRun {
                return Ok(Some(Delivery::Mount(other.image.clone())));
            }
            let upload = BlobUpload {
                image: &destination.image,
                digest,
                size: self.content.size_of(digest),
            };
            if self.registry.mount(&upload, &other.image)? == MountAnswer::Mounted {
                return Ok(Some(Delivery::Mounted));
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
        let size = self.content.size_of(digest);
        let found = is_there(self.registry.has_blob(&destination.image, digest, size))?;
        self.blobs.insert(place, found);
        Ok(found)
    }
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
