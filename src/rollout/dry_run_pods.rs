//! Builds pods as the controllers would create them, for a dry run: Pod Security, quotas and most
//! webhooks check only pods.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::plan::{DryRunAnswer, Observed, forecast};
use crate::diff::restart::Restart;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::ManifestSet;
use crate::render::references::pod_template;

/// A workload of the bundle, as the server would store it.
#[derive(Clone, Debug)]
pub struct Trial {
    pub key: ObjectKey,
    /// The pod that the controller would create.
    pub pod: Value,
    /// Whether the rollout deletes old pods before it creates new ones. A full quota is then no
    /// obstacle.
    pub makes_room: bool,
    /// The number of additional pods.
    pub more: i64,
}

/// Returns a pod for each workload that the server accepted in the dry run.
fn trials(observed: &Observed) -> BTreeMap<ObjectKey, Trial> {
    let trial = |(key, tried): (&ObjectKey, &DryRunAnswer)| {
        let DryRunAnswer::Would(object) = tried else { return None };
        let live = observed.live.get(key);
        let count =
            |object: &Value| object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
        let trial = Trial {
            key: key.clone(),
            pod: pod(key, object, observed)?,
            makes_room: live.is_some() && makes_room(object),
            more: count(object) - live.map_or(0, count),
        };
        Some((key.clone(), trial))
    };
    observed.tried.iter().filter_map(trial).collect()
}

/// Returns those trials whose workloads will create pods.
pub fn trials_of_new_pods(wanted: &ManifestSet, observed: &Observed) -> Vec<Trial> {
    let changes = forecast(wanted, observed);
    let creates_pods = |trial: &Trial| {
        let mut forecasts = changes.workloads.iter();
        let of = forecasts.find(|of| (&of.kind, &of.name) == (&trial.key.kind, &trial.key.name));
        trial.more > 0 || of.is_some_and(|of| matches!(of.restart, Restart::Yes | Restart::Added))
    };
    trials(observed).into_values().filter(creates_pods).collect()
}

/// Returns whether a rollout deletes pods before it creates new ones.
fn makes_room(workload: &Value) -> bool {
    let at = |pointer: &str| workload.pointer(pointer);
    let is_some = |value: Option<&Value>| {
        value.is_some_and(|value| !(*value == json!(0) || *value == json!("0%") || value.is_null()))
    };
    Kind::of_object(workload) == Some(Kind::StatefulSet)
        || at("/spec/strategy/type") == Some(&"Recreate".into())
        || is_some(at("/spec/strategy/rollingUpdate/maxUnavailable"))
}

fn pod(key: &ObjectKey, workload: &Value, observed: &Observed) -> Option<Value> {
    let template = pod_template(workload)?;
    let mut spec = template.get("spec")?.clone();
    let mut labels = template.pointer("/metadata/labels").cloned().unwrap_or_default();

    match key.known_kind() {
        Some(Kind::StatefulSet) => {
            labels["statefulset.kubernetes.io/pod-name"] = format!("{}-0", key.name).into();
            labels["apps.kubernetes.io/pod-index"] = "0".into();
            labels["controller-revision-hash"] = format!("{}-plan", key.name).into();
        }
        _ => labels["pod-template-hash"] = "plan".into(),
    }
    if is_account_missing(&spec, observed) {
        // The bundle brings the ServiceAccount. Until it exists, the server refuses every pod that
        // names it.
        for field in ["serviceAccount", "serviceAccountName"] {
            spec.as_object_mut()?.remove(field);
        }
    }

    let annotations = template.pointer("/metadata/annotations").cloned().unwrap_or_default();
    Some(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        // A dry run with the name of a running pod would fail.
        "metadata": {"generateName": format!("{}-", key.name), "namespace": key.namespace,
            "labels": labels, "annotations": annotations},
        "spec": spec,
    }))
}

/// Returns whether the bundle brings the ServiceAccount of a pod and the cluster does not have it
/// yet.
fn is_account_missing(spec: &Value, observed: &Observed) -> bool {
    let name = spec.get("serviceAccountName").and_then(Value::as_str).unwrap_or_default();
    let brought =
        observed.tried.keys().find(|key| key.is(Kind::ServiceAccount) && key.name == name);
    brought.is_some_and(|key| !observed.live.contains_key(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, name: &str) -> ObjectKey {
        ObjectKey {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: "ns".into(),
            name: name.into(),
        }
    }

    fn would(object: Value) -> DryRunAnswer {
        DryRunAnswer::Would(Box::new(object))
    }

    #[test]
    fn trial_pod_is_what_controller_would_create() {
        let template = json!({"metadata": {"labels": {"app": "a"}, "annotations": {"b": "c"}},
            "spec": {"serviceAccountName": "own", "containers": []}});
        let deployment = json!({"kind": "Deployment", "spec": {"replicas": 3, "template": template,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}}});
        let stateful = json!({"kind": "StatefulSet", "spec": {"template": template}});
        let (relay, redis, account) =
            (key("Deployment", "relay"), key("StatefulSet", "redis"), key("ServiceAccount", "own"));
        let mut observed = Observed::default();
        observed.tried.insert(relay.clone(), would(deployment.clone()));
        observed.tried.insert(redis.clone(), would(stateful));
        observed.tried.insert(account.clone(), would(json!({})));
        observed.live.insert(relay.clone(), json!({"spec": {"replicas": 1}}));

        let found = trials(&observed);
        let (one, other) = (&found[&relay], &found[&redis]);
        assert_eq!((one.more, one.makes_room), (2, false));
        assert_eq!(one.pod["metadata"]["labels"], json!({"app": "a", "pod-template-hash": "plan"}));
        assert_eq!(one.pod["metadata"]["generateName"], "relay-");
        assert_eq!(one.pod["spec"].get("serviceAccountName"), None);
        assert_eq!((other.more, other.makes_room), (1, false));
        assert_eq!(other.pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"], "0");

        observed.live.insert(account, json!({}));
        observed.live.insert(redis.clone(), json!({}));
        let found = trials(&observed);
        assert_eq!(found[&relay].pod["spec"]["serviceAccountName"], "own");
        assert_eq!((found[&redis].more, found[&redis].makes_room), (0, true));
    }
}
