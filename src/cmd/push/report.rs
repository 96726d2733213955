//! The report of a push, as data and as text.

use std::io::{self, Write};

use serde::Serialize;

use super::image_report::{ManifestState, PushedImage};
use crate::model::digest::Digest;
use crate::model::size::size;
use crate::model::words::count;
use crate::transfer::push::{ImageOutcome, PushMode, PushPlan};
use crate::ui::escape::safe;
use crate::ui::printer::Report;

/// The pushed bundle.
pub(super) struct PushSubject<'a> {
    pub(super) origin: String,
    pub(super) content_id: Digest,
    /// The images that come from the destination.
    pub(super) left_out: &'a [String],
}

/// The result of a push, or of its dry run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PushReport<'a> {
    origin: String,
    content_id: String,
    dry_run: bool,
    images: Vec<PushedImage>,
    left_out: &'a [String],
    sent: usize,
    sent_bytes: u64,
    mounted: usize,
    there: usize,
}

impl<'a> PushReport<'a> {
    pub(super) fn new(
        PushSubject { origin, content_id, left_out }: PushSubject<'a>,
        mode: PushMode,
        plan: &PushPlan,
        outcomes: Vec<ImageOutcome>,
    ) -> Self {
        let images: Vec<PushedImage> = plan
            .images
            .iter()
            .zip(outcomes)
            .map(|(plan, outcome)| PushedImage::of(plan, outcome))
            .collect();
        Self {
            origin,
            content_id: content_id.prefixed(),
            dry_run: mode == PushMode::DryRun,
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

impl Report for PushReport<'_> {
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
