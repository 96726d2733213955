//! Checks the preconditions of a change: the server's version, the permissions, and the contract.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::bundle::index::{Source, Wanted};
use crate::bundle::open::Bundle;
use crate::cluster::error::CallError;
use crate::cluster::request::Request;
use crate::cluster::{Cluster, Identity};
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::kube_version::KubeVersion;
use crate::model::object_key::ObjectKey;
use crate::rollout::rights::Right;

/// Refuses a server that is older than the bundle requires.
pub fn check_version(identity: &Identity, bundle: &Bundle) -> Result<(), Failure> {
    let mut numbers = identity.version.trim_start_matches('v').split('.');
    let short = [numbers.next(), numbers.next()].map(Option::unwrap_or_default).join(".");
    // Vendors write `v1.30+`.
    let short = short.trim_end_matches('+');
    let range = &bundle.index.kubernetes;
    match KubeVersion::try_from(short.to_owned()) {
        Ok(version) if version < range.min => Err(Failure::world(format!(
            "the server is Kubernetes {version}, but the bundle needs {} or newer",
            range.min
        ))
        .hint("set `kubernetes.version` of the profile to the server's, and build again")),
        // A version that does not parse counts as newer than all known ones.
        _ => Ok(()),
    }
}

/// The parts of the contract that the cluster does not meet.
#[derive(Debug, Default)]
pub struct Missing {
    /// Missing objects, and missing keys of objects.
    pub wanted: Vec<String>,
    /// The API groups that the cluster does not serve.
    pub groups: Vec<MissingGroup>,
    /// Secrets that replaced those of the last generation.
    pub others: Vec<String>,
    /// Objects that could not be checked, and why.
    pub unseen: Vec<String>,
}

/// An API group that the cluster does not serve.
#[derive(Debug)]
pub struct MissingGroup {
    group: String,
    users: String,
}

impl MissingGroup {
    /// Returns whether an object belongs to this group.
    pub fn has(&self, key: &ObjectKey) -> bool {
        key.api_version.split('/').next() == Some(&self.group)
    }
}

impl fmt::Display for MissingGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the cluster does not serve the API group {}, for {}", self.group, self.users)
    }
}

/// Compares the contract of a bundle with the cluster. Does not check the Secrets that apply
/// creates.
pub fn check_contract(cluster: &Cluster, bundle: &Bundle) -> Result<Missing, Failure> {
    let mut missing = Missing::default();
    let (mut known, mut requests) = (Vec::new(), Vec::new());
    for wanted in bundle.index.contract.iter().filter(|wanted| wanted.source == Source::Cluster) {
        if let Some(request) = request(wanted) {
            known.push(wanted);
            requests.push(request);
        } else {
            // An unknown kind has no known API path.
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
                missing.unseen.push(format!("{name}: missing permission to read it"));
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

/// Returns the request for a wanted object, or `None` if its kind is unknown.
fn request(wanted: &Wanted) -> Option<Request> {
    // Every user may read the served APIs; reading CRDs takes an administrator.
    if let Some(group) = group(wanted) {
        return Some(Request::get_path(format!("/apis/{group}")));
    }
    ObjectKey::of_named(&wanted.kind, &wanted.namespace, &wanted.name).map(|key| Request::get(&key))
}

/// Returns the API group of a wanted `CustomResourceDefinition`.
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

/// Fails if permissions are missing, and names all of them.
pub fn check_rights(cluster: &Cluster, rights: &BTreeSet<Right>) -> Result<(), Failure> {
    let lacking = lacking_rights(cluster, rights)?;
    if lacking.is_empty() {
        return Ok(());
    }
    let failure =
        Failure::world(format!("missing permissions, nothing was changed: {}", lacking.join(", ")));
    Err(failure.hint("have a cluster administrator apply the Role printed by `relay-bundle rbac`"))
}

/// Returns the missing permissions.
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
    let kind = Kind::named(&right.kind)?;
    Some(Request::may_i(right.verb, kind, &right.namespace, right.name.as_deref()))
}
