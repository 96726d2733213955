//! `images`: what must be in the registry.

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

{}", source::HELP))]
pub struct Args {
    /// The profile or the bundle
    bundle: String,
    #[command(flatten)]
    source: SourceArgs,
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
        let source = self.source.open(ctx, &self.bundle)?;
        ctx.printer.report(&ImagesReport { images: source.bundle.index.images })?;
        Ok(ExitCode::SUCCESS)
    }
}
