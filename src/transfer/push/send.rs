//! Carries out a plan: configs and layers, then manifests, then tags.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use super::content::{PushContent, VisitFailure};
use super::plan::{Delivery, ImagePlan, PushPlan};
use super::tags::TagOutcome;
use crate::bundle::content::BlobEntry;
use crate::failure::Failure;
use crate::images::list::Carryable;
use crate::model::digest::Digest;
use crate::registry::{BlobUpload, MountAnswer, PulledManifest, Registry, UploadFailure};
use crate::transfer::meter::Meter;

/// The result for one image.
#[derive(Debug, Default)]
pub struct ImageOutcome {
    pub sent: usize,
    pub sent_bytes: u64,
    pub mounted: usize,
    pub there: usize,
    pub tags: TagOutcome,
}

impl PushPlan<'_> {
    /// Returns the results if the registry refuses no mount.
    pub fn forecast(&self) -> Vec<ImageOutcome> {
        self.images.iter().map(|image| self.forecast_of(image)).collect()
    }

    fn forecast_of(&self, plan: &ImagePlan) -> ImageOutcome {
        let sent = plan.blobs.iter().filter(|(_, way)| **way == Delivery::Send);
        let sizes: Vec<u64> = sent.map(|(digest, _)| self.content.size_of(*digest)).collect();
        let mounts = plan.blobs.values().filter(|way| matches!(way, Delivery::Mount(_))).count();
        let now = ImageOutcome::before_sending(plan);
        ImageOutcome {
            sent: sizes.len(),
            sent_bytes: sizes.iter().sum(),
            mounted: now.mounted + mounts,
            there: now.there,
            tags: plan.tags.forecast(),
        }
    }

    /// Sends everything, and returns the result for each image.
    ///
    /// # Errors
    ///
    /// When the content was damaged since, or a registry fails or refuses.
    pub fn carry_out(
        &self,
        registry: &Registry,
        meter: &mut dyn Meter,
    ) -> Result<Vec<ImageOutcome>, Failure> {
        Sender::new(registry, self, meter).run()
    }
}

/// Sends blobs and manifests, and tracks those that are left.
struct Sender<'a> {
    registry: &'a Registry,
    content: &'a PushContent<'a>,
    plans: &'a [ImagePlan<'a>],
    outcomes: Vec<ImageOutcome>,
    /// The blobs that are left to send, each with the indexes of the images that need it.
    left: BTreeMap<Digest, Vec<usize>>,
    /// The digests of the manifests to send. `manifests` holds those that have been read.
    wanted: BTreeSet<Digest>,
    manifests: BTreeMap<Digest, PulledManifest>,
    meter: &'a mut dyn Meter,
    failures: u32,
    /// Why a registry rejected a blob.
    stopped: Option<UploadFailure>,
}

impl<'a> Sender<'a> {
    fn new(
        registry: &'a Registry,
        PushPlan { content, images: plans }: &'a PushPlan<'a>,
        meter: &'a mut dyn Meter,
    ) -> Self {
        let mut left: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
        for (number, plan) in plans.iter().enumerate() {
            let sent = plan.blobs.iter().filter(|(_, way)| **way == Delivery::Send);
            sent.for_each(|(digest, _)| left.entry(*digest).or_default().push(number));
        }
        let sent = plans.iter().filter(|plan| plan.manifest == Delivery::Send);
        let wanted = sent.map(|plan| plan.destination.listed.digest).collect();
        let outcomes = plans.iter().map(ImageOutcome::before_sending).collect();
        let (manifests, failures, stopped) = (BTreeMap::new(), 0, None);
        Self {
            registry,
            content,
            plans,
            outcomes,
            left,
            wanted,
            manifests,
            meter,
            failures,
            stopped,
        }
    }

    /// Sends everything, and returns the result for each image.
    fn run(mut self) -> Result<Vec<ImageOutcome>, Failure> {
        self.send_left()?;
        self.mount()?;
        self.send_left()?;
        for (number, plan) in self.plans.iter().enumerate() {
            if plan.manifest == Delivery::Send {
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
                let Delivery::Mount(from) = way else { continue };
                let size = self.content.size_of(*digest);
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
        BlobEntry { digest, bytes: size, .. }: BlobEntry<'_>,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        if let Some(Carryable::Manifest(listed)) = self.content.images.get(&digest) {
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
        let mut counted = ProgressReader { content, meter: &mut *self.meter, read: 0 };
        if let Err(failure) = self.registry.push_blob(&upload, &mut counted) {
            let read = counted.read;
            self.meter.retreat(read);
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
    fn before_sending(plan: &ImagePlan) -> Self {
        let count = |wanted: Delivery| plan.blobs.values().filter(|way| **way == wanted).count();
        Self { there: count(Delivery::There), mounted: count(Delivery::Mounted), ..Self::default() }
    }
}

/// A reader that reports progress.
struct ProgressReader<'a> {
    content: &'a mut dyn Read,
    meter: &'a mut dyn Meter,
    read: u64,
}

impl Read for ProgressReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.read += read as u64;
        self.meter.advance(read as u64);
        Ok(read)
    }
}
