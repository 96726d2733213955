//! Changes live objects before the rollout: transfers the ownership of fields, and deletes a
//! StatefulSet that cannot be changed in place.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bundle::open::Bundle;
use crate::cluster::error::CallError;
use crate::cluster::request::FIELD_MANAGER;
use crate::cluster::{Cluster, Session, Write};
use crate::failure::Failure;
use crate::helm::disposition::{AdoptedObject, Fate};
use crate::helm::field_owners::{HELM, handed_over, has_helms, release_of, released};
use crate::helm::identity::same;
use crate::helm::release::wipe;
use crate::install::deletion::delete_with;
use crate::install::observation::list;
use crate::install::record::Journal;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::rollout::live_object;

/// The number of attempts to replace an object that controllers update concurrently.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(200);

/// An object that cannot change hands.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    #[error("{key} keeps changing: cannot {act}")]
    KeepsChanging { key: ObjectKey, act: &'static str },
    #[error("{key} still exists {seconds} s after its deletion was requested")]
    NotGone { key: ObjectKey, seconds: u64 },
}

impl From<PrepareError> for Failure {
    fn from(error: PrepareError) -> Self {
        let hint = match error {
            PrepareError::KeepsChanging { .. } => {
                "run the command again; find out which client writes it: `kubectl get \
                 --show-managed-fields`"
            }
            PrepareError::NotGone { .. } => {
                "find out what blocks it, such as finalizers or a terminating pod; then run the \
                 command again"
            }
        };
        Self::world(error).hint(hint)
    }
}

/// The client that gets an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receiver {
    Us,
    Helm,
}

impl Receiver {
    /// Replaces an object with the result of `change`, and again if another client replaced it at
    /// the same time. Leaves it alone if it is missing or `change` returns `None`.
    pub(super) fn take(
        self,
        session: &Session,
        key: &ObjectKey,
        change: impl Fn(&Value) -> Option<Value>,
    ) -> Result<(), Failure> {
        let (manager, act) = match self {
            Self::Us => (FIELD_MANAGER, "take it over"),
            Self::Helm => (HELM, "give it back"),
        };
        for _ in 0..ATTEMPTS {
            let Some(live) = session.find(key)? else { return Ok(()) };
            let Some(mut changed) = change(&live) else { return Ok(()) };
            let answer = session.write(&Write::replace_as(manager, key, &changed));
            wipe(&mut changed["data"]);
            match answer {
                Err(error) if error.code() == 409 => session.pause(PAUSE / 4)?,
                answer => return answer.map(drop).map_err(|error| self.failed(error, key)),
            }
        }
        Err(PrepareError::KeepsChanging { key: key.clone(), act }.into())
    }

    /// Adds the purpose of the request to its failure.
    pub(super) fn failed(self, error: CallError, key: &ObjectKey) -> Failure {
        Failure::from(error).hint(match self {
            Self::Us => format!("while taking over {key}"),
            Self::Helm => format!("while giving {key} back to Helm"),
        })
    }
}

/// Transfers an object from Helm to us, or to no owner.
pub fn hand_over(
    session: &Session,
    bundle: &Bundle,
    handed: &AdoptedObject,
) -> Result<(), Failure> {
    let Some(key) = served(&handed.key) else { return Ok(()) };
    Receiver::Us.take(session, &key, |live| changed(bundle, handed, live))
}

/// Returns the object with its new owner, or `None` if it already has that owner.
fn changed(bundle: &Bundle, handed: &AdoptedObject, live: &Value) -> Option<Value> {
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
pub fn is_prepared(bundle: &Bundle, handed: &AdoptedObject, live: &Value) -> bool {
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
    journal: &mut Journal,
    handed: &AdoptedObject,
    timeout: Duration,
) -> Result<(), Failure> {
    let write = match handed.fate {
        Fate::Recreate => Write::delete_alone,
        Fate::Replace => Write::delete_last,
        _ => return Ok(()),
    };
    let Some(key) = served(&handed.key) else { return Ok(()) };
    let Some(live) = journal.session().find(&key)? else { return Ok(()) };
    let uid = live_object::uid(&live);
    delete_with(journal.session(), &key, &live, write)?;
    let start = Instant::now();
    while journal.session().find(&key)?.is_some_and(|object| live_object::uid(&object) == uid)
        || has_pods(journal.session(), &key, uid)?
    {
        if start.elapsed() >= timeout {
            return Err(PrepareError::NotGone { key, seconds: timeout.as_secs() }.into());
        }
        journal.beat()?;
        journal.session().pause(PAUSE)?;
    }
    Ok(())
}

/// Returns whether a StatefulSet still owns pods: two Redis pods on one volume would damage it.
fn has_pods(cluster: &Cluster, set: &ObjectKey, uid: &str) -> Result<bool, Failure> {
    let pods = list(cluster, Kind::Pod, &set.namespace)?;
    let owners = pods.iter().filter_map(|pod| pod.pointer("/metadata/ownerReferences")?.as_array());
    Ok(owners.flatten().any(|owner| owner["uid"] == uid))
}
