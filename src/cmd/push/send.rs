//! Carries out a plan: configs and layers, then manifests, then tags.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use super::content::{Content, VisitFailure};
use super::plan::{ImagePlan, Way, blob_size};
use super::tags::TagOutcome;
use crate::bundle::carried::Entry;
use crate::failure::Failure;
use crate::images::list::{Carryable, ImageList};
use crate::model::digest::Digest;
use crate::registry::{BlobUpload, MountAnswer, PulledManifest, Registry, UploadFailure};
use crate::ui::progress::Progress;

/// The result for one image.
#[derive(Debug, Default)]
pub(super) struct ImageOutcome {
    pub(super) sent: usize,
    pub(super) sent_bytes: u64,
    pub(super) mounted: usize,
    pub(super) there: usize,
    pub(super) tags: TagOutcome,
}

/// Sends blobs and manifests, and tracks those that are left.
pub(super) struct Sender<'a> {
    registry: &'a Registry,
    images: &'a ImageList,
    content: &'a Content<'a>,
    plans: &'a [ImagePlan<'a>],
    outcomes: Vec<ImageOutcome>,
    /// The blobs that are left to send, each with the indexes of the images that need it.
    left: BTreeMap<Digest, Vec<usize>>,
    /// The digests of the manifests to send. `manifests` holds those that have been read.
    wanted: BTreeSet<Digest>,
    manifests: BTreeMap<Digest, PulledManifest>,
    progress: Progress,
    failures: u32,
    /// Why a registry rejected a blob.
    stopped: Option<UploadFailure>,
}

impl<'a> Sender<'a> {
    pub(super) fn new(
        registry: &'a Registry,
        (images, content): (&'a ImageList, &'a Content<'a>),
        plans: &'a [ImagePlan<'a>],
        progress: Progress,
    ) -> Self {
        let mut left: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
        for (number, plan) in plans.iter().enumerate() {
            let sent = plan.blobs.iter().filter(|(_, way)| **way == Way::Send);
            sent.for_each(|(digest, _)| left.entry(*digest).or_default().push(number));
        }
        let sent = plans.iter().filter(|plan| plan.manifest == Way::Send);
        let wanted = sent.map(|plan| plan.destination.listed.digest).collect();
        let outcomes = plans.iter().map(ImageOutcome::forecast).collect();
        let (manifests, failures, stopped) = (BTreeMap::new(), 0, None);
        Self {
            registry,
            images,
            content,
            plans,
            outcomes,
            left,
            wanted,
            manifests,
            progress,
            failures,
            stopped,
        }
    }

    /// Sends everything, and returns the result for each image.
    pub(super) fn run(mut self) -> Result<Vec<ImageOutcome>, Failure> {
        self.send_left()?;
        self.mount()?;
        self.send_left()?;
        for (number, plan) in self.plans.iter().enumerate() {
            if plan.manifest == Way::Send {
                let manifest = &self.manifests[&plan.destination.listed.digest];
                self.registry.push_manifest(&plan.destination.image, manifest)?;
            }
            // Tags come last, so that they name complete images only.
            let tags = plan.tags.settle(self.registry, plan.destination, &self.manifests)?;
            self.outcomes[number].tags = tags;
        }
        Ok(self.outcomes)
    }

    fn mount(&mut self) -> Result<(), Failure> {
        for (number, plan) in self.plans.iter().enumerate() {
            for (digest, way) in &plan.blobs {
                let Way::Mount(from) = way else { continue };
                let size = blob_size(self.images, *digest);
                let image = &plan.destination.image;
                let upload = BlobUpload { image, digest: *digest, size };
                match self.registry.mount(&upload, from)? {
                    MountAnswer::Mounted => self.outcomes[number].mounted += 1,
                    MountAnswer::Refused => self.left.entry(*digest).or_default().push(number),
                }
            }
        }
        Ok(())
    }

