//! Finds a key in the schema.

use serde_json::Value;

use super::words;
use crate::profile::node::{Path, Segment};
use crate::profile::schema;

/// A key of the schema.
pub(super) struct SchemaKey {
    /// The path as the reference writes it.
    pub(super) path: String,
    /// The last key of our own in the path: the same as `path`, unless that continues inside a
    /// Kubernetes type.
    pub(super) ours: String,
    /// The schema at the place of use, which is more specific than the definition that it refers
    /// to.
    pub(super) schema: &'static Value,
}

/// Returns whether a profile may have a key at `path`, including names that users choose.
pub(in crate::profile) fn is_key(path: &Path) -> bool {
    find(path).is_some()
}

/// Returns the key at `path`.
pub(super) fn find(path: &Path) -> Option<SchemaKey> {
    let mut found =
        SchemaKey { path: String::new(), ours: String::new(), schema: schema::schema() };
    for segment in &path.0 {
        // Indices do not count: the reference writes `hosts[].host`, users also write
        // `hosts[0].host` and `hosts.host`.
        let Segment::Key(key) = segment else { continue };
        let mut table = schema::resolve(found.schema);
        if let Some(items) = table.get("items") {
            found.path.push_str("[]");
            table = schema::resolve(items);
        }
        found.schema = words::property(table, key)?;
        if !found.path.is_empty() {
            found.path.push('.');
        }
        found.path.push_str(key);
        if schema::key_paths().contains(&found.path) {
            found.ours.clone_from(&found.path);
        }
    }
    (!found.path.is_empty()).then_some(found)
}
