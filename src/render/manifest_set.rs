//! The rendered objects, in the order in which they are applied.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;

/// One object.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    pub key: ObjectKey,
    /// The position of its kind in apply order, from 1.
    pub phase: usize,
    pub object: Value,
}

impl Manifest {
    /// Returns the name of the object's file: `09-deploy-claude-relay.yaml`.
    pub fn file_name(&self) -> String {
        let short = Kind::named(&self.key.kind).and_then(Kind::short_name);
        let short = short.expect("only rendered kinds have files");
        format!("{:02}-{short}-{}.yaml", self.phase, self.key.name)
    }
}

/// Objects by phase, then name, unique by kind and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ManifestSet {
    manifests: BTreeMap<(usize, String), Manifest>,
    duplicates: Vec<ObjectKey>,
}

impl ManifestSet {
    /// Adds an object; a second one of the same kind and name is recorded as a duplicate.
    pub fn add(&mut self, object: &impl Serialize) {
        let object = serde_json::to_value(object)
            .expect("Kubernetes' types have string keys and write themselves");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let key = ObjectKey {
            api_version: text(&object["apiVersion"]),
            kind: text(&object["kind"]),
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
        };
        let phase = Kind::phase_of(&key.kind).expect("only kinds of the closed list are rendered");
        let place = (phase, key.name.clone());
        if let std::collections::btree_map::Entry::Vacant(e) = self.manifests.entry(place) {
            e.insert(Manifest { key, phase, object });
        } else {
            self.duplicates.push(key);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Manifest> {
        self.manifests.values()
    }

    pub fn len(&self) -> usize {
        self.manifests.len()
    }

    pub fn is_empty(&self) -> bool {
        self.manifests.is_empty()
    }

    /// Returns the objects that were left out because an earlier one has the same kind and name.
    pub fn duplicates(&self) -> &[ObjectKey] {
        &self.duplicates
    }
}
