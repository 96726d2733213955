//! Explains a key, finds the origin of a value, and writes the reference of all keys.
//!
//! All of it is derived from the schema.

pub mod drives;
mod origin;
mod reference;
mod words;

use serde::Serialize;
use serde_json::Value;

pub use origin::{Setting, origin};
pub use reference::reference;

use super::node::{Path, Segment};
use super::schema;
use super::{removed, suggest};

/// The documentation of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyDoc {
    /// The key's path as the reference writes it.
    pub path: String,
    /// The type in words.
    #[serde(rename = "type")]
    pub kind: String,
    /// The default as TOML, if there is one.
    pub default: Option<String>,
    /// Further constraints on the value.
    pub constraints: Vec<String>,
    pub description: String,
    /// The fields of manifests that the key sets.
    pub drives: Vec<String>,
    /// The environment variable that the key sets.
    pub variable: Option<String>,
    /// The keys of a table.
    pub children: Vec<String>,
}

/// A key of the schema.
struct Found {
    /// The path as the reference writes it.
    path: String,
    /// The last key of our own in the path: the same as `path`, unless that continues inside a
    /// Kubernetes type.
    ours: String,
    /// The schema at the place of use, which is more specific than the definition that it refers
    /// to.
    schema: &'static Value,
}

/// Returns the documentation of the key at `path`: `config.logLevel`, `ingress.hosts[0].host`,
/// `resources.limits`.
pub fn explain_key(path: &str) -> Option<KeyDoc> {
    let Found { path, ours, schema } = find(&Path::of(path))?;
    let array = if schema.get("items").is_some() { "[]" } else { "" };
    Some(KeyDoc {
        kind: words::kind(schema),
        default: schema.get("default").map(words::toml),
        constraints: words::constraints(schema),
        description: words::description(schema).unwrap_or_default().to_owned(),
        drives: drives::fields(&ours),
        variable: drives::variable(&path).map(str::to_owned),
        children: words::keys(schema).map(|key| format!("{path}{array}.{key}")).collect(),
        path,
    })
}

/// Returns whether a profile may have a key at `path`, including names that users choose.
pub(super) fn is_key(path: &Path) -> bool {
    find(path).is_some()
}

/// Returns the hint for a path without a key.
pub fn unknown_key(path: &str) -> String {
    let mut known = Path::default();
    for segment in &Path::of(path).0 {
        let Segment::Key(key) = segment else { continue };
        let next = known.key(key);
        if find(&next).is_none() {
            let parent = find(&known).map_or_else(schema::schema, |found| found.schema);
            let beside: Vec<&str> = words::keys(parent).collect();
            let known_before = if known.0.is_empty() { String::new() } else { format!("{known}.") };
            return match suggest::among(key, &beside) {
                Some(near) if removed::find(&next).is_none() => {
                    format!("did you mean `{known_before}{near}`?")
                }
                _ => suggest::key(&next, key, &beside),
            };
        }
        known = next;
    }
    "pass a key, such as `config.logLevel`".to_owned()
}

fn find(path: &Path) -> Option<Found> {
    let mut found = Found { path: String::new(), ours: String::new(), schema: schema::schema() };
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
