//! Compares two values field by field.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::annotation;
use crate::model::credential::{REDACTED, holds_credential, is_paired};
use serde::Serialize;
use serde_json::{Map, Value};

use super::path::{FieldPath, PathStep};

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    pub path: FieldPath,
    /// Absent if the field was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// Absent if the field was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
    /// Whether it only follows from another change: a checksum, or a name with a hash.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub follows: bool,
}

impl FieldChange {
    pub(super) fn new(path: FieldPath, old: Option<Value>, new: Option<Value>) -> Self {
        Self { path, old, new, follows: false }
    }

    /// Returns the kind of change, in a word.
    pub fn verb(&self) -> &'static str {
        match (&self.old, &self.new) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        }
    }
}

/// The maps whose entries are listed one by one even if the whole map is added or removed.
const OPEN_MAPS: [&str; 5] = ["annotations", "binaryData", "data", "labels", "stringData"];

/// The fields that identify an element of a list.
const NAMES: [&str; 2] = ["name", "mountPath"];

/// Returns every field in which two values differ: an empty list if, and only if, they are equal.
pub fn compare(old: &Value, new: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    compare_at(&FieldPath::default(), Some(old), Some(new), &mut changes);
    changes
}

fn compare_at(
    path: &FieldPath,
    old: Option<&Value>,
    new: Option<&Value>,
    changes: &mut Vec<FieldChange>,
) {
    let empty = Map::new();
    let is_open = path.last_key().is_some_and(|key| OPEN_MAPS.contains(&key));
    match (old, new) {
        (old, new) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            compare_maps(path, old, new, changes);
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            compare_lists(path, old, new, changes);
        }
        (Some(Value::Object(old)), None) if is_open && !old.is_empty() => {
            compare_maps(path, old, &empty, changes);
        }
        (None, Some(Value::Object(new))) if is_open && !new.is_empty() => {
            compare_maps(path, &empty, new, changes);
        }
        (old, new) => changes.push(FieldChange::new(path.clone(), old.cloned(), new.cloned())),
    }
}

fn compare_maps(
    path: &FieldPath,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    changes: &mut Vec<FieldChange>,
) {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        compare_at(&path.key(key), old.get(key), new.get(key), changes);
    }
}

fn compare_lists(path: &FieldPath, old: &[Value], new: &[Value], changes: &mut Vec<FieldChange>) {
    for name in NAMES {
        if let (Some(old), Some(new)) = (by_name(old, name), by_name(new, name)) {
            return compare_named(path, &old, &new, changes);
        }
    }
    // Skip equal elements at both ends, so that an inserted element is one change, and not one for
    // each element after it.
    let same_start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[same_start..], &new[same_start..]);
    let same_end =
        old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[..old.len() - same_end], &new[..new.len() - same_end]);
    for at in 0..old.len().max(new.len()) {
        compare_at(&path.then(PathStep::Index(same_start + at)), old.get(at), new.get(at), changes);
    }
}

/// A list whose elements have names, in order.
struct NamedList<'a> {
    names: Vec<&'a str>,
    items: BTreeMap<&'a str, &'a Value>,
}

/// Returns the elements by their names, if every element has a unique one.
fn by_name<'a>(list: &'a [Value], field: &str) -> Option<NamedList<'a>> {
    let names: Vec<&str> =
        list.iter().map(|item| item.get(field)?.as_str()).collect::<Option<_>>()?;
    let items: BTreeMap<&str, &Value> = names.iter().copied().zip(list).collect();
    (items.len() == names.len()).then_some(NamedList { names, items })
}

/// Returns the step from a list to one of its elements, as [`compare`] names it.
pub(super) fn step_to(list: &[Value], at: usize) -> PathStep {
    let named = NAMES.into_iter().find_map(|name| by_name(list, name));
    named.map_or(PathStep::Index(at), |named| PathStep::Item(named.names[at].to_owned()))
}

/// Returns an object with all fields of `stated` laid over it.
///
/// Elements of lists are matched by name. Lists without names are replaced as a whole.
#[must_use]
pub fn overlaid(object: &Value, stated: &Value) -> Value {
    match (object, stated) {
        (Value::Object(fields), Value::Object(stated)) => {
            let mut fields = fields.clone();
            for (key, value) in stated {
                let value =
                    fields.get(key).map_or_else(|| value.clone(), |field| overlaid(field, value));
                fields.insert(key.clone(), value);
            }
            Value::Object(fields)
        }
        (Value::Array(list), Value::Array(stated)) => overlaid_list(list, stated),
        (_, stated) => stated.clone(),
    }
}

