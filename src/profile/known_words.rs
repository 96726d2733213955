//! The words that a profile may have anywhere: names of keys, and values of closed lists.
//!
//! Any other word may be part of a secret, so messages must not show it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use super::{schema, sorted_lines};

/// The names of all keys, sorted, one per line.
///
/// Every profile with a warning needs them, and building the schema costs more than rendering.
const KEY_NAMES: &str = include_str!("key_names.txt");

static VALUES: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let mut values = BTreeSet::from(["true", "false"]);
    collect_values(schema::schema(), &mut values);
    values
});

/// Returns whether any table of a profile has a key of this name.
pub fn is_key_name(name: &str) -> bool {
    sorted_lines::find(KEY_NAMES, name).is_some()
}

/// Returns whether a word is the name of a key, or a value of a closed list.
pub(super) fn is_known(word: &str) -> bool {
    is_key_name(word) || VALUES.contains(word)
}

fn collect_values(schema: &'static Value, values: &mut BTreeSet<&'static str>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(choices)) = fields.get("enum") {
                values.extend(choices.iter().filter_map(Value::as_str));
            }
            for value in fields.values() {
                collect_values(value, values);
            }
        }
        Value::Array(items) => {
            for item in items {
                collect_values(item, values);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluent_bit::Output;

    fn collect_keys(schema: &'static Value, names: &mut BTreeSet<&'static str>) {
        let Some(fields) = schema.as_object() else { return };
        for (keyword, value) in fields {
            match (keyword.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    names.extend(properties.keys().map(String::as_str));
                    for property in properties.values() {
                        collect_keys(property, names);
                    }
                }
                ("$defs", Value::Object(schemas)) => {
                    for schema in schemas.values() {
                        collect_keys(schema, names);
                    }
                }
                ("anyOf" | "oneOf" | "allOf", Value::Array(schemas)) => {
                    for schema in schemas {
                        collect_keys(schema, names);
                    }
                }
                ("items" | "additionalProperties", value) => collect_keys(value, names),
                _ => {}
            }
        }
    }

    #[test]
    fn key_names_are_those_of_the_schema_and_of_outputs() {
        let mut names = BTreeSet::new();
        collect_keys(schema::schema(), &mut names);
        let properties = Output::ALL
            .into_iter()
            .flat_map(|output| output.properties().iter().chain(output.generic()));
        names.extend(properties.map(|property| property.name));

        let wanted: Vec<&str> = names.into_iter().collect();

        let listed: Vec<&str> = KEY_NAMES.lines().collect();
        assert_eq!(
            listed,
            wanted,
            "write this to src/profile/key_names.txt:\n{}\n",
            wanted.join("\n")
        );
        assert!(wanted.iter().all(|name| is_key_name(name)));
    }

    #[test]
    fn names_of_keys_and_choices_are_known_and_others_are_not() {
        for name in
            ["replicaCount", "jwtSecret", "secretKeyRef", "defaultMode", "tls.verify", "generate"]
        {
            assert!(is_key_name(name), "{name}");
        }
        assert!(is_known("info") && !is_key_name("info"));
        for name in ["", "jwtSecrt", "s3cret", "logLevle"] {
            assert!(!is_known(name), "{name}");
        }
    }
}
