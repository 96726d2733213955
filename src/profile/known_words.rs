//! The words that a profile may have anywhere: names of keys, and values of closed lists.
//!
//! Any other word may be part of a secret, so messages must not show it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use super::key_names::is_key_name;
use super::schema;

static VALUES: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let mut values = BTreeSet::from(["true", "false"]);
    collect_values(schema::schema(), &mut values);
    values
});

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

    #[test]
    fn key_and_choice_names_are_known() {
        for word in ["jwtSecret", "info", "true"] {
            assert!(is_known(word), "{word}");
        }
        for word in ["", "jwtSecrt", "s3cret", "logLevle"] {
            assert!(!is_known(word), "{word}");
        }
    }
}
