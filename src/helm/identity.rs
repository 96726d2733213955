//! Finds objects by their identity, which does not depend on the API version.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::{Manifest, ManifestSet};

/// Returns the live object with the identity of a key.
pub fn find<'a>(live: &'a BTreeMap<ObjectKey, Value>, key: &ObjectKey) -> Option<&'a Value> {
    live.iter().find(|(known, _)| known.identity() == key.identity()).map(|(_, object)| object)
}

/// Returns the bundle's manifest of an object.
pub fn same<'a>(bundle: &'a ManifestSet, key: &ObjectKey) -> Option<&'a Manifest> {
    bundle.iter().find(|manifest| manifest.key.identity() == key.identity())
}
