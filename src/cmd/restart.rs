//! `restart`: replaces the pods of a workload with new ones from the same template, like
//! `kubectl rollout restart`.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::args::change::ChangeArgs;
use super::clock;
use super::confirm::{confirm, place};
use super::ctx::Ctx;
use super::exit_code::Outcome;
use super::holder::holder;
use crate::cluster::request::{FIELD_MANAGER, Request};
use crate::cluster::{Cluster, Identity};
use crate::failure::{Failure, FailureKind};
use crate::install::event::{Act, Event, Observer};
use crate::install::preflight::check_rights;
use crate::install::record::{Journal, gave_back};
use crate::install::wait::wait;
use crate::model::object_key::ObjectKey;
use crate::model::text::ObjectName;
use crate::model::timestamp::Timestamp;
use crate::rollout::live;
use crate::rollout::record::Item;
use crate::rollout::restart::{MANAGER, is_workload, patch, restarted_at, workload};
use crate::rollout::rights::Right;
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
        let now = clock::now()?;
        let locked = journal.lock(holder("restart")?, |_, _| {});
        locked.map_err(|failure| gave_back(&mut journal, failure))?;
        let done = self
            .restart(&cluster, &mut journal, &item, now, &observe)
            .and_then(|()| journal.release());
        done.map_err(|failure| gave_back(&mut journal, failure))?;
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

    fn restart(
        &self,
        cluster: &Cluster,
        journal: &mut Journal<'_>,
        item: &Item,
        now: Timestamp,
        observe: &Observer<'_>,
    ) -> Result<(), Failure> {
        let key = &item.key;
        let live = cluster.find(key)?;
        let is_ours = |object: &serde_json::Value| {
            item.uid.as_deref() == Some(live::uid(object))
                && live::is_managed_by(object, FIELD_MANAGER, journal.name().as_str())
        };
        let Some(live) = live.filter(is_ours) else {
            return Err(Failure::world(format!(
                "{key} does not exist, or is not the installed one"
            ))
            .hint("check with `relay-bundle status`, and apply the bundle again"));
        };
        if restarted_at(&live) == Some(now.to_string().as_str()) {
            return Err(Failure::world(format!("{key} was already restarted within this second")));
        }
        cluster.call(&Request::apply_as(MANAGER, key, &patch(key, &live, now)))?;
        observe(&Event::Changed { act: Act::Restart, key });
        let ready =
            wait(cluster, journal, std::slice::from_ref(key), self.change.timeout(), observe);
        ready.map_err(|failure| match failure.kind {
            FailureKind::World => failure
                .hint(
                    "nothing was undone, and the new pods may still become ready: check with \
                     `relay-bundle status`",
                )
                .hint(
                    "if the running bundle is the cause, apply a fixed one, or run: relay-bundle \
                     rollback",
                ),
            _ => failure,
        })
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

/// Refuses, before the lock is taken, if a permission is missing.
fn check(cluster: &Cluster, key: &ObjectKey) -> Result<(), Failure> {
    let namespace = &key.namespace;
    let lists = ["Pod", "ReplicaSet"].map(|kind| Right::to_all("list", kind, namespace));
    let writes = [
        Right::to_one("patch", &key.kind, namespace, &key.name),
        Right::to_all("update", "ConfigMap", namespace),
    ];
    check_rights(cluster, &lists.into_iter().chain(writes).collect())
}

fn question(cluster: &Cluster, identity: &Identity, key: &ObjectKey) -> String {
    format!("Restart {key} in {}?", place(cluster, identity, None, &key.namespace))
}
