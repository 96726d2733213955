//! Gives a partly adopted release back to Helm, for `remove --abandon`.
//!
//! Each object takes two writes, the reverse of its adoption: Helm owns our fields again, and then
//! Helm's record is applied in Helm's name, which removes the fields that only the bundle had. The
//! values of Secrets and PVCs stay.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::helm_records::Records;
use super::preparation::{self, Receiver, served};
use crate::cluster::error::CallError;
use crate::cluster::request::FIELD_MANAGER;
use crate::cluster::secret::Secret;
use crate::cluster::{Cluster, Session, Write};
use crate::failure::Failure;
use crate::helm::abandonment::{ReleaseOwner, ReleasePart, Return, Returned, manifests, returns};
use crate::helm::disposition::{AdoptedObject, Fate};
use crate::helm::encryption_key::{KeyReference, reference};
use crate::helm::field_owners::{HELM, given_back, has_ours};
use crate::helm::identity::{find, same};
use crate::helm::release::{HelmRelease, key as key_of};
use crate::install::event::{Act, Event, Observer};
use crate::install::observation::list;
use crate::install::preflight::lacking_permissions;
use crate::install::record::Journal;
use crate::model::command_line::kubectl_line;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::render::manifest_set::ManifestSet;
use crate::rollout::permissions::Permission;
use crate::rollout::prune::{Candidate, referenced_names};
use crate::rollout::record::Item;

const PAUSE: Duration = Duration::from_millis(200);

/// A release that cannot be given back.
#[derive(Debug, thiserror::Error)]
enum AbandonError {
    #[error(
        "all Helm records of the release `{0}` are archived: it cannot be given back; nothing was \
         changed"
    )]
    Archived(ReleaseName),
    #[error(
        "the relay runs with the encryption key in Secret {}, key `{}`, but pods of the release \
         would start with a different one, Secret {}, key `{}`: every account and API key would be \
         lost; nothing was changed",
        .running.secret, .running.key, .chart.secret, .chart.key
    )]
    AnotherKey { running: KeyReference, chart: KeyReference, namespace: String },
    #[error("pods still refer to {key} after {seconds} s: the release's own pods are not ready")]
    StillNamed { key: ObjectKey, seconds: u64, namespace: String },
}

impl From<AbandonError> for Failure {
    fn from(error: AbandonError) -> Self {
        let hint = match &error {
            AbandonError::Archived(release) => format!(
                "finish the adoption, of which only the final record is missing: `relay-bundle \
                 adopt --from-helm {release}` with its bundle"
            ),
            AbandonError::AnotherKey { running, chart, namespace } => format!(
                "finish the adoption, or copy the key to the release first: {}",
                copy_line(namespace, running, chart)
            ),
            AbandonError::StillNamed { namespace, .. } => {
                format!("inspect them: kubectl -n {namespace} get pods")
            }
        };
        Self::world(error).hint(hint)
    }
}

/// Returns the command line that copies a key to another Secret.
fn copy_line(namespace: &str, from: &KeyReference, to: &KeyReference) -> String {
    let template = format!("jsonpath={{.data.{}}}", from.key.replace('.', "\\."));
    let read = kubectl_line(["-n", namespace, "get", "secret", &from.secret, "-o", &template]);
    format!(
        "kubectl -n {namespace} patch secret {} -p \"{{\\\"data\\\":{{\\\"{}\\\":\\\"$({read})\\\"}}}}\"",
        to.secret, to.key
    )
}

/// The plan to give a release back to Helm.
pub struct Abandonment {
    namespace: String,
    /// The objects of Helm's record, with Helm's annotations and labels.
    manifests: ManifestSet,
    live: BTreeMap<ObjectKey, Value>,
    pub part: ReleasePart,
}

impl Abandonment {
    /// Plans the return of the release; returns `None` if its records were deleted.
    ///
    /// Fails if all records are archived: only the head still lists the adoption, and abandoning it
    /// would delete the installation.
    pub fn plan(
        journal: &Journal,
        release: &ReleaseName,
        inventory: &[Item],
    ) -> Result<Option<Self>, Failure> {
        let (cluster, namespace) = (journal.session(), journal.namespace());
        let records = Records { cluster, namespace, release };
        let found = records.read(true)?;
        let Some(found) = found.release else {
            return if found.is_archived {
                Err(AbandonError::Archived(release.clone()).into())
            } else {
                Ok(None)
            };
        };
        let owner = ReleaseOwner { release: release.as_str(), namespace, ours: FIELD_MANAGER };
        let manifests = manifests(&found, owner);
        let keys: Vec<ObjectKey> =
            manifests.iter().filter_map(|manifest| served(&manifest.key)).collect();
        let live = cluster.find_all(&keys)?;
        let recorded = inventory.iter().filter_map(|item| item.uid.clone()).collect();
        let objects = returns(&found, &live, &recorded, owner);
        let chart = found.of_kind(Kind::Deployment).find_map(reference);
        let (release_name, revision) = (release.clone(), found.newest().number);
        let encryption_key = chart.as_ref().map(|of| of.secret.clone());
        let part = ReleasePart { release: release_name, revision, objects, encryption_key };
        let namespace = namespace.to_owned();
        let planned = Self { namespace, manifests, live, part };
        planned.check_key(cluster, &found, chart.as_ref())?;
        Ok(Some(planned))
    }

    /// Returns the objects of Helm's record.
    pub fn manifests(&self) -> &ManifestSet {
        &self.manifests
    }

    /// Returns whether a recreated StatefulSet adopts orphaned pods.
    pub fn takes_pods(&self) -> bool {
        self.part
            .objects
            .iter()
            .any(|of| of.key.is(Kind::StatefulSet) && of.act == Return::Recreate)
    }

