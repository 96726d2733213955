//! Writes YAML, and reads back only its own output. No other module writes YAML.
//!
//! `apiVersion`, `kind` and `metadata` come first, the other keys sorted; lines end in LF and are
//! not wrapped; strings that another reader would misinterpret are quoted. So a value has one
//! spelling, and [`from_yaml`] accepts no other.

mod block;

use serde::Serialize;
use serde::ser::Serializer;
use serde_json::{Map, Value};
use serde_saphyr::DoubleQuoted;

/// Returns one object as a YAML document, or any value as YAML.
pub fn to_yaml(value: &Value) -> String {
    let document = value.as_object().and_then(block::document);
    document.unwrap_or_else(|| library_yaml(value))
}

/// Returns the YAML that the library writes, which defines the one spelling of a value.
fn library_yaml(value: &Value) -> String {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let mut text = String::new();
    serde_saphyr::to_fmt_writer_with_options(&mut text, &Ordered(value), options)
        .expect("a tree of JSON has a YAML form, and a String takes it");
    text
}

/// A text that [`to_yaml`] writes for no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidYaml {
    #[error("it is not UTF-8")]
    Encoding,
    /// Not a single YAML document, or one with anchors, merges, duplicate keys or too much nesting.
    #[error("{0}")]
    Syntax(String),
    #[error("it differs from the canonical YAML of this program at byte {at}")]
    Spelling { at: usize },
}

/// The maximum number of maps, lists and scalars of one object.
///
/// In memory a node takes hundreds of times the two bytes that it may have in the text. The largest
/// object of the profiles in the repository has about 1,000.
const NODES_MAX: usize = 20_000;

/// Returns whether a value has more nodes than [`from_yaml`] reads; [`to_yaml`] writes it
/// nevertheless.
pub fn is_too_large(value: &Value) -> bool {
    nodes(value) > NODES_MAX
}

/// Returns the number of maps, lists and scalars, including the keys of maps.
fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(fields) => fields.values().map(|value| 1 + nodes(value)).sum(),
        _ => 0,
    }
}

/// Returns the value for which [`to_yaml`] writes these bytes.
///
/// # Errors
///
/// If the bytes are not YAML, or have another spelling: anchors, tags, comments, several documents,
/// or strings that another reader might take for numbers.
pub fn from_yaml(bytes: &[u8]) -> Result<Value, InvalidYaml> {
    let text = std::str::from_utf8(bytes).map_err(|_| InvalidYaml::Encoding)?;
    let budget = serde_saphyr::budget! { max_aliases: 0, max_anchors: 0, max_documents: 1, max_merge_keys: 0, max_nodes: NODES_MAX };
    let options = serde_saphyr::options! {
        budget: budget,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        reject_unsupported_tags: true,
        // A snippet of the text could show a secret.
        with_snippet: false,
    };
    let value: Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| InvalidYaml::Syntax(error.to_string()))?;
    let again = to_yaml(&value);
    if again == text {
        return Ok(value);
    }
    let at = again.bytes().zip(text.bytes()).take_while(|(wanted, found)| wanted == found).count();
    Err(InvalidYaml::Spelling { at })
}

/// Writes a tree; the usual first keys of an object come first in the outermost map.
struct Ordered<'a>(&'a Value);

const FIRST: [&str; 3] = ["apiVersion", "kind", "metadata"];

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(fields) = self.0 else { return Tree(self.0).serialize(serializer) };
        serializer.collect_map(in_order(fields).map(|(key, value)| (key, Tree(value))))
    }
}

/// Writes a tree with sorted keys, independent of the map's own order.
struct Tree<'a>(&'a Value);

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                serializer.collect_map(sorted(fields).map(|(key, value)| (key, Tree(value))))
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Tree)),
            // Go's YAML reader, which kubectl uses, takes such a tab for the indentation of a
            // block.
            Value::String(text)
                if text.contains('\t') && text.lines().any(|line| line.starts_with('\t')) =>
            {
                DoubleQuoted(text).serialize(serializer)
            }
            other => other.serialize(serializer),
        }
    }
}

