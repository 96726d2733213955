//! The plan: the changes that applying a bundle makes to a cluster, from the live objects and the
//! server's dry run.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::conflict::Conflict;
use super::live;
use super::prune::Candidate;
use crate::bundle::open::Bundle;
use crate::diff::changes::{Changes, ObjectChange, changes};
use crate::diff::fields::overlaid;
use crate::diff::restart::Restart;
use crate::diff::warning::Warning;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::trust::verify::Verified;

/// The server's answer to the dry run of an object.
#[derive(Clone, Debug)]
pub enum Tried {
    /// The object as an apply would leave it.
    Would(Box<Value>),
    /// The apply would change fields that other managers own.
    Conflict(Vec<Conflict>),
    /// The server refused it, for this reason.
    Refused(String),
    /// Its namespace does not exist yet.
    NotTried,
}

/// The change to one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Create,
    Update,
    Keep,
    Conflict,
    Refused,
}

/// One object of the bundle.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    #[serde(flatten)]
    pub key: ObjectKey,
    pub action: Action,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Fields that are taken from their managers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<Conflict>,
    /// The number of replicas that is held until an autoscaler sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_replicas: Option<i64>,
    /// Whether there was a dry run, which requires the namespace to exist.
    pub tried: bool,
}

/// All changes that applying a bundle makes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// In apply order.
    pub steps: Vec<Step>,
    /// The reasons why the plan cannot be carried out, besides refused steps.
    pub obstacles: Vec<String>,
    /// Autoscalers that are deleted before the bundle sets the number of replicas.
    pub prune_first: Vec<Candidate>,
    /// Objects that are deleted after the rollout.
    pub prune: Vec<Candidate>,
    /// Objects that an old revision or a pod still references; they are deleted once nothing does.
    pub prune_later: Vec<Candidate>,
    #[serde(flatten)]
    pub changes: Changes,
}

/// The state of the cluster before the rollout.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// The live objects of the bundle and of earlier generations.
    pub live: BTreeMap<ObjectKey, Value>,
    pub tried: BTreeMap<ObjectKey, Tried>,
    pub prune: Vec<Candidate>,
    pub prune_later: Vec<Candidate>,
    pub prune_first: Vec<Candidate>,
    /// Conflicts that are won: with the operator's permission, or because the number of replicas
    /// returns to the bundle.
    pub forced: BTreeMap<ObjectKey, Vec<Conflict>>,
    pub held_replicas: BTreeMap<ObjectKey, i64>,
    pub obstacles: Vec<String>,
    pub warnings: Vec<Warning>,
}

impl Before {
    /// Returns whether anything prevents the plan from being carried out.
    pub fn is_blocked(&self) -> bool {
        let is_blocked = |tried: &Tried| matches!(tried, Tried::Conflict(_) | Tried::Refused(_));
        !self.obstacles.is_empty() || self.tried.values().any(is_blocked)
    }
}

/// Decides on the plan, without side effects.
pub fn plan(bundle: &Verified<Bundle>, before: Before, manager: &str) -> Plan {
    let steps = bundle.manifests.iter().map(|manifest| step(manifest, &before, manager)).collect();
    let mut changes = forecast(&bundle.manifests, &before);
    let Before { prune, prune_later, prune_first, obstacles, warnings, .. } = before;
    changes.warnings.extend(warnings);
    Plan { steps, obstacles, prune_first, prune, prune_later, changes }
}

fn step(manifest: &Manifest, before: &Before, manager: &str) -> Step {
    let key = manifest.key.clone();
    let live = before.live.get(&key);
    let tried = before.tried.get(&key);
    let mut step = Step {
        action: if live.is_some() { Action::Update } else { Action::Create },
        conflicts: Vec::new(),
        refusal: None,
        forced: before.forced.get(&key).cloned().unwrap_or_default(),
        held_replicas: before.held_replicas.get(&key).copied(),
        tried: !matches!(tried, None | Some(Tried::NotTried)),
        key,
    };
    match tried {
        Some(Tried::Would(applied)) => {
            if live.is_some_and(|live| live::is_same(live, applied, manager)) {
                step.action = Action::Keep;
            }
        }
        Some(Tried::Conflict(conflicts)) => {
            step.action = Action::Conflict;
            step.conflicts.clone_from(conflicts);
        }
        Some(Tried::Refused(why)) => {
            step.action = Action::Refused;
            step.refusal = Some(why.clone());
        }
        Some(Tried::NotTried) | None => {}
    }
    step
}

/// Compares the live objects with the result of the dry run; both include the server's defaults.
///
/// The result for a refused object is unknown, so its manifest is laid over the live object: fields
/// that the bundle does not state count as unchanged.
fn forecast(wanted: &ManifestSet, before: &Before) -> Changes {
    let (mut old, mut new) = (ManifestSet::default(), ManifestSet::default());
    for manifest in wanted.iter() {
        match (before.tried.get(&manifest.key), before.live.get(&manifest.key)) {
            (Some(Tried::Would(applied)), _) => new.add(&live::wanted(applied)),
            (_, Some(live)) => new.add(&overlaid(&live::wanted(live), &manifest.object)),
            (_, None) => new.add(&manifest.object),
        }
    }
    for (key, object) in &before.live {
        let mut gone = before.prune.iter().chain(&before.prune_later).chain(&before.prune_first);
        let goes = gone.any(|gone| gone.key == *key);
        if goes || wanted.iter().any(|manifest| manifest.key == *key) {
            old.add(&live::wanted(object));
        }
    }
    changes(&old, &new)
}

impl Plan {
    /// Returns whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.prune.is_empty()
            && self.prune_first.is_empty()
            && self.steps.iter().all(|step| step.action == Action::Keep)
    }

    /// Returns all objects that are deleted, now or later.
    pub fn going(&self) -> impl Iterator<Item = &Candidate> {
        self.prune_first.iter().chain(&self.prune).chain(&self.prune_later)
    }

    /// Returns the changed fields of an object of the bundle.
    pub fn change_of(&self, key: &ObjectKey) -> Option<&ObjectChange> {
        self.changes.objects.iter().find(|change| {
            let name = change.new_name.as_ref().unwrap_or(&change.name);
            (change.kind.as_str(), change.namespace.as_str(), name.as_str()) == key.identity()
        })
    }

    /// Returns the objects that cannot be applied.
    pub fn blocked(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| matches!(step.action, Action::Conflict | Action::Refused))
    }

    /// Returns the number of objects with this action.
    pub fn count(&self, action: Action) -> usize {
        self.steps.iter().filter(|step| step.action == action).count()
    }

    /// Returns whether pods of any workload restart.
    pub fn restarts(&self) -> bool {
        self.changes.workloads.iter().any(|forecast| forecast.restart == Restart::Yes)
    }
}
