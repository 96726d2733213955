//! Field ownership: the sets in `managedFields`, and the transfer of Helm's fields to us and back.

use serde_json::{Map, Value, json};

use crate::model::kind::Kind;
use crate::model::label::MANAGED_BY_LABEL;

/// The annotations that mark the objects of a Helm release.
pub(super) const RELEASE_NAME: &str = "meta.helm.sh/release-name";
pub(super) const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";
/// Helm's field manager.
pub const HELM: &str = "helm";
const CHART: &str = "helm.sh/chart";

/// Returns the release in the annotations of an object.
pub fn release_of(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][RELEASE_NAME].as_str()
}

/// Returns the namespace of the release in the annotations of an object.
pub fn release_namespace_of(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][RELEASE_NAMESPACE].as_str()
}

/// Returns whether an object has the label of objects that Helm manages.
pub fn is_labelled_helms(object: &Value) -> bool {
    object["metadata"]["labels"][MANAGED_BY_LABEL] == "Helm"
}

/// Returns whether an entry of `managedFields` is Helm's.
///
/// Its manager is `helm`, or another program that wrote the annotation of the release, as programs
/// with a built-in Helm do.
fn is_helms(entry: &Value, ours: &str) -> bool {
    let path = ["f:metadata", "f:annotations", "f:meta.helm.sh/release-name"];
    let has_written = path.iter().try_fold(&entry["fieldsV1"], |at, step| at.get(*step)).is_some();
    entry["manager"] == HELM || (has_written && entry["manager"] != ours)
}

fn entries(object: &Value) -> impl Iterator<Item = &Value> {
    object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten()
}

/// Returns whether Helm owns any field.
pub fn has_helms(object: &Value, ours: &str) -> bool {
    entries(object).any(|entry| is_helms(entry, ours))
}

/// Returns whether the server's message names a manager of Helm's: `conflict with "helm" using v1`.
pub fn names_helm(object: &Value, words: &str, ours: &str) -> bool {
    let named = words.split('"').nth(1).unwrap_or_default();
    entries(object).any(|entry| entry["manager"] == named && is_helms(entry, ours))
}

/// Returns an object whose Helm-owned fields belong to our server-side apply, so the next apply
/// removes the fields that it does not state.
///
/// The number of replicas gets no owner if the manifest does not state one: it stays unchanged
/// until an autoscaler sets it. In a Deployment, the server's defaults become ours as well.
/// Otherwise the removal of a probe would leave its scheme behind, and the bounds of a rolling
/// update would remain, which `Recreate` does not allow.
pub fn handed_over(object: &Value, manifest: &Value, ours: &str) -> Value {
    let (mut set, mut others) = (json!({}), json!({}));
    let mut rest = Vec::new();
    let mut time = Value::Null;
    for entry in entries(object) {
        let is_ours = entry["manager"] == ours && entry["operation"] == "Apply";
        if is_ours || is_helms(entry, ours) {
            set = union(&set, &entry["fieldsV1"]);
            time = entry["time"].clone();
        } else {
            others = union(&others, &entry["fieldsV1"]);
            rest.push(entry.clone());
        }
    }

    if Kind::of_object(object) == Some(Kind::Deployment) {
        claim(&mut set["f:spec"], &object["spec"], &others["f:spec"]);
    }
    if manifest.pointer("/spec/replicas").is_none()
        && let Some(spec) = set.get_mut("f:spec").and_then(Value::as_object_mut)
    {
        spec.remove("f:replicas");
    }
    rest.push(json!({"manager": ours, "operation": "Apply", "apiVersion": manifest["apiVersion"],
        "fieldsType": "FieldsV1", "fieldsV1": set, "time": time}));

    let mut object = object.clone();
    object["metadata"]["managedFields"] = rest.into();
    object
}

/// Adds the fields of a value that no set contains, except lists, whose items have owners.
fn claim(set: &mut Value, value: &Value, others: &Value) {
    let Some(steps) = set.as_object_mut() else { return };
    for (step, below) in steps.iter_mut().filter(|(_, below)| !is_leaf(below)) {
        if let Some(child) = at(value, step) {
            claim(below, child, &others[step.as_str()]);
        }
    }
    for (name, child) in value.as_object().into_iter().flatten() {
        let step = format!("f:{name}");
        if !child.is_array() && !steps.contains_key(&step) && others.get(&step).is_none() {
            steps.insert(step, whole(child));
        }
    }
}

