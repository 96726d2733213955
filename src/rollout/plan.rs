//! The plan: the changes that applying a bundle makes to a cluster, from the live objects and the
//! server's dry run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::conflict::Conflict;
use super::live_object;
use super::obstacle::Obstacle;
use super::prune::Candidate;
use crate::bundle::open::Bundle;
use crate::diff::changes::{Changes, ObjectChange, changes};
use crate::diff::fields::overlaid;
use crate::diff::warning::Warning;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::trust::verify::Verified;

/// The server's answer to the dry run of an object.
#[derive(Clone, Debug)]
pub enum DryRunAnswer {
    /// The object as an apply would leave it.
    Would(Box<Value>),
    /// The apply would change fields that other managers own.
    Conflict(Vec<Conflict>),
    /// The server refused it, for this reason.
    Refused(ObjectRefusal),
    /// Its namespace does not exist yet.
    NotTried,
}

/// Why the server, or a rule of this program, refuses an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRefusal {
    pub why: String,
    pub remedy: Option<String>,
}

impl From<String> for ObjectRefusal {
    fn from(why: String) -> Self {
        Self { why, remedy: None }
    }
}

impl fmt::Display for ObjectRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        self.remedy.iter().try_for_each(|remedy| write!(f, ": {remedy}"))
    }
}

impl Serialize for ObjectRefusal {
    /// Writes the text that people see.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
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
    pub refusal: Option<ObjectRefusal>,
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
    pub obstacles: Vec<Obstacle>,
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
pub struct Observed {
    /// The live objects of the bundle and of earlier generations.
    pub live: BTreeMap<ObjectKey, Value>,
    pub tried: BTreeMap<ObjectKey, DryRunAnswer>,
    pub prune: Vec<Candidate>,
    pub prune_later: Vec<Candidate>,
    pub prune_first: Vec<Candidate>,
    /// Conflicts that are won: with the operator's permission, or because the number of replicas
    /// returns to the bundle.
    pub forced: BTreeMap<ObjectKey, Vec<Conflict>>,
    pub held_replicas: BTreeMap<ObjectKey, i64>,
    pub obstacles: Vec<Obstacle>,
    pub warnings: Vec<Warning>,
    /// Objects without warnings, because another report shows their fate.
    pub reported: BTreeSet<ObjectKey>,
}

impl Observed {
    /// Returns whether anything prevents the plan from being carried out.
    pub fn is_blocked(&self) -> bool {
        let is_blocked = |tried: &DryRunAnswer| {
            matches!(tried, DryRunAnswer::Conflict(_) | DryRunAnswer::Refused(_))
        };
        !self.obstacles.is_empty() || self.tried.values().any(is_blocked)
    }

    /// Returns whether there was a dry run of an object.
    pub fn is_tried(&self, key: &ObjectKey) -> bool {
        !matches!(self.tried.get(key), None | Some(DryRunAnswer::NotTried))
    }

    /// Returns whether a plan would have nothing to write.
    pub fn changes_nothing(&self, bundle: &Bundle, manager: &str) -> bool {
        let action = |manifest: &Manifest| step(manifest, self, manager).action;
        self.prune.is_empty()
            && self.prune_first.is_empty()
            && bundle.manifests.iter().all(|manifest| action(manifest) == Action::Keep)
    }
}

/// Decides on the plan, without side effects.
pub fn plan(bundle: &Verified<Bundle>, observed: Observed, manager: &str) -> Plan {
    let steps =
        bundle.manifests.iter().map(|manifest| step(manifest, &observed, manager)).collect();
    let mut changes = forecast(&bundle.manifests, &observed);
    let Observed { prune, prune_later, prune_first, obstacles, warnings, reported, .. } = observed;
    changes.warnings.extend(warnings);
    changes.warnings.retain(|warning| !reported.iter().any(|key| warning.is_about(key)));
    Plan { steps, obstacles, prune_first, prune, prune_later, changes }
}

fn step(manifest: &Manifest, observed: &Observed, manager: &str) -> Step {
    let key = manifest.key.clone();
    let live = observed.live.get(&key);
    let tried = observed.tried.get(&key);
    let mut step = Step {
        action: if live.is_some() { Action::Update } else { Action::Create },
        conflicts: Vec::new(),
        refusal: None,
        forced: observed.forced.get(&key).cloned().unwrap_or_default(),
        held_replicas: observed.held_replicas.get(&key).copied(),
        tried: observed.is_tried(&key),
        key,
    };

    match tried {
        Some(DryRunAnswer::Would(applied)) => {
            if live.is_some_and(|live| live_object::is_same(live, applied, manager)) {
                step.action = Action::Keep;
            }
        }
        Some(DryRunAnswer::Conflict(conflicts)) => {
            step.action = Action::Conflict;
            step.conflicts.clone_from(conflicts);
        }
        Some(DryRunAnswer::Refused(why)) => {
            step.action = Action::Refused;
            step.refusal = Some(why.clone());
        }
        Some(DryRunAnswer::NotTried) | None => {}
    }
    step
}

/// Compares the live objects with the result of the dry run; both include the server's defaults.
///
/// The result for a refused object is unknown, so its manifest is laid over the live object: fields
/// that the bundle does not state count as unchanged.
pub(super) fn forecast(wanted: &ManifestSet, observed: &Observed) -> Changes {
    let (mut old, mut new) = (ManifestSet::default(), ManifestSet::default());
    for manifest in wanted.iter() {
        match (observed.tried.get(&manifest.key), observed.live.get(&manifest.key)) {
            (Some(DryRunAnswer::Would(applied)), _) => new.add(&live_object::wanted(applied)),
            (_, Some(live)) => new.add(&overlaid(&live_object::wanted(live), &manifest.object)),
            (_, None) => new.add(&manifest.object),
        }
    }
    for (key, object) in &observed.live {
        let mut gone =
            observed.prune.iter().chain(&observed.prune_later).chain(&observed.prune_first);
        let goes = gone.any(|gone| gone.key == *key);
        if goes || wanted.iter().any(|manifest| manifest.key == *key) {
            old.add(&live_object::wanted(object));
        }
    }
    changes(&old, &new)
}

impl Plan {
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
}
