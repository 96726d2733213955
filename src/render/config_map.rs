//! Renders ConfigMaps, which are immutable and named by their content.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use super::labels::{Component, metadata};
use crate::canonical::{Canonical, NotCanonical};
use crate::model::digest::Digest;
use crate::profile::resolve::Profile;

/// Returns whether an object is a ConfigMap of a release: immutable, and named by its content.
pub fn is_named_by_content(object: &Value) -> bool {
    let text = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let base = text.rsplit_once('-').map_or("", |(base, _)| base);
    let named = object.get("data").and_then(|data| name(base, data).ok());
    object.get("immutable") == Some(&Value::Bool(true)) && named.as_deref() == Some(text)
}

/// Returns the name of a ConfigMap: its base and the first ten digits of its content's hash.
fn name(base: &str, data: &Value) -> Result<String, NotCanonical> {
    let named =
        Canonical::of_tree(json!({"kind": "ConfigMap", "name": base, "data": data}))?.digest();
    Ok(format!("{base}-{}", named.short(10)))
}

/// The content of a ConfigMap, and the name derived from it.
pub(super) struct ConfigMapContent {
    pub name: String,
    pub data: BTreeMap<String, String>,
    /// The value of the pods' `checksum/` annotation.
    pub checksum: Digest,
}

impl ConfigMapContent {
    /// Names `data` by `base` and the first ten digits of its hash, so that a name never stands for
    /// two contents.
    pub(super) fn of(base: &str, data: BTreeMap<String, String>) -> Self {
        let canonical = |value| Canonical::of_tree(value).expect("strings have a canonical form");
        let checksum = canonical(json!(data)).digest();
        Self {
            name: name(base, &json!(data)).expect("strings have a canonical form"),
            data,
            checksum,
        }
    }

    pub(super) fn render(&self, profile: &Profile, component: Component) -> ConfigMap {
        ConfigMap {
            metadata: metadata(profile, component, self.name.clone()),
            data: Some(self.data.clone()),
            immutable: Some(true),
            ..ConfigMap::default()
        }
    }
}