/// Returns the set of all fields of a value.
fn whole(value: &Value) -> Value {
    let mut set = Map::new();
    for (name, child) in value.as_object().into_iter().flatten() {
        set.insert(".".to_owned(), json!({}));
        set.insert(format!("f:{name}"), whole(child));
    }
    set.into()
}

/// Returns a new object with the fields that managers other than Helm have written into the live
/// one.
///
/// Fields of both keep the new object's value. The server decides whether that is a conflict.
pub fn with_others(new: &Value, live: &Value, ours: &str) -> Value {
    let is_others = |entry: &&Value| {
        !is_helms(entry, ours) && entry["manager"] != ours && entry.get("subresource").is_none()
    };
    let mut object = new.clone();
    let mut rest: Vec<Value> = entries(live)
        .filter(|entry| !is_helms(entry, ours) && entry["manager"] != ours)
        .cloned()
        .collect();
    for entry in entries(live).filter(is_others) {
        copy(&mut object, live, &entry["fieldsV1"]);
    }
    rest.extend(entries(new).filter(|entry| entry["manager"] == ours).cloned());
    for field in ["name", "uid", "resourceVersion", "creationTimestamp", "generation"] {
        object["metadata"][field] = live["metadata"][field].clone();
    }
    object["metadata"]["managedFields"] = rest.into();
    if new.pointer("/spec/replicas").is_none() || object["spec"]["replicas"].is_null() {
        object["spec"]["replicas"] = live["spec"]["replicas"].clone();
    }
    object
}

/// Copies the fields of a set that are missing in the target.
fn copy(to: &mut Value, from: &Value, set: &Value) {
    for (step, below) in set.as_object().into_iter().flatten() {
        let Some(value) = at(from, step) else { continue };
        if at(to, step).is_none()
            && let (Some(name), Some(fields)) = (step.strip_prefix("f:"), to.as_object_mut())
        {
            let is_whole = is_leaf(below) || !value.is_object();
            fields.insert(name.to_owned(), if is_whole { value.clone() } else { json!({}) });
        }
        if let Some(child) = at_mut(to, step) {
            copy(child, value, below);
        }
    }
}

/// Returns whether a manager owns any field, except through a subresource.
pub fn has_ours(object: &Value, ours: &str) -> bool {
    entries(object).any(|entry| entry["manager"] == ours && entry.get("subresource").is_none())
}

/// Returns an object with the label and annotations by which Helm recognizes its objects.
pub fn marked(mut object: Value, release: &str, namespace: &str) -> Value {
    let metadata = &mut object["metadata"];
    metadata["labels"][MANAGED_BY_LABEL] = "Helm".into();
    metadata["annotations"][RELEASE_NAME] = release.into();
    metadata["annotations"][RELEASE_NAMESPACE] = namespace.into();
    object
}

/// Returns an object whose fields of `ours` belong to Helm, with the labels and annotations of
/// Helm's manifest: the reverse of [`handed_over`].
///
/// Helm's next apply removes the fields that it does not state. Replicas that it does not state
/// keep their number.
pub fn given_back(object: &Value, manifest: &Value, ours: &str) -> Value {
    let mut object = object.clone();
    for field in ["labels", "annotations"] {
        for (name, value) in manifest["metadata"][field].as_object().into_iter().flatten() {
            object["metadata"][field][name.as_str()] = value.clone();
        }
    }
    let all = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
    for entry in all.into_iter().flatten().filter(|entry| entry.get("subresource").is_none()) {
        if is_helms(entry, ours) || entry["manager"] == ours {
            (entry["manager"], entry["operation"]) = (HELM.into(), "Apply".into());
            entry["apiVersion"] = manifest["apiVersion"].clone();
            let spec = entry.pointer_mut("/fieldsV1/f:spec").and_then(Value::as_object_mut);
            if let Some(spec) = spec.filter(|_| manifest.pointer("/spec/replicas").is_none()) {
                spec.remove("f:replicas");
            }
        }
    }
    merge_same(&mut object);
    object
}

