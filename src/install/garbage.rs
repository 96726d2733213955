//! Removes ConfigMaps of an installation that nothing references any more.

use std::collections::BTreeSet;

use serde::Serialize;

use super::host::Host;
use super::observe::owners;
use super::preflight::check_rights;
use super::record::{Journal, Turn, delete, gave_back};
use crate::cluster::Cluster;
use crate::cluster::request::Request;
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::rollout::live;
use crate::rollout::prune::{still_named, unnamed};
use crate::rollout::record::{Entry, Progress};
use crate::rollout::record_names::managed_labels;
use crate::rollout::rights::Right;

/// An unreferenced ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Garbage {
    pub name: String,
    pub uid: String,
}

/// Returns the ConfigMaps that are referenced neither by pods, nor by owners that may recreate
/// pods, nor by the deployed or the pending generation.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub fn look(cluster: &Cluster, journal: &Journal<'_>) -> Result<Vec<Garbage>, Failure> {
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

/// Checks the permissions for a removal.
///
/// # Errors
///
/// When some are missing, or the cluster cannot be asked.
pub fn check_permissions(cluster: &Cluster, namespace: &str) -> Result<(), Failure> {
    let rights = ["update", "delete"].map(|verb| Right::to_all(verb, "ConfigMap", namespace));
    check_rights(cluster, &rights.into())
}

/// Removes those of the `seen` ConfigMaps that are still unreferenced under the lock, and returns
/// them.
///
/// # Errors
///
/// When another run holds the lock, or the cluster cannot be changed.
pub fn remove(
    host: &Host<'_>,
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    turn: Turn,
    seen: &[Garbage],
) -> Result<Vec<Garbage>, Failure> {
    journal.await_turn(turn, host.observe)?;
    let locked = journal.lock((host.holder)("gc --live")?, |_, _| ());
    locked.map_err(|failure| gave_back(journal, failure))?;
    let removed = remove_seen(cluster, journal, seen);
    removed.map_err(|failure| gave_back(journal, failure))
}

fn remove_seen(
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
