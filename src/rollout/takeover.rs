//! Finds the owner of an existing object. The program changes no object of another owner without
//! permission.

use std::collections::BTreeSet;

use serde_json::Value;

use super::live_object;
use super::record::Item;
use crate::model::kind::Kind;
use crate::model::label::INSTANCE_LABEL;
use crate::model::object_key::ObjectKey;

/// Describes the owner of a live object that this installation neither recorded nor created in an
/// interrupted run; returns nothing if the object is ours.
pub fn foreign_owner(
    live: &Value,
    key: &ObjectKey,
    earlier: &[Item],
    manager: &str,
    instance: &str,
) -> Option<String> {
    // Most namespaces exist before, for the Secrets that the bundle requires. They are never
    // pruned.
    if key.is(Kind::Namespace) {
        return None;
    }
    let is_same = |item: &&Item| item.key.identity() == key.identity();
    let recorded = earlier.iter().filter(is_same).filter_map(|item| item.uid.as_deref());
    if recorded.into_iter().any(|uid| uid == live_object::uid(live)) {
        return None;
    }
    let metadata = live.get("metadata").unwrap_or(&Value::Null);
    let label = live_object::label(metadata, INSTANCE_LABEL);
    match (live_object::owned(live, manager), label) {
        (Some(_), None) => None,
        (Some(_), Some(label)) if label == instance => None,
        (Some(_), Some(label)) => Some(format!("it belongs to the installation `{label}`")),
        (None, _) => Some(match managers(metadata).as_str() {
            "" => "its owner is unknown".to_owned(),
            managers => format!("its fields are owned by {managers}"),
        }),
    }
}

/// Returns the managers that have written fields of an object, from its metadata.
pub fn managers(metadata: &Value) -> String {
    let entries = metadata.get("managedFields").and_then(Value::as_array);
    let names: BTreeSet<&str> =
        entries.into_iter().flatten().filter_map(|entry| entry["manager"].as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_recorded_objects_or_objects_made_by_us_are_ours() {
        let key = |kind: &str| ObjectKey {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: "ns".into(),
            name: "a".into(),
        };
        let live = |manager: &str, instance: &str| {
            json!({"metadata": {"uid": "1", "labels": {"app.kubernetes.io/instance": instance},
                "managedFields": [{"manager": manager, "operation": "Apply", "fieldsV1": {}}]}})
        };
        let recorded = [Item { key: key("Service"), uid: Some("1".into()) }];
        let owner_of = |live: &Value, kind: &str, earlier: &[Item]| {
            foreign_owner(live, &key(kind), earlier, "relay-bundle", "relay")
        };

        assert_eq!(owner_of(&live("relay-bundle", "relay"), "Service", &[]), None);
        assert_eq!(owner_of(&live("helm", "relay"), "Service", &recorded), None);
        assert_eq!(owner_of(&live("helm", "relay"), "Namespace", &[]), None);
        let theirs = owner_of(&live("helm", "relay"), "Service", &[]);
        assert_eq!(theirs.as_deref(), Some("its fields are owned by helm"));
        let theirs = owner_of(&live("helm", "relay"), "ConfigMap", &recorded);
        assert!(theirs.is_some());
        let theirs = owner_of(&live("relay-bundle", "other"), "Service", &[]);
        assert_eq!(theirs.as_deref(), Some("it belongs to the installation `other`"));
    }
}
