//! Executes a plan. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::event::{Act, Event, Observer};
use super::observe::{conflicts, owners, split_used, yaml};
use super::record::{Journal, delete};
use crate::bundle::index::Object;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::error::CallError;
use crate::cluster::request::{FIELD_MANAGER, Request, Run};
use crate::diff::drift::foreign_managers;
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::rollout::conflict::Conflict;
use crate::rollout::plan::{Action, Plan, Step};
use crate::rollout::prune::{Candidate, workloads_first};
use crate::rollout::{live, replicas};
use crate::trust::verify::Verified;

/// How long the garbage collector may take to delete the dependents of a workload.
const END_MAX: Duration = Duration::from_secs(20);
const END_POLL: Duration = Duration::from_millis(200);

/// The known uids of objects.
pub type Uids = BTreeMap<ObjectKey, String>;

/// Applies new and changed objects, in order. Adds their uids, and returns the autoscalers that it
/// deleted.
pub fn apply_steps(
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    bundle: &Verified<Bundle>,
    plan: &Plan,
    uids: &mut Uids,
    observe: &Observer<'_>,
) -> Result<Vec<Candidate>, Failure> {
    let mut gone = Vec::new();
    for (object, step) in bundle.index.objects.iter().zip(&plan.steps) {
        if step.key.is(Kind::Deployment) {
            gone.extend(delete_all(cluster, journal, &plan.prune_first, observe)?);
        }
        if step.action == Action::Keep {
            continue;
        }
        journal.beat()?;
        let uid = apply_step(cluster, bundle, object, step, uids)?;
        uids.insert(step.key.clone(), uid);
        let act = if step.action == Action::Create { Act::Create } else { Act::Update };
        observe(&Event::Changed { act, key: &step.key });
    }
    Ok(gone)
}

