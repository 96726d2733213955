//! Drift: the fields of a live object that differ from the applied ones, and their managers.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::fields::{FieldChange, compare, hide_credentials, redact, step_to};
use super::path::{FieldPath, PathStep};
use crate::model::credential::REDACTED;
use crate::model::kind::Kind;

/// A field that differs from the applied one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    pub path: FieldPath,
    /// The live value; absent if the field was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<Value>,
    /// The applied value; absent if the field was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Value>,
    /// The managers that own the field; a removed field has none.
    pub managers: Vec<String>,
}

/// A live object and its wanted state.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// The object as the server has it.
    pub object: &'a Value,
    /// The live object without the fields that the server adds.
    pub live: &'a Value,
    /// The result of another apply, without the fields that the server adds.
    pub wanted: &'a Value,
    /// The fields that its manifest states.
    pub stated: &'a Value,
}

/// The managers of Kubernetes itself, whose additions are not drift.
const CONTROLLERS: [&str; 4] =
    ["cloud-controller-manager", "kube-controller-manager", "kube-scheduler", "kubelet"];

/// The maps whose entries may belong to several managers, even if none is ours.
const SHARED: [&str; 2] = ["annotations", "labels"];

/// Returns the fields of a live object that differ from the applied ones, and the additions of
/// other managers.
///
/// Additions of `own`, and of managers whose names begin with `own-`, are not drift.
pub fn drifts(sides: Sides<'_>, own: &str) -> Vec<Drift> {
    let owners = owners(sides.object);
    let mut owned = Vec::new();
    for owner in &owners {
        leaves(owner.fields, sides.object, &FieldPath::default(), &mut |path| {
            owned.push((path, owner.manager));
        });
    }

    let changed = compare(sides.live, sides.wanted);
    let mut added = foreign(sides.object, sides.stated, own);
    added.retain(|extra| {
        extra.wanted.is_none() && !changed.iter().any(|change| touches(&change.path, &extra.path))
    });

    let drift = |mut change: FieldChange| {
        if is_secret(sides.object) {
            redact(&mut change);
        }
        hide_credentials(&mut change);
        let managers: BTreeSet<&str> = owned
            .iter()
            .filter(|(path, _)| touches(path, &change.path))
            .map(|(_, name)| *name)
            .collect();
        let managers = managers.into_iter().map(str::to_owned).collect();
        Drift { path: change.path, live: change.old, wanted: change.new, managers }
    };
    changed.into_iter().map(drift).chain(added).collect()
}

/// Returns the managers that have written to an object, except `own` and those of Kubernetes.
pub fn foreign_managers<'a>(object: &'a Value, own: &str) -> BTreeSet<&'a str> {
    owners(object).iter().filter(|owner| owner.is_foreign(own)).map(|owner| owner.manager).collect()
}

/// Returns the fields of other managers that differ from `stated`: fields that a manifest states
/// differently, and fields that it leaves open.
pub fn foreign(object: &Value, stated: &Value, own: &str) -> Vec<Drift> {
    let mut found: Vec<Drift> = Vec::new();
    for owner in owners(object).iter().filter(|owner| !owner.is_known(own)) {
        let mut fields = Vec::new();
        beside(owner, owner.fields, (object, Some(stated)), &FieldPath::default(), &mut fields);
        for mut change in fields {
            if is_secret(object) {
                hide_all(&mut change);
            }
            hide_credentials(&mut change);
            match found.iter_mut().find(|drift| drift.path == change.path) {
                Some(known) => known.managers.push(owner.manager.to_owned()),
                None => found.push(Drift {
                    path: change.path,
                    live: change.old,
                    wanted: change.new,
                    managers: vec![owner.manager.to_owned()],
                }),
            }
        }
    }
    found
}

/// Collects the fields of one manager that differ from the stated ones, or that are not stated. Of
/// nested additions it collects only the outermost.
fn beside(
    owner: &FieldOwner<'_>,
    fields: &Value,
    (value, stated): (&Value, Option<&Value>),
    path: &FieldPath,
    found: &mut Vec<FieldChange>,
) {
    for (name, fields, step, value) in inner(fields, value) {
        let path = path.then(step);
        let is_leaf = inner(fields, value).is_empty();
        match stated.and_then(|stated| counterpart(name, stated)) {
            Some(stated) if is_leaf => {
                if !holds(value, stated) {
                    found.push(FieldChange::new(path, Some(value.clone()), Some(stated.clone())));
                }
            }
            Some(stated) => beside(owner, fields, (value, Some(stated)), &path, found),
            // A status, or the number of replicas that an autoscaler sets.
            None if owner.is_part => {}
            None if path.last_key().is_some_and(|key| SHARED.contains(&key)) => {
                beside(owner, fields, (value, None), &path, found);
            }
            None => found.push(FieldChange::new(path, Some(value.clone()), None)),
        }
    }
}

