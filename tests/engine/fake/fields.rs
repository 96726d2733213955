//! Sets of fields, spelled as in `fieldsV1`, and the operations of server-side apply on them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::schema::{Place, Shape};

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// Whether the set contains the field itself, besides those below it.
    pub(super) is_member: bool,
    /// By element of the path: `f:name`, `k:{"name":"a"}` or `v:"a"`.
    pub(super) below: BTreeMap<String, Self>,
}

/// Metadata that no manager owns.
const UNOWNED: [&str; 9] = [
    "creationTimestamp",
    "deletionTimestamp",
    "generateName",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "uid",
];

impl Fields {
    pub(super) fn leaf() -> Self {
        Self { is_member: true, below: BTreeMap::new() }
    }

    /// Returns the fields that an object states.
    pub(super) fn of(object: &Value) -> Self {
        Self::stated(object, &Place::of(object)).ownable()
    }

    fn stated(value: &Value, place: &Place<'_>) -> Self {
        match (value, place.shape()) {
            (Value::Object(map), Shape::Open) if map.is_empty() => Self::leaf(),
            (Value::Object(map), Shape::Open) => {
                let below = map.iter().filter(|(_, value)| !value.is_null());
                let below = below.map(|(name, value)| {
                    (format!("f:{name}"), Self::stated(value, &place.to(name)))
                });
                Self { is_member: false, below: below.collect() }
            }
            (Value::Array(items), Shape::Keyed(_) | Shape::Set) => {
                let below = items.iter().map(|item| {
                    let item_fields = Self::stated(item, &place.item());
                    (place.element(item), Self { is_member: true, ..item_fields })
                });
                Self { is_member: false, below: below.collect() }
            }
            _ => Self::leaf(),
        }
    }

    /// Reads `fieldsV1`.
    pub(super) fn read(json: &Value) -> Self {
        let empty = Map::new();
        let map = json.as_object().unwrap_or(&empty);
        let below = map.iter().filter(|(name, _)| *name != ".");
        let below = below.map(|(name, json)| (name.clone(), Self::read(json))).collect();
        Self { is_member: map.is_empty() || map.contains_key("."), below }
    }

    /// Writes `fieldsV1`.
    pub(super) fn to_json(&self) -> Value {
        let mut map = Map::new();
        if self.is_member && !self.below.is_empty() {
            map.insert(".".to_owned(), json!({}));
        }
        map.extend(self.below.iter().map(|(name, below)| (name.clone(), below.to_json())));
        map.into()
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.is_member && self.below.is_empty()
    }

    fn normal(mut self) -> Self {
        self.below = self.below.into_iter().map(|(name, of)| (name, of.normal())).collect();
        self.below.retain(|_, of| !of.is_empty());
        self
    }

    fn combined(&self, other: &Self, is_member: fn(bool, bool) -> bool) -> Self {
        static NONE: Fields = Fields { is_member: false, below: BTreeMap::new() };
        let names: BTreeSet<&String> = self.below.keys().chain(other.below.keys()).collect();
        let below = names.into_iter().map(|name| {
            let [one, other] = [self, other].map(|of| of.below.get(name).unwrap_or(&NONE));
            (name.clone(), one.combined(other, is_member))
        });
        let below = below.filter(|(_, below)| !below.is_empty()).collect();
        Self { is_member: is_member(self.is_member, other.is_member), below }
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        self.combined(other, |one, other| one || other)
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        self.combined(other, |one, other| one && other)
    }

    pub(super) fn difference(&self, other: &Self) -> Self {
        self.combined(other, |one, other| one && !other)
    }

    /// Returns the paths of all members in the order and the spelling of the server's messages.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.walk("", &mut paths);
        paths
    }

    fn walk(&self, path: &str, paths: &mut Vec<String>) {
        let of = |name: &str| format!("{path}{}", spelled(name));
        let members = self.below.iter().filter(|(_, below)| below.is_member);
        paths.extend(members.map(|(name, _)| of(name)));
        self.below.iter().for_each(|(name, below)| below.walk(&of(name), paths));
    }

    /// Leaves out the fields that no manager owns.
    pub(super) fn ownable(mut self) -> Self {
        for name in ["apiVersion", "kind", "status"] {
            self.below.remove(&format!("f:{name}"));
        }
        if let Some(metadata) = self.below.get_mut("f:metadata") {
            for name in UNOWNED {
                metadata.below.remove(&format!("f:{name}"));
            }
        }
        self.normal()
    }
}

fn spelled(element: &str) -> String {
    let (kind, rest) = element.split_at(2);
    match kind {
        "f:" => format!(".{rest}"),
        "v:" => format!("[={rest}]"),
        _ => {
            let keys: BTreeMap<String, Value> = serde_json::from_str(rest).unwrap();
            let keys: Vec<String> =
                keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
    }
}
