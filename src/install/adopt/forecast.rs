//! Forecasts the rollout after the adoption, without taking ownership of Helm's fields.
//!
//! The server dry-runs each manifest, with force if only Helm is in conflict. Then the fields that
//! only Helm owned are removed from the result, and the server dry-runs its replacement with that.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bundle::index::Object;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::error::{ApiStatus, CallError};
use crate::cluster::request::{FIELD_MANAGER, Request};
use crate::failure::Failure;
use crate::helm::disposition::{AdoptedObject, Fate, LiveObjects};
use crate::helm::field_owners;
use crate::install::observation::{Asked, yaml};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::Manifest;
use crate::rollout::plan::DryRunAnswer;
use crate::trust::verify::Verified;

/// Dry-runs every manifest of the bundle.
pub fn dry_run_all(
    cluster: &Cluster,
    bundle: &Verified<Bundle>,
    live: &LiveObjects,
    handed: &[AdoptedObject],
) -> Result<BTreeMap<ObjectKey, DryRunAnswer>, Failure> {
    let all = || bundle.index.objects.iter().zip(bundle.manifests.iter());
    let is_made_again = |manifest: &Manifest| {
        let mut made_again = handed.iter().filter(|handed| handed.fate == Fate::Recreate);
        made_again.any(|handed| {
            handed.key.kind == manifest.key.kind && handed.key.name == manifest.key.name
        })
    };
    let request = |(object, manifest): (&Object, &Manifest)| {
        if is_made_again(manifest) {
            as_new(manifest)
        } else {
            Request::try_apply(&manifest.key, yaml(bundle, &object.file))
        }
    };
    let requests: Vec<Request> = all().map(request).collect();

    let asked = Asked { cluster, instance: bundle.index.name.as_str(), earlier: &[], live };
    let mut tried = BTreeMap::new();
    for ((object, manifest), answer) in all().zip(cluster.call_all(&requests)) {
        let answer = match live.get(&manifest.key) {
            _ if is_made_again(manifest) => answer.map(|made| named(made, &manifest.key.name)),
            Some(live) if field_owners::has_helms(live, FIELD_MANAGER) => {
                over_helm(cluster, live, manifest, yaml(bundle, &object.file), answer)
            }
            _ => answer,
        };
        tried.insert(manifest.key.clone(), asked.outcome(&manifest.key, answer)?);
    }
    Ok(tried)
}

/// Returns the dry-run request that creates an object under an unused name: the live object still
/// has its own.
fn as_new(manifest: &Manifest) -> Request {
    let object = named(manifest.object.clone(), &format!("{}-new", manifest.key.name));
    Request::try_create(&manifest.key, &object)
}

fn named(mut object: Value, name: &str) -> Value {
    object["metadata"]["name"] = name.into();
    object
}

fn over_helm(
    cluster: &Cluster,
    live: &Value,
    manifest: &Manifest,
    yaml: &[u8],
    answer: Result<Value, CallError>,
) -> Result<Value, CallError> {
    if manifest.key.is(Kind::Deployment) {
        return deployment(cluster, live, manifest, answer);
    }
    let applied = match answer {
        Err(CallError::Status(status)) if status.is_field_conflict() => {
            without_helm(live, status)?;
            cluster.call(&Request::would_be(&manifest.key, yaml))?
        }
        answer => answer?,
    };
    let without = field_owners::without_helms(&applied, &manifest.object, FIELD_MANAGER);
    replaced(cluster, &manifest.key, &without)
}

/// Dry-runs a Deployment as a new one, with the fields that others wrote into the live one.
///
/// While Helm's fields are there, ours beside them may be invalid: two handlers in one probe, for
/// example.
fn deployment(
    cluster: &Cluster,
    live: &Value,
    manifest: &Manifest,
    answer: Result<Value, CallError>,
) -> Result<Value, CallError> {
    match answer {
        Err(CallError::Status(status)) if status.is_field_conflict() => without_helm(live, status)?,
        Err(CallError::Status(status)) if status.code != 422 => {
            return Err(CallError::Status(status));
        }
        Err(CallError::Status(_)) | Ok(_) => {}
        Err(error) => return Err(error),
    }
    let mut new = cluster.call(&as_new(manifest))?;
    if manifest.object.pointer("/spec/replicas").is_none() {
        new["spec"]["replicas"] = Value::Null;
    }
    replaced(cluster, &manifest.key, &field_owners::with_others(&new, live, FIELD_MANAGER))
}

/// Returns an error for conflicts with other managers than Helm.
fn without_helm(live: &Value, mut status: Box<ApiStatus>) -> Result<(), CallError> {
    status.causes.retain(|cause| !field_owners::names_helm(live, &cause.message, FIELD_MANAGER));
    if status.causes.is_empty() && status.more_causes == 0 {
        Ok(())
    } else {
        Err(CallError::Status(status))
    }
}

fn replaced(cluster: &Cluster, key: &ObjectKey, object: &Value) -> Result<Value, CallError> {
    cluster.call(&Request::try_replace(key, object))
}
