//! `inspect`: shows a bundle on one page. Verifies no signature, and says so.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::ctx::Ctx;
use super::exit_code::Outcome;
use super::source::{self, SourceArgs};
use crate::bundle::summary::{Summary, summary};
use crate::ui::escape::safe;
use crate::ui::images_view::ImagesSummary;
use crate::ui::inspect_view;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = format!("Compares every file with SHA256SUMS; does not verify signatures.

Examples:
  relay-bundle inspect prod.tar
  relay-bundle inspect @production --json

{}", source::HELP))]
pub struct Args {
    /// The bundle
    bundle: String,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InspectReport {
    origin: String,
    /// Whether the bundle has an attestation; absent for a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    attested: Option<bool>,
    /// Always false: `inspect` verifies no signature.
    verified: bool,
    #[serde(skip)]
    signature: &'static str,
    /// The images that came with the bundle; absent if they are not pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    carried: Option<ImagesSummary>,
    #[serde(flatten)]
    summary: Summary,
}

impl Report for InspectReport {
    const SCHEMA: &'static str = "inspect/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{:<12}{}", "from", safe(&self.origin))?;
        if let Some(images) = &self.carried {
            writeln!(out, "{:<12}{images}", "images")?;
        }
        inspect_view::write(&self.summary, self.signature, out)
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let source = self.source.open(ctx, &self.bundle)?;
        let report = InspectReport {
            attested: source.attested,
            verified: false,
            signature: source.signature(),
            carried: source.images()?,
            summary: summary(&source.bundle),
            origin: source.origin,
        };
        ctx.printer.report(&report)?;
        Ok(ExitCode::SUCCESS)
    }
}
