//! The report of a push, as data and as text.

use std::io::{self, Write};

use serde::Serialize;

use super::plan::{ImagePlan, Way};
use super::send::ImageOutcome;
use super::tags::{TagOutcome, TagWay};
use super::{Mode, Orders};
use crate::cmd::ctx::count;
use crate::model::digest::Digest;
use crate::ui::escape::safe;
use crate::ui::printer::Report;
use crate::ui::progress::size;

/// The pushed bundle.
pub(super) struct PushSubject {
    pub(super) origin: String,
    pub(super) content_id: Digest,
    /// The images that come from the destination.
    pub(super) left_out: Vec<String>,
}

/// The result of a push, or of its dry run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PushReport {
    origin: String,
    content_id: String,
    dry_run: bool,
    images: Vec<PushedImage>,
    left_out: Vec<String>,
    sent: usize,
    sent_bytes: u64,
    mounted: usize,
    there: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PushedImage {
    reference: String,
    /// The reference at the destination registry.
    destination: String,
    manifest: ManifestState,
    /// Configs and layers, each counted for the first image of a repository that has it.
    sent: usize,
    sent_bytes: u64,
    mounted: usize,
    there: usize,
    #[serde(flatten)]
    tags: TagOutcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum ManifestState {
    Sent,
    There,
}

impl PushReport {
    pub(super) fn new(
        PushSubject { origin, content_id, left_out }: PushSubject,
        orders: Orders,
        plans: &[ImagePlan],
        outcomes: Vec<ImageOutcome>,
    ) -> Self {
        let images: Vec<PushedImage> = plans
            .iter()
            .zip(outcomes)
            .map(|(plan, outcome)| PushedImage::of(plan, outcome))
            .collect();
        Self {
            origin,
            content_id: format!("sha256:{content_id}"),
            dry_run: orders.mode == Mode::DryRun,
            sent: images.iter().map(|image| image.sent).sum(),
            sent_bytes: images.iter().map(|image| image.sent_bytes).sum(),
            mounted: images.iter().map(|image| image.mounted).sum(),
            there: images.iter().map(|image| image.there).sum(),
            images,
            left_out,
        }
    }

    /// Returns the warnings about tags.
    pub(super) fn warnings(&self) -> impl Iterator<Item = &String> {
        self.images.iter().flat_map(|image| &image.tags.warnings)
    }

    /// Returns the totals in one line.
    pub(super) fn summary(&self) -> String {
        let Self { sent, sent_bytes, mounted, there, .. } = self;
        let verb = if self.dry_run { "would push" } else { "pushed" };
        let images = count(self.images.len(), "image");
        format!("{verb} {images}: {}", self.counts((*sent, *sent_bytes), *mounted, *there))
    }

    /// Returns the numbers of configs and layers as text.
    fn counts(&self, (sent, bytes): (usize, u64), mounted: usize, there: usize) -> String {
        let (blobs, bytes) = (count(sent, "blob"), size(bytes));
        if self.dry_run {
            format!("{blobs} to send ({bytes}), {mounted} to mount, {there} there")
        } else {
            format!("{blobs} sent ({bytes}), {mounted} mounted, {there} there before")
        }
    }
}

impl PushedImage {
    fn of(plan: &ImagePlan, outcome: ImageOutcome) -> Self {
        let ImageOutcome { sent, sent_bytes, mounted, there, tags } = outcome;
        let manifest =
            if plan.manifest == Way::There { ManifestState::There } else { ManifestState::Sent };
        let reference = plan.destination.listed.reference.to_string();
        let destination = plan.destination.image.to_string();
        Self { reference, destination, manifest, sent, sent_bytes, mounted, there, tags }
    }

    /// Returns the result for the tags, if it is worth mentioning.
    fn tag_text(&self) -> Option<String> {
        let TagOutcome { tag, tag_state, kept_by, former_kept_by, .. } = &self.tags;
        let tag = tag.as_deref().unwrap_or_default();
        let kept = kept_by.as_ref().map(|tag| format!("`{tag}` keeps this one"));
        let former = former_kept_by.as_ref().map(|tag| format!("`{tag}` keeps the other one"));
        let state = match tag_state {
            None | Some(TagWay::There | TagWay::Set) => None,
            Some(TagWay::Moved) => Some(format!("the tag `{tag}` moves here from another image")),
            Some(TagWay::Left) => Some(format!("the tag `{tag}` names another image, and stays")),
            Some(TagWay::Refused) => Some(format!("the registry refused the tag `{tag}`")),
        };
        let texts: Vec<String> = state.into_iter().chain(kept).chain(former).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

impl Report for PushReport {
    const SCHEMA: &'static str = "push/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        for image in &self.images {
            let PushedImage { destination, manifest, sent, sent_bytes, mounted, there, .. } = image;
            let state = match manifest {
                ManifestState::There if *sent + *mounted == 0 => "there before".to_owned(),
                _ => self.counts((*sent, *sent_bytes), *mounted, *there),
            };
            writeln!(out, "{}: {state}", safe(destination))?;
            if let Some(text) = image.tag_text() {
                writeln!(out, "  {}", safe(&text))?;
            }
        }
        Ok(())
    }
}
