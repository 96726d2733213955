//! Reads the state of an installation's namespace in a normalized form, which is equal for equal
//! installations.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::control_plane::ControlPlane;

/// All kinds except pods, whose names are random, and except the cluster's own objects in each
/// namespace.
const KINDS: &str = "configmaps,secrets,serviceaccounts,persistentvolumeclaims,services,statefulsets,deployments,\
                     replicasets,controllerrevisions,ingresses,networkpolicies,poddisruptionbudgets,horizontalpodautoscalers";

/// Fields that the server and controllers set to different values each time.
const CHOSEN: [&str; 6] = [
    "/spec/clusterIP",
    "/spec/clusterIPs",
    "/spec/volumeName",
    "/spec/template/metadata/creationTimestamp",
    "/data/spec/template/metadata/creationTimestamp",
    "/status",
];

/// The objects of a namespace by kind and name.
pub(crate) type State = BTreeMap<String, Value>;

/// Returns the objects of a namespace.
#[track_caller]
pub(crate) fn objects(plane: &ControlPlane, namespace: &str) -> Vec<Value> {
    plane.list(namespace, KINDS)
}

/// Returns the objects of a namespace without the values that differ in each namespace.
#[track_caller]
pub(crate) fn state(objects: &[Value], namespace: &str) -> State {
    let uids = uids(objects).into_values().collect();
    let plain =
        objects.iter().filter(|object| text(object, "/metadata/name") != "kube-root-ca.crt");
    plain.map(|object| (name(object), same(object.clone(), &uids, namespace))).collect()
}

/// Returns the UIDs of objects.
pub(crate) fn uids(objects: &[Value]) -> BTreeMap<String, String> {
    objects.iter().map(|object| (name(object), text(object, "/metadata/uid"))).collect()
}

/// Returns the values of all Secrets.
pub(crate) fn secrets(objects: &[Value]) -> BTreeMap<String, Value> {
    let secrets = objects.iter().filter(|object| object["kind"] == "Secret");
    secrets.map(|object| (name(object), object["data"].clone())).collect()
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn name(object: &Value) -> String {
    format!("{}/{}", text(object, "/kind"), text(object, "/metadata/name"))
}

fn same(mut object: Value, uids: &BTreeSet<String>, namespace: &str) -> Value {
    for pointer in CHOSEN {
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        if let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
            parent.remove(last);
        }
    }
    let metadata = &object["metadata"];
    let mut annotations = metadata["annotations"].clone();
    if let Some(annotations) = annotations.as_object_mut() {
        let chosen = ["deployment.kubernetes.io/", "volume.", "pv.kubernetes.io/"];
        annotations.retain(|key, _| !chosen.iter().any(|prefix| key.starts_with(prefix)));
    }
    object["metadata"] = json!({"labels": metadata["labels"], "annotations": annotations});
    if object["kind"] == "Secret" {
        generated(&mut object);
    }
    record(&mut object, uids);
    serde_json::from_str(&object.to_string().replace(namespace, "NAMESPACE")).unwrap()
}

/// Replaces random values by their length.
fn generated(secret: &mut Value) {
    for value in secret["data"].as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
        *value = value.as_str().unwrap().len().into();
    }
}

/// Removes from the record the parts that depend on the bundle and the time, and replaces each UID
/// by whether it is live.
fn record(object: &mut Value, uids: &BTreeSet<String>) {
    let Some(data) = object.get_mut("data").and_then(Value::as_object_mut) else { return };
    data.remove("state.json");
    for key in ["head.json", "generation.json"] {
        let Some(text) = data.get(key).and_then(Value::as_str) else { continue };
        let mut document: Value = serde_json::from_str(text).unwrap();
        document.as_object_mut().unwrap().remove("contentId");
        for entry in document["generations"].as_array_mut().into_iter().flatten() {
            for key in ["contentId", "serial", "recorded"] {
                entry.as_object_mut().unwrap().remove(key);
            }
        }
        for list in ["inventory", "retained", "secrets"] {
            for item in document.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                item["uid"] = uids.contains(item["uid"].as_str().unwrap_or_default()).into();
            }
        }
        data[key] = document;
    }
    object.as_object_mut().unwrap().remove("binaryData");
}
