//! The types of all keys, without the schema: building that costs more than rendering a profile.
//!
//! | line of `key_types.txt` | key |
//! |---|---|
//! | `config.port integer` | of our own |
//! | `ingress.hosts[].host string` | of the tables in an array |
//! | `EnvVar.name string` | of a type that several keys have |
//! | `podLabels.* string` | of any name |

use super::node::{Path, Segment, Value};
use super::sorted_lines;

/// The types that each key takes, sorted by key; `tests/schema` derives them from the schema.
///
/// `[]` is an array, and a capital letter begins the name of a type with keys of its own.
const KEY_TYPES: &str = include_str!("key_types.txt");

const TABLE: &str = "table";

/// Returns whether the schema has a key at `path` that takes a value of this type.
pub(super) fn takes(path: &Path, value: &Value) -> bool {
    let wanted = match value {
        Value::Bool(_) => "boolean",
        Value::Integer(_) => "integer",
        Value::Float(_) => "number",
        Value::Text(_) => "string",
        Value::Datetime(_) => return false,
        Value::Array(_) | Value::Table(_) => return true,
    };
    SchemaPlace::at(path).is_some_and(|place| place.types.contains(&wanted))
}

/// Returns whether the schema has a table at `path`.
pub(super) fn is_table(path: &Path) -> bool {
    SchemaPlace::at(path).is_some_and(|place| place.tables().next().is_some())
}

/// A place in the schema.
struct SchemaPlace {
    /// The path as the list writes it.
    path: String,
    types: Vec<&'static str>,
}

impl SchemaPlace {
    fn at(path: &Path) -> Option<Self> {
        let root = Self { path: String::new(), types: vec![TABLE] };
        path.0.iter().try_fold(root, |place, segment| match segment {
            Segment::Key(key) => place.key(key),
            Segment::Index(_) => Some(place.item()),
        })
    }

    fn key(&self, key: &str) -> Option<Self> {
        // A quoted key with such a character looks like a path.
        let is_name = !key.contains(['.', '[', ' ', '*']);
        let names = is_name.then_some(key).into_iter().chain(["*"]);
        let paths = self.tables().flat_map(|table| names.clone().map(move |name| (table, name)));
        paths.map(|(table, name)| join(table, name)).find_map(|path| {
            let types = sorted_lines::find(KEY_TYPES, &path)?.trim_start().split('|').collect();
            Some(Self { path, types })
        })
    }

    fn item(mut self) -> Self {
        self.path.push_str("[]");
        self.types = self.types.iter().filter_map(|known| known.strip_prefix("[]")).collect();
        self
    }

    /// Returns the paths of the tables that are valid here.
    fn tables(&self) -> impl Iterator<Item = &str> {
        self.types.iter().filter_map(|known| match *known {
            TABLE => Some(self.path.as_str()),
            name => name.starts_with(char::is_uppercase).then_some(name),
        })
    }
}

fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Value {
        Value::Text("a".to_owned())
    }

    #[test]
    fn text_is_taken_where_schema_has_one() {
        for path in [
            "config.host",
            "ingress.hosts[0].paths[1].path",
            "extraEnv[0].valueFrom.secretKeyRef.name",
            "podLabels.any",
            "resources.limits.cpu",
            "release.recoveryRecipients[0]",
            "storage.logs.fluentbit.output.config.headers[0]",
            "storage.logs.fluentbit.output.config.host.existing.name",
        ] {
            assert!(takes(&Path::of(path), &text()), "{path}");
        }
    }

    #[test]
    fn text_is_not_taken_where_schema_has_none() {
        for path in [
            "redis.auth",
            "redis.auth.enabled",
            "config.port",
            "config.port.name",
            "unknown",
            "ingress.hosts.host",
            "ingress.hosts[0]",
            "podLabels.any.name",
            "extraEnv[0].valueFrom",
            "release.recoveryRecipients[0][0]",
        ] {
            assert!(!takes(&Path::of(path), &text()), "{path}");
        }
        assert!(!takes(&Path::default().key("config.host"), &text()));
    }
}
