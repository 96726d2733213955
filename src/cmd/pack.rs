//! `pack`: a bundle that has been built as one file.

use std::io::{self, Write};
use std::process::ExitCode;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::archive_file::{self, TargetError};
use super::ctx::{Ctx, StoreArgs};
use super::failure::{Failure, Outcome};
use super::medium::{self, Found};
use super::source::{Reference, STDIN, no_stdin};
use crate::archive::WriteError;
use crate::ui::printer::Report;
use crate::ui::progress::Progress;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every file is compared with SHA256SUMS as it is copied; signatures go with it and are not
verified. The same bundle gives the same file, to the last byte.

Examples:
  relay-bundle pack @production production.tar
  relay-bundle pack bundles/production/ /media/usb/production.tar
  relay-bundle pack production.tar.parts production.tar"
)]
pub struct Args {
    /// The bundle: `@NAME` in the store, a folder, an archive, or the index of an archive in parts
    bundle: String,
    /// The file to write
    file: Utf8PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

/// What was written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PackReport {
    path: Utf8PathBuf,
    /// The size of the archive.
    bytes: u64,
    content_id: String,
    files: usize,
    signed: bool,
}

impl Report for PackReport {
    const SCHEMA: &'static str = "pack/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.path)
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let target = archive_file::Target { path: &self.file, option: "", example: "bundle.tar" };
        target.check(&self.store.store)?;
        let Found { sums, place } = self.open()?;
        if place.path.is_dir() {
            target.check_outside(&place.path, "inside the bundle")?;
        }
        let (id, signed) = (sums.content_id(), sums.attestation().is_some());
        let attestation = sums.attestation().map(<[u8]>::to_vec);
        let files = sums.into_files().map_err(|error| place.failure(error))?;
        let count = files.sums().len();
        let mut progress = Progress::new(&ctx.printer, "packed", None);
        let written = target.write(ctx, attestation.as_deref(), files, &mut |bytes| progress.advance(bytes));
        drop(progress);
        let bytes = written.map_err(|error| match error {
            TargetError::Write(WriteError::Source(error)) => place.failure(error),
            error => Failure::from(error),
        })?;
        let content_id = format!("sha256:{id}");
        let signature = if signed { "signed (not verified here)" } else { "unsigned" };
        let report = PackReport { path: self.file, bytes, content_id, files: count, signed };
        ctx.printer.report(&report)?;
        ctx.printer.say(&format!("packed {}: {bytes} bytes, {signature}", report.content_id));
        Ok(ExitCode::SUCCESS)
    }

    fn open(&self) -> Result<Found, Failure> {
        if self.bundle == STDIN {
            return Err(no_stdin("is not read"));
        }
        match Reference::of(&self.bundle) {
            Reference::Path(path) => medium::open_path(path),
            Reference::Entry(entry) => medium::open_entry(&self.store, entry),
            Reference::Profile(name) => Err(Failure::input(format!("`{name}` is a profile, and not built"))
                .hint(format!("`@{name}` is its newest build in the store"))
                .hint(format!("`relay-bundle build {name} --archive FILE` builds and packs it"))),
        }
    }
}
