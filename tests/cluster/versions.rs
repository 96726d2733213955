//! Detects writes to a namespace, ignoring those of the cluster's own controllers.

use std::time::{Duration, Instant};

use relay_bundle::model::digest::Digest;
use serde_json::Value;

use crate::control_plane::ControlPlane;

const KINDS: &str = "configmaps,secrets,services,serviceaccounts,persistentvolumeclaims,deployments,statefulsets,\
                     ingresses,poddisruptionbudgets,networkpolicies,horizontalpodautoscalers";

/// Controllers that write at any time: the binding and size of PVCs, the number of ready pods, the
/// current revision, the metrics of an autoscaler.
const CONTROLLERS: [&str; 3] = ["kube-controller-manager", "kube-scheduler", "kwok"];

/// The objects that Kubernetes adds to every namespace, some time after its creation.
const FURNITURE: [(&str, &str); 2] =
    [("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")];

/// Returns every object of a namespace with its version: equal results mean that only controllers
/// have written.
#[track_caller]
pub(crate) fn versions(plane: &ControlPlane, namespace: &str) -> Vec<String> {
    let start = Instant::now();
    loop {
        let objects = objects(plane, namespace);
        let is_there = |(kind, name): &(&str, &str)| {
            objects
                .iter()
                .any(|object| object["kind"] == *kind && object["metadata"]["name"] == *name)
        };
        if FURNITURE.iter().all(is_there) || !is_active(plane, namespace) {
            return objects.into_iter().map(version).collect();
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{namespace} lacks one of {FURNITURE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn objects(plane: &ControlPlane, namespace: &str) -> Vec<Value> {
    let text =
        plane.kubectl(&["-n", namespace, "get", KINDS, "-o", "json", "--show-managed-fields"]);
    let mut list: Value = serde_json::from_str(&text).unwrap();
    list["items"].as_array_mut().unwrap().drain(..).collect()
}

fn is_active(plane: &ControlPlane, namespace: &str) -> bool {
    let path = "jsonpath={.status.phase}";
    plane.kubectl(&["get", "namespace", namespace, "--ignore-not-found", "-o", path]) == "Active"
}

fn version(mut object: Value) -> String {
    // Controllers do not write objects without a status.
    if object.as_object_mut().unwrap().remove("status").is_some() {
        forget_controllers(&mut object);
        object["metadata"]["resourceVersion"] =
            Digest::of(object.to_string().as_bytes()).to_string().into();
    }
    let metadata = &object["metadata"];
    format!("{}/{} {}", object["kind"], metadata["name"], metadata["resourceVersion"])
}

/// Removes the controllers' annotations and field ownership, and the resource version.
fn forget_controllers(object: &mut Value) {
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.remove("resourceVersion");
    let entries = metadata["managedFields"].as_array_mut().unwrap();
    let is_theirs = |entry: &mut Value| CONTROLLERS.iter().any(|name| entry["manager"] == *name);
    for entry in entries.extract_if(.., is_theirs).collect::<Vec<_>>() {
        let fields = entry.pointer("/fieldsV1/f:metadata/f:annotations").and_then(Value::as_object);
        for name in fields
            .into_iter()
            .flat_map(|fields| fields.keys())
            .filter_map(|key| key.strip_prefix("f:"))
        {
            let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut);
            annotations.map(|annotations| annotations.remove(name));
        }
    }
    // An empty map is removed, because its only entry may have been a controller's annotation.
    metadata.retain(|_, value| *value != Value::Object(serde_json::Map::new()));
}