/// Returns an object without Helm's marks and ownership, with its content unchanged. `label` names
/// its new manager, if any.
pub fn released(object: &Value, label: Option<&str>, ours: &str) -> Value {
    let mut object = object.clone();
    for entry in object
        .pointer_mut("/metadata/managedFields")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if is_helms(entry, ours) {
            entry["manager"] = ours.into();
            entry["operation"] = "Update".into();
        }
    }

    merge_same(&mut object);
    if let Some(annotations) =
        object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
    {
        annotations.remove(RELEASE_NAME);
        annotations.remove(RELEASE_NAMESPACE);
    }
    if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(MANAGED_BY_LABEL);
        labels.remove(CHART);
    }
    if let Some(label) = label {
        object["metadata"]["labels"][MANAGED_BY_LABEL] = label.into();
    }

    object
}

/// Merges entries of `managedFields`: the server accepts one for each manager, operation, version
/// and subresource.
fn merge_same(object: &mut Value) {
    let Some(all) = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut)
    else {
        return;
    };
    let mut merged: Vec<Value> = Vec::new();
    for entry in std::mem::take(all) {
        let is_same = |other: &&mut Value| {
            ["manager", "operation", "apiVersion", "subresource"]
                .iter()
                .all(|key| other.get(key) == entry.get(key))
        };
        match merged.iter_mut().find(is_same) {
            Some(other) => other["fieldsV1"] = union(&other["fieldsV1"], &entry["fieldsV1"]),
            None => merged.push(entry),
        }
    }
    *all = merged;
}

/// Returns an applied object without the fields that only Helm owns: the result of the handover.
pub fn without_helms(applied: &Value, manifest: &Value, ours: &str) -> Value {
    let (mut helms, mut others) = (json!({}), json!({}));
    for entry in entries(applied) {
        let set = if is_helms(entry, ours) { &mut helms } else { &mut others };
        *set = union(set, &entry["fieldsV1"]);
    }
    let mut object = applied.clone();
    if let Some(all) = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut) {
        all.retain(|entry| !is_helms(entry, ours));
    }
    if manifest.pointer("/spec/replicas").is_none()
        && let Some(spec) = helms.get_mut("f:spec").and_then(Value::as_object_mut)
    {
        spec.remove("f:replicas");
    }
    remove(&mut object, &helms, &others);
    object
}

fn is_leaf(set: &Value) -> bool {
    set.as_object().is_none_or(Map::is_empty)
}

/// Returns the union of two sets. A field that is a leaf in one set and has fields below it in the
/// other gets a `.` there.
fn union(one: &Value, other: &Value) -> Value {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return json!({}) };
    let mut both = one.clone();
    for (step, below) in other {
        let known = both.get(step).cloned();
        let merged = match known {
            None => below.clone(),
            Some(known) if is_leaf(&known) == is_leaf(below) => union(&known, below),
            Some(known) => {
                let mut merged = union(&known, below);
                merged["."] = json!({});
                merged
            }
        };
        both.insert(step.clone(), merged);
    }
    both.into()
}

/// Removes from `value` the fields in `gone` that are not in `kept`.
fn remove(value: &mut Value, gone: &Value, kept: &Value) {
    let Some(steps) = gone.as_object() else { return };
    for (step, below) in steps.iter().filter(|(step, _)| *step != ".") {
        let kept_below = kept.get(step);
        let is_member = is_leaf(below) || below.get(".").is_some();
        if kept_below.is_none() && is_member {
            remove_at(value, step);
        } else if let Some(child) = at_mut(value, step) {
            remove(child, below, kept_below.unwrap_or(&Value::Null));
            let is_empty = child.as_object().is_some_and(Map::is_empty)
                || child.as_array().is_some_and(Vec::is_empty);
            if is_empty && kept_below.is_none() {
                remove_at(value, step);
            }
        }
    }
}

/// Returns the value that a step leads to: `f:NAME` to a field, `k:{…}` to the item with these
/// keys, `v:…` to the item with this value.
fn at<'a>(value: &'a Value, step: &str) -> Option<&'a Value> {
    match step.strip_prefix("f:") {
        Some(name) => value.get(name),
        None => value.get(position(value, step)?),
    }
}

