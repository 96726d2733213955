//! `pack`: writes a bundle as one file.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::archive_file::{self, TargetError};
use super::carry::{self, Cargo, ImageSelection};
use super::ctx::{Ctx, StoreArgs, count};
use super::exit_code::Outcome;
use super::source::{Reference, STDIN, no_stdin, not_built};
use crate::bundle::carried::{Carried, Tail};
use crate::bundle::open::{images_of, read_index};
use crate::bundle::read::{AnyMedium, Contents, Files};
use crate::failure::{Failure, refused};
use crate::images::list::ImageList;
use crate::media::archive::{WriteError, Writer};
use crate::media::medium::{self, Found, Place};
use crate::model::digest::Digest;
use crate::store::Lock;
use crate::store::blobs::Blobs;
use crate::ui::printer::Report;
use crate::ui::progress::Progress;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Compares each file and image with its digest while copying it. Copies signatures without verifying
them. Takes images that BUNDLE does not carry from the store: download them with `relay-bundle fetch
BUNDLE`. The same bundle with the same images always gives an identical file.

Examples:
  relay-bundle pack @production production.tar
  relay-bundle pack bundles/production/ /media/usb/production.tar
  relay-bundle pack production.tar.parts production.tar
  relay-bundle pack @production production.tar --images all
  relay-bundle pack @production new.tar --images since:last.tar   only the new layers"
)]
pub struct Args {
    /// The bundle: `@NAME` in the store, a folder, an archive, or the index of an archive in parts
    bundle: String,
    /// The file to write
    file: Utf8PathBuf,
    /// Images to carry: all, none, since:FILE or since:@ENTRY (without layers that FILE or ENTRY
    /// lists) [default: those that BUNDLE carries]
    #[arg(long, value_name = "WHAT")]
    images: Option<ImageSelection>,
    #[command(flatten)]
    store: StoreArgs,
}

/// The result of `pack`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PackReport {
    path: Utf8PathBuf,
    /// The size of the archive.
    bytes: u64,
    content_id: String,
    files: usize,
    /// The number of manifests, configs and layers of images in the archive.
    blobs: usize,
    signed: bool,
}

impl Report for PackReport {
    const SCHEMA: &'static str = "pack/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.path)
    }
}

/// The bundle to pack.
struct Survey {
    place: Place,
    attestation: Option<Vec<u8>>,
    contents: Contents,
    images: Option<ImageList>,
    /// Blobs in the source; empty unless `--images` is given.
    carried: Carried,
    /// The images to copy unchanged; `None` with `--images`. A pipe can be read only once.
    tail: Option<Tail<AnyMedium>>,
    /// The selected blobs.
    carry: BTreeSet<Digest>,
    blobs: Blobs,
    /// Held until the archive is written, if blobs come from the store.
    #[expect(dead_code, reason = "its end is its use")]
    lock: Option<Lock>,
}

