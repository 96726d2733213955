//! ConfigMaps: immutable, and named by what is in them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::labels::{Component, metadata};
use crate::canonical::Canonical;
use crate::model::digest::Digest;
use crate::profile::resolve::Profile;

/// A ConfigMap's content under the name that follows from it.
pub(super) struct Content {
    pub name: String,
    pub data: BTreeMap<String, String>,
    /// What the pods' `checksum/` annotation says.
    pub checksum: Digest,
}

impl Content {
    /// Names `data` after `base` and the first ten digits of its hash: a name never means two contents.
    pub(super) fn of(base: &str, data: BTreeMap<String, String>) -> Self {
        let canonical = |value| Canonical::of_tree(value).expect("strings have a canonical form");
        let named = canonical(json!({"kind": "ConfigMap", "name": base, "data": data})).digest();
        let checksum = canonical(json!(data)).digest();
        Self { name: format!("{base}-{}", named.short(10)), data, checksum }
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
