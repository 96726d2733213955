//! The reports of `images`.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::Serialize;

use super::escape::safe;
use super::printer::Report;
use crate::bundle::index::PodImage;
use crate::images::mirror::MirrorCopy;
use crate::images::summary::ImagesSummary;

/// The copies that fill a registry inside the air gap.
#[derive(Serialize)]
pub struct MirrorReport {
    pub copies: BTreeSet<MirrorCopy>,
}

impl Report for MirrorReport {
    const SCHEMA: &'static str = "mirror/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.copies.iter().try_for_each(|copy| writeln!(out, "{} {}", copy.from, copy.to))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagesReport {
    /// Sorted by reference, without duplicates.
    pub images: Vec<PodImage>,
    /// Absent if the images are not pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carried: Option<ImagesSummary>,
}

impl Report for ImagesReport {
    const SCHEMA: &'static str = "images/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.images.iter().try_for_each(|image| writeln!(out, "{}", safe(&image.reference)))
    }
}
