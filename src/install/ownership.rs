//! Completes the server's answers with our own rules: ownership, permitted conflicts, PVCs and
//! replicas.

use super::observation::{Asked, yaml};
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::request::{FIELD_MANAGER, Request};
use crate::diff::warning::Warning;
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::rollout::additions::others;
use crate::rollout::conflict::{Conflict, Permit};
use crate::rollout::dropped_fields::dropped;
use crate::rollout::plan::{DryRunAnswer, ObjectRefusal, Observed};
use crate::rollout::pvc::{self, Verdict};
use crate::rollout::record::Item;
use crate::rollout::{replicas, takeover};
use crate::trust::verify::Verified;

/// The remedy for an object of another owner.
pub const FOREIGN_REMEDY: &str = "inspect such an object, then pass --adopt to take it over; to \
                                   take over a Helm release, use `relay-bundle adopt`";

/// Adds warnings about fields that other managers added to objects: applying leaves them in place.
pub fn tell_additions(observed: &mut Observed, manifests: &ManifestSet) {
    for manifest in manifests.iter() {
        // Conflicts have a table of their own.
        if let (Some(live), Some(DryRunAnswer::Would(_))) =
            (observed.live.get(&manifest.key), observed.tried.get(&manifest.key))
        {
            let others = others(&manifest.key, live, &manifest.object, FIELD_MANAGER);
            observed.warnings.extend(others.additions);
        }
    }
}

/// The changes to objects of other owners that the operator, or the record, allows.
pub struct TakeoverRules<'a> {
    /// Whether a report already shows the takeover of this object.
    pub is_reported: &'a dyn Fn(&ObjectKey) -> bool,
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
pub fn resolve_conflicts(
    cluster: &Cluster,
    bundle: &Verified<Bundle>,
    observed: &mut Observed,
    earlier: &[Item],
    rules: &TakeoverRules<'_>,
) -> Result<(), Failure> {
    let had_autoscaler = earlier.iter().any(|item| item.key.is(Kind::HorizontalPodAutoscaler));
    for (object, manifest) in bundle.index.objects.iter().zip(bundle.manifests.iter()) {
        show_conflicts(observed, manifest);
        if is_allowed(observed, manifest, rules, had_autoscaler) {
            let request = Request::would_be(&manifest.key, yaml(bundle, &object.file));
            let answer = cluster.call(&request);
            let asked = Asked {
                cluster,
                instance: bundle.index.name.as_str(),
                earlier,
                live: &observed.live,
            };
            let forced = asked.outcome(&manifest.key, answer)?;
            if let Some(DryRunAnswer::Conflict(conflicts)) =
                observed.tried.insert(manifest.key.clone(), forced)
            {
                observed.forced.insert(manifest.key.clone(), conflicts);
            }
        }
        check_pvc(observed, manifest, rules)?;
        refuse_foreign(observed, manifest, earlier, bundle.index.name.as_str(), rules);
        hold_replicas(observed, manifest);
        tell_dropped(observed, manifest);
    }

    let unused = rules.permits.iter().filter(|permit| !is_used(permit, observed));
    let unused =
        unused.map(|permit| format!("--force-conflicts {permit}: no such field has another owner"));
    let unused: Vec<Warning> = unused.map(Warning::from).collect();
    observed.warnings.extend(unused);
    Ok(())
}

fn show_conflicts(observed: &mut Observed, manifest: &Manifest) {
    let live = observed.live.get(&manifest.key);
    if let Some(DryRunAnswer::Conflict(conflicts)) = observed.tried.get_mut(&manifest.key) {
        for conflict in conflicts {
            conflict.show(&manifest.key.kind, live, &manifest.object);
        }
    }
}

/// Returns whether we may win every conflict of an object: the operator permits the field, or an
/// autoscaler gave the replicas back.
fn is_allowed(
    observed: &Observed,
    manifest: &Manifest,
    rules: &TakeoverRules<'_>,
    had_autoscaler: bool,
) -> bool {
    let Some(DryRunAnswer::Conflict(conflicts)) = observed.tried.get(&manifest.key) else {
        return false;
    };
    let is_permitted = |conflict: &Conflict| {
        let is_named =
            rules.permits.iter().any(|permit| permit.covers(&manifest.key, &conflict.field));
        is_named || replicas::is_given_back(conflict, had_autoscaler)
    };
    conflicts.iter().all(is_permitted)
}