    /// Reads the bundle until every blob is sent: once, and again after each interruption.
    fn send_left(&mut self) -> Result<(), Failure> {
        loop {
            let manifests =
                self.wanted.iter().filter(|digest| !self.manifests.contains_key(digest));
            let wanted: BTreeSet<Digest> = self.left.keys().chain(manifests).copied().collect();
            if wanted.is_empty() {
                return Ok(());
            }
            let content = self.content;
            let visited = content.visit(&wanted, &mut |entry, bytes| self.take(entry, bytes));
            match (visited, self.stopped.take()) {
                (Ok(()), _) => {}
                // Damaged content takes precedence: it explains any error of the registry.
                (Err(VisitFailure::Content(failure)), _) => return Err(failure),
                (Err(VisitFailure::Stopped), Some(UploadFailure::Interrupted(error))) => {
                    self.failures = self.registry.await_upload(self.failures, error)?;
                }
                (Err(VisitFailure::Stopped), Some(UploadFailure::Final(error))) => {
                    return Err(error.into());
                }
                (Err(VisitFailure::Stopped), None) => {
                    return Err(Failure::bug("a visit stopped by itself"));
                }
            }
        }
    }

    /// Keeps a manifest, or sends a config or layer to the first repository that lacks it.
    fn take(
        &mut self,
        Entry { digest, bytes: size, .. }: Entry<'_>,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        if let Some(Carryable::Manifest(listed)) = self.images.get(&digest) {
            if self.wanted.contains(&digest) {
                let mut bytes = Vec::new();
                content.read_to_end(&mut bytes)?;
                let manifest = PulledManifest { media_type: listed.media_type, bytes, digest };
                self.manifests.insert(digest, manifest);
            }
            return Ok(());
        }
        let Some(number) = self.left.get(&digest).and_then(|numbers| numbers.first().copied())
        else {
            return Ok(());
        };
        let upload = BlobUpload { image: &self.plans[number].destination.image, digest, size };
        let mut counted = Counted { content, progress: &mut self.progress, read: 0 };
        if let Err(failure) = self.registry.push_blob(&upload, &mut counted) {
            let read = counted.read;
            self.progress.retreat(read);
            self.stopped = Some(failure);
            return Err(io::Error::other("the upload stopped"));
        }
        self.failures = 0;
        self.outcomes[number].sent += 1;
        self.outcomes[number].sent_bytes += size;
        self.done(digest);
        Ok(())
    }

    fn done(&mut self, digest: Digest) {
        if let Some(numbers) = self.left.get_mut(&digest) {
            numbers.remove(0);
            if numbers.is_empty() {
                self.left.remove(&digest);
            }
        }
    }
}

impl ImageOutcome {
    /// Returns the counts before anything is sent.
    fn forecast(plan: &ImagePlan) -> Self {
        let count = |wanted: Way| plan.blobs.values().filter(|way| **way == wanted).count();
        Self { there: count(Way::There), mounted: count(Way::Mounted), ..Self::default() }
    }

    /// Returns the counts that result if the registry refuses no mount.
    pub(super) fn expected(plan: &ImagePlan, images: &ImageList) -> Self {
        let sent = plan.blobs.iter().filter(|(_, way)| **way == Way::Send);
        let sizes: Vec<u64> =
            sent.filter_map(|(digest, _)| Some(images.get(digest)?.size())).collect();
        let mounts = plan.blobs.values().filter(|way| matches!(way, Way::Mount(_))).count();
        let now = Self::forecast(plan);
        Self {
            sent: sizes.len(),
            sent_bytes: sizes.iter().sum(),
            mounted: now.mounted + mounts,
            there: now.there,
            tags: plan.tags.forecast(),
        }
    }
}

/// A reader that reports progress.
struct Counted<'a> {
    content: &'a mut dyn Read,
    progress: &'a mut Progress,
    read: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.read += read as u64;
        self.progress.advance(read as u64);
        Ok(read)
    }
}
