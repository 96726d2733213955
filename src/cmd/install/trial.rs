//! Tries a pod of each workload of which pods would be made.

use std::collections::BTreeMap;

use crate::cluster::Cluster;
use crate::cluster::error::CallError;
use crate::cluster::request::{Request, Run};
use crate::cluster::resource::{key, resource};
use crate::cmd::failure::Failure;
use crate::model::object_key::ObjectKey;
use crate::plan::restart::Restart;
use crate::rollout::plan::Plan;
use crate::rollout::trial::Trial;

/// Adds to the plan what the server says of the pods; it says it of us, and not of the controllers that will make them.
pub(super) fn try_pods(
    cluster: &Cluster,
    plan: &mut Plan,
    trials: &BTreeMap<ObjectKey, Trial>,
) -> Result<(), Failure> {
    let makes_pods = |trial: &&Trial| {
        let forecast = plan
            .changes
            .workloads
            .iter()
            .find(|forecast| (&forecast.kind, &forecast.name) == (&trial.key.kind, &trial.key.name));
        trial.more > 0 || forecast.is_some_and(|f| matches!(f.restart, Restart::Yes | Restart::Added))
    };
    let trials: Vec<&Trial> = trials.values().filter(makes_pods).collect();
    let Some(first) = trials.first() else { return Ok(()) };
    if !may_create_pods(cluster, &first.key.namespace)? {
        plan.changes.warnings.push(
            "no pod was tried: we may not create pods; Pod Security, quotas and webhooks have the last word when the \
             controllers do"
                .to_owned(),
        );
        return Ok(());
    }
    let requests: Vec<Request> = trials.iter().map(|trial| request(trial)).collect();
    for (trial, answer) in trials.into_iter().zip(cluster.call_all(&requests)) {
        let status = match answer {
            Ok(_) => continue,
            Err(CallError::Status(status)) if !matches!(status.code, 401 | 429 | 500..) => status,
            Err(error) => return Err(error.into()),
        };
        let says = format!("{}: a pod of it, tried as you and not as its controller: {status}", trial.key);
        let is_no_verdict = status.message.contains("does not support dry run")
            || status.message.contains("error looking up service account")
            || trial.makes_room && status.message.contains("exceeded quota");
        if is_no_verdict {
            plan.changes.warnings.push(says);
        } else {
            plan.obstacles.push(says);
        }
    }
    Ok(())
}

fn may_create_pods(cluster: &Cluster, namespace: &str) -> Result<bool, Failure> {
    let (group, resource) = resource("Pod").expect("a kind that is known");
    let answer = cluster.call(&Request::may_i("create", group, resource, namespace, None))?;
    Ok(answer.pointer("/status/allowed") == Some(&true.into()))
}

fn request(trial: &Trial) -> Request {
    let key = key("Pod", &trial.key.namespace, "").expect("a kind that is known");
    Request::create(&key, &trial.pod, Run::Dry)
}
