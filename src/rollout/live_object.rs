//! Reads live objects, and removes what the server adds, so that two states of an object can be
//! compared.

use serde_json::Value;

use crate::model::label::{INSTANCE_LABEL, MANAGED_BY_LABEL};

/// Metadata that the server writes.
const SERVER_METADATA: [&str; 6] =
    ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

/// An annotation of the Deployment controller.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// Returns the desired state of an object: without its status and the server's metadata.
pub fn wanted(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in SERVER_METADATA {
            metadata.remove(field);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(REVISION);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    object
}

/// Returns the fields of an object that a manager owns by server-side apply.
pub fn owned<'a>(object: &'a Value, manager: &str) -> Option<&'a Value> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let entry = entries
        .iter()
        .find(|entry| entry["manager"] == manager && entry["operation"] == "Apply")?;
    entry.get("fieldsV1")
}

/// Returns whether an apply changes nothing: neither the desired state nor our ownership.
pub fn is_same(live: &Value, applied: &Value, manager: &str) -> bool {
    wanted(live) == wanted(applied) && owned(live, manager) == owned(applied, manager)
}

/// Returns whether an object carries the labels of a managing program and an installation.
pub fn is_managed_by(object: &Value, manager: &str, instance: &str) -> bool {
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    label(metadata, MANAGED_BY_LABEL) == Some(manager)
        && label(metadata, INSTANCE_LABEL) == Some(instance)
}

/// Returns a label, from the metadata of an object.
pub fn label<'a>(metadata: &'a Value, name: &str) -> Option<&'a str> {
    metadata.get("labels")?.get(name)?.as_str()
}

/// Returns whether an object is being deleted; such a pod runs on for a while, but never restarts.
pub fn is_ending(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// Returns the uids of the owners of an object.
pub fn owners(object: &Value) -> impl Iterator<Item = &str> {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().filter_map(|owner| owner.get("uid")?.as_str())
}

/// Returns the uid of a live object.
pub fn uid(object: &Value) -> &str {
    object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default()
}

/// Returns the `resourceVersion` of a live object.
pub fn resource_version(object: &Value) -> &str {
    object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default()
}