/// Finds the part of a manifest that a step of `managedFields` refers to. A manifest may omit
/// defaults from the key of a list element.
fn counterpart<'a>(name: &str, stated: &'a Value) -> Option<&'a Value> {
    let Some(("k", keys)) = name.split_once(':') else {
        return resolve(name, stated).map(|(_, value)| value);
    };
    let wanted: Value = serde_json::from_str(keys).ok()?;
    let fits = |item: &&Value| {
        let known =
            wanted.as_object().into_iter().flatten().filter(|(key, _)| item.get(key).is_some());
        known.clone().count() > 0
            && known.into_iter().all(|(key, value)| item.get(key) == Some(value))
    };
    stated.as_array()?.iter().find(fits)
}

/// Returns whether a live value contains everything that is stated; the server adds defaults.
fn holds(live: &Value, stated: &Value) -> bool {
    match (live, stated) {
        (Value::Object(live), Value::Object(stated)) => {
            stated.iter().all(|(key, stated)| live.get(key).is_some_and(|live| holds(live, stated)))
        }
        (Value::Array(live), Value::Array(stated)) => {
            live.len() == stated.len()
                && live.iter().zip(stated).all(|(live, stated)| holds(live, stated))
        }
        (live, stated) => live == stated,
    }
}

fn is_secret(object: &Value) -> bool {
    Kind::of_object(object) == Some(Kind::Secret)
}

/// Hides all values of other managers in a Secret: some tools copy its data into annotations.
fn hide_all(change: &mut FieldChange) {
    for value in [&mut change.old, &mut change.new].into_iter().flatten() {
        *value = REDACTED.into();
    }
}

/// Returns whether one field equals or contains the other.
fn touches(one: &FieldPath, other: &FieldPath) -> bool {
    one.0.iter().zip(&other.0).all(|(one, other)| one == other)
}

/// A manager, and the fields that it owns.
struct FieldOwner<'a> {
    manager: &'a str,
    /// Whether it wrote a subresource of the object, such as its status.
    is_part: bool,
    fields: &'a Value,
}

impl FieldOwner<'_> {
    fn is_foreign(&self, own: &str) -> bool {
        !self.is_part && !self.is_known(own)
    }

    /// Returns whether the manager is this program or a part of Kubernetes.
    fn is_known(&self, own: &str) -> bool {
        let rest = self.manager.strip_prefix(own);
        let is_own = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        is_own || CONTROLLERS.contains(&self.manager)
    }
}

fn owners(object: &Value) -> Vec<FieldOwner<'_>> {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten().filter_map(owner).collect()
}

fn owner(entry: &Value) -> Option<FieldOwner<'_>> {
    let manager = entry.get("manager")?.as_str()?;
    Some(FieldOwner {
        manager,
        is_part: entry.get("subresource").is_some(),
        fields: entry.get("fieldsV1")?,
    })
}

/// Calls `found` with each innermost field that a manager owns.
fn leaves(fields: &Value, value: &Value, path: &FieldPath, found: &mut impl FnMut(FieldPath)) {
    let inner = inner(fields, value);
    if inner.is_empty() {
        found(path.clone());
    }
    for (_, fields, step, value) in inner {
        leaves(fields, value, &path.then(step), &mut *found);
    }
}

/// Returns the owned fields directly inside a field: the server's name, the fields in it, the step
/// to it, and its value.
///
/// Owned fields that no longer exist are left out.
fn inner<'a>(
    fields: &'a Value,
    value: &'a Value,
) -> Vec<(&'a str, &'a Value, PathStep, &'a Value)> {
    let found = |(name, fields): (&'a String, &'a Value)| {
        let (step, value) = resolve(name, value)?;
        Some((name.as_str(), fields, step, value))
    };
    fields.as_object().into_iter().flatten().filter_map(found).collect()
}

