//! Completes the server's answers with our own rules: ownership, permitted conflicts, PVCs and
//! replicas.

use super::observe::{Asked, yaml};
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::request::{FIELD_MANAGER, Request, Run};
use crate::diff::warning::Warning;
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::rollout::additions::others;
use crate::rollout::claim::{self, Verdict};
use crate::rollout::conflict::{Conflict, Permit};
use crate::rollout::dropped::dropped;
use crate::rollout::plan::{Before, Tried};
use crate::rollout::record::Item;
use crate::rollout::{replicas, takeover};
use crate::trust::verify::Verified;

/// The remedy for an object of another owner.
pub const STRANGER_REMEDY: &str = "inspect it, then pass --adopt to take it over; to take over a \
                                   Helm release, use `relay-bundle adopt`";

/// Adds warnings about fields that other managers added to objects: applying leaves them in place.
pub fn tell_additions(before: &mut Before, manifests: &ManifestSet) {
    for manifest in manifests.iter() {
        // Conflicts have a table of their own.
        if let (Some(live), Some(Tried::Would(_))) =
            (before.live.get(&manifest.key), before.tried.get(&manifest.key))
        {
            let others = others(&manifest.key, live, &manifest.object, FIELD_MANAGER);
            before.warnings.extend(others.additions);
        }
    }
}

/// The changes to objects of other owners that the operator, or the record, allows.
pub struct Leave<'a> {
    /// Whether a report already shows the takeover of this object.
    pub is_shown: &'a dyn Fn(&ObjectKey) -> bool,
    /// Whether to take over objects of other owners.
    pub adopt: bool,
    /// The remedy for such an object otherwise.
    pub remedy: &'a str,
    /// The fields to take from other owners.
    pub permits: &'a [Permit],
    /// Returns the objects of the running bundle, or `None` if the new bundle has run here before:
    /// a rollback may request smaller volumes than the live ones.
    pub running: &'a dyn Fn() -> Result<Option<ManifestSet>, Failure>,
}

/// Applies the rules of this module to the observed state.
pub fn judge(
    cluster: &Cluster,
    bundle: &Verified<Bundle>,
    before: &mut Before,
    earlier: &[Item],
    leave: &Leave<'_>,
) -> Result<(), Failure> {
    let had_autoscaler = earlier.iter().any(|item| item.key.is(Kind::HorizontalPodAutoscaler));
    for (object, manifest) in bundle.index.objects.iter().zip(bundle.manifests.iter()) {
        show_conflicts(before, manifest);
        if is_allowed(before, manifest, leave, had_autoscaler) {
            let request =
                Request::apply(&manifest.key, yaml(bundle, &object.file), Run::Dry).by_force();
            let answer = cluster.call(&request);
            let asked = Asked {
                cluster,
                instance: bundle.index.name.as_str(),
                earlier,
                live: &before.live,
            };
            let forced = asked.outcome(&manifest.key, answer)?;
            if let Some(Tried::Conflict(conflicts)) =
                before.tried.insert(manifest.key.clone(), forced)
            {
                before.forced.insert(manifest.key.clone(), conflicts);
            }
        }
        judge_claim(before, manifest, leave)?;
        refuse_stranger(before, manifest, earlier, bundle.index.name.as_str(), leave);
        hold_replicas(before, manifest);
        tell_dropped(before, manifest);
    }
    let unused = leave.permits.iter().filter(|permit| !is_used(permit, before));
    let unused =
        unused.map(|permit| format!("--force-conflicts {permit}: no such field has another owner"));
    let unused: Vec<Warning> = unused.map(Warning::from).collect();
    before.warnings.extend(unused);
    Ok(())
}

fn show_conflicts(before: &mut Before, manifest: &Manifest) {
    let live = before.live.get(&manifest.key);
    if let Some(Tried::Conflict(conflicts)) = before.tried.get_mut(&manifest.key) {
        for conflict in conflicts {
            conflict.show(&manifest.key.kind, live, &manifest.object);
        }
    }
}