fn at_mut<'a>(value: &'a mut Value, step: &str) -> Option<&'a mut Value> {
    match step.strip_prefix("f:") {
        Some(name) => value.get_mut(name),
        None => value.get_mut(position(value, step)?),
    }
}

fn remove_at(value: &mut Value, step: &str) {
    if let Some(name) = step.strip_prefix("f:") {
        if let Some(fields) = value.as_object_mut() {
            fields.remove(name);
        }
    } else if let Some(position) = position(value, step)
        && let Some(items) = value.as_array_mut()
    {
        items.remove(position);
    }
}

fn position(value: &Value, step: &str) -> Option<usize> {
    let (kind, text) = step.split_once(':')?;
    let wanted: Value = serde_json::from_str(text).ok()?;
    let is_it = |item: &Value| match (kind, wanted.as_object()) {
        ("k", Some(keys)) => keys.iter().all(|(key, value)| item.get(key) == Some(value)),
        ("v", _) => *item == wanted,
        _ => false,
    };
    value.as_array()?.iter().position(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "relay-bundle";

    fn helms() -> Value {
        json!({
            "f:metadata": {"f:annotations": {"f:meta.helm.sh/release-name": {}}, "f:labels": {"f:helm.sh/chart": {}, "f:app": {}}},
            "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:initContainers": {"k:{\"name\":\"wait\"}": {".": {}, "f:name": {}}},
                "f:containers": {"k:{\"name\":\"relay\"}": {".": {}, "f:name": {}, "f:image": {}, "f:env": {"k:{\"name\":\"A\"}": {".": {}, "f:name": {}}}}}}}},
        })
    }

    fn object() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "x", "annotations": {"meta.helm.sh/release-name": "r", "own": "1"},
                "labels": {"helm.sh/chart": "c", "app": "a", "app.kubernetes.io/managed-by": "Helm"},
                "managedFields": [
                    {"manager": "helm", "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": helms()},
                    {"manager": "kubectl-annotate", "operation": "Update", "apiVersion": "apps/v1",
                        "fieldsV1": {"f:metadata": {"f:annotations": {"f:own": {}}}}},
                ]},
            "spec": {"replicas": 2, "strategy": {"rollingUpdate": {"maxSurge": 1}}, "template": {"spec": {
                "initContainers": [{"name": "wait", "image": "busybox"}],
                "containers": [{"name": "relay", "image": "new", "env": [{"name": "A"}, {"name": "B"}], "imagePullPolicy": "Always"}]}}},
        })
    }

    #[test]
    fn handover_moves_all_helm_fields_to_us() {
        let manifest = json!({"apiVersion": "apps/v1", "spec": {"replicas": 1}});
        let handed = handed_over(&object(), &manifest, OURS);
        let all = handed["metadata"]["managedFields"].as_array().unwrap();
        let mut wanted = helms();
        // A default that the server set in an item that Helm owned.
        wanted["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"relay\"}"]["f:imagePullPolicy"] =
            json!({});
        wanted["f:spec"]["f:strategy"] =
            json!({".": {}, "f:rollingUpdate": {".": {}, "f:maxSurge": {}}});
        wanted["f:spec"]["f:template"]["f:spec"]["f:initContainers"]["k:{\"name\":\"wait\"}"]["f:image"] =
            json!({});
        let owners: Vec<_> = all.iter().map(|entry| entry["manager"].as_str().unwrap()).collect();
        assert_eq!(owners, ["kubectl-annotate", OURS]);
        assert_eq!(all[1]["fieldsV1"], wanted);
        assert_eq!(all[1]["operation"], "Apply");
        // A second handover changes nothing.
        assert_eq!(
            handed_over(&handed, &manifest, OURS)["metadata"]["managedFields"],
            handed["metadata"]["managedFields"]
        );
    }

    #[test]
    fn replicas_become_unowned_if_manifest_omits_them() {
        let handed = handed_over(&object(), &json!({"apiVersion": "apps/v1"}), OURS);
        assert_eq!(handed.pointer("/metadata/managedFields/1/fieldsV1/f:spec/f:replicas"), None);
        assert_eq!(handed["spec"]["replicas"], 2);
    }

    #[test]
    fn fields_owned_only_by_helm_go_and_shared_fields_stay() {
        let mut applied = object();
        let ours = json!({"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:template": {"f:spec": {
            "f:containers": {"k:{\"name\":\"relay\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}});
        applied["metadata"]["managedFields"]
            .as_array_mut()
            .unwrap()
            .push(json!({"manager": OURS, "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": ours}));
        let after = without_helms(&applied, &json!({}), OURS);
        assert_eq!(after["metadata"]["annotations"], json!({"own": "1"}));
        assert_eq!(
            after["metadata"]["labels"],
            json!({"app": "a", "app.kubernetes.io/managed-by": "Helm"})
        );
        assert_eq!(
            after["spec"],
            json!({"replicas": 2, "strategy": {"rollingUpdate": {"maxSurge": 1}}, "template": {"spec": {
            "containers": [{"name": "relay", "image": "new", "env": [{"name": "B"}], "imagePullPolicy": "Always"}]}}})
        );
        let owners = after["metadata"]["managedFields"].as_array().unwrap();
        assert!(owners.iter().all(|entry| entry["manager"] != "helm"));
    }

    #[test]
    fn forecast_has_fields_of_others_but_not_of_helm() {
        let new = json!({"metadata": {"name": "x-new", "labels": {"app": "b"}, "managedFields": [{"manager": OURS, "operation": "Apply"}]},
            "spec": {"template": {"spec": {"containers": [{"name": "relay"}]}}}});
        let after = with_others(&new, &object(), OURS);
        assert_eq!(after["metadata"]["annotations"], json!({"own": "1"}));
        assert_eq!(
            (&after["metadata"]["name"], &after["metadata"]["labels"]),
            (&json!("x"), &json!({"app": "b"}))
        );
        assert_eq!(
            after["spec"],
            json!({"replicas": 2, "template": {"spec": {"containers": [{"name": "relay"}]}}})
        );
        let owners: Vec<_> = after["metadata"]["managedFields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| &entry["manager"])
            .collect();
        assert_eq!(owners, ["kubectl-annotate", OURS]);
    }

    #[test]
    fn returned_object_is_owned_by_helm_again() {
        let manifest = marked(json!({"apiVersion": "apps/v1", "spec": {"replicas": 1}}), "r", "ns");
        let taken = handed_over(&object(), &manifest, OURS);

        let after = given_back(&taken, &manifest, OURS);

        assert!(has_helms(&after, OURS) && !has_ours(&after, OURS));
        assert_eq!((release_of(&after), release_namespace_of(&after)), (Some("r"), Some("ns")));
        assert_eq!(after["spec"], object()["spec"]);
        let owners: Vec<_> =
            entries(&after).map(|entry| entry["manager"].as_str().unwrap()).collect();
        assert_eq!(owners, ["kubectl-annotate", "helm"]);
        let scaled = given_back(&after, &json!({"apiVersion": "apps/v1"}), OURS);
        assert_eq!(scaled.pointer("/metadata/managedFields/1/fieldsV1/f:spec/f:replicas"), None);
    }

    #[test]
    fn released_object_leaves_helm_and_keeps_its_data() {
        let after = released(&object(), None, OURS);
        assert!(!has_helms(&after, OURS) && release_of(&after).is_none());
        assert_eq!(after["metadata"]["labels"], json!({"app": "a"}));
        assert_eq!(after["spec"], object()["spec"]);
        assert_eq!(
            released(&object(), Some(OURS), OURS)["metadata"]["labels"][MANAGED_BY_LABEL],
            OURS
        );
    }

    #[test]
    fn program_embedding_helm_is_recognized_by_its_fields() {
        let mut object = object();
        object["metadata"]["managedFields"][0]["manager"] = "helm-controller".into();
        assert!(has_helms(&object, OURS));
        assert!(names_helm(&object, "conflict with \"helm-controller\" using apps/v1", OURS));
        assert!(!names_helm(&object, "conflict with \"kubectl-annotate\" using apps/v1", OURS));
    }
}
