//! What a key means, where a value came from, and the reference of all keys. All of it follows from
//! the schema.

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

/// What is known about a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyDoc {
    /// The key's path, as the reference writes it.
    pub path: String,
    /// The type in words.
    #[serde(rename = "type")]
    pub kind: String,
    /// The default as TOML; `None` when there is none.
    pub default: Option<String>,
    /// What a value must be besides.
    pub constraints: Vec<String>,
    pub description: String,
    /// The fields of manifests that it drives.
    pub drives: Vec<String>,
    /// The environment variable that it becomes.
    pub variable: Option<String>,
    /// The keys of a table.
    pub children: Vec<String>,
}

/// A key that was found in the schema.
struct Found {
    /// The path as the reference writes it.
    path: String,
    /// The nearest key of ours on the way: the same, unless the path goes on inside a type of
    /// Kubernetes'.
    ours: String,
    /// The schema at the place of use, which says more than the definition that it refers to.
    schema: &'static Value,
}

/// Returns what is known about the key at `path`: `config.logLevel`, `ingress.hosts[0].host`,
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

/// Returns whether a profile has a key at `path`, in a table with names of the user's own too.
pub(super) fn is_key(path: &Path) -> bool {
    find(path).is_some()
}

/// Returns the help for a path that no key has.
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
    "name a key, such as `config.logLevel`".to_owned()
}

fn find(path: &Path) -> Option<Found> {
    let mut found = Found { path: String::new(), ours: String::new(), schema: schema::schema() };
    for segment in &path.0 {
        // An index is no key: the reference writes `hosts[].host`, people also `hosts[0].host` and
        // `hosts.host`.
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
