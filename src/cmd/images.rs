//! `images`: lists the images that the registry must have.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::args::source::{self, SourceArgs};
use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::bundle::index::PodImage;
use crate::failure::Failure;
use crate::images::mirror::MirrorCopy;
use crate::images::summary::ImagesSummary;
use crate::profile::resolve::image_sources;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("Prints references on stdout, and on stderr how many configs and layers the archive or the store has, \
without hashing them.

Examples:
  relay-bundle images production
  relay-bundle images prod.tar --json
  relay-bundle images prod.tar --mirror --quiet |
    while read -r from to; do
        skopeo copy --all --preserve-digests \\
            \"docker://$from\" \"docker://$to\" </dev/null
    done

{}", source::HELP))]
pub struct Args {
    /// The profile or bundle
    bundle: String,
    /// Print `SOURCE TARGET` for each image: its origin, and its name in the cluster
    /// (`images.registry`)
    #[arg(long)]
    mirror: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// The copies that fill a registry inside the air gap.
#[derive(Serialize)]
struct MirrorReport {
    copies: BTreeSet<MirrorCopy>,
}

impl Report for MirrorReport {
    const SCHEMA: &'static str = "mirror/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.copies.iter().try_for_each(|copy| writeln!(out, "{} {}", copy.from, copy.to))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImagesReport {
    /// Sorted by reference, without duplicates.
    images: Vec<PodImage>,
    /// Absent if the images are not pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    carried: Option<ImagesSummary>,
}

impl Report for ImagesReport {
    const SCHEMA: &'static str = "images/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.images.iter().try_for_each(|image| writeln!(out, "{}", safe(&image.reference)))
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let source = self.source.open(ctx, &self.bundle)?;
        let carried = source.images()?;
        if let Some(images) = &carried {
            ctx.printer.say(&images.to_string());
        }
        if self.mirror {
            let sources = image_sources(&source.bundle.recipe.settings);
            let copies = source
                .bundle
                .index
                .images
                .iter()
                .map(|image| MirrorCopy::of(&image.reference, &sources));
            ctx.printer.report(&MirrorReport {
                copies: copies.collect::<Result<_, _>>().map_err(Failure::input)?,
            })?;
        } else {
            ctx.printer.report(&ImagesReport { images: source.bundle.index.images, carried })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
