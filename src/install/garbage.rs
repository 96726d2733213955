//! Removes ConfigMaps of an installation that nothing references any more.

use std::collections::BTreeSet;

use serde::Serialize;

use super::change::Change;
use super::deletion::delete;
use super::host::Host;
use super::observation::owners;
use super::preflight::check_permissions;
use super::record::{Journal, Turn, release_after};
use crate::cluster::request::Request;
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::rollout::live_object;
use crate::rollout::permissions::Permission;
use crate::rollout::prune::{referenced_names, unused_config_maps};
use crate::rollout::record::{GenerationEntry, GenerationProgress};
use crate::rollout::record_names::managed_labels;

/// An unreferenced ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct UnusedConfigMap {
    pub name: String,
    pub uid: String,
}

/// The removal of unreferenced ConfigMaps.
pub struct GarbageCollection<'a> {
    host: Host<'a>,
    journal: Journal,
    garbage: Vec<UnusedConfigMap>,
}

impl<'a> GarbageCollection<'a> {
    /// Finds the ConfigMaps that nothing references.
    ///
    /// # Errors
    ///
    /// When another run holds the lock, or the cluster cannot be asked.
    pub fn plan(host: Host<'a>, mut journal: Journal, turn: Turn) -> Result<Self, Failure> {
        journal.await_turn(turn, host.observe)?;
        let garbage = look(&journal)?;
        Ok(Self { host, journal, garbage })
    }

    /// Returns the installation and its namespace.
    pub fn place(&self) -> (&ReleaseName, &str) {
        (self.journal.name(), self.journal.namespace())
    }

    /// Returns what would be removed.
    pub fn garbage(&self) -> &[UnusedConfigMap] {
        &self.garbage
    }
}

impl Change for GarbageCollection<'_> {
    /// The removed ConfigMaps.
    type Done = Vec<UnusedConfigMap>;

    fn is_noop(&self) -> bool {
        self.garbage.is_empty()
    }

    fn check_permissions(&self) -> Result<(), Failure> {
        let to_all = |verb| Permission::to_all(verb, "ConfigMap", self.journal.namespace());
        check_permissions(self.journal.session(), &["update", "delete"].map(to_all).into())
    }

    /// Removes those that are still unreferenced under the lock.
    fn carry_out(&mut self) -> Result<Vec<UnusedConfigMap>, Failure> {
        if self.is_noop() {
            return Ok(Vec::new());
        }
        let Self { host, journal, garbage } = self;
        let locked = journal.lock((host.holder)("gc --live")?, |_, _| ());
        locked.map_err(|failure| release_after(journal, failure))?;
        let removed = remove_seen(journal, garbage);
        removed.map_err(|failure| release_after(journal, failure))
    }
}

/// Returns the ConfigMaps that are referenced neither by pods, nor by owners that may recreate
/// pods, nor by the deployed or the pending generation.
fn look(journal: &Journal) -> Result<Vec<UnusedConfigMap>, Failure> {
    let current = |entry: &GenerationEntry| {
        matches!(entry.state, GenerationProgress::Deployed | GenerationProgress::Pending)
    };
    let inventory = journal.recorded(current)?.into_iter().flat_map(|recorded| recorded.inventory);
    let is_config = |key: &ObjectKey| key.is(Kind::ConfigMap);
    let mut used: BTreeSet<String> =
        inventory.map(|item| item.key).filter(is_config).map(|key| key.name).collect();
    // ConfigMaps are listed before their users: one that is created later is not in the list, so it
    // cannot be removed by mistake.
    let labels = managed_labels(journal.name());
    let cluster = journal.session();
    let all = cluster.list(&Request::list(&config_map(journal, ""), &labels))?;
    used.extend(referenced_names(&owners(cluster, journal.namespace())?, Kind::ConfigMap));
    let garbage = unused_config_maps(&all, &used)
        .map(|(name, uid)| UnusedConfigMap { name: name.into(), uid: uid.into() });
    Ok(garbage.collect())
}

fn config_map(journal: &Journal, name: &str) -> ObjectKey {
    ObjectKey::of(Kind::ConfigMap, journal.namespace(), name)
}

fn remove_seen(
    journal: &mut Journal,
    seen: &[UnusedConfigMap],
) -> Result<Vec<UnusedConfigMap>, Failure> {
    let now: BTreeSet<UnusedConfigMap> = look(journal)?.into_iter().collect();
    let mut removed = Vec::new();
    for garbage in seen.iter().filter(|garbage| now.contains(garbage)) {
        journal.beat()?;
        let key = config_map(journal, &garbage.name);
        // Another object may have the same name by now.
        let live = journal.session().find(&key)?;
        if let Some(object) = live.filter(|object| live_object::uid(object) == garbage.uid) {
            delete(journal.session(), &key, &object)?;
            removed.push(garbage.clone());
        }
    }
    journal.release()?;
    Ok(removed)
}
