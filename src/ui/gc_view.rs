//! The reports of `gc`.

use std::io::{self, Write};

use serde::Serialize;

use super::printer::Report;

/// The garbage of a store.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GcReport {
    /// Whether the garbage was removed: false in a dry run.
    pub removed: bool,
    pub entries: Vec<UnusedEntry>,
    /// Bytes left over by killed builds.
    pub leftover_bytes: u64,
    /// Image blobs; only with `--blobs`.
    pub blobs: Vec<UnlistedBlob>,
    /// Bytes of unfinished fetches; only with `--blobs`.
    pub partial_blob_bytes: u64,
    /// The total of all bytes.
    pub bytes: u64,
}

/// A blob that no bundle lists.
#[derive(Serialize)]
pub struct UnlistedBlob {
    pub digest: String,
    pub bytes: u64,
}

/// An entry that nothing points to.
#[derive(Serialize)]
pub struct UnusedEntry {
    pub name: String,
    pub bytes: u64,
}

impl Report for GcReport {
    const SCHEMA: &'static str = "gc/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.entries.iter().try_for_each(|entry| writeln!(out, "{}", entry.name))?;
        self.blobs.iter().try_for_each(|blob| writeln!(out, "{}", blob.digest))
    }
}
