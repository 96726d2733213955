//! `restart`: replaces the pods of a workload with new ones from the same template, like
//! `kubectl rollout restart`.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::args::change::ChangeArgs;
use super::confirm::{confirm, place};
use super::ctx::Ctx;
use super::exit_code::Outcome;
use super::install::host;
use crate::cluster::{Cluster, Identity};
use crate::failure::Failure;
use crate::install::event::Event;
use crate::install::record::Journal;
use crate::install::restart::{check, restart};
use crate::model::object_key::ObjectKey;
use crate::model::text::ObjectName;
use crate::model::timestamp::Timestamp;
use crate::rollout::record::Item;
use crate::rollout::restart::{is_workload, workload};
use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Replaces pods according to the workload's strategy, and waits for them. A later `apply` does not
restart them again, and comparisons with the bundle do not show the restart.

Examples:
  relay-bundle restart relay -n claude-relay
  relay-bundle restart redis -n claude-relay --yes --timeout 120"
)]
pub struct Args {
    /// The workload: `relay`, `redis`, or the name of its Deployment or StatefulSet
    #[arg(value_name = "WORKLOAD")]
    workload: ObjectName,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestartReport<'a> {
    context: &'a str,
    cluster_uid: &'a str,
    /// The restarted workload.
    #[serde(flatten)]
    key: &'a ObjectKey,
    /// Absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    restarted_at: Option<Timestamp>,
}

impl Report for RestartReport<'_> {
    const SCHEMA: &'static str = "restart/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let place =
            format!("{} in namespace {} of context {}", self.key, self.key.namespace, self.context);
        match self.restarted_at {
            None => writeln!(out, "restart   {}", safe(&place)),
            Some(at) => writeln!(out, "{} was restarted at {at}, and is ready", safe(&place)),
        }
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let cluster = self.change.installation.connect(&ctx.printer)?;
        let identity = cluster.identity()?;
        let mut journal = self.change.installation.open(&cluster)?;
        let observe = |event: &Event<'_>| ctx.observe(event);
        journal.await_turn(self.change.turn(), &observe)?;
        let item = self.find(&journal)?;
        let key = &item.key;
        let mut report = RestartReport {
            context: &cluster.context,
            cluster_uid: &identity.uid,
            key,
            restarted_at: None,
        };
        if self.change.dry_run {
            ctx.printer.report(&report)?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(pending) = journal.head.pending() {
            let pending = pending.generation;
            ctx.printer.warn(&format!(
                "generation {pending} is pending: new pods use the parts of it that are already \
                 applied; apply its bundle again, or roll back"
            ));
        }
        check(&cluster, key)?;
        if !self.change.yes {
            confirm(ctx, &report, &question(&cluster, &identity, key))?;
        }
        let timeout = self.change.timeout();
        let now = restart(&host(&observe), &cluster, &mut journal, &item, timeout)?;
        report.restarted_at = Some(now);
        ctx.printer.report(&report)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Returns the workload that the argument selects among the deployed ones.
    fn find(&self, journal: &Journal<'_>) -> Result<Item, Failure> {
        let running = journal.running()?;
        let recorded = journal.recorded(|entry| entry == running)?;
        let inventory: Vec<Item> =
            recorded.into_iter().flat_map(|recorded| recorded.inventory).collect();
        let meant = self.workload.as_str();
        if let Some(item) = workload(&inventory, meant) {
            return Ok(item.clone());
        }
        let all = inventory.iter().filter(|item| is_workload(item));
        let all: Vec<String> = all.map(|item| described(&inventory, item)).collect();
        Err(Failure::input(format!("{} has no workload `{meant}`", journal.name()))
            .hint(format!("it has {}", all.join(", "))))
    }
}

/// Describes a workload, with its short name if it has one.
fn described(inventory: &[Item], item: &Item) -> String {
    let is_short = |word: &&str| workload(inventory, word) == Some(item);
    match ["relay", "redis"].into_iter().find(is_short) {
        Some(word) => format!("`{word}` ({})", item.key.name),
        None => format!("`{}`", item.key.name),
    }
}

fn question(cluster: &Cluster, identity: &Identity, key: &ObjectKey) -> String {
    format!("Restart {key} in {}?", place(cluster, identity, None, &key.namespace))
}
