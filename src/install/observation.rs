//! Reads the live objects and the answers of the dry run, from which a plan is made.

use std::collections::BTreeMap;

use serde_json::Value;

use super::preflight::lacking_permissions;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::error::{Admission, ApiStatus, CallError, Cause};
use crate::cluster::request::{FIELD_MANAGER, Request};
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::rollout::conflict::Conflict;
use crate::rollout::obstacle::Obstacle;
use crate::rollout::permissions::Permission;
use crate::rollout::plan::{DryRunAnswer, ObjectRefusal, Observed};
use crate::rollout::prune::{Candidate, Needed, OWNERS, candidates, referenced_names};
use crate::rollout::record::Item;
use crate::rollout::remedy::{Holder, remedy, unserved};
use crate::rollout::takeover;
use crate::trust::verify::Verified;

/// Reads the cluster and runs the dry run. Changes nothing.
pub fn survey(
    cluster: &Cluster,
    bundle: &Verified<Bundle>,
    earlier: &[Item],
    is_namespace_there: bool,
) -> Result<Observed, Failure> {
    let keys: Vec<ObjectKey> =
        bundle.manifests.iter().map(|manifest| manifest.key.clone()).collect();
    let others = earlier.iter().map(|item| item.key.clone()).filter(|key| !keys.contains(key));
    let mut all: Vec<ObjectKey> = keys.iter().cloned().chain(others).collect();
    all.sort();
    all.dedup();
    let (live, obstacles) = find_all(cluster, &all)?;
    let asked = Asked { cluster, instance: bundle.index.name.as_str(), earlier, live: &live };
    let tried = dry_run_all(&asked, bundle, is_namespace_there)?;
    let owner = (FIELD_MANAGER, bundle.index.name.as_str());
    let all = candidates(earlier, &Needed::by(bundle), &live, owner);
    let (prune, prune_later) = split_used(cluster, bundle.index.namespace.as_str(), all)?;
    Ok(Observed { live, tried, prune, prune_later, obstacles, ..Observed::default() })
}

/// Returns the live objects, and the problems with those that must not be read.
pub fn find_all(
    cluster: &Cluster,
    keys: &[ObjectKey],
) -> Result<(BTreeMap<ObjectKey, Value>, Vec<Obstacle>), Failure> {
    let requests: Vec<Request> = keys.iter().map(Request::get).collect();
    let (mut live, mut unseen) = (BTreeMap::new(), Vec::new());
    for (key, answer) in keys.iter().zip(cluster.call_all(&requests)) {
        match answer {
            Ok(object) => {
                live.insert(key.clone(), object);
            }
            Err(error) if error.code() == 404 => {}
            Err(error) if error.code() == 403 => {
                unseen.push(Obstacle::Unreadable { key: key.clone(), why: error.to_string() });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((live, unseen))
}

fn dry_run_all(
    asked: &Asked<'_>,
    bundle: &Verified<Bundle>,
    is_namespace_there: bool,
) -> Result<BTreeMap<ObjectKey, DryRunAnswer>, Failure> {
    let namespace = bundle.index.namespace.as_str();
    let is_tried = |key: &ObjectKey| is_namespace_there || key.namespace != namespace;
    let tried: Vec<_> = bundle
        .index
        .objects
        .iter()
        .zip(bundle.manifests.iter())
        .filter(|(_, m)| is_tried(&m.key))
        .collect();
    let requests: Vec<Request> = tried
        .iter()
        .map(|(object, manifest)| Request::try_apply(&manifest.key, yaml(bundle, &object.file)))
        .collect();
    let untried = bundle.manifests.iter().filter(|manifest| !is_tried(&manifest.key));
    let mut found: BTreeMap<ObjectKey, DryRunAnswer> =
        untried.map(|manifest| (manifest.key.clone(), DryRunAnswer::NotTried)).collect();
    for ((_, manifest), answer) in tried.iter().zip(asked.cluster.call_all(&requests)) {
        found.insert(manifest.key.clone(), asked.outcome(&manifest.key, answer)?);
    }
    Ok(found)
}

/// Returns the verified bytes of a manifest.
pub fn yaml<'a>(bundle: &'a Verified<Bundle>, file: &str) -> &'a [u8] {
    bundle.files.get(file).expect("the index lists files of the bundle").bytes()
}

/// The context of an answer of the dry run: the live objects and their owners.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub cluster: &'a Cluster,
    /// The name of the installation.
    pub instance: &'a str,
    /// The objects of earlier generations.
    pub earlier: &'a [Item],
    pub live: &'a BTreeMap<ObjectKey, Value>,
}