/// Returns whether we may win every conflict of an object: the operator permits the field, or an
/// autoscaler gave the replicas back.
fn is_allowed(
    before: &Before,
    manifest: &Manifest,
    leave: &Leave<'_>,
    had_autoscaler: bool,
) -> bool {
    let Some(Tried::Conflict(conflicts)) = before.tried.get(&manifest.key) else { return false };
    let is_permitted = |conflict: &Conflict| {
        let is_named =
            leave.permits.iter().any(|permit| permit.covers(&manifest.key, &conflict.field));
        is_named || replicas::is_given_back(conflict, had_autoscaler)
    };
    conflicts.iter().all(is_permitted)
}

fn is_used(permit: &Permit, before: &Before) -> bool {
    let covers = |key: &ObjectKey, conflicts: &[Conflict]| {
        conflicts.iter().any(|conflict| permit.covers(key, &conflict.field))
    };
    let open = before.tried.iter().any(|(key, tried)| match tried {
        Tried::Conflict(conflicts) => covers(key, conflicts),
        _ => false,
    });
    open || before.forced.iter().any(|(key, conflicts)| covers(key, conflicts))
}

fn judge_claim(before: &mut Before, manifest: &Manifest, leave: &Leave<'_>) -> Result<(), Failure> {
    let key = &manifest.key;
    let Some(live) = before.live.get(key).filter(|_| key.is(Kind::PersistentVolumeClaim)) else {
        return Ok(());
    };
    let why = match claim::judge(live, &manifest.object, FIELD_MANAGER) {
        None => return Ok(()),
        Some(Verdict::Refused(why)) => why,
        Some(Verdict::Keep(why)) => {
            let running = (leave.running)()?;
            let claim =
                running.iter().flat_map(ManifestSet::iter).find(|running| running.key == *key);
            let Some(shrinks) =
                claim.and_then(|claim| claim::shrinks(&claim.object, &manifest.object))
            else {
                before.warnings.push(Warning::about(key, why));
                before.tried.insert(key.clone(), Tried::Would(Box::new(live.clone())));
                before.forced.remove(key);
                return Ok(());
            };
            shrinks
        }
    };
    before.tried.insert(key.clone(), Tried::Refused(why));
    Ok(())
}

fn refuse_stranger(
    before: &mut Before,
    manifest: &Manifest,
    earlier: &[Item],
    name: &str,
    leave: &Leave<'_>,
) {
    let Some(live) = before.live.get(&manifest.key) else { return };
    let Some(whose) = takeover::stranger(live, &manifest.key, earlier, FIELD_MANAGER, name) else {
        return;
    };
    if leave.adopt {
        if !(leave.is_shown)(&manifest.key) {
            let text = format!("will be taken over: {whose}");
            before.warnings.push(Warning::about(&manifest.key, text));
        }
    } else if !matches!(before.tried.get(&manifest.key), Some(Tried::Refused(_))) {
        let why = format!(
            "it exists, and was not created by this installation: {whose}: {}",
            leave.remedy
        );
        before.tried.insert(manifest.key.clone(), Tried::Refused(why));
    }
}

/// Prevents a reset of the replicas when they change hands.
///
/// If the bundle leaves them to an autoscaler, the live number is held until the autoscaler changes
/// it. If the bundle sets them again, the autoscaler is deleted first.
fn hold_replicas(before: &mut Before, manifest: &Manifest) {
    let objects = &before.live;
    let goes_first = |candidate: &crate::rollout::prune::Candidate| {
        let autoscaler = objects.get(&candidate.key);
        autoscaler.is_some_and(|object| replicas::goes_first(candidate, object, &manifest.object))
    };
    let (first, after) = before.prune.drain(..).partition(goes_first);
    before.prune = after;
    before.prune_first.extend::<Vec<_>>(first);
    let held = objects
        .get(&manifest.key)
        .and_then(|live| replicas::to_hold(live, &manifest.object, FIELD_MANAGER));
    if let (Some(held), Some(Tried::Would(object))) = (held, before.tried.get_mut(&manifest.key)) {
        object["spec"]["replicas"] = held.into();
        before.held_replicas.insert(manifest.key.clone(), held);
    }
}

fn tell_dropped(before: &mut Before, manifest: &Manifest) {
    let Some(Tried::Would(answer)) = before.tried.get(&manifest.key) else { return };
    let told = dropped(&manifest.object, answer);
    let told = told.iter().map(|path| {
        let text = format!(
            "the server drops {path}: it does not support the field, or the feature is disabled"
        );
        Warning::about(&manifest.key, text)
    });
    before.warnings.extend(told);
}
