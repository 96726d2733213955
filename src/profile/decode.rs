//! Decodes trees into typed values through serde, for our own types and Kubernetes' types alike,
//! and reports every mistake at once.
//!
//! serde stops at the first mistake. So the decoder notes the mistake, removes the value that holds
//! it from the tree (the default takes its place), and reads the tree again: a profile has few
//! mistakes, and each one makes the tree smaller. The decoder finds unknown keys of any type
//! because serde asks to skip their values.

mod error;

use std::cell::RefCell;

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{self, DeserializeOwned, IntoDeserializer, Unexpected, Visitor};

use self::error::DecodeError;
use super::diagnostic::{DIAGNOSTICS_MAX, Diagnostic, Diagnostics};
use super::node::{Node, Origin, Path, PathChain, Segment, Table, Value};
use super::{removed, secret_values, secrets, suggest};

/// Returns the typed value of `tree` and adds each mistake to `diagnostics`; `None` if no value can
/// be read.
///
/// The value of `defaults` at the same path replaces a wrong value; without a default, the value is
/// left out.
pub fn decode<T: DeserializeOwned>(
    tree: &mut Node,
    defaults: &Node,
    diagnostics: &mut Diagnostics,
) -> Option<T> {
    let root = Path::default();
    let mut removed = Vec::new();

    for _ in 0..=rounds(tree) {
        let unknown = RefCell::new(Vec::new());
        let way = PathChain::From(&root);
        let result =
            T::deserialize(NodeDeserializer { node: tree, way, key: None, unknown: &unknown });
        let unknown = unknown.into_inner();
        match result {
            Ok(value) => {
                report_unknown(unknown, diagnostics);
                return Some(value);
            }
            Err(error) => {
                let path = error.path.clone().unwrap_or_default();
                let origin = error.origin.unwrap_or_else(|| tree.nearest_origin(&path));
                let error = if secret_values::is_hidden(tree, &path) {
                    error.without(tree.get(&path))
                } else {
                    error
                };
                let error = error.with_mode(&path, tree.get(&path));
                // A table may lack a value because it was rejected, or because its key is misspelt.
                let is_about = |inner: &Path| inner.starts_with(&path) && *inner != path;
                let (misspelt, unknown): (Vec<_>, Vec<_>) =
                    unknown.into_iter().partition(|unknown| is_about(&unknown.path));
                if misspelt.is_empty() && !removed.iter().any(is_about) {
                    diagnostics.push(error.into_diagnostic(&path, origin));
                }
                report_unknown(misspelt, diagnostics);
                if !prune(tree, defaults, &path) {
                    report_unknown(unknown, diagnostics);
                    return None;
                }
                removed.push(path);
            }
        }
    }
    None
}

/// The largest number of values to read over all rounds.
///
/// The decoder must not read a huge file a hundred times to find a hundred mistakes.
const READS_MAX: usize = 1_000_000;

fn rounds(tree: &Node) -> usize {
    fn count(node: &Node) -> usize {
        1 + match &node.value {
            Value::Table(table) => table.values().map(|entry| count(&entry.node)).sum(),
            Value::Array(items) => items.iter().map(count).sum(),
            _ => 0,
        }
    }
    (READS_MAX / count(tree)).clamp(8, DIAGNOSTICS_MAX)
}

/// Removes the value at `path` from the tree, or replaces it by the default; returns false if
/// nothing is left to remove.
fn prune(tree: &mut Node, defaults: &Node, path: &Path) -> bool {
    let Some((parent, last)) = path.split_last() else { return false };
    let default = defaults
        .get(path)
        .filter(|default| tree.get(path).is_some_and(|node| node.origin != default.origin));
    if let (Some(default), Some(node)) = (default.cloned(), tree.get_mut(path)) {
        *node = default;
        return true;
    }
    let removed = match (last, tree.get_mut(&parent).map(|node| &mut node.value)) {
        (Segment::Key(key), Some(Value::Table(table))) => table.remove(key).is_some(),
        // A list that would become empty goes with its last item: an empty one is a mistake of its
        // own in some places.
        (Segment::Index(index), Some(Value::Array(items)))
            if *index < items.len() && items.len() > 1 =>
        {
            items.remove(*index);
            true
        }
        _ => false,
    };
    removed || prune(tree, defaults, &parent)
}

