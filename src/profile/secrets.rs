//! Recognises the keys that hold secrets, and keeps their values out of messages.

use std::str::FromStr;

use super::node::{Node, Path, Segment, Value};
use super::variables::SECRET_VARIABLES;
use super::{explain, key_names, schema};
use crate::fluent_bit::{is_librdkafka_secret, is_list_property, is_text_of_property};
use crate::model::credential::sounds_secret;
use crate::model::credential::{may_assign_secret, resembles_secret};
use crate::model::secret::{Counter, GeneratedLength};
use crate::model::text::{AgeFile, DataKey, ObjectName};

const OUTPUT_CONFIG: &str = "storage.logs.fluentbit.output.config";

/// Returns whether the value at `path` is a secret or part of one.
pub fn is_secret_path(path: &Path) -> bool {
    let known = SECRET_VARIABLES.iter().any(|(key, _)| rest_below(path, key).is_some());
    known || is_output_credential(path)
}

/// Returns the rest of a path below a key, or `None` if the path leads elsewhere.
///
/// The function runs for every value of a text, so it must not build a [`Path`] from the key.
fn rest_below<'a>(path: &'a Path, key: &str) -> Option<&'a [Segment]> {
    let mut rest = path.0.as_slice();
    for part in key.split('.') {
        let (first, below) = rest.split_first()?;
        if first.as_key() != Some(part) {
            return None;
        }
        rest = below;
    }
    Some(rest)
}

fn is_output_credential(path: &Path) -> bool {
    let Some(rest) = rest_below(path, OUTPUT_CONFIG) else { return false };
    // The path of an argument contains the dots of `rdkafka.ssl.key.pem`, and possibly quotes.
    let keys: Vec<&str> = rest.iter().filter_map(Segment::as_key).collect();
    let property = keys.join(".");
    is_librdkafka_secret(property.trim_matches(['"', '\'']))
        || last_key(path).is_some_and(sounds_secret)
}

/// Returns whether `path` is a property that no output of Fluent Bit has: it may be a misspelt
/// credential.
pub(super) fn is_unknown_property(path: &Path) -> bool {
    let property = rest_below(path, OUTPUT_CONFIG).and_then(|rest| rest.first()?.as_key());
    property.is_some_and(|key| {
        let lower = key.to_ascii_lowercase();
        !key_names::is_key_name(&lower) && !lower.starts_with("rdkafka.")
    })
}

/// Returns whether no output of Fluent Bit takes the text at `path` as the value of its property.
pub(super) fn is_misfit_of_output(path: &Path, value: &Value) -> bool {
    let Value::Text(text) = value else { return false };
    match rest_below(path, OUTPUT_CONFIG) {
        Some([Segment::Key(key)]) => !is_text_of_property(key, text),
        Some([Segment::Key(key), Segment::Index(_)]) => !is_list_property(key),
        _ => false,
    }
}

/// Returns whether the key at `path` sounds like a secret, and is not a known key for something
/// else, such as `config.defaultTokenLimit`.
pub fn may_be_secret(path: &Path) -> bool {
    let sounds = path
        .0
        .last()
        .and_then(Segment::as_key)
        .is_some_and(|key| sounds_secret(key) && !is_name(path, key));
    is_secret_path(path) || sounds && !is_key(path)
}

/// Returns whether `path` contains an unknown key that may be a misspelt secret, such as
/// `config.jwtSecrt`.
pub fn may_be_misspelt(path: &Path) -> bool {
    let mut keys = path.0.iter().filter_map(Segment::as_key);
    let is_free = !explain::is_key(path) || rest_below(path, OUTPUT_CONFIG).is_some();
    is_free && keys.any(|key| !key_names::is_key_name(key) && resembles_secret(key))
}

/// Returns `path` cut before the first unknown key that may be a secret, as messages may show it.
pub fn shown_path(path: &Path) -> Path {
    let is_hidden = |&at: &usize| {
        path.0[at]
            .as_key()
            .is_some_and(|key| !key_names::is_key_name(key) && may_be_part(&path.0[..at], key))
    };
    let end = (0..path.0.len()).find(is_hidden).unwrap_or(path.0.len());
    Path(path.0[..end].to_vec())
}

/// Returns the path of an argument as messages may show it.
pub(super) fn shown_key(argument: &str) -> String {
    let path = Path::of(argument);
    let shown = shown_path(&path);
    if shown == path { argument.to_owned() } else { shown.to_string() }
}

