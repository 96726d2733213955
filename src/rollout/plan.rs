//! The plan: what applying a bundle does to a cluster, from what is live and what the server said
//! when it tried.

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
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::trust::verify::Verified;

/// What the server said when it tried to apply an object, without doing it.
#[derive(Clone, Debug)]
pub enum Tried {
    /// The object as it would be.
    Would(Box<Value>),
    /// Others own fields that would be changed.
    Conflict(Vec<Conflict>),
    /// It says no, and why.
    Refused(String),
    /// Its namespace is not there yet.
    NotTried,
}

/// What happens to one object.
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
    /// Fields that are taken from whoever owns them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<Conflict>,
    /// The number of pods that is held until an autoscaler has the say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_replicas: Option<i64>,
    /// Whether the server tried it: not before its namespace is there.
    pub tried: bool,
}

/// Everything that applying a bundle does.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// In apply order.
    pub steps: Vec<Step>,
    /// What keeps the plan from being carried out, beside refused steps.
    pub obstacles: Vec<String>,
    /// Autoscalers that go before the bundle says how many pods there are.
    pub prune_first: Vec<Candidate>,
    /// What goes when the rollout is done.
    pub prune: Vec<Candidate>,
    /// What an old revision, or a pod, still names: it goes once nothing does.
    pub prune_later: Vec<Candidate>,
    #[serde(flatten)]
    pub changes: Changes,
}

/// What is in the cluster before.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// The objects that are there, of the bundle and of those that were installed before.
    pub live: BTreeMap<ObjectKey, Value>,
    pub tried: BTreeMap<ObjectKey, Tried>,
    pub prune: Vec<Candidate>,
    pub prune_later: Vec<Candidate>,
    pub prune_first: Vec<Candidate>,
    /// Conflicts that there are leave to win.
    pub forced: BTreeMap<ObjectKey, Vec<Conflict>>,
    pub held_replicas: BTreeMap<ObjectKey, i64>,
    pub obstacles: Vec<String>,
    pub warnings: Vec<String>,
}

impl Before {
    /// Returns whether anything keeps a plan from being carried out.
    pub fn is_blocked(&self) -> bool {
        let is_blocked = |tried: &Tried| matches!(tried, Tried::Conflict(_) | Tried::Refused(_));
        !self.obstacles.is_empty() || self.tried.values().any(is_blocked)
    }
}

/// Decides; touches nothing.
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

/// Compares what is live with what the server would make of the bundle: both with the server's
/// defaults. Of what it refuses that is not known, and what the bundle does not state counts as it
/// is.
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

    /// Returns everything that goes, now or later.
    pub fn going(&self) -> impl Iterator<Item = &Candidate> {
        self.prune_first.iter().chain(&self.prune).chain(&self.prune_later)
    }

    /// Returns in which fields an object of the bundle changes.
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

    /// Returns how many objects something happens to.
    pub fn count(&self, action: Action) -> usize {
        self.steps.iter().filter(|step| step.action == action).count()
    }

    /// Returns whether pods of any workload restart.
    pub fn restarts(&self) -> bool {
        self.changes.workloads.iter().any(|forecast| forecast.restart == Restart::Yes)
    }
}
