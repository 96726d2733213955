//! Gives a partly adopted release back to Helm, for `remove --abandon`.
//!
//! Each object takes two writes, the reverse of its adoption: Helm owns our fields again, and then
//! Helm's record is applied in Helm's name, which removes the fields that only the bundle had. The
//! values of Secrets and PVCs stay.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::helm_records::Records;
use super::prepare::{self, served};
use crate::cluster::Cluster;
use crate::cluster::error::CallError;
use crate::cluster::request::{FIELD_MANAGER, Request};
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::helm::abandonment::{Owner, Return, Returned, manifests, returns};
use crate::helm::disposition::{Fate, Handed, find, same};
use crate::helm::encryption_key::{Reference, reference};
use crate::helm::field_owners::{HELM, given_back, has_ours};
use crate::helm::release::{Release, key as key_of, wipe};
use crate::install::event::{Act, Event, Observer};
use crate::install::observe::list;
use crate::install::preflight::lacking_rights;
use crate::install::record::Journal;
use crate::model::command_line::kubectl_line;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::render::manifest_set::ManifestSet;
use crate::rollout::prune::{Candidate, still_named};
use crate::rollout::record::Item;
use crate::rollout::rights::Right;

const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(200);

/// The plan to give a release back to Helm.
pub struct Abandonment<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    /// The objects of Helm's record, with Helm's annotations and labels.
    manifests: ManifestSet,
    live: BTreeMap<ObjectKey, Value>,
    pub part: ReleasePart,
}

/// The return of a release, as in reports.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleasePart {
    pub release: ReleaseName,
    /// The revision that the release returns to.
    pub revision: u64,
    pub objects: Vec<Returned>,
    /// The Secret with the encryption key of the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<String>,
}

