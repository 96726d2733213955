//! Executes a plan. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::deletion::delete;
use super::event::{Act, Event, Observer, Position};
use super::observation::{conflicts, owners, split_used, yaml};
use super::record::Journal;
use crate::bundle::index::Object;
use crate::bundle::open::Bundle;
use crate::cluster::error::CallError;
use crate::cluster::request::{FIELD_MANAGER, Request};
use crate::cluster::{Session, Write};
use crate::diff::drift::foreign_managers;
use crate::failure::{Failure, PLAN_AGAIN};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::rollout::conflict::Conflict;
use crate::rollout::plan::{Action, Plan, Step};
use crate::rollout::prune::{Candidate, workloads_first};
use crate::rollout::{live_object, replicas};
use crate::trust::verify::Verified;

/// How long the garbage collector may take to delete the dependents of a workload.
const END_MAX: Duration = Duration::from_secs(20);
const END_POLL: Duration = Duration::from_millis(200);

/// Why a step of a plan no longer fits the cluster.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    #[error("{key} was created{} after planning; nothing was written to it", listed(by))]
    CreatedSince { key: ObjectKey, by: Vec<String> },
    #[error("{key} was created concurrently{}; our changes to it were rolled back", listed(by))]
    CreatedConcurrently { key: ObjectKey, by: Vec<String> },
    #[error(
        "{key} was created concurrently{}; it has fields of both clients, because ours could not be rolled back ({why})",
        listed(by)
    )]
    Mixed { key: ObjectKey, by: Vec<String>, why: CallError },
    #[error("{key}: {manager} became the owner of {field} during this run")]
    Overtaken { key: ObjectKey, manager: String, field: String },
}

fn listed(by: &[String]) -> String {
    if by.is_empty() { String::new() } else { format!(" by {}", by.join(", ")) }
}

impl From<ExecuteError> for Failure {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Overtaken { .. } => Self::world(error).hint(PLAN_AGAIN),
            ExecuteError::CreatedSince { .. }
            | ExecuteError::CreatedConcurrently { .. }
            | ExecuteError::Mixed { .. } => {
                Self::world(error).hint(format!("inspect it, then {PLAN_AGAIN}"))
            }
        }
    }
}

/// The known uids of objects.
pub type Uids = BTreeMap<ObjectKey, String>;

/// Applies new and changed objects, in order. Adds their uids, and returns the autoscalers that it
/// deleted.
pub fn apply_steps(
    journal: &mut Journal,
    bundle: &Verified<Bundle>,
    plan: &Plan,
    uids: &mut Uids,
    observe: &Observer<'_>,
) -> Result<Vec<Candidate>, Failure> {
    let mut gone = Vec::new();
    let mut position = Position { number: 0, of: plan.steps.len() - plan.count(Action::Keep) };
    for (object, step) in bundle.index.objects.iter().zip(&plan.steps) {
        if step.key.is(Kind::Deployment) {
            gone.extend(delete_all(journal, &plan.prune_first, observe)?);
        }
        if step.action == Action::Keep {
            continue;
        }
        journal.beat()?;
        let uid = apply_step(journal.session(), bundle, object, step, uids)?;
        uids.insert(step.key.clone(), uid);
        let act = if step.action == Action::Create { Act::Create } else { Act::Update };
        position.number += 1;
        observe(&Event::Changed { act, key: &step.key, position: Some(position) });
    }
    Ok(gone)
}

/// Applies Deployments again whose replicas have changed since: a deleted autoscaler may have acted
/// late. Returns whether any had changed.
pub fn restore_replicas(
    journal: &mut Journal,
    bundle: &Verified<Bundle>,
    plan: &Plan,
    observe: &Observer<'_>,
) -> Result<bool, Failure> {
    let mut is_any = false;
    let steps = bundle.index.objects.iter().zip(bundle.manifests.iter()).zip(&plan.steps);
    for ((object, manifest), step) in steps.filter(|(_, step)| step.key.is(Kind::Deployment)) {
        let Some(wanted) = manifest.object.pointer("/spec/replicas") else { continue };
        let live = journal.session().find(&step.key)?;
        if live.is_some_and(|live| live.pointer("/spec/replicas") != Some(wanted)) {
            journal.beat()?;
            apply_forced(journal.session(), bundle, object, &step.key, &|new| {
                replicas::is_given_back(new, true)
            })?;
            observe(&Event::Changed { act: Act::Update, key: &step.key, position: None });
            is_any = true;
        }
    }
    Ok(is_any)
}