impl Survey {
    fn cargo(&self, fetch: String) -> Cargo<'_> {
        Cargo {
            attestation: self.attestation.as_deref(),
            files: &self.contents.files,
            images: self.images.as_ref(),
            carry: self.carry.clone(),
            fetch,
        }
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let target = archive_file::Target { path: &self.file, option: "", example: "bundle.tar" };
        target.check(&self.store.store)?;
        let mut survey = self.survey(ctx)?;
        let tail = survey.tail.take();
        let cargo = survey.cargo(self.fetch());
        let mut blobs = cargo.carry.len();
        let is_counted = tail.is_none() || survey.place.path.is_dir();
        let mut progress = Progress::new(&ctx.printer, "packed", is_counted.then(|| cargo.size()));
        let written = target.write(ctx, &mut |bytes| progress.advance(bytes), |out| {
            if let Some(tail) = tail {
                let Cargo { attestation, files, images, .. } = cargo;
                let writer = Writer::new(out, attestation, files, images)?.copy_images(tail)?;
                blobs = writer.carried();
                return Ok(writer.finish()?);
            }
            // Without images, everything is in memory.
            let tail = if survey.carried.is_empty() { None } else { Some(self.reopen(&survey)?) };
            cargo.write(out, tail, &survey.blobs)
        });
        drop(progress);
        let bytes = written.map_err(|error| match error {
            TargetError::Write(WriteError::Source(error)) => survey.place.failure(error),
            error => Failure::from(error),
        })?;
        let (id, signed) = (survey.contents.sums.content_id(), survey.attestation.is_some());
        let content_id = id.prefixed();
        let signature = if signed { "signed (not verified here)" } else { "unsigned" };
        let files = survey.contents.sums.len();
        let report =
            PackReport { path: self.file.clone(), bytes, content_id, files, blobs, signed };
        ctx.printer.report(&report)?;
        let images = match (survey.images.is_some(), blobs) {
            (false, _) => String::new(),
            (true, 0) => ", no images".to_owned(),
            (true, _) => format!(", {} of images", count(blobs, "blob")),
        };
        ctx.printer
            .say(&format!("packed {}: {bytes} bytes{images}, {signature}", report.content_id));
        Ok(ExitCode::SUCCESS)
    }

    /// Reads everything but the images, and selects the images to carry.
    fn survey(&self, ctx: &Ctx) -> Result<Survey, Failure> {
        let Found { sums, place } = self.open()?;
        if place.path.is_dir() {
            archive_file::Target { path: &self.file, option: "", example: "bundle.tar" }
                .check_outside(&place.path, "inside the bundle")?;
        }
        let attestation = sums.attestation().map(<[u8]>::to_vec);
        let read = sums.into_files().and_then(Files::read);
        let (contents, tail) = read.map_err(|error| place.failure(error))?;
        let disagrees = |error| refused::contradiction(&place.path, &error);
        let images = images_of(&contents.files).map_err(disagrees)?;
        let blobs = ctx.store(&self.store).blobs();
        let (carried, carry) = (Carried::default(), BTreeSet::new());
        let survey = Survey {
            place,
            attestation,
            contents,
            images,
            carried,
            tail: None,
            carry,
            blobs,
            lock: None,
        };
        match &self.images {
            None => Ok(Survey { tail: Some(tail), ..survey }),
            Some(wanted) => self.choose(ctx, survey, tail, wanted),
        }
    }

    /// Selects the images to carry from the source and the store.
    fn choose(
        &self,
        ctx: &Ctx,
        survey: Survey,
        tail: Tail<AnyMedium>,
        wanted: &ImageSelection,
    ) -> Result<Survey, Failure> {
        let Survey { place, contents, images, blobs, .. } = &survey;
        let carried = tail.skim(images.as_ref()).map_err(|error| place.failure(error))?;
        let index = read_index(&contents.files)
            .map_err(|error| refused::contradiction(&place.path, &error))?;
        let carry =
            carry::choose(ctx, &self.store, (index.name.as_str(), images.as_ref()), wanted)?;
        let mut lock = None;
        if let Some(images) = images {
            let fetch = self.fetch();
            lock = carry::check_there(blobs, images, &carry, (&carried, &fetch))?;
        }
        Ok(Survey { carried, carry, lock, ..survey })
    }

    /// Returns the command that fetches the images into the store.
    fn fetch(&self) -> String {
        self.store.fetch_line(&self.bundle)
    }

    /// Reads the bundle again, up to its images.
    fn reopen(&self, survey: &Survey) -> Result<Tail<AnyMedium>, Failure> {
        medium::check_rereadable(&survey.place.path)?;
        let Found { sums, place } = self.open()?;
        let read = sums.into_files().and_then(Files::read);
        let (contents, tail) = read.map_err(|error| place.failure(error))?;
        if contents.sums != survey.contents.sums {
            return Err(Failure::world(format!(
                "`{}` was replaced while being packed",
                self.bundle
            )));
        }
        Ok(tail)
    }

    fn open(&self) -> Result<Found, Failure> {
        if self.bundle == STDIN {
            return Err(no_stdin("is not read"));
        }
        match Reference::of(&self.bundle) {
            Reference::Path(path) => medium::open_path(path),
            Reference::Entry(entry) => medium::open_entry(&self.store.store, entry),
            Reference::Profile(name) => Err(not_built(name, "packed")),
        }
    }
}
