//! `inspect`: shows a bundle on one page. Verifies no signature, and says so.

use std::process::ExitCode;

use super::args::source::{self, SourceArgs};
use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::bundle::summary::summary;
use crate::ui::inspect_view::InspectReport;

#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("Compares every file with SHA256SUMS; does not verify signatures.

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

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let source = self.source.open(ctx, &self.bundle)?;
        let report = InspectReport {
            attested: source.attested,
            verified: false,
            signature: signature(source.attested),
            carried: source.images()?,
            summary: summary(&source.bundle),
            origin: source.origin,
        };
        ctx.printer.report(&report)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns a text about the signatures of a bundle.
fn signature(attested: Option<bool>) -> &'static str {
    match attested {
        Some(true) => {
            "it has an attestation, which was NOT verified here (use `relay-bundle verify`)"
        }
        Some(false) => "unsigned",
        None => "none: the profile is not built",
    }
}
