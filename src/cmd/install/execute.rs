//! Does what was planned, and decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::survey::{list, outcome, split_used, yaml};
use crate::bundle::index::Object;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::request::{Request, Run};
use crate::cmd::failure::Failure;
use crate::cmd::journal::{Journal, delete};
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::phase;
use crate::rollout::live;
use crate::rollout::plan::{Action, Plan, Step, Tried};
use crate::rollout::prune::Candidate;
use crate::rollout::replicas;
use crate::trust::verify::Verified;

/// How long the garbage collector may take to end what belonged to a workload.
const END_MAX: Duration = Duration::from_secs(20);
const END_POLL: Duration = Duration::from_millis(200);

/// The uids of objects, as far as they are known.
pub(super) type Uids = BTreeMap<ObjectKey, String>;

/// Applies what is new or changed, in order; adds the uids, and returns the autoscalers that went before.
pub(super) fn apply_steps(
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    bundle: &Verified<Bundle>,
    plan: &Plan,
    uids: &mut Uids,
    tell: &dyn Fn(&str),
) -> Result<Vec<Candidate>, Failure> {
    let mut gone = Vec::new();
    for (object, step) in bundle.index.objects.iter().zip(&plan.steps) {
        if step.key.kind == "Deployment" {
            gone.extend(delete_all(cluster, journal, &plan.prune_first, tell)?);
        }
        if step.action == Action::Keep {
            continue;
        }
        journal.beat()?;
        let uid = apply_step(cluster, bundle, object, step)?;
        uids.insert(step.key.clone(), uid);
        tell(&format!("{}  {}", if step.action == Action::Create { "create" } else { "update" }, step.key));
    }
    Ok(gone)
}

/// Applies Deployments once more whose number of pods is another one again: an autoscaler that went may still have been at
/// work. Tells whether there was one.
pub(super) fn unscale(
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    bundle: &Verified<Bundle>,
    plan: &Plan,
    tell: &dyn Fn(&str),
) -> Result<bool, Failure> {
    let mut is_any = false;
    let steps = bundle.index.objects.iter().zip(bundle.manifests.iter()).zip(&plan.steps);
    for ((object, manifest), step) in steps.filter(|(_, step)| step.key.kind == "Deployment") {
        let Some(wanted) = manifest.object.pointer("/spec/replicas") else { continue };
        let live = cluster.find(&step.key)?;
        if live.is_some_and(|live| live.pointer("/spec/replicas") != Some(wanted)) {
            journal.beat()?;
            let yaml = yaml(bundle, &object.file);
            let dry = outcome(&step.key, cluster.call(&Request::apply(&step.key, yaml, Run::Dry)))?;
            let request = Request::apply(&step.key, yaml, Run::Real);
            let is_given_back = |conflict| replicas::is_given_back(conflict, true);
            let request = match dry {
                Tried::Conflict(conflicts) if conflicts.iter().all(is_given_back) => request.by_force(),
                _ => request,
            };
            cluster.call(&request)?;
            tell(&format!("update  {}", step.key));
            is_any = true;
        }
    }
    Ok(is_any)
}

fn apply_step(
    cluster: &Cluster,
    bundle: &Verified<Bundle>,
    object: &Object,
    step: &Step,
) -> Result<String, Failure> {
    if let Some(replicas) = step.held_replicas {
        let held = replicas::hold(&step.key, replicas);
        cluster.call(&Request::apply_as(replicas::KEEPER, &step.key, &held))?;
    }
    if step.forced.is_empty() {
        return apply_one(cluster, bundle, object, &step.key);
    }
    // Force takes whatever is in conflict by now; leave is for what was seen.
    let yaml = yaml(bundle, &object.file);
    let dry = outcome(&step.key, cluster.call(&Request::apply(&step.key, yaml, Run::Dry)))?;
    if let Tried::Conflict(conflicts) = dry
        && let Some(new) = conflicts.iter().find(|new| !step.forced.iter().any(|old| old.field == new.field))
    {
        let (key, field, manager) = (&step.key, &new.field, &new.manager);
        return Err(Failure::world(format!("{key}: {field} has come to be owned by {manager} meanwhile"))
            .hint("run the command again: it plans with what is there now"));
    }
    let request = Request::apply(&step.key, yaml, Run::Real).by_force();
    Ok(live::uid(&cluster.call(&request)?).to_owned())
}

/// Applies one manifest; returns the uid of the object.
pub(super) fn apply_one(
    cluster: &Cluster,
    bundle: &Verified<Bundle>,
    object: &Object,
    key: &ObjectKey,
) -> Result<String, Failure> {
    let request = Request::apply(key, yaml(bundle, &object.file), Run::Real);
    let applied = cluster.call(&request).map_err(|error| {
        Failure::from(error).hint(format!("while applying {key}; what came before it is done"))
    })?;
    Ok(live::uid(&applied).to_owned())
}

/// Deletes what goes, unless something names it by now; returns what went.
pub(super) fn prune(
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    plan: &Plan,
    namespace: &str,
    tell: &dyn Fn(&str),
) -> Result<Vec<Candidate>, Failure> {
    let all = plan.prune.iter().chain(&plan.prune_later).cloned();
    let (configs, others): (Vec<_>, Vec<_>) = all.partition(|candidate| candidate.key.kind == "ConfigMap");
    let has_pods = |candidate: &Candidate| phase(&candidate.key.kind) >= phase("StatefulSet");
    let (workloads, others): (Vec<_>, Vec<_>) = others.into_iter().partition(has_pods);
    let mut gone = delete_all(cluster, journal, &workloads, tell)?;
    await_end(cluster, journal, namespace, &gone)?;
    gone.extend(delete_all(cluster, journal, &others, tell)?);
    let (unused, _) = split_used(cluster, namespace, configs)?;
    gone.extend(delete_all(cluster, journal, &unused, tell)?);
    Ok(gone)
}

/// Waits until the pods and revisions of workloads that went have gone after them: they name what else goes. What takes longer
/// keeps its ConfigMaps until the next run.
fn await_end(
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    namespace: &str,
    gone: &[Candidate],
) -> Result<(), Failure> {
    let workloads = gone.iter().filter(|gone| matches!(gone.key.kind.as_str(), "Deployment" | "StatefulSet"));
    let mut doomed: BTreeSet<String> = workloads.map(|gone| gone.uid.clone()).collect();
    let start = Instant::now();
    while !doomed.is_empty() && start.elapsed() < END_MAX {
        let mut is_left = false;
        // Sets before pods: what a set owns is doomed with it.
        for kind in ["ReplicaSet", "ControllerRevision", "Pod"] {
            for object in list(cluster, kind, namespace)? {
                if !live::is_ending(&object) && live::owners(&object).any(|owner| doomed.contains(owner)) {
                    doomed.insert(live::uid(&object).to_owned());
                    is_left = true;
                }
            }
        }
        if !is_left {
            return Ok(());
        }
        journal.beat()?;
        cluster.pause(END_POLL)?;
    }
    Ok(())
}

fn delete_all(
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    candidates: &[Candidate],
    tell: &dyn Fn(&str),
) -> Result<Vec<Candidate>, Failure> {
    let mut gone = Vec::new();
    for candidate in candidates {
        journal.beat()?;
        let live = cluster.find(&candidate.key)?;
        // Another object may have taken the name since.
        if let Some(object) = live.filter(|object| live::uid(object) == candidate.uid) {
            delete(cluster, &candidate.key, &object)?;
            tell(&format!("delete  {}", candidate.key));
            gone.push(candidate.clone());
        }
    }
    Ok(gone)
}
