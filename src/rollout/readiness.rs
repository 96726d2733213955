//! Decides when an object is ready: the rules of kstatus, per kind.

use serde_json::Value;

use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;

/// The readiness of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// Not ready yet, for this reason.
    Waiting(String),
    /// Its controller has given up, for this reason.
    Failed(String),
}

use Readiness::{Failed, Ready, Waiting};

/// Returns the readiness of a live object.
pub fn of(object: &Value) -> Readiness {
    let kind = Kind::of_object(object);
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Waiting("it is being deleted".to_owned());
    }
    let generation = number(object, "/metadata/generation");
    let observed = object.pointer("/status/observedGeneration").and_then(Value::as_i64);
    let is_observed = match kind {
        // Their controllers always set `observedGeneration` once they have seen the object.
        Some(Kind::Deployment | Kind::StatefulSet | Kind::PodDisruptionBudget) => {
            observed.is_some_and(|seen| seen >= generation)
        }
        _ => observed.is_none_or(|seen| seen >= generation),
    };
    if !is_observed {
        return Waiting("its controller has not observed the change yet".to_owned());
    }
    match kind {
        Some(Kind::Deployment) => deployment(object),
        Some(Kind::StatefulSet) => stateful_set(object),
        Some(Kind::PersistentVolumeClaim) => claim(object),
        Some(Kind::Namespace) => namespace(object),
        Some(Kind::Service) => service(object),
        Some(Kind::HorizontalPodAutoscaler) => autoscaler(object),
        _ => Ready,
    }
}

/// Returns whether objects of a kind may become ready only after pods exist.
pub fn follows_pods(key: &ObjectKey) -> bool {
    // With `WaitForFirstConsumer`, a storage class binds a PVC only when its first pod is
    // scheduled.
    key.is(Kind::PersistentVolumeClaim)
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| text(condition, "/type") == kind)
}

fn wanted_replicas(object: &Value) -> i64 {
    object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

/// Returns when the controller of a Deployment reported that its progress deadline passed.
///
/// It repeats the report until all pods are available, even if they make progress again.
pub fn gave_up(object: &Value) -> Option<&str> {
    given_up(object).map(|progress| text(progress, "/lastUpdateTime"))
}

fn given_up(object: &Value) -> Option<&Value> {
    condition(object, "Progressing")
        .filter(|progress| text(progress, "/reason") == "ProgressDeadlineExceeded")
}

fn deployment(object: &Value) -> Readiness {
    if let Some(progress) = given_up(object) {
        return Failed(text(progress, "/message").to_owned());
    }
    let wanted = wanted_replicas(object);
    let status = |field: &str| number(object, &format!("/status/{field}"));
    let (updated, all) = (status("updatedReplicas"), status("replicas"));
    let (ready, available) = (status("readyReplicas"), status("availableReplicas"));
    if updated < wanted {
        return Waiting(format!("{updated} of {wanted} pods are new"));
    }
    if all > updated {
        return Waiting(match all - updated {
            1 => "1 old pod still exists".to_owned(),
            old => format!("{old} old pods still exist"),
        });
    }
    if ready < wanted {
        return Waiting(format!("{ready} of {wanted} pods are ready"));
    }
    if available < wanted {
        return Waiting(format!("{available} of {wanted} pods are available"));
    }
    Ready
}

fn stateful_set(object: &Value) -> Readiness {
    let wanted = wanted_replicas(object);
    let status = |field: &str| number(object, &format!("/status/{field}"));
    let (all, ready, updated) =
        (status("replicas"), status("readyReplicas"), status("updatedReplicas"));
    if all > wanted {
        return Waiting(match all - wanted {
            1 => "1 pod is too many".to_owned(),
            more => format!("{more} pods are too many"),
        });
    }
    if ready < wanted {
        return Waiting(format!("{ready} of {wanted} pods are ready"));
    }
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return Ready;
    }
    let revision = text(object, "/status/updateRevision");
    if text(object, "/status/currentRevision") != revision && updated < wanted {
        return Waiting(format!("{updated} of {wanted} pods are new"));
    }
    Ready
}

fn claim(object: &Value) -> Readiness {
    match text(object, "/status/phase") {
        "Bound" => Ready,
        "Lost" => Failed("its volume is lost".to_owned()),
        _ => Waiting("no volume is bound to it".to_owned()),
    }
}

fn namespace(object: &Value) -> Readiness {
    match text(object, "/status/phase") {
        "Active" => Ready,
        phase => Waiting(format!("it is {}", if phase.is_empty() { "new" } else { phase })),
    }
}

