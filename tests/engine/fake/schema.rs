//! The parts of the Kubernetes schema that decide how lists and maps are merged: those of the kinds
//! that bundles have.

use serde_json::{Value, json};

/// How two versions of a value are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A map or an object whose fields have owners of their own.
    Open,
    /// A list of objects that are told apart by these fields.
    Keyed(&'static [&'static str]),
    /// A list without duplicates.
    Set,
    /// Anything that changes as a whole.
    Atomic,
}

/// Objects and maps that change as a whole.
const ATOMIC: [&str; 11] = [
    "configMapKeyRef",
    "dataSource",
    "dataSourceRef",
    "fieldRef",
    "labelSelector",
    "namespaceSelector",
    "nodeSelector",
    "podSelector",
    "resourceFieldRef",
    "secretKeyRef",
    "selector",
];

/// Fields that no object lacks, because the server writes them even if they are empty: a manager
/// that adds something below does not own them.
const ALWAYS_THERE: [&str; 7] =
    ["containers", "metadata", "spec", "status", "strategy", "template", "updateStrategy"];

/// A place in the objects of a kind.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    kind: &'a str,
    /// The names of fields on the way; items of lists have none.
    names: Vec<&'a str>,
    is_item: bool,
}

impl<'a> Place<'a> {
    /// Returns the root of an object.
    pub(super) fn of(object: &'a Value) -> Self {
        let kind = object["kind"].as_str().unwrap_or_default();
        Self { kind, names: Vec::new(), is_item: false }
    }

    pub(super) fn to<'b>(&'b self, name: &'b str) -> Place<'b>
    where
        'a: 'b,
    {
        let names = self.names.iter().copied().chain([name]).collect();
        Place { kind: self.kind, names, is_item: false }
    }

    pub(super) fn item(&self) -> Self {
        Self { is_item: true, ..self.clone() }
    }

    pub(super) fn is_always_there(&self) -> bool {
        self.names.last().is_none_or(|name| ALWAYS_THERE.contains(name)) && !self.is_item
    }

    pub(super) fn shape(&self) -> Shape {
        let Some(name) = self.names.last().copied() else { return Shape::Open };
        if self.is_item {
            return Shape::Open;
        }
        let is_in = |parent: &str| self.names.iter().rev().nth(1) == Some(&parent);
        let is_container = is_in("containers") || is_in("initContainers");
        match name {
            "containers" | "initContainers" | "volumes" | "imagePullSecrets" | "env"
            | "secrets" => Shape::Keyed(&["name"]),
            "ports" if is_container => Shape::Keyed(&["containerPort", "protocol"]),
            "ports" if self.kind == "Service" => Shape::Keyed(&["port", "protocol"]),
            "volumeMounts" => Shape::Keyed(&["mountPath"]),
            "hostAliases" => Shape::Keyed(&["ip"]),
            "topologySpreadConstraints" => Shape::Keyed(&["topologyKey", "whenUnsatisfiable"]),
            "conditions" => Shape::Keyed(&["type"]),
            "ownerReferences" => Shape::Keyed(&["uid"]),
            "finalizers" => Shape::Set,
            _ if ATOMIC.contains(&name) => Shape::Atomic,
            // Other lists change as a whole, because they are not objects.
            _ => Shape::Open,
        }
    }

    /// Returns the element of a path for an item of this list.
    pub(super) fn element(&self, item: &Value) -> String {
        let Shape::Keyed(keys) = self.shape() else { return format!("v:{item}") };
        let pairs = keys.iter().map(|key| {
            let value = item.get(key).cloned();
            let default = if *key == "protocol" { json!("TCP") } else { Value::Null };
            ((*key).to_owned(), value.unwrap_or(default))
        });
        format!("k:{}", Value::Object(pairs.collect()))
    }
}
