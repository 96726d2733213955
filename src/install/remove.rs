//! Removes an installation: decides what goes and what stays, deletes it, and waits until it is gone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::AGAIN;
use super::adopt::abandon::{Abandonment, has_archive};
use super::event::{Act, Event};
use super::generations::{Recorded, inventory};
use super::host::Host;
use super::preflight::check_rights;
use super::record::{Journal, delete_with, gave_back};
use crate::cluster::Cluster;
use crate::cluster::request::{FIELD_MANAGER, Request};
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::render::manifest_set::ManifestSet;
use crate::rollout::live;
use crate::rollout::prune::Candidate;
use crate::rollout::record::Progress;
use crate::rollout::record_names::{instance_label, recovery_name};
use crate::rollout::removal::{Kept, Removal, Stays, removal, stays};
use crate::rollout::rights::Right;

const POLL: Duration = Duration::from_millis(200);

/// The number of pods that an error names at most.
const PODS_SHOWN: usize = 10;

/// Returns the objects to delete and the objects that stay, of all recorded generations. Objects
/// that are given back to Helm are left out.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub fn look(
    cluster: &Cluster,
    journal: &Journal<'_>,
    recorded: &[Recorded],
    abandonment: Option<&Abandonment<'_>>,
) -> Result<(Removal, Vec<Stays>), Failure> {
    let none = ManifestSet::default();
    let helms = abandonment.map_or(&none, Abandonment::manifests);
    let is_helms = |key: &ObjectKey| helms.iter().any(|of| of.key.identity() == key.identity());
    let mut inventory = inventory(recorded);
    inventory.retain(|item| !is_helms(&item.key));
    let keys: BTreeSet<ObjectKey> = inventory.iter().map(|item| item.key.clone()).collect();
    let live = cluster.find_all(&Vec::from_iter(keys))?;
    let removal = removal(&inventory, helms, &live, (FIELD_MANAGER, journal.name().as_str()));
    let secret = |name: &String| ObjectKey::of(Kind::Secret, journal.namespace(), name);
    let made =
        recorded.iter().flat_map(|of| of.secrets.iter().map(secret)).filter(|key| !is_helms(key));
    let made = made.collect();
    let referred =
        recorded.iter().flat_map(|of| of.referred.iter().cloned()).filter(|key| !is_helms(key));
    let referred = referred.collect();
    let (ours, mut others) = there(cluster, made, journal.name())?;
    let (theirs, unlabelled) = there(cluster, referred, journal.name())?;
    others.extend(theirs.into_iter().chain(unlabelled));
    let goes = |key: &ObjectKey| {
        removal.workloads.iter().chain(&removal.rest).any(|gone| gone.key == *key)
    };
    // PVCs and the namespace are listed separately.
    let is_told = |key: &ObjectKey| key.is(Kind::PersistentVolumeClaim) || key.is(Kind::Namespace);
    others.extend(live.keys().filter(|key| !goes(key) && !is_told(key)).cloned());
    let copies =
        ObjectKey::of(Kind::ConfigMap, journal.namespace(), &recovery_name(journal.name()));
    let has_copies = cluster.find(&copies)?.is_some();
    let made = ours.into_iter().map(|key| key.name).collect();
    let takes_pods = abandonment.is_some_and(Abandonment::takes_pods);
    let orphans = if takes_pods { BTreeSet::new() } else { orphans(cluster, journal)? };
    let has_archive = has_archive(cluster, journal.name(), journal.namespace())?;
    let kept = Kept { made, others, has_copies, has_archive, orphans };
    let stays = stays((journal.name(), journal.namespace()), &inventory, &live, &kept);
    Ok((removal, stays))
}

/// Returns the pods of the installation that have no owner. Adoption temporarily leaves the Redis
/// pod without one.
fn orphans(cluster: &Cluster, journal: &Journal<'_>) -> Result<BTreeSet<String>, Failure> {
    let folder = ObjectKey::of(Kind::Pod, journal.namespace(), "");
    let pods = match cluster.list(&Request::list(&folder, &instance_label(journal.name()))) {
        // A dry run may lack the permission.
        Err(error) if error.code() == 403 => return Ok(BTreeSet::new()),
        pods => pods?,
    };
    let is_orphan = |pod: &&Value| live::owners(pod).next().is_none() && !live::is_ending(pod);
    let name =
        |pod: &Value| pod.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
    Ok(pods.iter().filter(is_orphan).filter_map(name).collect())
}