fn in_order(fields: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let front = FIRST.into_iter().filter_map(|key| fields.get_key_value(key));
    front.chain(sorted(fields).filter(|(key, _)| !FIRST.contains(&key.as_str())))
}

fn sorted(fields: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(key, _)| *key);
    fields.into_iter()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Texts from the characters and words that YAML gives a meaning.
    fn text() -> impl Strategy<Value = String> {
        let word =
            "(?i)y|n|on|no|inf|nan|off|yes|null|true|false|~|<<|=|0x1f|1e3|1:20|2026-11-29|---";
        prop_oneof![
            word,
            "[ -~]{0,8}",
            "[a-z/][a-z0-9 #:./=,'\"{}\\[\\]&*!|>%@`-]{0,8}",
            "[ \t\n#:a-]{0,10}",
            "[0-9]{1,4}(m|Ki|Mi|Gi|k|M|G|e3)?",
            "[!-~]([ -~]{0,4}\n){1,4}[ -~]{0,3}",
            any::<String>(),
        ]
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            text().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            let long = (250..1100_usize).prop_map(|length| "k".repeat(length));
            let key = prop_oneof![text(), "[a-z]{1,3}", Just("kind".to_owned()), long];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn yaml_is_that_of_library(value in tree()) {
            prop_assert_eq!(to_yaml(&value), library_yaml(&value));
        }

        #[test]
        fn any_text_is_read_back(key in ".{0,12}", text in any::<String>(), lines in prop::collection::vec("[ \t#:a-]{0,8}", 0..5)) {
            let value = json!({key: text, "lines": lines.join("\n"), "list": [lines, [text]]});
            prop_assert_eq!(from_yaml(to_yaml(&value).as_bytes()), Ok(value));
        }
    }

    #[test]
    fn yaml_round_trips() {
        let hostile = [
            "yes",
            "1_000",
            "0x1F",
            "~",
            "<<",
            "*a",
            "&a",
            "!t",
            "a: b",
            "a\nb\n",
            "\n\ta\n",
            " x",
            "\u{1b}[31m",
            "\u{85}",
            "é",
            "",
            "null",
        ];
        for text in hostile {
            let value =
                json!({"kind": text, text: [text, {"a": text}], "n": [1, -1, true, null, {}, []]});
            let yaml = to_yaml(&value);

            assert_eq!(from_yaml(yaml.as_bytes()).as_ref(), Ok(&value), "{yaml}");
        }
    }

    #[test]
    fn any_other_spelling_is_refused() {
        let bad = [
            "a: 1 # comment\n",
            "---\na: 1\n",
            "a: 1",
            "a: 1\n---\nb: 2\n",
            "a: &x 1\nb: *x\n",
            "a: !!str 1\n",
            "a: !own 1\n",
            "a: 1\na: 2\n",
            "b: 1\na: 2\n",
            "a: {b: 1}\n",
            "a: yes\n",
            "a: 'b'\n",
            "a: 0x10\n",
            "<<: {a: 1}\n",
            "a: .nan\n",
            "a: [\n",
            "\u{feff}a: 1\n",
            "a: 1\r\n",
        ];
        for text in bad {
            assert!(from_yaml(text.as_bytes()).is_err(), "{text:?}");
        }
        assert_eq!(from_yaml(b"\xff"), Err(InvalidYaml::Encoding));
    }

    #[test]
    fn yaml_bomb_is_refused_without_expansion() {
        let deep = "[".repeat(100_000);
        assert!(matches!(from_yaml(deep.as_bytes()), Err(InvalidYaml::Syntax(_))));
        let aliases = format!("a: &a [{}]\nb: [*a, *a]\n", "x, ".repeat(1000));
        assert!(matches!(from_yaml(aliases.as_bytes()), Err(InvalidYaml::Syntax(_))));
    }
}