/// Returns whether an unknown key may be a secret: by its own text, or because a key before it is a
/// secret's.
pub(super) fn may_be_part(way: &[Segment], key: &str) -> bool {
    may_assign_secret(key) || is_inside_secret(way)
}

/// Returns whether one of the keys in a path is a secret's, or may be a misspelt one.
fn is_inside_secret(way: &[Segment]) -> bool {
    (1..=way.len()).any(|end| {
        let path = Path(way[..end].to_vec());
        let Some(key) = way[end - 1].as_key() else { return false };
        let is_unknown = !key_names::is_key_name(key) && !is_name(&path, key);
        is_secret_path(&path) || refers_to_secret(key) || is_unknown && resembles_secret(key)
    })
}

/// Returns whether a key holds a secret or a reference to one, so that an unknown key in its table
/// may be the secret.
pub fn refers_to_secret(key: &str) -> bool {
    key == "valueFrom" || sounds_secret(key)
}

/// Returns whether `path` is one of our own keys.
pub(super) fn is_key(path: &Path) -> bool {
    let name = path.to_string();
    schema::key_paths().iter().any(|known| known == name.as_str())
}

/// Returns the path of the first secret in a layer.
pub fn first_secret(layer: &Node) -> Option<Path> {
    fn find(node: &Node, path: &Path) -> Option<Path> {
        if is_secret_path(path) {
            return Some(path.clone());
        }
        match &node.value {
            Value::Table(table) => {
                table.iter().find_map(|(key, entry)| find(&entry.node, &path.key(key)))
            }
            Value::Array(items) => {
                items.iter().enumerate().find_map(|(index, item)| find(item, &path.index(index)))
            }
            _ => None,
        }
    }
    find(layer, &Path::default())
}

/// Returns the paths at which a layer sets a secret, or an output property that may be one.
pub fn forms(layer: &Node) -> Vec<Path> {
    let output = Path::of(OUTPUT_CONFIG);
    let properties =
        layer.get(&output).and_then(Node::as_table).into_iter().flat_map(|table| table.keys());
    let fixed = SECRET_VARIABLES
        .iter()
        .map(|(key, _)| Path::of(key))
        .filter(|path| layer.get(path).is_some());
    fixed.chain(properties.map(|key| output.key(key))).collect()
}

fn last_key(path: &Path) -> Option<&str> {
    path.0.iter().rev().find_map(Segment::as_key)
}

/// Keys that sound like secrets, but take the name of an object or file, or a number.
const NAMES: [&str; 6] = [
    "secretName",
    "imagePullSecrets",
    "secretKeyRef",
    "secretRef",
    "serviceAccountToken",
    "tokenExpirationSeconds",
];

/// Returns whether a value inside a secret, of the type that the schema expects, only refers to it:
/// the name of a Secret, a key in a Secret, an encrypted file, or a number.
///
/// Any other value there may be the secret itself.
pub(super) fn is_reference(path: &Path, value: &Value) -> bool {
    let keys: Vec<&str> = path.0.iter().filter_map(Segment::as_key).collect();
    match (keys.as_slice(), value) {
        ([.., "existing", "name"] | [.., "valueFrom", _, "name"], Value::Text(text)) => {
            is_a::<ObjectName>(text)
        }
        ([.., "existing", "key"] | [.., "valueFrom", _, _], Value::Text(text)) => {
            is_a::<DataKey>(text)
        }
        ([.., "age"], Value::Text(text)) => is_a::<AgeFile>(text),
        ([.., "generate", "length"], Value::Integer(number)) => {
            GeneratedLength::new(*number).is_some()
        }
        ([.., "revision"] | [.., "generate", "generation"], Value::Integer(number)) => {
            Counter::new(*number).is_some()
        }
        _ => false,
    }
}

/// Returns whether a name inside a reference is invalid, so that it may be the secret itself.
pub(super) fn is_misnamed(path: &Path, value: &Value) -> bool {
    let mut keys = path.0.iter().filter_map(Segment::as_key);
    let (Some(last), Value::Text(text)) = (path.0.last().and_then(Segment::as_key), value) else {
        return false;
    };
    keys.any(refers_to_secret)
        && match last {
            "name" | "secretName" => !is_a::<ObjectName>(text),
            "key" => !is_a::<DataKey>(text),
            _ => false,
        }
}

fn is_a<T: FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

/// Returns whether a key that sounds like a secret takes a name, as `secret` does as the source of
/// a volume.
pub(super) fn is_name(path: &Path, key: &str) -> bool {
    NAMES.contains(&key) || (key == "secret" && rest_below(path, "extraVolumes").is_some())
}
