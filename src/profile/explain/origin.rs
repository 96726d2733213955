//! Finds the origin of each value of a loaded profile.

use crate::model::credential::{REDACTED, holds_credential};
use serde::Serialize;
use serde_json::{Value, json};

use super::schema_key::find;
use super::words;
use crate::profile::load::Loaded;
use crate::profile::node::{self, Node, Path, Segment};
use crate::profile::variables::SECRET_VARIABLES;
use crate::profile::{secret_values, secrets};

/// A value of a profile and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub path: String,
    /// The value as TOML, with secrets redacted; `None` if the key has no value.
    pub value: Option<String>,
    /// The place, such as `profiles/production.toml:12:3`, `default` or `--set replicaCount=3`.
    pub place: String,
}

/// Returns the value at `path` with its place, or every value of a table; empty if no key has that
/// path.
pub fn origin(loaded: &Loaded, path: &str) -> Vec<Setting> {
    let path = Path::of(path);
    let mut settings = Vec::new();
    match loaded.tree.get(&path) {
        Some(node) => {
            list(node, &path, loaded, &mut settings);
            let inside = |key: &Path| key.starts_with(&path) && loaded.tree.get(key).is_none();
            let secrets = SECRET_VARIABLES.iter().map(|(key, _)| Path::of(key)).filter(inside);
            settings.extend(secrets.filter_map(|key| unset(&key)));
            settings.sort_by(|a, b| a.path.cmp(&b.path));
        }
        None => settings.extend(unset(&path)),
    }
    settings
}

/// Returns a key that no layer sets, with the default of its type.
fn unset(path: &Path) -> Option<Setting> {
    let has_index = path.0.iter().any(|segment| matches!(segment, Segment::Index(_)));
    let found = find(path).filter(|_| !has_index)?;
    let value = found.schema.get("default").map(words::toml);
    Some(Setting { path: path.to_string(), value, place: "default".to_owned() })
}

fn list(node: &Node, path: &Path, loaded: &Loaded, settings: &mut Vec<Setting>) {
    match node.as_table() {
        Some(table) if !table.is_empty() && !secrets::is_secret_path(path) => {
            for (key, entry) in table {
                list(&entry.node, &path.key(key), loaded, settings);
            }
        }
        _ => settings.push(Setting {
            path: path.to_string(),
            value: Some(words::toml(&shown(node, path, &loaded.tree))),
            place: loaded.sources.place(node.origin),
        }),
    }
}

/// Returns a value of `tree` with secrets redacted; references to secrets are kept.
fn shown(node: &Node, path: &Path, tree: &Node) -> Value {
    match &node.value {
        node::Value::Bool(value) => json!(value),
        node::Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| shown(item, &path.index(index), tree))
            .collect(),
        node::Value::Table(table) => {
            let value = |(key, entry): (&String, &node::Entry)| {
                (key.clone(), shown(&entry.node, &path.key(key), tree))
            };
            table.iter().map(value).collect()
        }
        _ if secret_values::is_hidden(tree, path) => json!(REDACTED),
        node::Value::Integer(value) => json!(value),
        node::Value::Text(text) if holds_credential(text) => json!(REDACTED),
        node::Value::Float(text) | node::Value::Datetime(text) | node::Value::Text(text) => {
            json!(text)
        }
    }
}
