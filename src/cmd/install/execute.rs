//! Does what was planned, and decides nothing.

use std::collections::BTreeMap;

use super::survey::{split_used, yaml};
use crate::bundle::index::Object;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::request::{Request, Run};
use crate::cmd::failure::Failure;
use crate::cmd::journal::{Journal, delete};
use crate::model::object_key::ObjectKey;
use crate::rollout::live;
use crate::rollout::plan::{Action, Plan};
use crate::rollout::prune::Candidate;
use crate::trust::verify::Verified;

/// The uids of objects, as far as they are known.
pub(super) type Uids = BTreeMap<ObjectKey, String>;

/// Applies what is new or changed, in order; adds the uids.
pub(super) fn apply_steps(
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    bundle: &Verified<Bundle>,
    plan: &Plan,
    uids: &mut Uids,
    tell: &dyn Fn(&str),
) -> Result<(), Failure> {
    for (object, step) in bundle.index.objects.iter().zip(&plan.steps) {
        if step.action == Action::Keep {
            continue;
        }
        journal.beat()?;
        let uid = apply_one(cluster, bundle, object, &step.key)?;
        uids.insert(step.key.clone(), uid);
        tell(&format!("{}  {}", if step.action == Action::Create { "create" } else { "update" }, step.key));
    }
    Ok(())
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
    let all = plan.prune.iter().chain(&plan.prune_later).cloned().collect();
    let (unused, _) = split_used(cluster, namespace, all)?;
    let mut gone = Vec::new();
    for candidate in unused {
        journal.beat()?;
        let live = cluster.find(&candidate.key)?;
        // Another object may have taken the name since.
        if let Some(object) = live.filter(|object| live::uid(object) == candidate.uid) {
            delete(cluster, &candidate.key, &object)?;
            tell(&format!("delete  {}", candidate.key));
            gone.push(candidate);
        }
    }
    Ok(gone)
}