/// Returns the readiness of an autoscaler.
///
/// A new autoscaled Deployment begins with one pod, and has enough only once its autoscaler has
/// acted.
fn autoscaler(object: &Value) -> Readiness {
    let least = object.pointer("/spec/minReplicas").and_then(Value::as_i64).unwrap_or(1);
    let current = number(object, "/status/currentReplicas");
    if current < least {
        return Waiting(format!("{current} of at least {least} pods exist"));
    }
    Ready
}

fn service(object: &Value) -> Readiness {
    let needs_address = text(object, "/spec/type") != "ExternalName";
    if needs_address && text(object, "/spec/clusterIP").is_empty() {
        return Waiting("it has no address".to_owned());
    }
    Ready
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(status: &Value) -> Value {
        json!({"kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status})
    }

    fn stateful_set(status: &Value) -> Value {
        json!({"kind": "StatefulSet", "metadata": {"generation": 1}, "spec": {"replicas": 1}, "status": status})
    }

    #[test]
    fn autoscaler_is_ready_once_minimum_pods_exist() {
        let with = |status: Value| json!({"kind": "HorizontalPodAutoscaler", "spec": {"minReplicas": 3}, "status": status});
        let table = [
            (with(json!({})), waiting("0 of at least 3 pods exist")),
            (with(json!({"currentReplicas": 1})), waiting("1 of at least 3 pods exist")),
            (with(json!({"currentReplicas": 3})), Ready),
            (with(json!({"currentReplicas": 5})), Ready),
        ];
        for (object, wanted) in table {
            assert_eq!(of(&object), wanted, "{object}");
        }
    }

    fn waiting(why: &str) -> Readiness {
        Waiting(why.to_owned())
    }

    #[test]
    fn object_is_ready_once_controllers_report_completion() {
        let done = json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3});
        let with = |field: &str, value: i64| {
            let mut status = done.clone();
            status[field] = value.into();
            deployment(&status)
        };
        let mut deleted = deployment(&done);
        deleted["metadata"]["deletionTimestamp"] = "2026-11-22T10:00:00Z".into();
        let given_up = json!({"observedGeneration": 2, "conditions": [
            {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "too late"}]});
        let unseen = waiting("its controller has not observed the change yet");

        let table = [
            (deployment(&done), Ready),
            (deployment(&json!({})), unseen.clone()),
            (with("observedGeneration", 1), unseen.clone()),
            (with("updatedReplicas", 2), waiting("2 of 3 pods are new")),
            (with("replicas", 4), waiting("1 old pod still exists")),
            (with("readyReplicas", 1), waiting("1 of 3 pods are ready")),
            (with("availableReplicas", 0), waiting("0 of 3 pods are available")),
            (deleted, waiting("it is being deleted")),
            (deployment(&given_up), Failed("too late".to_owned())),
            (stateful_set(&json!({})), unseen),
            (stateful_set(&json!({"observedGeneration": 1})), waiting("0 of 1 pods are ready")),
            (
                stateful_set(&json!({"observedGeneration": 1, "replicas": 1, "readyReplicas": 1,
                    "currentRevision": "a", "updateRevision": "b", "updatedReplicas": 0})),
                waiting("0 of 1 pods are new"),
            ),
            (
                stateful_set(&json!({"observedGeneration": 1, "replicas": 1, "readyReplicas": 1,
                    "currentRevision": "b", "updateRevision": "b", "updatedReplicas": 1})),
                Ready,
            ),
            (
                stateful_set(&json!({"observedGeneration": 1, "replicas": 2, "readyReplicas": 1})),
                waiting("1 pod is too many"),
            ),
            (json!({"kind": "PersistentVolumeClaim", "status": {"phase": "Bound"}}), Ready),
            (
                json!({"kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}}),
                waiting("no volume is bound to it"),
            ),
            (
                json!({"kind": "PersistentVolumeClaim", "status": {"phase": "Lost"}}),
                Failed("its volume is lost".to_owned()),
            ),
            (json!({"kind": "Namespace", "status": {"phase": "Active"}}), Ready),
            (json!({"kind": "Namespace"}), waiting("it is new")),
            (json!({"kind": "Service", "spec": {"clusterIP": "None"}}), Ready),
            (json!({"kind": "Service", "spec": {}}), waiting("it has no address")),
            (json!({"kind": "ConfigMap"}), Ready),
            (
                json!({"kind": "PodDisruptionBudget", "metadata": {"generation": 1}}),
                waiting("its controller has not observed the change yet"),
            ),
        ];
        for (object, wanted) in table {
            assert_eq!(of(&object), wanted, "{object}");
        }
    }
}