    /// Fails if pods of the release would start with another encryption key than the relay runs
    /// with.
    fn check_key(
        &self,
        cluster: &Cluster,
        release: &HelmRelease,
        chart: Option<&KeyReference>,
    ) -> Result<(), Failure> {
        let Some(chart) = chart else { return Ok(()) };
        let key = release.of_kind(Kind::Deployment).find(|object| reference(object).is_some());
        let now =
            key.and_then(|object| reference(find(&self.live, &key_of(object, &self.namespace))?));
        let Some(now) = now.filter(|now| now != chart) else { return Ok(()) };
        let secret = |name: &str| ObjectKey::of(Kind::Secret, &self.namespace, name);
        let found = |of: &KeyReference| cluster.find_secret(&secret(&of.secret));
        if has_same(found(&now)?.as_ref(), &now.key, found(chart)?.as_ref(), &chart.key) {
            return Ok(());
        }
        let (chart, namespace) = (chart.clone(), self.namespace.clone());
        Err(AbandonError::AnotherKey { running: now, chart, namespace }.into())
    }

    /// Returns the required permissions.
    pub fn permissions(&self) -> BTreeSet<Permission> {
        let mut permissions = BTreeSet::new();
        for Returned { key, act } in &self.part.objects {
            let to_one = |verb| Permission::on(verb, key);
            let create = Permission::to_all("create", &key.kind, &key.namespace);
            match act {
                Return::Return => permissions.extend(["update", "patch"].map(to_one)),
                Return::ReturnData => permissions.extend([to_one("update")]),
                Return::Recreate => permissions.extend([create, to_one("patch")]),
                Return::Replace => permissions.extend([to_one("delete"), create, to_one("patch")]),
                Return::Untouched | Return::Missing | Return::Foreign | Return::Other => {}
            }
        }
        permissions
    }

    /// Returns every object to Helm, and waits until no pod refers to the objects that are deleted
    /// next.
    pub fn carry_out(
        &self,
        journal: &mut Journal,
        going: &[Candidate],
        timeout: Duration,
        observe: &Observer<'_>,
    ) -> Result<(), Failure> {
        for Returned { key, act } in &self.part.objects {
            journal.beat()?;
            match act {
                Return::Return => {
                    self.give_back(journal.session(), key)?;
                    self.apply(journal.session(), key)?;
                }
                Return::ReturnData => self.give_back(journal.session(), key)?,
                Return::Recreate => self.apply(journal.session(), key)?,
                Return::Replace => {
                    let handed = AdoptedObject { key: key.clone(), fate: Fate::Replace };
                    preparation::clear(journal, &handed, timeout)?;
                    self.apply(journal.session(), key)?;
                }
                Return::Untouched | Return::Missing | Return::Foreign | Return::Other => continue,
            }
            observe(&Event::Changed { act: Act::Return, key, position: None });
        }
        self.await_unnamed(journal, going, timeout)
    }

    fn give_back(&self, session: &Session, of: &ObjectKey) -> Result<(), Failure> {
        let (Some(key), Some(manifest)) = (served(of), same(&self.manifests, of)) else {
            return Ok(());
        };
        let change = |live: &Value| Some(given_back(live, &manifest.object, FIELD_MANAGER));
        Receiver::Helm.take(session, &key, change)
    }

    /// Applies an object of Helm's record, in Helm's name.
    fn apply(&self, session: &Session, of: &ObjectKey) -> Result<(), Failure> {
        let Some(manifest) = same(&self.manifests, of) else { return Ok(()) };
        let write = Write::apply_as(HELM, &manifest.key, &manifest.object).leniently();
        // An object that the adoption did not reach stays as Helm and other managers left it.
        let was_ours = find(&self.live, of).is_none_or(|live| has_ours(live, FIELD_MANAGER));
        match session.write(&if was_ours { write.by_force() } else { write }) {
            Err(CallError::Status(status)) if status.is_field_conflict() && !was_ours => Ok(()),
            answer => answer.map(drop).map_err(|error| Receiver::Helm.failed(error, of)),
        }
    }

    /// Waits until no pod refers to a ConfigMap that is deleted next: pods of the bundle do so
    /// until they are deleted.
    fn await_unnamed(
        &self,
        journal: &mut Journal,
        going: &[Candidate],
        timeout: Duration,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            let pods = list(journal.session(), Kind::Pod, &self.namespace)?;
            let named = referenced_names(&pods, Kind::ConfigMap);
            let is_named =
                |gone: &&Candidate| gone.key.is(Kind::ConfigMap) && named.contains(&gone.key.name);
            let Some(left) = going.iter().find(is_named) else { return Ok(()) };
            if start.elapsed() >= timeout {
                let (key, seconds) = (left.key.clone(), timeout.as_secs());
                let namespace = self.namespace.clone();
                return Err(AbandonError::StillNamed { key, seconds, namespace }.into());
            }
            journal.beat()?;
            journal.session().pause(PAUSE)?;
        }
    }
}

/// Returns whether a release has archived records; false without the permission to list Secrets.
pub fn has_archive(
    cluster: &Cluster,
    release: &ReleaseName,
    namespace: &str,
) -> Result<bool, Failure> {
    let list = BTreeSet::from([Permission::to_all("list", "Secret", namespace)]);
    if !lacking_permissions(cluster, &list)?.is_empty() {
        return Ok(false);
    }
    Records { cluster, namespace, release }.has_archive()
}

fn has_same(one: Option<&Secret>, one_key: &str, other: Option<&Secret>, other_key: &str) -> bool {
    let value = one.and_then(|secret| secret.data.get(one_key));
    value.is_some() && value == other.and_then(|secret| secret.data.get(other_key))
}
