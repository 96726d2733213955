//! What must hold before anything is written: the server's version, our rights, and the contract.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::bundle::index::{Source, Wanted};
use crate::bundle::open::Bundle;
use crate::cluster::error::CallError;
use crate::cluster::request::Request;
use crate::cluster::resource::{key, resource};
use crate::cluster::{Cluster, Identity};
use crate::failure::Failure;
use crate::model::kube_version::KubeVersion;
use crate::model::object_key::ObjectKey;
use crate::rollout::rights::Right;

/// Refuses a server that is older than the bundle may run on.
pub fn check_version(identity: &Identity, bundle: &Bundle) -> Result<(), Failure> {
    let mut numbers = identity.version.trim_start_matches('v').split('.');
    let short = [numbers.next(), numbers.next()].map(Option::unwrap_or_default).join(".");
    // Vendors write `v1.30+`.
    let short = short.trim_end_matches('+');
    let range = &bundle.index.kubernetes;
    match KubeVersion::try_from(short.to_owned()) {
        Ok(version) if version < range.min => Err(Failure::world(format!(
            "the server is Kubernetes {version}, and the bundle needs {} or newer",
            range.min
        ))
        .hint("set `kubernetes.version` of the profile to the server's, and build again")),
        // A version that cannot be read is newer than all that are known.
        _ => Ok(()),
    }
}

/// What of the contract is missing.
#[derive(Debug, Default)]
pub struct Missing {
    /// What must be there before.
    pub wanted: Vec<String>,
    /// The API groups that the cluster does not serve.
    pub groups: Vec<MissingGroup>,
    /// Secrets in the place of those that the last generation used.
    pub others: Vec<String>,
    /// What we may not look at, or cannot, and why.
    pub unseen: Vec<String>,
}

/// An API group that the cluster does not serve.
#[derive(Debug)]
pub struct MissingGroup {
    group: String,
    users: String,
}

impl MissingGroup {
    /// Returns whether this is the group of an object.
    pub fn has(&self, key: &ObjectKey) -> bool {
        key.api_version.split('/').next() == Some(&self.group)
    }
}

impl fmt::Display for MissingGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the cluster does not serve the API group {}, for {}", self.group, self.users)
    }
}

/// Compares what the bundle wants of the cluster with what is there; what apply makes itself is not
/// asked for.
pub fn check_contract(cluster: &Cluster, bundle: &Bundle) -> Result<Missing, Failure> {
    let mut missing = Missing::default();
    let (mut known, mut requests) = (Vec::new(), Vec::new());
    for wanted in bundle.index.contract.iter().filter(|wanted| wanted.source == Source::Cluster) {
        if let Some(request) = request(wanted) {
            known.push(wanted);
            requests.push(request);
        } else {
            // Nobody can say where it would be.
            missing.unseen.push(format!("{}: its kind is not known", named(wanted)));
        }
    }
    for (wanted, answer) in known.into_iter().zip(cluster.call_all(&requests)) {
        let name = named(wanted);
        let users = wanted.used_by.join(", ");
        match answer {
            Ok(object) => {
                let keys = wanted.keys.iter().filter(|key| !has_key(&object, &key.key));
                missing
                    .wanted
                    .extend(keys.map(|key| format!("{name}: the key `{}`, for {users}", key.key)));
            }
            Err(error)
                if error.code() == 404
                    && let Some(group) = group(wanted) =>
            {
                missing.groups.push(MissingGroup { group: group.to_owned(), users });
            }
            Err(error) if error.code() == 404 => {
                missing.wanted.push(format!("{name}, for {users}"));
            }
            Err(CallError::Status(status)) if status.code == 403 => {
                missing.unseen.push(format!("{name}: we may not look at it"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(missing)
}

fn named(wanted: &Wanted) -> String {
    match wanted.namespace.as_str() {
        "" => format!("{} {}", wanted.kind, wanted.name),
        namespace => format!("{} {} in {namespace}", wanted.kind, wanted.name),
    }
}

/// Returns how it is asked whether something is there; none for a kind that is not known.
fn request(wanted: &Wanted) -> Option<Request> {
    // Everybody may see which APIs are served; definitions are for administrators.
    if let Some(group) = group(wanted) {
        return Some(Request::get_path(format!("/apis/{group}")));
    }
    key(&wanted.kind, &wanted.namespace, &wanted.name).map(|key| Request::get(&key))
}

/// Returns the API group that a `CustomResourceDefinition` is wanted for.
fn group(wanted: &Wanted) -> Option<&str> {
    let (_, group) =
        wanted.name.split_once('.').filter(|_| wanted.kind == "CustomResourceDefinition")?;
    Some(group)
}

fn has_key(object: &Value, key: &str) -> bool {
    ["data", "binaryData"]
        .iter()
        .any(|field| object.get(field).is_some_and(|data| data.get(key).is_some()))
}

/// Refuses if a right is missing; all that are missing are named.
pub fn check_rights(cluster: &Cluster, rights: &BTreeSet<Right>) -> Result<(), Failure> {
    let lacking = lacking_rights(cluster, rights)?;
    if lacking.is_empty() {
        return Ok(());
    }
    let failure = Failure::world(format!(
        "rights are missing, and nothing was changed: {}",
        lacking.join(", ")
    ));
    Err(failure.hint(
        "`relay-bundle rbac` prints the Role that has them; whoever governs the cluster applies it",
    ))
}

/// Returns which rights are missing.
pub fn lacking_rights(cluster: &Cluster, rights: &BTreeSet<Right>) -> Result<Vec<String>, Failure> {
    let asked: Vec<(&Right, Request)> =
        rights.iter().filter_map(|right| Some((right, may_i(right)?))).collect();
    let requests: Vec<Request> = asked.iter().map(|(_, request)| request.clone()).collect();
    let mut lacking = Vec::new();
    for ((right, _), answer) in asked.iter().zip(cluster.call_all(&requests)) {
        if answer?.pointer("/status/allowed") != Some(&Value::Bool(true)) {
            lacking.push(right.to_string());
        }
    }
    Ok(lacking)
}

fn may_i(right: &Right) -> Option<Request> {
    let (group, resource) = resource(&right.kind)?;
    Some(Request::may_i(right.verb, group, resource, &right.namespace, right.name.as_deref()))
}
