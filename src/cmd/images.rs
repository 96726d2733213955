//! `images`: lists the images that the registry must have.

use std::process::ExitCode;

use super::args::source::{self, SourceArgs};
use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::failure::Failure;
use crate::images::mirror::MirrorCopy;
use crate::profile::resolve::image_sources;
use crate::ui::images_view::{ImagesReport, MirrorReport};

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
