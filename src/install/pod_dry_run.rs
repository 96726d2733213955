//! Dry-runs one pod of each workload that will create pods.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::cluster::error::{Admission, CallError, Status};
use crate::cluster::request::{Request, Run};
use crate::diff::restart::Restart;
use crate::diff::warning::Warning;
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::rollout::plan::Plan;
use crate::rollout::trial::Trial;

/// Dry-runs the pods, and adds refusals to the plan.
///
/// The server answers for our identity, and not for that of the controllers that will create the
/// pods.
pub fn try_pods(
    cluster: &Cluster,
    plan: &mut Plan,
    trials: &BTreeMap<ObjectKey, Trial>,
) -> Result<(), Failure> {
    let makes_pods = |trial: &&Trial| {
        let forecast = plan.changes.workloads.iter().find(|forecast| {
            (&forecast.kind, &forecast.name) == (&trial.key.kind, &trial.key.name)
        });
        trial.more > 0
            || forecast.is_some_and(|f| matches!(f.restart, Restart::Yes | Restart::Added))
    };
    let trials: Vec<&Trial> = trials.values().filter(makes_pods).collect();
    let Some(first) = trials.first() else { return Ok(()) };
    if !may_create_pods(cluster, &first.key.namespace)? {
        let text = "no dry run of pods: missing permission to create pods; Pod Security, quotas \
                    and webhooks may still reject those of the controllers";
        plan.changes.warnings.push(text.to_owned().into());
        return Ok(());
    }
    let requests: Vec<Request> = trials.iter().map(|trial| request(trial)).collect();
    for (trial, answer) in trials.into_iter().zip(cluster.call_all(&requests)) {
        let status = match answer {
            Ok(_) => continue,
            Err(CallError::Status(status)) if status.is_verdict() => status,
            Err(error) => return Err(error.into()),
        };
        let text = format!("dry run of a pod, as you and not as its controller: {status}");
        let warning = Warning::about(&trial.key, text);
        if binds_controller(cluster, trial, &status)? {
            plan.obstacles.push(warning.to_string());
        } else {
            plan.changes.warnings.push(warning);
        }
    }
    Ok(())
}

/// Returns whether the server would also refuse the pod of the controller.
fn binds_controller(cluster: &Cluster, trial: &Trial, status: &Status) -> Result<bool, Failure> {
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
    Request::create(&key, &trial.pod, Run::Dry)
}