/// An unknown key, and the keys that are valid in its place.
struct Unknown {
    path: Path,
    origin: Origin,
    known: &'static [&'static str],
}

fn report_unknown(unknown: Vec<Unknown>, diagnostics: &mut Diagnostics) {
    for Unknown { path, origin, known } in unknown.into_iter().take(DIAGNOSTICS_MAX) {
        let Some((parent, Segment::Key(key))) = path.split_last() else { continue };
        if let Some(removed) = removed::find(&path) {
            let message = format!("`{path}`: the key was removed: {}", removed.why);
            diagnostics.push(
                Diagnostic::error(removed.code, message).at(origin).on(&path).help(removed.help),
            );
            continue;
        }
        let shown = secrets::shown_path(&path);
        if shown != path {
            let message =
                format!("`{shown}`: unknown key, not shown because it may be part of the secret");
            let help = suggest::key_of_secret(key, known);
            diagnostics.push(Diagnostic::error("RB0002", message).at(origin).on(&shown).help(help));
            continue;
        }
        let place =
            if parent.0.is_empty() { "a profile".to_owned() } else { format!("`{parent}`") };
        let message = format!("unknown key `{key}` in {place}");
        let help = suggest::key(&path, key, known);
        diagnostics.push(Diagnostic::error("RB0002", message).at(origin).on(&path).help(help));
    }
}

/// Reads one node; `unknown` collects the keys whose values serde skips.
struct NodeDeserializer<'a> {
    node: &'a Node,
    way: PathChain<'a>,
    /// The origin of this node's key, and the known keys of its table.
    key: Option<(Origin, &'static [&'static str])>,
    unknown: &'a RefCell<Vec<Unknown>>,
}

impl NodeDeserializer<'_> {
    fn visit<'de, V: Visitor<'de>>(
        self,
        visitor: V,
        known: &'static [&'static str],
    ) -> Result<V::Value, DecodeError> {
        let (way, origin) = (self.way, self.node.origin);
        let result = match &self.node.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Float(_) => Err(de::Error::invalid_type(Unexpected::Other("a float"), &visitor)),
            Value::Datetime(_) => {
                Err(de::Error::invalid_type(Unexpected::Other("a date"), &visitor))
            }
            Value::Text(text) => visitor.visit_str(text),
            Value::Array(items) => visitor.visit_seq(Items {
                rest: items.iter(),
                next: 0,
                parent: way,
                unknown: self.unknown,
            }),
            Value::Table(table) => visitor.visit_map(Fields {
                entries: table.iter(),
                value: None,
                parent: way,
                known,
                unknown: self.unknown,
                marker: std::marker::PhantomData,
            }),
        };
        result.map_err(|error| error.at(way, origin))
    }
}

impl<'de> de::Deserializer<'de> for NodeDeserializer<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.visit(visitor, &[])
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.visit(visitor, fields)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let (way, origin) = (self.way, self.node.origin);
        // Users write `cpu = 1`; Kubernetes itself reads it as the quantity "1".
        if let ("Quantity", Value::Integer(number)) = (name, &self.node.value) {
            let text: StringDeserializer<DecodeError> = number.to_string().into_deserializer();
            return visitor.visit_newtype_struct(text);
        }
        visitor.visit_newtype_struct(self).map_err(|error: DecodeError| error.at(way, origin))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let (way, origin) = (self.way, self.node.origin);
        let result = match &self.node.value {
            Value::Text(text) => {
                let text: StrDeserializer<'_, DecodeError> = text.as_str().into_deserializer();
                visitor.visit_enum(text)
            }
            other => Err(DecodeError::new(
                "RB0003",
                format!("expected a string, found {}", other.type_name()),
            )),
        };
        result.map_err(|error| error.at(way, origin))
    }

    /// Records an unknown key: serde skips the value of a key that the type does not know.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if let Some((origin, known)) = self.key {
            self.unknown.borrow_mut().push(Unknown { path: self.way.path(), origin, known });
        }
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier
    }
}

