//! Changes live objects before the rollout: transfers the ownership of fields, and deletes a
//! StatefulSet that cannot be changed in place.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::request::{FIELD_MANAGER, Request};
use crate::failure::Failure;
use crate::helm::disposition::{Fate, Handed, same};
use crate::helm::field_owners::{handed_over, has_helms, release_of, released};
use crate::install::observe::list;
use crate::install::record::{Journal, delete_with};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::rollout::live;

/// The number of attempts to replace an object that controllers update concurrently.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(200);

/// Transfers an object from Helm to us, or to no owner.
pub fn hand_over(cluster: &Cluster, bundle: &Bundle, handed: &Handed) -> Result<(), Failure> {
    let Some(key) = served(&handed.key) else { return Ok(()) };
    for _ in 0..ATTEMPTS {
        let Some(live) = cluster.find(&key)? else { return Ok(()) };
        let Some(changed) = changed(bundle, handed, &live) else { return Ok(()) };
        match cluster.call(&Request::replace(&key, &changed)) {
            Err(error) if error.code() == 409 => cluster.pause(PAUSE / 4)?,
            answer => {
                return answer.map(|_| ()).map_err(|error| {
                    Failure::from(error).hint(format!("while taking over {key}"))
                });
            }
        }
    }
    Err(Failure::world(format!("{key} keeps changing: cannot take it over")).hint(
        "run the command again; find out which client writes it: `kubectl get \
         --show-managed-fields`",
    ))
}

/// Returns the object with its new owner, or `None` if it already has that owner.
fn changed(bundle: &Bundle, handed: &Handed, live: &Value) -> Option<Value> {
    let is_helms = has_helms(live, FIELD_MANAGER);
    match (handed.fate, same(&bundle.manifests, &handed.key)) {
        (Fate::Adopt, Some(manifest)) if is_helms => {
            Some(handed_over(live, &manifest.object, FIELD_MANAGER))
        }
        (Fate::Keep, _) if is_helms || release_of(live).is_some() => {
            Some(released(live, None, FIELD_MANAGER))
        }
        // With our label it is pruned like every object that a bundle no longer contains.
        (Fate::Prune, _) if is_helms || release_of(live).is_some() => {
            Some(released(live, Some(FIELD_MANAGER), FIELD_MANAGER))
        }
        _ => None,
    }
}

/// Returns whether no change is left to do before the rollout.
pub fn is_over(bundle: &Bundle, handed: &Handed, live: &Value) -> bool {
    !matches!(handed.fate, Fate::Recreate | Fate::Replace)
        && changed(bundle, handed, live).is_none()
}

/// Returns the key of an object in the stable version of its API.
pub fn served(of: &ObjectKey) -> Option<ObjectKey> {
    ObjectKey::of_named(&of.kind, &of.namespace, &of.name)
}

/// Deletes a StatefulSet that cannot become the bundle's, with or without its pods, and waits until
/// it is gone.
pub fn clear(
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    handed: &Handed,
    timeout: Duration,
) -> Result<(), Failure> {
    let request = match handed.fate {
        Fate::Recreate => Request::delete_alone,
        Fate::Replace => Request::delete_last,
        _ => return Ok(()),
    };
    let Some(key) = served(&handed.key) else { return Ok(()) };
    let Some(live) = cluster.find(&key)? else { return Ok(()) };
    let uid = live::uid(&live);
    delete_with(cluster, &key, &live, request)?;
    let start = Instant::now();
    while cluster.find(&key)?.is_some_and(|object| live::uid(&object) == uid)
        || has_pods(cluster, &key, uid)?
    {
        if start.elapsed() >= timeout {
            return Err(Failure::world(format!(
                "{key} still exists {} s after its deletion was requested",
                timeout.as_secs()
            ))
            .hint(
                "find out what blocks it, such as finalizers or a terminating pod; then run the \
                 command again",
            ));
        }
        journal.beat()?;
        cluster.pause(PAUSE)?;
    }
    Ok(())
}

/// Returns whether a StatefulSet still owns pods: two Redis pods on one volume would damage it.
fn has_pods(cluster: &Cluster, set: &ObjectKey, uid: &str) -> Result<bool, Failure> {
    let pods = list(cluster, Kind::Pod, &set.namespace)?;
    let owners = pods.iter().filter_map(|pod| pod.pointer("/metadata/ownerReferences")?.as_array());
    Ok(owners.flatten().any(|owner| owner["uid"] == uid))
}