fn overlaid_list(list: &[Value], stated: &[Value]) -> Value {
    let both = |name| by_name(list, name).zip(by_name(stated, name));
    let Some((known, named)) = NAMES.into_iter().find_map(both) else { return stated.into() };
    let kept = known.names.iter().map(|name| match named.items.get(name) {
        Some(stated) => overlaid(known.items[name], stated),
        None => known.items[name].clone(),
    });
    let new = named.names.iter().filter(|name| !known.items.contains_key(*name));
    kept.chain(new.map(|name| named.items[name].clone())).collect()
}

fn compare_named(
    path: &FieldPath,
    old: &NamedList<'_>,
    new: &NamedList<'_>,
    changes: &mut Vec<FieldChange>,
) {
    let gone = old.names.iter().filter(|name| !new.items.contains_key(*name));
    for name in new.names.iter().chain(gone) {
        let item = path.then(PathStep::Item((*name).to_owned()));
        compare_at(&item, old.items.get(name).copied(), new.items.get(name).copied(), changes);
    }
    let common = |these: &NamedList<'_>, those: &NamedList<'_>| -> Vec<String> {
        let kept = these.names.iter().filter(|name| those.items.contains_key(*name));
        kept.map(|name| (*name).to_owned()).collect()
    };
    // The order of containers and variables matters.
    let (order_old, order_new) = (common(old, new), common(new, old));
    if order_old != order_new {
        changes.push(FieldChange::new(
            path.clone(),
            Some(order_old.into()),
            Some(order_new.into()),
        ));
    }
}

/// Hides every value of a change inside a Secret's data, so that only the fact of the change is
/// visible.
pub(super) fn redact(change: &mut FieldChange) {
    let is_data = ["data", "stringData"].iter().any(|field| change.path.starts_with(&[field]));
    if is_data {
        for value in [&mut change.old, &mut change.new].into_iter().flatten() {
            redact_value(value);
        }
    }
}

/// Hides credentials outside Secrets: values of pairs whose name suggests a secret, and texts that
/// contain a credential.
pub(super) fn hide_credentials(change: &mut FieldChange) {
    let paired = match change.path.0.as_slice() {
        [.., PathStep::Item(name), PathStep::Key(key)] => is_paired(Some(name), key),
        _ => false,
    };
    let annotation = match change.path.0.as_slice() {
        [.., PathStep::Key(map), PathStep::Key(key)] if holds_annotations(map) => {
            Some(key.as_str())
        }
        _ => None,
    };
    let is_map = change.path.last_key().is_some_and(holds_annotations);
    for value in [&mut change.old, &mut change.new].into_iter().flatten() {
        match annotation {
            _ if paired => redact_value(value),
            Some(key) => hide_annotation(key, value),
            None if is_map => hide_annotations(value),
            None => hide(value),
        }
    }
}

/// Returns whether a key holds annotations, in an object or in the settings.
fn holds_annotations(key: &str) -> bool {
    key == "annotations" || key == "podAnnotations"
}

fn hide_annotations(value: &mut Value) {
    for (key, value) in value.as_object_mut().into_iter().flatten() {
        hide_annotation(key, value);
    }
}

