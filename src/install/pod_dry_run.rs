//! Dry-runs one pod of each workload that will create pods.

use serde_json::Value;

use crate::cluster::Cluster;
use crate::cluster::error::{Admission, ApiStatus, CallError};
use crate::cluster::request::Request;
use crate::diff::warning::Warning;
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::ManifestSet;
use crate::rollout::dry_run_pods::{Trial, trials_of_new_pods};
use crate::rollout::obstacle::Obstacle;
use crate::rollout::plan::Observed;

/// Dry-runs the pods, and adds refusals to the observed state.
///
/// The server answers for our identity, and not for that of the controllers that will create the
/// pods.
pub fn try_pods(
    cluster: &Cluster,
    wanted: &ManifestSet,
    observed: &mut Observed,
) -> Result<(), Failure> {
    let trials = trials_of_new_pods(wanted, observed);
    let Some(first) = trials.first() else { return Ok(()) };
    if !may_create_pods(cluster, &first.key.namespace)? {
        let text = "no dry run of pods: missing permission to create pods; Pod Security, quotas \
                    and webhooks may still reject those of the controllers";
        observed.warnings.push(text.to_owned().into());
        return Ok(());
    }
    let requests: Vec<Request> = trials.iter().map(request).collect();
    for (trial, answer) in trials.iter().zip(cluster.call_all(&requests)) {
        let status = match answer {
            Ok(_) => continue,
            Err(CallError::Status(status)) if status.is_verdict() => status,
            Err(error) => return Err(error.into()),
        };
        let why = format!("dry run of a pod, as you and not as its controller: {status}");
        if binds_controller(cluster, trial, &status)? {
            observed.obstacles.push(Obstacle::Pod { workload: trial.key.clone(), why });
        } else {
            observed.warnings.push(Warning::about(&trial.key, why));
        }
    }
    Ok(())
}

/// Returns whether the server would also refuse the pod of the controller.
fn binds_controller(cluster: &Cluster, trial: &Trial, status: &ApiStatus) -> Result<bool, Failure> {
    match status.admission {
        Some(Admission::WebhookWithoutDryRun(_)) => Ok(false),
        Some(Admission::Quota) => Ok(!trial.makes_room),
        None if status.code == 403 => Ok(!is_account_missing(cluster, trial)?),
        Some(Admission::Webhook(_)) | None => Ok(true),
    }
}

/// Returns whether the ServiceAccount of the pod is missing. The server refuses every pod until it
/// exists.
fn is_account_missing(cluster: &Cluster, trial: &Trial) -> Result<bool, Failure> {
    let name =
        trial.pod.pointer("/spec/serviceAccountName").and_then(Value::as_str).unwrap_or("default");
    let account = ObjectKey::of(Kind::ServiceAccount, &trial.key.namespace, name);
    match cluster.find(&account) {
        Ok(found) => Ok(found.is_none()),
        Err(error) if error.code() == 403 => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn may_create_pods(cluster: &Cluster, namespace: &str) -> Result<bool, Failure> {
    let answer = cluster.call(&Request::may_i("create", Kind::Pod, namespace, None))?;
    Ok(answer.pointer("/status/allowed") == Some(&true.into()))
}

fn request(trial: &Trial) -> Request {
    let key = ObjectKey::of(Kind::Pod, &trial.key.namespace, "");
    Request::try_create(&key, &trial.pod)
}
