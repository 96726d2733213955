//! `images`: what must be in the registry.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::ctx::Ctx;
use super::failure::Outcome;
use super::source::{self, SourceArgs};
use crate::bundle::index::Image;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  relay-bundle images production
  relay-bundle images prod.tar --json
  relay-bundle images production --mirror | while read from to; do skopeo copy docker://$from docker://$to; done

{}", source::HELP))]
pub struct Args {
    /// The profile or the bundle
    bundle: String,
    /// Print where each image of a profile comes from, before the rewrite of `images.registry`, and where it is wanted
    #[arg(long)]
    mirror: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// Copies to make, for a registry inside the gap.
#[derive(Serialize)]
struct MirrorReport {
    copies: BTreeSet<Copy>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Copy {
    from: String,
    to: String,
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
    /// Sorted by reference, each once.
    images: Vec<Image>,
}

impl Report for ImagesReport {
    const SCHEMA: &'static str = "images/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.images.iter().try_for_each(|image| writeln!(out, "{}", safe(&image.reference)))
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        if self.mirror {
            return self.mirror(ctx);
        }
        let source = self.source.open(ctx, &self.bundle)?;
        ctx.printer.report(&ImagesReport { images: source.bundle.index.images })?;
        Ok(ExitCode::SUCCESS)
    }

    fn mirror(&self, ctx: &Ctx) -> Outcome {
        // A bundle knows only what its pods pull.
        let profile = ctx.load(&self.bundle, &self.source.profiles)?;
        let images = profile.images().into_values();
        let copies = images.map(|image| Copy { from: image.source, to: image.reference }).collect();
        ctx.printer.report(&MirrorReport { copies })?;
        Ok(ExitCode::SUCCESS)
    }
}
