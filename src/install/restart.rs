//! Replaces the pods of a workload with new ones from the same template.

use std::time::Duration;

use super::event::{Act, Event, Observer};
use super::host::Host;
use super::preflight::check_rights;
use super::record::{Journal, gave_back};
use super::wait::wait;
use crate::cluster::Cluster;
use crate::cluster::request::{FIELD_MANAGER, Request};
use crate::failure::{Failure, FailureKind};
use crate::model::object_key::ObjectKey;
use crate::model::timestamp::Timestamp;
use crate::rollout::live;
use crate::rollout::record::Item;
use crate::rollout::restart::{MANAGER, patch, restarted_at};
use crate::rollout::rights::Right;

/// Checks the permissions for a restart, before the lock is taken.
///
/// # Errors
///
/// When some are missing, or the cluster cannot be asked.
pub fn check(cluster: &Cluster, key: &ObjectKey) -> Result<(), Failure> {
    let namespace = &key.namespace;
    let lists = ["Pod", "ReplicaSet"].map(|kind| Right::to_all("list", kind, namespace));
    let writes = [
        Right::to_one("patch", &key.kind, namespace, &key.name),
        Right::to_all("update", "ConfigMap", namespace),
    ];
    check_rights(cluster, &lists.into_iter().chain(writes).collect())
}

/// Restarts a workload under the lock, and waits until it is ready. Returns the time of the restart.
///
/// # Errors
///
/// When another run holds the lock, the workload was replaced, or it is not ready in time.
pub fn restart(
    host: &Host<'_>,
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    item: &Item,
    timeout: Duration,
) -> Result<Timestamp, Failure> {
    let now = (host.now)()?;
    let locked = journal.lock((host.holder)("restart")?, |_, _| {});
    locked.map_err(|failure| gave_back(journal, failure))?;
    let done = replace_pods(cluster, journal, item, now, (timeout, host.observe))
        .and_then(|()| journal.release());
    done.map_err(|failure| gave_back(journal, failure))?;
    Ok(now)
}

fn replace_pods(
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    item: &Item,
    now: Timestamp,
    (timeout, observe): (Duration, &Observer<'_>),
) -> Result<(), Failure> {
    let key = &item.key;
    let live = cluster.find(key)?;
    let is_ours = |object: &serde_json::Value| {
        item.uid.as_deref() == Some(live::uid(object))
            && live::is_managed_by(object, FIELD_MANAGER, journal.name().as_str())
    };
    let Some(live) = live.filter(is_ours) else {
        return Err(Failure::world(format!("{key} does not exist, or is not the installed one"))
            .hint("check with `relay-bundle status`, and apply the bundle again"));
    };
    if restarted_at(&live) == Some(now.to_string().as_str()) {
        return Err(Failure::world(format!("{key} was already restarted within this second")));
    }
    cluster.call(&Request::apply_as(MANAGER, key, &patch(key, &live, now)))?;
    observe(&Event::Changed { act: Act::Restart, key });
    let ready = wait(cluster, journal, std::slice::from_ref(key), timeout, observe);
    ready.map_err(|failure| match failure.kind {
        FailureKind::World => failure
            .hint(
                "nothing was undone, and the new pods may still become ready: check with \
                 `relay-bundle status`",
            )
            .hint(
                "if the running bundle is the cause, apply a fixed one, or run: relay-bundle \
                 rollback",
            ),
        _ => failure,
    })
}
