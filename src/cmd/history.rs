//! `history`: lists the generations in the record of an installation.

use std::process::ExitCode;

use super::args::installation::InstallationArgs;
use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::ui::history_view::{GenerationReport, HistoryReport};

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Reads each generation completely and compares it with the head of the record. Does not verify \
signatures: `rollback` verifies those of the bundle that it restores, and `status --trust` those of \
the deployed bundle.

Examples:
  relay-bundle history -n claude-relay
  relay-bundle history -n claude-relay --json"
)]
pub struct Args {
    #[command(flatten)]
    installation: InstallationArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let cluster = self.installation.connect(&ctx.printer)?;
        let journal = self.installation.open(&cluster)?;
        // Reads every generation, so that a damaged one is noticed before a rollback needs it.
        journal.recorded(|_| true)?;
        let report = HistoryReport {
            name: journal.name().to_string(),
            namespace: journal.namespace().to_owned(),
            context: cluster.context.clone(),
            generations: journal.head.generations.iter().rev().map(GenerationReport::of).collect(),
        };
        ctx.printer.report(&report)?;
        Ok(ExitCode::SUCCESS)
    }
}