fn is_used(permit: &Permit, observed: &Observed) -> bool {
    let covers = |key: &ObjectKey, conflicts: &[Conflict]| {
        conflicts.iter().any(|conflict| permit.covers(key, &conflict.field))
    };
    let open = observed.tried.iter().any(|(key, tried)| match tried {
        DryRunAnswer::Conflict(conflicts) => covers(key, conflicts),
        _ => false,
    });
    open || observed.forced.iter().any(|(key, conflicts)| covers(key, conflicts))
}

fn check_pvc(
    observed: &mut Observed,
    manifest: &Manifest,
    rules: &TakeoverRules<'_>,
) -> Result<(), Failure> {
    let key = &manifest.key;
    let Some(live) = observed.live.get(key).filter(|_| key.is(Kind::PersistentVolumeClaim)) else {
        return Ok(());
    };
    let why = match pvc::compare(live, &manifest.object, FIELD_MANAGER) {
        None => return Ok(()),
        Some(Verdict::Refused(why)) => why,
        Some(Verdict::Keep(why)) => {
            let running = (rules.running)()?;
            let claim =
                running.iter().flat_map(ManifestSet::iter).find(|running| running.key == *key);
            let Some(shrinks) =
                claim.and_then(|claim| pvc::shrinks(&claim.object, &manifest.object))
            else {
                observed.warnings.push(Warning::about(key, why));
                observed.tried.insert(key.clone(), DryRunAnswer::Would(Box::new(live.clone())));
                observed.forced.remove(key);
                return Ok(());
            };
            shrinks
        }
    };
    observed.tried.insert(key.clone(), DryRunAnswer::Refused(why.into()));
    Ok(())
}

fn refuse_foreign(
    observed: &mut Observed,
    manifest: &Manifest,
    earlier: &[Item],
    name: &str,
    rules: &TakeoverRules<'_>,
) {
    let Some(live) = observed.live.get(&manifest.key) else { return };
    let Some(whose) = takeover::foreign_owner(live, &manifest.key, earlier, FIELD_MANAGER, name)
    else {
        return;
    };
    if rules.adopt {
        if !(rules.is_reported)(&manifest.key) {
            let text = format!("will be taken over: {whose}");
            observed.warnings.push(Warning::about(&manifest.key, text));
        }
    } else if !matches!(observed.tried.get(&manifest.key), Some(DryRunAnswer::Refused(_))) {
        let refusal = ObjectRefusal {
            why: format!("it exists, and was not created by this installation: {whose}"),
            remedy: Some(rules.remedy.to_owned()),
        };
        observed.tried.insert(manifest.key.clone(), DryRunAnswer::Refused(refusal));
    }
}

/// Prevents a reset of the replicas when they change hands.
///
/// If the bundle leaves them to an autoscaler, the live number is held until the autoscaler changes
/// it. If the bundle sets them again, the autoscaler is deleted first.
fn hold_replicas(observed: &mut Observed, manifest: &Manifest) {
    let objects = &observed.live;
    let goes_first = |candidate: &crate::rollout::prune::Candidate| {
        let autoscaler = objects.get(&candidate.key);
        autoscaler.is_some_and(|object| replicas::goes_first(candidate, object, &manifest.object))
    };
    let (first, after) = observed.prune.drain(..).partition(goes_first);
    observed.prune = after;
    observed.prune_first.extend::<Vec<_>>(first);
    let held = objects
        .get(&manifest.key)
        .and_then(|live| replicas::to_hold(live, &manifest.object, FIELD_MANAGER));
    if let (Some(held), Some(DryRunAnswer::Would(object))) =
        (held, observed.tried.get_mut(&manifest.key))
    {
        object["spec"]["replicas"] = held.into();
        observed.held_replicas.insert(manifest.key.clone(), held);
    }
}

fn tell_dropped(observed: &mut Observed, manifest: &Manifest) {
    let Some(DryRunAnswer::Would(answer)) = observed.tried.get(&manifest.key) else { return };
    let told = dropped(&manifest.object, answer);
    let told = told.iter().map(|path| {
        let text = format!(
            "the server drops {path}: it does not support the field, or the feature is disabled"
        );
        Warning::about(&manifest.key, text)
    });
    observed.warnings.extend(told);
}