impl Asked<'_> {
    /// Interprets the answer to the dry run of an object.
    pub fn outcome(
        &self,
        key: &ObjectKey,
        answer: Result<Value, CallError>,
    ) -> Result<DryRunAnswer, Failure> {
        let status = match answer {
            Ok(object) => return Ok(DryRunAnswer::Would(Box::new(object))),
            Err(CallError::Status(status)) => status,
            Err(error) => return Err(error.into()),
        };
        if let Some(conflicts) = conflicts(&status) {
            return Ok(DryRunAnswer::Conflict(conflicts));
        }
        let is_denied = matches!(status.admission, Some(Admission::Webhook(_)));
        if !status.is_verdict() {
            return Err(CallError::Status(status).into());
        }
        let denial = status.denial();
        if denial.is_of_unserved_kind() {
            return Ok(DryRunAnswer::Refused(unserved(key).into()));
        }
        let remedy = match status.code {
            403 if !is_denied => self.permission(key)?,
            _ => remedy(key, &denial, &self.holder(key)),
        };
        Ok(DryRunAnswer::Refused(ObjectRefusal { why: status.to_string(), remedy }))
    }

    fn holder(&self, key: &ObjectKey) -> Holder {
        let Some(live) = self.live.get(key) else { return Holder::Nobody };
        match takeover::foreign_owner(live, key, self.earlier, FIELD_MANAGER, self.instance) {
            None => Holder::Ours,
            Some(whose) => Holder::Others(whose),
        }
    }

    /// Returns the remedy for a missing permission. The answer alone could also come from a policy
    /// or a quota.
    fn permission(&self, key: &ObjectKey) -> Result<Option<String>, Failure> {
        let patch = Permission::on("patch", key);
        let create = Permission::to_all("create", &key.kind, &key.namespace);
        let needed = [Some(patch), Some(create).filter(|_| !self.live.contains_key(key))];
        let lacking = lacking_permissions(self.cluster, &needed.into_iter().flatten().collect())?;
        let told = || {
            format!(
                "missing permissions: {}; apply the Role printed by `relay-bundle rbac`",
                lacking.join(", ")
            )
        };
        Ok((!lacking.is_empty()).then(told))
    }
}

/// Returns the conflicts with other field managers, if they are why a request is refused.
pub fn conflicts(status: &ApiStatus) -> Option<Vec<Conflict>> {
    let conflict = |cause: &Cause| Conflict::of(&cause.field, &cause.message);
    let more = (status.more_causes > 0).then(|| Conflict::more(status.more_causes));
    status.is_field_conflict().then(|| status.causes.iter().map(conflict).chain(more).collect())
}

/// Separates the ConfigMaps to which pods, or revisions that `kubectl rollout undo` can restore,
/// still refer.
pub fn split_used(
    cluster: &Cluster,
    namespace: &str,
    all: Vec<Candidate>,
) -> Result<(Vec<Candidate>, Vec<Candidate>), Failure> {
    if !all.iter().any(|candidate| candidate.key.is(Kind::ConfigMap)) {
        return Ok((all, Vec::new()));
    }
    let used = referenced_names(&owners(cluster, namespace)?, Kind::ConfigMap);
    let is_unused = |candidate: &Candidate| {
        !candidate.key.is(Kind::ConfigMap) || !used.contains(&candidate.key.name)
    };
    Ok(all.into_iter().partition(is_unused))
}

/// Lists all objects of a kind.
pub fn list(cluster: &Cluster, kind: Kind, namespace: &str) -> Result<Vec<Value>, CallError> {
    cluster.list(&Request::get(&ObjectKey::of(kind, namespace, "")))
}

/// Lists all pods, and the revisions that can recreate pods.
pub fn owners(cluster: &Cluster, namespace: &str) -> Result<Vec<Value>, CallError> {
    let mut owners = Vec::new();
    for kind in OWNERS {
        owners.extend(list(cluster, kind, namespace)?);
    }
    Ok(owners)
}
