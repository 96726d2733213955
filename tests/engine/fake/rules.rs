//! Defaults that the server adds to objects, and fields that it does not let change.

use serde_json::{Map, Value, json};

use super::kinds::Kind;
use super::refusal::Refusal;

/// The fields of a StatefulSet's `spec` that do not change.
const STATEFUL_SET: [&str; 4] =
    ["selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"];

/// Refuses a change of a fixed field.
pub(super) fn check(kind: &Kind, live: &Value, new: &Value) -> Result<(), Refusal> {
    let name = new.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let differs = |pointer: &str| live.pointer(pointer) != new.pointer(pointer);
    let refuse = |fault: (&str, &str, &str)| Err(Refusal::invalid(kind, name, fault));
    let forbidden = |field, why| refuse(("FieldValueForbidden", field, why));
    match kind.name {
        "ConfigMap" | "Secret" if live["immutable"] == true => {
            let why = "Forbidden: field is immutable when `immutable` is set";
            let fields = ["immutable", "data", "binaryData"];
            let changed = fields.into_iter().find(|field| live.get(field) != new.get(field));
            changed.map_or(Ok(()), |field| forbidden(field, why))
        }
        "Secret" if differs("/type") => {
            refuse(("FieldValueInvalid", "type", "Invalid value: field is immutable"))
        }
        "Deployment" if differs("/spec/selector") => {
            let value = &new["spec"]["selector"];
            let why = format!("Invalid value: {value}: field is immutable");
            refuse(("FieldValueInvalid", "spec.selector", &why))
        }
        "StatefulSet" => {
            let is_changed = |field: &&str| differs(&format!("/spec/{field}"));
            let Some(field) = STATEFUL_SET.into_iter().find(is_changed) else {
                return Ok(());
            };
            let why = format!("Invalid value: {}: field is immutable", new["spec"][field]);
            refuse(("FieldValueInvalid", &format!("spec.{field}"), &why))
        }
        "PersistentVolumeClaim"
            if ["/spec/accessModes", "/spec/storageClassName"].into_iter().any(differs) =>
        {
            forbidden(
                "spec",
                "Forbidden: spec is immutable after creation except resources.requests and \
                 volumeAttributesClassName for bound claims",
            )
        }
        _ => Ok(()),
    }
}

/// Adds the defaults on which the program depends.
pub(super) fn complete(kind: &Kind, object: &mut Value, number: u64) {
    match kind.name {
        "Deployment" | "StatefulSet" => {
            set_default(&mut object["spec"], "replicas", json!(1));
        }
        "Service" => {
            let spec = &mut object["spec"];
            set_default(spec, "type", json!("ClusterIP"));
            let address = format!("10.96.{}.{}", number / 250 % 250, number % 250 + 1);
            set_default(spec, "clusterIP", json!(address));
            let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
            ports
                .into_iter()
                .flatten()
                .for_each(|port| set_default(port, "protocol", json!("TCP")));
        }
        "Secret" => {
            set_default(object, "type", json!("Opaque"));
        }
        "Namespace" => {
            set_default(object, "status", json!({"phase": "Active"}));
            let name = object["metadata"]["name"].clone();
            set_default(&mut object["metadata"], "labels", json!({}));
            set_default(&mut object["metadata"]["labels"], "kubernetes.io/metadata.name", name);
        }
        _ => {}
    }
}

fn set_default(object: &mut Value, name: &str, value: Value) {
    if object.is_null() {
        *object = Map::new().into();
    }
    object.as_object_mut().unwrap().entry(name.to_owned()).or_insert(value);
}

/// Writes the status of an object whose controller has done all its work.
pub(super) fn settle(object: &mut Value) {
    let generation = object["metadata"]["generation"].clone();
    let replicas = object["spec"]["replicas"].clone();
    let status = match object["kind"].as_str() {
        Some("Deployment") => json!({"observedGeneration": generation, "replicas": replicas,
            "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas}),
        Some("StatefulSet") => json!({"observedGeneration": generation, "replicas": replicas,
            "updatedReplicas": replicas, "readyReplicas": replicas,
            "currentRevision": "one", "updateRevision": "one"}),
        Some("PodDisruptionBudget") => json!({"observedGeneration": generation}),
        Some("HorizontalPodAutoscaler") => {
            json!({"currentReplicas": object["spec"].get("minReplicas").unwrap_or(&json!(1))})
        }
        Some("PersistentVolumeClaim") => {
            json!({"phase": "Bound", "capacity": object["spec"]["resources"]["requests"]})
        }
        _ => return,
    };
    object["status"] = status;
}
