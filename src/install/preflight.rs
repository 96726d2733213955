//! Checks the preconditions of a change: the cluster's identity, the server's version, the
//! permissions, and the contract.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::bundle::index::{Source, Wanted};
use crate::bundle::open::Bundle;
use crate::cluster::error::CallError;
use crate::cluster::request::Request;
use crate::cluster::{Cluster, ClusterIdentity};
use crate::failure::Failure;
use crate::failure::refused::untrusted;
use crate::model::kind::Kind;
use crate::model::kube_version::KubeVersion;
use crate::model::object_key::ObjectKey;
use crate::rollout::obstacle::{MissingGroup, Obstacle, Roles};
use crate::rollout::permissions::Permission;
use crate::trust::policy::Policy;

/// A precondition that the cluster does not meet.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    #[error("the server is Kubernetes {version}, but the bundle needs {min} or newer")]
    OldServer { version: KubeVersion, min: KubeVersion },
    #[error("missing permissions, nothing was changed: {}", .0.join(", "))]
    MissingPermissions(Vec<String>),
}

impl From<PreflightError> for Failure {
    fn from(error: PreflightError) -> Self {
        let hint = match error {
            PreflightError::OldServer { .. } => {
                "set `kubernetes.version` of the profile to the server's, and build again"
            }
            PreflightError::MissingPermissions(_) => {
                "have a cluster administrator apply the Role printed by `relay-bundle rbac`"
            }
        };
        Self::world(error).hint(hint)
    }
}

/// Reads the cluster's identity, and refuses if the policy is for another cluster.
///
/// # Errors
///
/// When the cluster does not answer, or does not match the policy.
pub fn identify(cluster: &Cluster, policy: &Policy) -> Result<ClusterIdentity, Failure> {
    let identity = cluster.identity()?;
    match &policy.target.cluster_uid {
        Some(wanted) if *wanted != identity.uid => Err(untrusted(
            "WRONG_TARGET",
            format!(
                "context `{}` is cluster {}, but the policy is for {wanted}",
                cluster.context, identity.uid
            ),
        )
        .hint("pass another context with --context, or the policy of this cluster")),
        _ => Ok(identity),
    }
}

/// Refuses a server that is older than the bundle requires.
pub fn check_version(identity: &ClusterIdentity, bundle: &Bundle) -> Result<(), PreflightError> {
    let mut numbers = identity.version.trim_start_matches('v').split('.');
    let short = [numbers.next(), numbers.next()].map(Option::unwrap_or_default).join(".");
    // Vendors write `v1.30+`.
    let short = short.trim_end_matches('+');
    let min = bundle.index.kubernetes.min;
    match KubeVersion::try_from(short.to_owned()) {
        Ok(version) if version < min => Err(PreflightError::OldServer { version, min }),
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
        wanted.name.split_once('.').filter(|_| wanted.is(Kind::CustomResourceDefinition))?;
    Some(group)
}

fn has_key(object: &Value, key: &str) -> bool {
    ["data", "binaryData"]
        .iter()
        .any(|field| object.get(field).is_some_and(|data| data.get(key).is_some()))
}

/// Fails if permissions are missing, and names all of them.
pub fn check_permissions(
    cluster: &Cluster,
    permissions: &BTreeSet<Permission>,
) -> Result<(), Failure> {
    let lacking = lacking_permissions(cluster, permissions)?;
    if lacking.is_empty() {
        return Ok(());
    }
    Err(PreflightError::MissingPermissions(lacking).into())
}

/// Returns the missing permissions as an obstacle, if any.
pub fn missing_permissions(
    cluster: &Cluster,
    permissions: &BTreeSet<Permission>,
    roles: Roles,
) -> Result<Option<Obstacle>, Failure> {
    let permissions = lacking_permissions(cluster, permissions)?;
    Ok((!permissions.is_empty()).then_some(Obstacle::MissingPermissions { permissions, roles }))
}

/// Returns the missing permissions.
pub fn lacking_permissions(
    cluster: &Cluster,
    permissions: &BTreeSet<Permission>,
) -> Result<Vec<String>, Failure> {
    let asked: Vec<(&Permission, Request)> = permissions
        .iter()
        .filter_map(|permission| Some((permission, may_i(permission)?)))
        .collect();
    let requests: Vec<Request> = asked.iter().map(|(_, request)| request.clone()).collect();
    let mut lacking = Vec::new();
    for ((permission, _), answer) in asked.iter().zip(cluster.call_all(&requests)) {
        if answer?.pointer("/status/allowed") != Some(&Value::Bool(true)) {
            lacking.push(permission.to_string());
        }
    }
    Ok(lacking)
}

fn may_i(permission: &Permission) -> Option<Request> {
    let kind = Kind::named(&permission.kind)?;
    Some(Request::may_i(permission.verb, kind, &permission.namespace, permission.name.as_deref()))
}