/// Returns the existing objects with the label of the installation, and those without it. An object
/// that we may not read counts as unlabelled.
fn there(
    cluster: &Cluster,
    keys: BTreeSet<ObjectKey>,
    name: &ReleaseName,
) -> Result<(BTreeSet<ObjectKey>, BTreeSet<ObjectKey>), Failure> {
    let is_ours =
        |metadata: &Value| live::label(metadata, live::INSTANCE_LABEL) == Some(name.as_str());
    let (mut ours, mut others) = (BTreeSet::new(), BTreeSet::new());
    for key in keys {
        let found = match key.known_kind() {
            Some(Kind::Secret) => {
                cluster.find_secret(&key).map(|found| found.map(|found| is_ours(found.metadata())))
            }
            _ => cluster.find(&key).map(|found| found.map(|found| is_ours(&found["metadata"]))),
        };
        match found {
            Ok(None) => {}
            Ok(Some(true)) => drop(ours.insert(key)),
            Ok(Some(false)) => drop(others.insert(key)),
            Err(error) if error.code() == 403 => drop(others.insert(key)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((ours, others))
}

/// Returns whether no generation is left to remove.
pub fn is_removed(journal: &Journal<'_>) -> bool {
    let is_left =
        |state| matches!(state, Progress::Deployed | Progress::Pending | Progress::Removing);
    !journal.head.generations.iter().any(|entry| is_left(entry.state))
}

/// Checks the permissions that a removal needs.
///
/// # Errors
///
/// When some are missing, or the cluster cannot be asked.
pub fn check_rights_for(
    cluster: &Cluster,
    namespace: &str,
    gone: &[&Candidate],
    abandonment: Option<&Abandonment<'_>>,
) -> Result<(), Failure> {
    let own =
        [Right::to_all("update", "ConfigMap", namespace), Right::to_all("list", "Pod", namespace)];
    let delete = |gone: &&Candidate| {
        Right::to_one("delete", &gone.key.kind, &gone.key.namespace, &gone.key.name)
    };
    let returns = abandonment.map(Abandonment::rights).unwrap_or_default();
    check_rights(cluster, &gone.iter().map(delete).chain(own).chain(returns).collect())
}

/// Deletes an object if its UID is still that of the plan. A workload goes after its pods.
fn delete(cluster: &Cluster, name: &ReleaseName, candidate: &Candidate) -> Result<(), Failure> {
    // Another object may have the same name by now.
    let live = cluster.find(&candidate.key)?.filter(|object| live::uid(object) == candidate.uid);
    let is_ours = |object: &Value| live::is_managed_by(object, FIELD_MANAGER, name.as_str());
    let Some(live) = live.filter(is_ours) else { return Ok(()) };
    let has_pods = candidate.key.known_kind().is_some_and(Kind::has_pods);
    let request = if has_pods { Request::delete_last } else { Request::delete };
    Ok(delete_with(cluster, &candidate.key, &live, request)?)
}

/// Returns a line for each remaining pod.
fn pods_left(cluster: &Cluster, journal: &Journal<'_>) -> Result<Vec<String>, Failure> {
    let folder = ObjectKey::of(Kind::Pod, journal.namespace(), "");
    let pods = cluster.list(&Request::list(&folder, &instance_label(journal.name())))?;
    let line = |pod: &Value| {
        let text = |pointer| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (name, node) = (text("/metadata/name"), text("/spec/nodeName"));
        let since = text("/metadata/deletionTimestamp");
        format!("pod {name} on node {node} still exists; it was told to stop at {since}")
    };
    Ok(pods.iter().take(PODS_SHOWN).map(line).collect())
}

/// A removal that the operator agreed to.
pub struct Removing<'a> {
    pub host: Host<'a>,
    pub cluster: &'a Cluster,
    pub removal: &'a Removal,
    /// The release that is given back to Helm.
    pub abandonment: Option<&'a Abandonment<'a>>,
    pub timeout: Duration,
}

impl Removing<'_> {
    /// Removes the objects under the lock, and records that.
    ///
    /// # Errors
    ///
    /// When another run holds the lock, an object cannot be deleted, or objects remain after the
    /// timeout.
    pub fn run(&self, journal: &mut Journal<'_>) -> Result<(), Failure> {
        let locked = journal.lock((self.host.holder)("remove")?, |head, _| head.begin_removal());
        locked.map_err(|failure| gave_back(journal, failure))?;
        self.carry_out(journal).map_err(|failure| gave_back(journal, failure.hint(AGAIN)))
    }

    fn carry_out(&self, journal: &mut Journal<'_>) -> Result<(), Failure> {
        let Removal { workloads, rest } = self.removal;
        self.delete_all(journal, workloads)?;
        if let Some(abandonment) = self.abandonment {
            abandonment.carry_out(journal, rest, self.timeout, self.host.observe)?;
        }
        self.delete_all(journal, rest)?;
        let now = (self.host.now)()?;
        journal.update(|head| {
            head.finish_removal(now);
            head.adopting = None;
        })?;
        journal.release()
    }

    fn delete_all(&self, journal: &mut Journal<'_>, gone: &[Candidate]) -> Result<(), Failure> {
        for candidate in gone {
            journal.beat()?;
            delete(self.cluster, journal.name(), candidate)?;
            (self.host.observe)(&Event::Changed { act: Act::Delete, key: &candidate.key });
        }
        self.wait(journal, gone)
    }

    /// Waits until the objects are gone. Workloads go after their pods.
    fn wait(&self, journal: &mut Journal<'_>, gone: &[Candidate]) -> Result<(), Failure> {
        let start = Instant::now();
        let keys: Vec<ObjectKey> = gone.iter().map(|candidate| candidate.key.clone()).collect();
        loop {
            let live = self.cluster.find_all(&keys)?;
            let is_there = |gone: &&Candidate| {
                live.get(&gone.key).is_some_and(|now| live::uid(now) == gone.uid)
            };
            let Some(left) = gone.iter().find(is_there) else { return Ok(()) };
            if start.elapsed() >= self.timeout {
                let what = format!("not gone after {} s: {}", self.timeout.as_secs(), left.key);
                let pods = pods_left(self.cluster, journal)?;
                return Err(pods.into_iter().fold(Failure::world(what), Failure::reason));
            }
            journal.beat()?;
            self.cluster.pause(POLL)?;
        }
    }
}
