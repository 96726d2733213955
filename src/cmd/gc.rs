//! `gc`: removes from the store what no link and no pin reaches.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::ctx::{Ctx, StoreArgs, count};
use super::failure::Outcome;
use crate::store::Store;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "Kept is what a link in the store, or in its folder `.pins`, leads to:
  ln -s ../1f0c9a2b…-claude-relay-production bundles/.pins/release-7

Examples:
  relay-bundle gc --dry-run
  relay-bundle gc --store /var/lib/bundles")]
pub struct Args {
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GcReport {
    /// Whether it was removed.
    removed: bool,
    entries: Vec<Entry>,
    /// What killed builds had left.
    leftover_bytes: u64,
    /// All of it.
    bytes: u64,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    bytes: u64,
}

impl Report for GcReport {
    const SCHEMA: &'static str = "gc/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.entries.iter().try_for_each(|entry| writeln!(out, "{}", entry.name))
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let store = Store::at(&self.store.store);
        let garbage = if self.dry_run { store.find_garbage()? } else { store.collect_garbage()? };
        let entries = garbage.entries.iter();
        let report = GcReport {
            removed: !self.dry_run,
            entries: entries
                .map(|entry| Entry { name: entry.entry.to_string(), bytes: entry.bytes })
                .collect(),
            leftover_bytes: garbage.leftover_bytes,
            bytes: garbage.bytes(),
        };
        ctx.printer.report(&report)?;
        let verb = if self.dry_run { "would free" } else { "freed" };
        let bundles = count(report.entries.len(), "bundle");
        ctx.printer.say(&format!("{verb} {} bytes: {bundles}", report.bytes));
        Ok(ExitCode::SUCCESS)
    }
}