struct Items<'a> {
    rest: std::slice::Iter<'a, Node>,
    next: usize,
    parent: PathChain<'a>,
    unknown: &'a RefCell<Vec<Unknown>>,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = DecodeError;

    fn next_element_seed<S: de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        let Some(node) = self.rest.next() else { return Ok(None) };
        let way = PathChain::Index(&self.parent, self.next);
        self.next += 1;
        seed.deserialize(NodeDeserializer { node, way, key: None, unknown: self.unknown })
            .map(Some)
            .map_err(|error| error.at(way, node.origin))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Fields<'a, 'de> {
    entries: std::collections::btree_map::Iter<'a, String, super::node::Entry>,
    value: Option<(&'a String, &'a super::node::Entry)>,
    parent: PathChain<'a>,
    known: &'static [&'static str],
    unknown: &'a RefCell<Vec<Unknown>>,
    marker: std::marker::PhantomData<&'de ()>,
}

impl<'de> de::MapAccess<'de> for Fields<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<S: de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        self.value = self.entries.next();
        let Some((name, entry)) = self.value else { return Ok(None) };
        let key: StrDeserializer<'_, DecodeError> = name.as_str().into_deserializer();
        seed.deserialize(key)
            .map(Some)
            .map_err(|error| error.at(PathChain::Key(&self.parent, name), entry.key))
    }

    fn next_value_seed<S: de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        let (name, entry) = self.value.take().expect("serde asks for a value only after its key");
        let way = PathChain::Key(&self.parent, name);
        let key = Some((entry.key, self.known));
        seed.deserialize(NodeDeserializer { node: &entry.node, way, key, unknown: self.unknown })
            .map_err(|error| error.at(way, entry.node.origin))
    }
}

/// The keys whose values have Kubernetes' own types.
pub const FRAGMENTS: [&str; 27] = [
    "affinity",
    "extraContainers",
    "extraEnv",
    "extraVolumeMounts",
    "extraVolumes",
    "imagePullSecrets",
    "initContainers",
    "networkPolicy.dns.peers",
    "networkPolicy.egressTo",
    "networkPolicy.ingressFrom",
    "podDisruptionBudget.maxUnavailable",
    "podDisruptionBudget.minAvailable",
    "podSecurityContext",
    "redis.affinity",
    "redis.podSecurityContext",
    "redis.resources",
    "redis.securityContext",
    "redis.tolerations",
    "resources",
    "securityContext",
    "serviceMonitor.exporter.resources",
    "serviceMonitor.exporter.securityContext",
    "storage.logs.fluentbit.resources",
    "storage.logs.fluentbit.securityContext",
    "strategy",
    "tolerations",
    "topologySpreadConstraints",
];

/// Reports required keys of Kubernetes' types that the tree at `way` lacks.
///
/// Those types turn a missing required key into an empty value instead of rejecting it, but always
/// serialize it. So a missing key occurs in `written`, the typed value serialized again, but not in
/// the tree.
pub fn report_missing(
    tree: &Node,
    written: &serde_json::Value,
    way: PathChain<'_>,
    diagnostics: &mut Diagnostics,
) {
    match (&tree.value, written) {
        (Value::Table(table), serde_json::Value::Object(fields)) => {
            report_missing_fields(tree, table, fields, way, diagnostics);
        }
        (Value::Array(items), serde_json::Value::Array(written)) => {
            for (index, (item, written)) in items.iter().zip(written).enumerate() {
                report_missing(item, written, PathChain::Index(&way, index), diagnostics);
            }
        }
        _ => {}
    }
}

fn report_missing_fields(
    tree: &Node,
    table: &Table,
    fields: &serde_json::Map<String, serde_json::Value>,
    way: PathChain<'_>,
    diagnostics: &mut Diagnostics,
) {
    for (key, written) in fields {
        if let Some(entry) = table.get(key) {
            report_missing(&entry.node, written, PathChain::Key(&way, key), diagnostics);
        } else {
            let path = way.path();
            let message = format!("`{path}`: the required key `{key}` is missing");
            diagnostics.push(
                Diagnostic::error("RB0005", message)
                    .at(tree.origin)
                    .on(&path)
                    .help(format!("add `{key}`")),
            );
        }
    }
}
