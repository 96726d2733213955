//! `history`: lists the generations in the record of an installation.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::args::installation::InstallationArgs;
use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::install::generations::EntryReport;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads each generation completely and compares it with the head of the record. Does not verify
signatures: `rollback` verifies those of the bundle that it restores, and `status --trust` those of
the deployed bundle.

Examples:
  relay-bundle history -n claude-relay
  relay-bundle history -n claude-relay --json"
)]
pub struct Args {
    #[command(flatten)]
    installation: InstallationArgs,
}

#[derive(Serialize)]
struct HistoryReport {
    name: String,
    namespace: String,
    context: String,
    /// Newest first.
    generations: Vec<EntryReport>,
}

impl Report for HistoryReport {
    const SCHEMA: &'static str = "history/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        for entry in &self.generations {
            let EntryReport {
                generation,
                state,
                content_id,
                profile,
                serial,
                recorded,
                content_of,
            } = entry;
            let state = state.to_string();
            let profile = safe(profile);
            let of = content_of.map(|of| format!("  back to {of}")).unwrap_or_default();
            writeln!(
                out,
                "{generation:>4}  {state:<10}  {recorded}  {profile}  serial {serial}  {content_id}{of}"
            )?;
        }
        Ok(())
    }
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
            generations: journal.head.generations.iter().rev().map(EntryReport::of).collect(),
        };
        ctx.printer.report(&report)?;
        Ok(ExitCode::SUCCESS)
    }
}