fn hide_annotation(key: &str, value: &mut Value) {
    match value {
        Value::String(text) => *text = annotation::shown_value(key, text),
        other => hide(other),
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let name = fields.get("name").and_then(Value::as_str).map(str::to_owned);
            for (key, inner) in fields {
                match key.as_str() {
                    key if is_paired(name.as_deref(), key) => redact_value(inner),
                    key if holds_annotations(key) => hide_annotations(inner),
                    _ => hide(inner),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::String(text) if holds_credential(text) => *value = REDACTED.into(),
        _ => {}
    }
}

fn redact_value(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(redact_value),
        other => *other = REDACTED.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn changes(old: &Value, new: &Value) -> Vec<String> {
        let shown = |change: FieldChange| {
            let text =
                |value: Option<Value>| value.map_or("-".to_owned(), |value| value.to_string());
            format!("{}: {} -> {}", change.path, text(change.old), text(change.new))
        };
        compare(old, new).into_iter().map(shown).collect()
    }

    #[test]
    fn stated_fields_are_overlaid_on_live_object() {
        let live = json!({"spec": {"ports": [{"name": "http", "port": 81, "protocol": "TCP"}, {"name": "own", "port": 9}],
            "args": ["a", "b"], "type": "ClusterIP"}});
        let stated = json!({"spec": {"ports": [{"name": "http", "port": 80}, {"name": "new", "port": 1}], "args": ["c"]}});
        let wanted = json!({"spec": {"ports": [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "own", "port": 9},
            {"name": "new", "port": 1}], "args": ["c"], "type": "ClusterIP"}});
        assert_eq!(overlaid(&live, &stated), wanted);
        assert_eq!(overlaid(&live, &json!({})), live);
    }

    #[test]
    fn fields_are_told_one_by_one() {
        let old = json!({"spec": {"replicas": 1, "paused": true}, "metadata": {"name": "a"}});
        let new = json!({"spec": {"replicas": 2, "strategy": {"type": "Recreate"}}, "metadata": {"name": "a", "labels": {"x/y": "1"}}});
        let wanted = [
            r#"metadata.labels["x/y"]: - -> "1""#,
            "spec.paused: true -> -",
            "spec.replicas: 1 -> 2",
            r#"spec.strategy: - -> {"type":"Recreate"}"#,
        ];
        assert_eq!(changes(&old, &new), wanted);
    }

    #[test]
    fn named_elements_are_compared_by_name_and_order() {
        let old = json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]});
        let new = json!({"env": [{"name": "B", "value": "2"}, {"name": "C", "value": "3"}, {"name": "A", "value": "0"}]});
        let wanted = [
            r#"env[C]: - -> {"name":"C","value":"3"}"#,
            r#"env[A].value: "1" -> "0""#,
            r#"env: ["A","B"] -> ["B","A"]"#,
        ];
        assert_eq!(changes(&old, &new), wanted);
    }

    #[test]
    fn added_element_of_plain_list_is_one_change() {
        assert_eq!(
            changes(&json!(["a", "b", "c"]), &json!(["a", "x", "b", "c"])),
            [r#"[1]: - -> "x""#]
        );
        assert_eq!(changes(&json!(["a", "b", "c"]), &json!(["a", "c"])), [r#"[1]: "b" -> -"#]);
    }

    #[test]
    fn credential_outside_secret_is_hidden_in_change() {
        let env = |value: &str, url: &str| json!({"env": [{"name": "MY_PASSWORD", "value": value}, {"name": "URL", "value": url}]});
        let mut found = compare(&env("s3cret", "http://u:s3cret@h"), &env("s3cret2", "http://h"));
        found.extend(compare(&json!({"env": []}), &env("s3cret", "")));
        found.iter_mut().for_each(hide_credentials);

        let text = serde_json::to_string(&found).unwrap();
        assert!(found.len() >= 3 && !text.contains("s3cret"), "{text}");
    }

    #[test]
    fn possible_credential_in_annotation_is_hidden_in_change() {
        let snippet = "nginx.ingress.kubernetes.io/configuration-snippet";
        let old = json!({"podAnnotations": {"vault.token": "s3cret1", snippet: "return 200;"}});
        let new = json!({
            "podAnnotations": {"vault.token": "s3cret2", snippet: "set $password s3cret;"},
            "service": {"annotations": {"x.y/password": "s3cret"}},
        });
        let mut found = compare(&old, &new);
        found.extend(compare(
            &json!({}),
            &json!({"template": {"metadata": {"annotations": {"x.y/password": "s3cret"}}}}),
        ));
        found.iter_mut().for_each(hide_credentials);

        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(found.len(), 4, "{text}");
        assert!(!text.contains("s3cret") && text.contains("return 200;"), "{text}");
    }

    #[test]
    fn secret_data_is_never_shown_in_change() {
        let old = json!({"data": {"a": "b2xk", "gone": "b2xk"}});
        let new = json!({"data": {"a": "bmV3"}, "stringData": {"b": "new"}});
        let mut found = compare(&old, &new);
        found.iter_mut().for_each(redact);

        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(found.len(), 3);
        assert!(
            !text.contains("b2xk") && !text.contains("bmV3") && !text.contains("\"new\":\"new\""),
            "{text}"
        );
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            "[ab]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let key = prop_oneof![
                Just("name".to_owned()),
                Just("data".to_owned()),
                Just("mountPath".to_owned()),
                "[xy]".prop_map(String::from)
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn change_is_reported_if_and_only_if_values_differ(old in any_value(), new in any_value()) {
            prop_assert_eq!(compare(&old, &new).is_empty(), old == new);
            prop_assert!(compare(&old, &old.clone()).is_empty());
        }
    }
}
