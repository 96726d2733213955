//! The one place that writes YAML.
//!
//! `apiVersion`, `kind` and `metadata` first, then sorted; LF; no wrapped lines; strings that another reader would take
//! for something else are quoted.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;

/// Returns one object as a YAML document, or any value as YAML.
pub fn to_yaml(value: &Value) -> String {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let mut text = String::new();
    serde_saphyr::to_fmt_writer_with_options(&mut text, &Ordered(value), options)
        .expect("a tree of JSON has a YAML form, and a String takes it");
    text
}

/// Writes a map with an object's usual first keys in front.
struct Ordered<'a>(&'a Value);

const FIRST: [&str; 3] = ["apiVersion", "kind", "metadata"];

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(fields) = self.0 else { return self.0.serialize(serializer) };
        let mut sorted: Vec<&String> = fields.keys().filter(|key| !FIRST.contains(&key.as_str())).collect();
        sorted.sort();
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for key in FIRST
            .into_iter()
            .filter(|key| fields.contains_key(*key))
            .chain(sorted.into_iter().map(String::as_str))
        {
            map.serialize_entry(key, &fields[key])?;
        }
        map.end()
    }
}
