//! `gc`: removes bundles from the store that no link and no pin reaches, and with `--live`
//! unreferenced ConfigMaps from the cluster.

use std::process::ExitCode;

use super::args::installation::InstallationArgs;
use super::ctx::{Ctx, StoreArgs};
use super::exit_code::Outcome;
use super::gc_live::{How, collect};
use crate::model::words::count;
use crate::store::GarbageScope;
use crate::ui::gc_view::{GcReport, UnlistedBlob, UnusedEntry};

#[derive(Debug, clap::Args)]
#[command(
    mut_arg("store", |argument| argument.conflicts_with("live")),
    mut_arg("namespace", |argument| argument.requires("live")),
    mut_arg("name", |argument| argument.requires("live")),
    mut_arg("kubeconfig", |argument| argument.requires("live")),
    mut_arg("context", |argument| argument.requires("live")),
    after_long_help = "Keeps the bundles that a link in the store, or in its folder `.pins`, points to:
  ln -s ../1f0c9a2b…-claude-relay-production bundles/.pins/release-7

--blobs also removes images that were fetched and that no bundle lists yet: build first.

--live removes ConfigMaps with content hashes in their names from the cluster, unless a pod, \
ReplicaSet, ControllerRevision (used by `kubectl rollout undo`) or a deployed or pending generation \
refers to them. The next `apply` also removes them.

Examples:
  relay-bundle gc --dry-run
  relay-bundle gc --store /var/lib/bundles
  relay-bundle gc --blobs --dry-run
  relay-bundle gc --live -n claude-relay --dry-run"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Args {
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    store: StoreArgs,
    /// Also remove images that no remaining bundle lists, and unfinished downloads
    #[arg(long, conflicts_with = "live")]
    blobs: bool,
    /// Clean up the cluster instead of the store
    #[arg(long)]
    live: bool,
    /// Do not ask
    #[arg(long, short, requires = "live")]
    yes: bool,
    /// Take the lock from its holder, without checking whether it is alive
    #[arg(long, requires = "live")]
    break_lock: bool,
    #[command(flatten)]
    installation: InstallationArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        if self.live {
            let Self { dry_run, yes, break_lock, .. } = self;
            return collect(ctx, &self.installation, &How { dry_run, yes, break_lock });
        }

        let store = ctx.store(&self.store);
        let scope = if self.blobs { GarbageScope::EntriesAndBlobs } else { GarbageScope::Entries };
        let garbage =
            if self.dry_run { store.find_garbage(scope)? } else { store.collect_garbage(scope)? };
        let entries = garbage.entries.iter();
        let report = GcReport {
            removed: !self.dry_run,
            entries: entries
                .map(|entry| UnusedEntry { name: entry.entry.to_string(), bytes: entry.bytes })
                .collect(),
            leftover_bytes: garbage.leftover_bytes,
            blobs: garbage
                .blobs
                .blobs
                .iter()
                .map(|(digest, bytes)| UnlistedBlob { digest: digest.prefixed(), bytes: *bytes })
                .collect(),
            partial_blob_bytes: garbage.blobs.partial_bytes,
            bytes: garbage.bytes(),
        };

        ctx.printer.report(&report)?;
        let verb = if self.dry_run { "would free" } else { "freed" };
        let bundles = count(report.entries.len(), "bundle");
        let blobs = if self.blobs {
            format!(", {}", count(report.blobs.len(), "blob"))
        } else {
            String::new()
        };
        ctx.printer.say(&format!("{verb} {} bytes: {bundles}{blobs}", report.bytes));
        Ok(ExitCode::SUCCESS)
    }
}
