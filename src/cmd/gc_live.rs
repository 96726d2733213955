//! `gc --live`: removes unreferenced ConfigMaps from the cluster.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::args::installation::InstallationArgs;
use super::confirm::{confirm, place};
use super::ctx::{Ctx, count};
use super::exit_code::Outcome;
use super::holder::holder;
use crate::cluster::Cluster;
use crate::cluster::request::Request;
use crate::failure::Failure;
use crate::install::observe::owners;
use crate::install::preflight::check_rights;
use crate::install::record::{Journal, Turn, delete, gave_back};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::rollout::live;
use crate::rollout::prune::{still_named, unnamed};
use crate::rollout::record::{Entry, Progress, managed_labels};
use crate::rollout::rights::Right;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

/// The options of a live collection.
pub(super) struct How {
    pub(super) dry_run: bool,
    pub(super) yes: bool,
    pub(super) break_lock: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GcLiveReport<'a> {
    name: String,
    namespace: String,
    context: &'a str,
    cluster_uid: &'a str,
    /// Whether they were removed.
    removed: bool,
    config_maps: Vec<Garbage>,
}

/// An unreferenced ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Garbage {
    name: String,
    uid: String,
}

impl Report for GcLiveReport<'_> {
    const SCHEMA: &'static str = "gc-live/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.config_maps
            .iter()
            .try_for_each(|garbage| writeln!(out, "ConfigMap/{}", safe(&garbage.name)))
    }
}

/// Finds unreferenced ConfigMaps, asks, and removes them.
pub(super) fn collect(ctx: &Ctx, installation: &InstallationArgs, how: &How) -> Outcome {
    let cluster = installation.connect(&ctx.printer)?;
    let identity = cluster.identity()?;
    let mut journal = installation.open(&cluster)?;
    let mut report = GcLiveReport {
        name: journal.name().to_string(),
        namespace: journal.namespace().to_owned(),
        context: &cluster.context,
        cluster_uid: &identity.uid,
        removed: false,
        config_maps: look(&cluster, &journal)?,
    };
    let number = count(report.config_maps.len(), "ConfigMap");
    if how.dry_run || report.config_maps.is_empty() {
        ctx.printer.report(&report)?;
        ctx.printer.say(&format!("{number} in namespace {}, unreferenced", report.namespace));
        return Ok(ExitCode::SUCCESS);
    }
    let rights =
        ["update", "delete"].map(|verb| Right::to_all(verb, "ConfigMap", journal.namespace()));
    check_rights(&cluster, &rights.into())?;
    if !how.yes {
        let place = place(&cluster, &identity, None, journal.namespace());
        confirm(ctx, &report, &format!("Remove {number}, unreferenced, from {place}?"))?;
    }
    // Under the lock, everything is read again.
    journal.await_turn(Turn::of(false, how.break_lock), &|event| ctx.observe(event))?;
    let locked = journal.lock(holder("gc --live")?, |_, _| ());
    locked.map_err(|failure| gave_back(&mut journal, failure))?;
    let removed = remove(&cluster, &mut journal, &report.config_maps);
    report.config_maps = removed.map_err(|failure| gave_back(&mut journal, failure))?;
    report.removed = true;
    ctx.printer.report(&report)?;
    ctx.printer.say(&format!("removed {}", count(report.config_maps.len(), "ConfigMap")));
    Ok(ExitCode::SUCCESS)
}

/// Removes those of the `seen` ConfigMaps that are still unreferenced under the lock.
fn remove(
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    seen: &[Garbage],
) -> Result<Vec<Garbage>, Failure> {
    let now: BTreeSet<Garbage> = look(cluster, journal)?.into_iter().collect();
    let mut removed = Vec::new();
    for garbage in seen.iter().filter(|garbage| now.contains(garbage)) {
        journal.beat()?;
        let key = config_map(journal, &garbage.name);
        // Another object may have the same name by now.
        if let Some(object) = cluster.find(&key)?.filter(|object| live::uid(object) == garbage.uid)
        {
            delete(cluster, &key, &object)?;
            removed.push(garbage.clone());
        }
    }
    journal.release()?;
    Ok(removed)
}

/// Returns the ConfigMaps that are referenced neither by pods, nor by owners that may recreate
/// pods, nor by the deployed or the pending generation.
fn look(cluster: &Cluster, journal: &Journal<'_>) -> Result<Vec<Garbage>, Failure> {
    let current = |entry: &Entry| matches!(entry.state, Progress::Deployed | Progress::Pending);
    let inventory = journal.recorded(current)?.into_iter().flat_map(|recorded| recorded.inventory);
    let is_config = |key: &ObjectKey| key.is(Kind::ConfigMap);
    let mut used: BTreeSet<String> =
        inventory.map(|item| item.key).filter(is_config).map(|key| key.name).collect();
    // ConfigMaps are listed before their users: one that is created later is not in the list, so it
    // cannot be removed by mistake.
    let labels = managed_labels(journal.name());
    let all = cluster.list(&Request::list(&config_map(journal, ""), &labels))?;
    used.extend(still_named(&owners(cluster, journal.namespace())?, "ConfigMap"));
    let garbage =
        unnamed(&all, &used).map(|(name, uid)| Garbage { name: name.into(), uid: uid.into() });
    Ok(garbage.collect())
}

fn config_map(journal: &Journal<'_>, name: &str) -> ObjectKey {
    ObjectKey::of(Kind::ConfigMap, journal.namespace(), name)
}
