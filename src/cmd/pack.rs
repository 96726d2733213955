//! `pack`: writes a bundle as one file.

use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};

use super::ctx::{Ctx, StoreArgs};
use super::exit_code::Outcome;
use crate::media::archive::ArchiveTarget;
use crate::model::words::count;
use crate::transfer::cargo::ImageSelection;
use crate::transfer::event::TransferEvent;
use crate::transfer::pack::{PackSource, Packed, Packing};
use crate::ui::media_view::PackReport;
use crate::ui::progress::Progress;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Compares each file and image with its digest while copying it. Copies signatures without verifying \
them. Takes images that BUNDLE does not carry from the store: download them with `relay-bundle fetch \
BUNDLE`. The same bundle with the same images always gives an identical file.

Examples:
  relay-bundle pack @production production.tar
  relay-bundle pack bundles/production/ /media/usb/production.tar
  relay-bundle pack production.tar.parts production.tar
  relay-bundle pack @production production.tar --images all
  relay-bundle pack @production new.tar --images since:last.tar"
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

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let target = ArchiveTarget { path: &self.file, option: "", example: "bundle.tar" };
        target.check(&self.store.store)?;
        let source = PackSource { bundle: &self.bundle, store: &ctx.store(&self.store) };
        let observe = |event: &TransferEvent<'_>| ctx.observe_transfer(event);
        let packing = Packing::survey(source, &target, self.images.as_ref(), &observe)?;
        let mut progress = Progress::new(&ctx.printer, "packed", packing.size());
        let packed = packing.write(&target, &ctx.waits(), &mut |bytes| progress.advance(bytes));
        drop(progress);
        let packed = packed?;
        ctx.printer.report(&report(&packed, &self.file))?;
        ctx.printer.say(&summary(&packed));
        Ok(ExitCode::SUCCESS)
    }
}

fn summary(packed: &Packed) -> String {
    let Packed { bytes, content_id, blobs, is_signed, has_images, .. } = packed;
    let signature = if *is_signed { "signed (not verified here)" } else { "unsigned" };
    let images = match (has_images, blobs) {
        (false, _) => String::new(),
        (true, 0) => ", no images".to_owned(),
        (true, _) => format!(", {} of images", count(*blobs, "blob")),
    };
    format!("packed {}: {bytes} bytes{images}, {signature}", content_id.prefixed())
}

fn report(packed: &Packed, path: &Utf8Path) -> PackReport {
    PackReport {
        path: path.to_owned(),
        bytes: packed.bytes,
        content_id: packed.content_id.prefixed(),
        files: packed.files,
        blobs: packed.blobs,
        signed: packed.is_signed,
    }
}
