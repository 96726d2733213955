//! Explains a key, finds the origin of a value, and writes the reference of all keys.
//!
//! The schema and the rendered objects determine all of it.

mod drives;
mod origin;
mod reference;
mod schema_key;
mod words;

use serde::Serialize;

pub use origin::{Setting, origin};
pub use reference::reference;
pub(super) use schema_key::is_key;
use schema_key::{SchemaKey, find};

use super::node::{Path, Segment};
use super::variables::variable_of;
use super::{removed, schema, suggest};

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
    /// The fields of manifests that the key sets, or the objects that the keys of a table set.
    pub drives: Vec<String>,
    /// The environment variable that the key sets.
    pub variable: Option<String>,
    /// The keys of a table.
    pub children: Vec<String>,
}

/// Returns the documentation of the key at `path`: `config.logLevel`, `ingress.hosts[0].host`,
/// `resources.limits`.
pub fn explain_key(path: &str) -> Option<KeyDoc> {
    let SchemaKey { path, ours, schema } = find(&Path::of(path))?;
    let array = if schema.get("items").is_some() { "[]" } else { "" };
    Some(KeyDoc {
        kind: words::kind(schema),
        default: schema.get("default").map(words::toml),
        constraints: words::constraints(schema),
        description: words::description(schema).unwrap_or_default().to_owned(),
        drives: drives::fields(&ours),
        variable: variable_of(&path).map(str::to_owned),
        children: words::keys(schema).map(|key| format!("{path}{array}.{key}")).collect(),
        path,
    })
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