fn apply_step(
    session: &Session,
    bundle: &Verified<Bundle>,
    object: &Object,
    step: &Step,
    seen: &Uids,
) -> Result<String, Failure> {
    let key = &step.key;
    let live = session.find(key)?;
    let is_new = live.is_none();

    // Applying merges fields into the live object, so it must be the one that the plan has seen.
    if let Some(other) =
        live.filter(|live| seen.get(key).is_none_or(|seen| seen != live_object::uid(live)))
    {
        let by = names(foreign_managers(&other, FIELD_MANAGER));
        return Err(ExecuteError::CreatedSince { key: key.clone(), by }.into());
    }

    if let Some(replicas) = step.held_replicas {
        let held = replicas::hold(key, replicas);
        session.write(&Write::apply_as(replicas::KEEPER, key, &held))?;
    }
    let applied = if step.forced.is_empty() {
        apply_one(session, bundle, object, key)?
    } else {
        let is_seen = |new: &Conflict| step.forced.iter().any(|seen| seen.field == new.field);
        apply_forced(session, bundle, object, key, &is_seen)?
    };

    let others = foreign_managers(&applied, FIELD_MANAGER);
    if is_new && !others.is_empty() {
        let (key, by) = (key.clone(), names(others));
        // Without this, our fields in the object would make it ours from now on.
        let nothing = json!({"apiVersion": key.api_version, "kind": key.kind,
            "metadata": {"name": key.name, "namespace": key.namespace}});
        return Err(match session.write(&Write::apply_as(FIELD_MANAGER, &key, &nothing)) {
            Ok(_) => ExecuteError::CreatedConcurrently { key, by },
            Err(why) => ExecuteError::Mixed { key, by, why },
        }
        .into());
    }

    Ok(live_object::uid(&applied).to_owned())
}

fn names(managers: BTreeSet<&str>) -> Vec<String> {
    managers.into_iter().map(str::to_owned).collect()
}

/// Applies a manifest by force, and returns the object.
///
/// Checks the conflicts again first: force takes every field in conflict, and not only those that
/// may be taken.
fn apply_forced(
    session: &Session,
    bundle: &Verified<Bundle>,
    object: &Object,
    key: &ObjectKey,
    may_be_taken: &dyn Fn(&Conflict) -> bool,
) -> Result<Value, Failure> {
    let yaml = yaml(bundle, &object.file);
    let dry = match session.call(&Request::try_apply(key, yaml)) {
        Err(CallError::Status(status)) => conflicts(&status).unwrap_or_default(),
        answer => answer.map(|_| Vec::new())?,
    };
    if let Some(Conflict { field, manager, .. }) = dry.iter().find(|new| !may_be_taken(new)) {
        let (key, manager, field) = (key.clone(), manager.clone(), field.clone());
        return Err(ExecuteError::Overtaken { key, manager, field }.into());
    }
    Ok(session.write(&Write::apply(key, yaml).by_force())?)
}

/// Applies one manifest; returns the object.
pub fn apply_one(
    session: &Session,
    bundle: &Verified<Bundle>,
    object: &Object,
    key: &ObjectKey,
) -> Result<Value, Failure> {
    let write = Write::apply(key, yaml(bundle, &object.file));
    session.write(&write).map_err(|error| {
        Failure::from(error)
            .hint(format!("while applying {key}; all objects before it are applied"))
    })
}

/// Deletes the planned objects, except ConfigMaps that are still in use; returns the deleted ones.
pub fn prune(
    journal: &mut Journal,
    plan: &Plan,
    namespace: &str,
    observe: &Observer<'_>,
) -> Result<Vec<Candidate>, Failure> {
    let all = plan.prune.iter().chain(&plan.prune_later).cloned();
    let (configs, others) = all.partition(|candidate| candidate.key.is(Kind::ConfigMap));
    let (workloads, others) = workloads_first(others);
    let mut gone = delete_all(journal, &workloads, observe)?;
    await_end(journal, namespace, &gone)?;
    gone.extend(delete_all(journal, &others, observe)?);
    let (unused, _) = split_used(journal.session(), namespace, configs)?;
    gone.extend(delete_all(journal, &unused, observe)?);
    Ok(gone)
}

/// Waits until the dependents of deleted workloads are gone or terminating, because they refer to
/// the ConfigMaps to delete next. After the timeout, those ConfigMaps stay until the next run.
fn await_end(journal: &mut Journal, namespace: &str, gone: &[Candidate]) -> Result<(), Failure> {
    let workloads = gone.iter().filter(|gone| gone.key.known_kind().is_some_and(Kind::has_pods));
    let mut doomed: BTreeSet<String> = workloads.map(|gone| gone.uid.clone()).collect();
    let start = Instant::now();
    while !doomed.is_empty() && start.elapsed() < END_MAX {
        let mut is_left = false;
        // Sets come before pods, so a pod's owner is already in `doomed`.
        for object in owners(journal.session(), namespace)? {
            if !live_object::is_ending(&object)
                && live_object::owners(&object).any(|owner| doomed.contains(owner))
            {
                doomed.insert(live_object::uid(&object).to_owned());
                is_left = true;
            }
        }
        if !is_left {
            return Ok(());
        }
        journal.beat()?;
        journal.session().pause(END_POLL)?;
    }
    Ok(())
}

fn delete_all(
    journal: &mut Journal,
    candidates: &[Candidate],
    observe: &Observer<'_>,
) -> Result<Vec<Candidate>, Failure> {
    let mut gone = Vec::new();
    for (candidate, number) in candidates.iter().zip(1..) {
        journal.beat()?;
        let live = journal.session().find(&candidate.key)?;
        // Another object may have taken the name since.
        if let Some(object) = live.filter(|object| live_object::uid(object) == candidate.uid) {
            delete(journal.session(), &candidate.key, &object)?;
            let position = Some(Position { number, of: candidates.len() });
            observe(&Event::Changed { act: Act::Delete, key: &candidate.key, position });
            gone.push(candidate.clone());
        }
    }
    Ok(gone)
}