/// Finds the value that a name in `managedFields` refers to: `f:` and a field, `k:` and the keys of
/// an element, `v:` and an element.
fn resolve<'a>(name: &str, value: &'a Value) -> Option<(PathStep, &'a Value)> {
    let (form, rest) = name.split_once(':')?;
    if form == "f" {
        return Some((PathStep::Key(rest.to_owned()), value.get(rest)?));
    }
    let list = value.as_array()?;
    let wanted: Value = serde_json::from_str(rest).ok()?;
    let is_meant = |item: &Value| match (form, &wanted) {
        ("k", Value::Object(keys)) => keys.iter().all(|(key, value)| item.get(key) == Some(value)),
        ("v", wanted) => item == wanted,
        _ => false,
    };
    let at = list.iter().position(is_meant)?;
    Some((step_to(list, at), &list[at]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns a Service of ours after changes with `kubectl edit`.
    fn edited() -> Value {
        json!({
            "kind": "Service",
            "metadata": {"name": "relay", "labels": {"a": "1", "mine": "x"}, "managedFields": [
                {"manager": "relay-bundle", "operation": "Apply", "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:a": {}}},
                    "f:spec": {"f:ports": {"k:{\"port\":80}": {".": {}, "f:port": {}}}}}},
                {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:mine": {}}},
                    "f:spec": {"f:type": {}, "f:externalIPs": {".": {}, "v:\"10.0.0.1\"": {}},
                        "f:ports": {"k:{\"port\":81}": {".": {}, "f:name": {}, "f:port": {}}}}}},
                {"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:spec": {"f:clusterIP": {}}}},
                {"manager": "relay-bundle-restart", "operation": "Apply", "fieldsV1": {"f:spec": {"f:clusterIP": {}}}},
                {"manager": "balancer", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {"f:x": {}}}},
            ]},
            "spec": {"type": "NodePort", "clusterIP": "10.1.1.1", "externalIPs": ["10.0.0.1"],
                "ports": [{"name": "http", "port": 80}, {"name": "own", "port": 81}]},
            "status": {"x": 1},
        })
    }

    fn told(object: &Value, wanted: &Value) -> Vec<String> {
        let live =
            json!({"metadata": {"labels": object["metadata"]["labels"]}, "spec": object["spec"]});
        let stated = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"ports": [{"port": 80}]}});
        let found = drifts(Sides { object, live: &live, wanted, stated: &stated }, "relay-bundle");
        let text = |value: Option<Value>| value.map_or("-".to_owned(), |value| value.to_string());
        found
            .into_iter()
            .map(|drift| {
                let (live, wanted) = (text(drift.live), text(drift.wanted));
                format!("{}: {live}, wanted {wanted}, {:?}", drift.path, drift.managers)
            })
            .collect()
    }

    #[test]
    fn drift_names_managers_and_excludes_controller_additions() {
        let object = edited();
        let mut spec = object["spec"].clone();
        spec["type"] = "ClusterIP".into();
        let wanted =
            json!({"metadata": {"labels": {"a": "1", "b": "2", "mine": "x"}}, "spec": spec});
        assert_eq!(
            told(&object, &wanted),
            [
                r#"metadata.labels.b: -, wanted "2", []"#,
                r#"spec.type: "NodePort", wanted "ClusterIP", ["kubectl-edit"]"#,
                r#"metadata.labels.mine: "x", wanted -, ["kubectl-edit"]"#,
                r#"spec.externalIPs: ["10.0.0.1"], wanted -, ["kubectl-edit"]"#,
                r#"spec.ports[own]: {"name":"own","port":81}, wanted -, ["kubectl-edit"]"#,
            ]
        );
    }

    #[test]
    fn secret_is_redacted_wherever_others_wrote_it() {
        let object = json!({"kind": "Secret", "data": {"key": "bGl2ZQ=="}, "metadata": {
            "annotations": {"copy": "bGl2ZQ=="},
            "managedFields": [{"manager": "kubectl", "fieldsV1":
                {"f:data": {"f:key": {}}, "f:metadata": {"f:annotations": {"f:copy": {}}}}}]}});
        let [live, wanted] = ["bGl2ZQ==", "d2FudGVk"].map(|value| json!({"data": {"key": value}}));
        let stated = wanted.clone();
        let sides = Sides { object: &object, live: &live, wanted: &wanted, stated: &stated };
        for found in [drifts(sides, "us"), foreign(&object, &stated, "us")] {
            let text = serde_json::to_string(&found).unwrap();
            assert_eq!(found.len(), 2, "{text}");
            assert!(!text.contains("bGl2ZQ") && !text.contains("d2FudGVk"), "{text}");
        }
    }
}