impl<'a> Abandonment<'a> {
    /// Plans the return of the release; returns `None` if its records were deleted.
    ///
    /// Fails if all records are archived: only the head still lists the adoption, and abandoning it
    /// would delete the installation.
    pub fn plan(
        cluster: &'a Cluster,
        release: &'a ReleaseName,
        namespace: &'a str,
        inventory: &[Item],
    ) -> Result<Option<Self>, Failure> {
        let records = Records { cluster, namespace, release };
        let found = records.read(true)?;
        let Some(found) = found.release else {
            return if found.is_archived { Err(all_archived(release)) } else { Ok(None) };
        };
        let owner = Owner { release: release.as_str(), namespace, ours: FIELD_MANAGER };
        let manifests = manifests(&found, owner);
        let keys: Vec<ObjectKey> =
            manifests.iter().filter_map(|manifest| served(&manifest.key)).collect();
        let live = cluster.find_all(&keys)?;
        let recorded = inventory.iter().filter_map(|item| item.uid.clone()).collect();
        let objects = returns(&found, &live, &recorded, owner);
        let chart = found.of_kind("Deployment").find_map(reference);
        let (release_name, revision) = (release.clone(), found.newest().number);
        let encryption_key = chart.as_ref().map(|of| of.secret.clone());
        let part = ReleasePart { release: release_name, revision, objects, encryption_key };
        let planned = Self { cluster, namespace, manifests, live, part };
        planned.check_key(&found, chart.as_ref())?;
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
    fn check_key(&self, release: &Release, chart: Option<&Reference>) -> Result<(), Failure> {
        let Some(chart) = chart else { return Ok(()) };
        let key = release.of_kind("Deployment").find(|object| reference(object).is_some());
        let now =
            key.and_then(|object| reference(find(&self.live, &key_of(object, self.namespace))?));
        let Some(now) = now.filter(|now| now != chart) else { return Ok(()) };
        let secret = |name: &str| key_secret(self.namespace, name);
        let found = |of: &Reference| self.cluster.find_secret(&secret(&of.secret));
        if has_same(found(&now)?.as_ref(), &now.key, found(chart)?.as_ref(), &chart.key) {
            return Ok(());
        }
        let template = format!("jsonpath={{.data.{}}}", now.key.replace('.', "\\."));
        let read =
            kubectl_line(["-n", self.namespace, "get", "secret", &now.secret, "-o", &template]);
        let patch = format!(
            "kubectl -n {} patch secret {} -p \"{{\\\"data\\\":{{\\\"{}\\\":\\\"$({read})\\\"}}}}\"",
            self.namespace, chart.secret, chart.key
        );
        Err(Failure::world(format!(
            "the relay runs with the encryption key in Secret {}, key `{}`, but pods of the \
             release would start with a different one, Secret {}, key `{}`: every account and API \
             key would be lost; nothing was changed",
            now.secret, now.key, chart.secret, chart.key
        ))
        .hint(format!("finish the adoption, or copy the key to the release first: {patch}")))
    }

    /// Returns the required permissions.
    pub fn rights(&self) -> BTreeSet<Right> {
        let mut rights = BTreeSet::new();
        for Returned { key, act } in &self.part.objects {
            let to_one = |verb| Right::to_one(verb, &key.kind, &key.namespace, &key.name);
            let create = Right::to_all("create", &key.kind, &key.namespace);
            match act {
                Return::Return => rights.extend(["update", "patch"].map(to_one)),
                Return::ReturnData => rights.extend([to_one("update")]),
                Return::Recreate => rights.extend([create, to_one("patch")]),
                Return::Replace => rights.extend([to_one("delete"), create, to_one("patch")]),
                Return::Untouched | Return::Missing | Return::Foreign | Return::Other => {}
            }
        }
        rights
    }

    /// Returns every object to Helm, and waits until no pod refers to the objects that are deleted
    /// next.
    pub fn carry_out(
        &self,
        journal: &mut Journal<'_>,
        going: &[Candidate],
        timeout: Duration,
        observe: &Observer<'_>,
    ) -> Result<(), Failure> {
        for Returned { key, act } in &self.part.objects {
            journal.beat()?;
            match act {
                Return::Return => {
                    self.give_back(key)?;
                    self.apply(key)?;
                }
                Return::ReturnData => self.give_back(key)?,
                Return::Recreate => self.apply(key)?,
                Return::Replace => {
                    let handed = Handed { key: key.clone(), fate: Fate::Replace };
                    prepare::clear(self.cluster, journal, &handed, timeout)?;
                    self.apply(key)?;
                }
                Return::Untouched | Return::Missing | Return::Foreign | Return::Other => continue,
            }
            observe(&Event::Changed { act: Act::Return, key });
        }
        self.await_unnamed(journal, going, timeout)
    }

    fn give_back(&self, of: &ObjectKey) -> Result<(), Failure> {
        let (Some(key), Some(manifest)) = (served(of), same(&self.manifests, of)) else {
            return Ok(());
        };
        for _ in 0..ATTEMPTS {
            let Some(live) = self.cluster.find(&key)? else { return Ok(()) };
            let mut changed = given_back(&live, &manifest.object, FIELD_MANAGER);
            let answer = self.cluster.call(&Request::replace_as(HELM, &key, &changed));
            wipe(&mut changed["data"]);
            match answer {
                Err(error) if error.code() == 409 => self.cluster.pause(PAUSE / 4)?,
                answer => return answer.map(|_| ()).map_err(|error| returning(error, &key)),
            }
        }
        Err(Failure::world(format!("{key} keeps changing: cannot give it back")).hint(
            "run the command again; find out which client writes it: `kubectl get \
             --show-managed-fields`",
        ))
    }

    /// Applies an object of Helm's record, in Helm's name.
    fn apply(&self, of: &ObjectKey) -> Result<(), Failure> {
        let Some(manifest) = same(&self.manifests, of) else { return Ok(()) };
        let request = Request::apply_as(HELM, &manifest.key, &manifest.object).leniently();
        // An object that the adoption did not reach stays as Helm and other managers left it.
        let was_ours = find(&self.live, of).is_none_or(|live| has_ours(live, FIELD_MANAGER));
        match self.cluster.call(&if was_ours { request.by_force() } else { request }) {
            Err(CallError::Status(status)) if status.is_field_conflict() && !was_ours => Ok(()),
            answer => answer.map(|_| ()).map_err(|error| returning(error, of)),
        }
    }

    /// Waits until no pod refers to a ConfigMap that is deleted next: pods of the bundle do so
    /// until they are deleted.
    fn await_unnamed(
        &self,
        journal: &mut Journal<'_>,
        going: &[Candidate],
        timeout: Duration,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            let pods = list(self.cluster, Kind::Pod, self.namespace)?;
            let named = still_named(&pods, "ConfigMap");
            let is_named =
                |gone: &&Candidate| gone.key.is(Kind::ConfigMap) && named.contains(&gone.key.name);
            let Some(left) = going.iter().find(is_named) else { return Ok(()) };
            if start.elapsed() >= timeout {
                return Err(Failure::world(format!(
                    "pods still refer to {} after {} s: the release's own pods are not ready",
                    left.key,
                    timeout.as_secs()
                ))
                .hint(format!("inspect them: kubectl -n {} get pods", self.namespace)));
            }
            journal.beat()?;
            self.cluster.pause(PAUSE)?;
        }
    }
}

/// Returns whether a release has archived records; false without the permission to list Secrets.
pub fn has_archive(
    cluster: &Cluster,
    release: &ReleaseName,
    namespace: &str,
) -> Result<bool, Failure> {
    let list = BTreeSet::from([Right::to_all("list", "Secret", namespace)]);
    if !lacking_rights(cluster, &list)?.is_empty() {
        return Ok(false);
    }
    Records { cluster, namespace, release }.has_archive()
}

fn all_archived(release: &ReleaseName) -> Failure {
    Failure::world(format!(
        "all Helm records of the release `{release}` are archived: it cannot be given back; \
         nothing was changed"
    ))
    .hint(format!(
        "finish the adoption, of which only the final record is missing: `relay-bundle adopt \
         --from-helm {release}` with its bundle"
    ))
}

fn has_same(one: Option<&Secret>, one_key: &str, other: Option<&Secret>, other_key: &str) -> bool {
    let value = one.and_then(|secret| secret.data.get(one_key));
    value.is_some() && value == other.and_then(|secret| secret.data.get(other_key))
}

fn key_secret(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::of(Kind::Secret, namespace, name)
}

fn returning(error: CallError, key: &ObjectKey) -> Failure {
    Failure::from(error).hint(format!("while giving {key} back to Helm"))
}
