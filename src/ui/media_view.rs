//! The reports of `fetch`, `join`, `pack` and `split`.

use std::io::{self, Write};

use camino::Utf8PathBuf;
use serde::Serialize;

use super::escape::safe;
use super::printer::Report;
use crate::model::digest::Digest;

/// The report of a fetch.
#[derive(Serialize)]
pub struct FetchReport {
    /// The image references, without duplicates.
    pub images: Vec<String>,
    /// The number of fetched manifests, configs and layers.
    pub fetched: usize,
    /// Their total size.
    pub bytes: u64,
    /// The number of those that the store had already.
    pub there: usize,
}

impl Report for FetchReport {
    const SCHEMA: &'static str = "fetch/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.images.iter().try_for_each(|image| writeln!(out, "{}", safe(image)))
    }
}

/// The report of a join.
#[derive(Serialize)]
pub struct JoinReport {
    pub path: Utf8PathBuf,
    pub bytes: u64,
    pub sha256: Digest,
    pub parts: usize,
}

impl Report for JoinReport {
    const SCHEMA: &'static str = "join/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.path)
    }
}

/// The result of `pack`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackReport {
    pub path: Utf8PathBuf,
    /// The size of the archive.
    pub bytes: u64,
    pub content_id: String,
    pub files: usize,
    /// The number of manifests, configs and layers of images in the archive.
    pub blobs: usize,
    pub signed: bool,
}

impl Report for PackReport {
    const SCHEMA: &'static str = "pack/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.path)
    }
}

/// The report of a split.
#[derive(Serialize)]
pub struct SplitReport {
    /// The path of the index.
    pub index: Utf8PathBuf,
    pub name: String,
    pub bytes: u64,
    pub sha256: Digest,
    pub parts: Vec<PartLine>,
}

/// A part of a split file.
#[derive(Serialize)]
pub struct PartLine {
    pub name: String,
    pub bytes: u64,
    pub sha256: Digest,
}

impl Report for SplitReport {
    const SCHEMA: &'static str = "split/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.index)
    }
}