/// Applies Deployments again whose replicas have changed since: a deleted autoscaler may have acted
/// late. Returns whether any had changed.
pub fn unscale(
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    bundle: &Verified<Bundle>,
    plan: &Plan,
    observe: &Observer<'_>,
) -> Result<bool, Failure> {
    let mut is_any = false;
    let steps = bundle.index.objects.iter().zip(bundle.manifests.iter()).zip(&plan.steps);
    for ((object, manifest), step) in steps.filter(|(_, step)| step.key.is(Kind::Deployment)) {
        let Some(wanted) = manifest.object.pointer("/spec/replicas") else { continue };
        let live = cluster.find(&step.key)?;
        if live.is_some_and(|live| live.pointer("/spec/replicas") != Some(wanted)) {
            journal.beat()?;
            apply_forced(cluster, bundle, object, &step.key, &|new| {
                replicas::is_given_back(new, true)
            })?;
            observe(&Event::Changed { act: Act::Update, key: &step.key });
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
    seen: &Uids,
) -> Result<String, Failure> {
    let key = &step.key;
    let live = cluster.find(key)?;
    let is_new = live.is_none();
    // Applying merges fields into the live object, so it must be the one that the plan has seen.
    if let Some(other) =
        live.filter(|live| seen.get(key).is_none_or(|seen| seen != live::uid(live)))
    {
        let who = names(foreign_managers(&other, FIELD_MANAGER));
        return Err(made_meanwhile(&format!(
            "{key} was created{who} after planning; nothing was written to it"
        )));
    }
    if let Some(replicas) = step.held_replicas {
        let held = replicas::hold(key, replicas);
        cluster.call(&Request::apply_as(replicas::KEEPER, key, &held))?;
    }
    let applied = if step.forced.is_empty() {
        apply_one(cluster, bundle, object, key)?
    } else {
        let is_seen = |new: &Conflict| step.forced.iter().any(|seen| seen.field == new.field);
        apply_forced(cluster, bundle, object, key, &is_seen)?
    };
    let others = foreign_managers(&applied, FIELD_MANAGER);
    if is_new && !others.is_empty() {
        let who = names(others);
        // Without this, our fields in the object would make it ours from now on.
        let nothing = json!({"apiVersion": key.api_version, "kind": key.kind,
            "metadata": {"name": key.name, "namespace": key.namespace}});
        let withdrawn = cluster.call(&Request::apply_as(FIELD_MANAGER, key, &nothing));
        let left = match withdrawn {
            Ok(_) => "our changes to it were rolled back".to_owned(),
            Err(why) => format!(
                "it has fields of both clients, because ours could not be rolled back ({why})"
            ),
        };
        return Err(made_meanwhile(&format!("{key} was created concurrently{who}; {left}")));
    }
    Ok(live::uid(&applied).to_owned())
}

fn names(managers: BTreeSet<&str>) -> String {
    let names: Vec<&str> = managers.into_iter().collect();
    if names.is_empty() { String::new() } else { format!(" by {}", names.join(", ")) }
}

fn made_meanwhile(what: &str) -> Failure {
    Failure::world(what)
        .hint("inspect it, then run the command again: it will plan from the current state")
}

/// Applies a manifest by force, and returns the object.
///
/// Checks the conflicts again first: force takes every field in conflict, and not only those that
/// may be taken.
fn apply_forced(
    cluster: &Cluster,
    bundle: &Verified<Bundle>,
    object: &Object,
    key: &ObjectKey,
    may_be_taken: &dyn Fn(&Conflict) -> bool,
) -> Result<Value, Failure> {
    let yaml = yaml(bundle, &object.file);
    let dry = match cluster.call(&Request::apply(key, yaml, Run::Dry)) {
        Err(CallError::Status(status)) => conflicts(&status).unwrap_or_default(),
        answer => answer.map(|_| Vec::new())?,
    };
    if let Some(Conflict { field, manager, .. }) = dry.iter().find(|new| !may_be_taken(new)) {
        return Err(Failure::world(format!(
            "{key}: {manager} became the owner of {field} during this run"
        ))
        .hint("run the command again: it will plan from the current state"));
    }
    Ok(cluster.call(&Request::apply(key, yaml, Run::Real).by_force())?)
}

/// Applies one manifest; returns the object.
pub fn apply_one(
    cluster: &Cluster,
    bundle: &Verified<Bundle>,
    object: &Object,
    key: &ObjectKey,
) -> Result<Value, Failure> {
    let request = Request::apply(key, yaml(bundle, &object.file), Run::Real);
    cluster.call(&request).map_err(|error| {
        Failure::from(error)
            .hint(format!("while applying {key}; all objects before it are applied"))
    })
}

/// Deletes the planned objects, except ConfigMaps that are still in use; returns the deleted ones.
pub fn prune(
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    plan: &Plan,
    namespace: &str,
    observe: &Observer<'_>,
) -> Result<Vec<Candidate>, Failure> {
    let all = plan.prune.iter().chain(&plan.prune_later).cloned();
    let (configs, others) = all.partition(|candidate| candidate.key.is(Kind::ConfigMap));
    let (workloads, others) = workloads_first(others);
    let mut gone = delete_all(cluster, journal, &workloads, observe)?;
    await_end(cluster, journal, namespace, &gone)?;
    gone.extend(delete_all(cluster, journal, &others, observe)?);
    let (unused, _) = split_used(cluster, namespace, configs)?;
    gone.extend(delete_all(cluster, journal, &unused, observe)?);
    Ok(gone)
}

/// Waits until the dependents of deleted workloads are gone or terminating, because they refer to
/// the ConfigMaps to delete next. After the timeout, those ConfigMaps stay until the next run.
fn await_end(
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    namespace: &str,
    gone: &[Candidate],
) -> Result<(), Failure> {
    let workloads = gone.iter().filter(|gone| gone.key.known_kind().is_some_and(Kind::has_pods));
    let mut doomed: BTreeSet<String> = workloads.map(|gone| gone.uid.clone()).collect();
    let start = Instant::now();
    while !doomed.is_empty() && start.elapsed() < END_MAX {
        let mut is_left = false;
        // Sets come before pods, so a pod's owner is already in `doomed`.
        for object in owners(cluster, namespace)? {
            if !live::is_ending(&object)
                && live::owners(&object).any(|owner| doomed.contains(owner))
            {
                doomed.insert(live::uid(&object).to_owned());
                is_left = true;
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
    observe: &Observer<'_>,
) -> Result<Vec<Candidate>, Failure> {
    let mut gone = Vec::new();
    for candidate in candidates {
        journal.beat()?;
        let live = cluster.find(&candidate.key)?;
        // Another object may have taken the name since.
        if let Some(object) = live.filter(|object| live::uid(object) == candidate.uid) {
            delete(cluster, &candidate.key, &object)?;
            observe(&Event::Changed { act: Act::Delete, key: &candidate.key });
            gone.push(candidate.clone());
        }
    }
    Ok(gone)
}
