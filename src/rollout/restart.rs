//! Restarts a workload: one annotation of its pod template, applied by a separate field manager.
//!
//! That manager owns this annotation and nothing else, and an apply of a bundle does not touch it.
//! So no later apply removes it, which would restart the pods once more, and no comparison with a
//! bundle reports it as drift.

use serde_json::{Value, json};

use super::live_object;
use super::record::Item;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::timestamp::Timestamp;

/// The field manager of the annotation.
pub const MANAGER: &str = "relay-bundle-restart";

/// The annotation with the time of the last restart. `kubectl rollout restart` uses another one.
pub const ANNOTATION: &str = "relay-bundle/restarted-at";

/// Returns the workload of an inventory for `relay`, `redis`, or the name of the object.
pub fn workload<'a>(inventory: &'a [Item], meant: &str) -> Option<&'a Item> {
    let kind = match meant {
        "relay" => Some(Kind::Deployment),
        "redis" => Some(Kind::StatefulSet),
        _ => None,
    };
    let is_named = |item: &&Item| item.key.name == meant && is_workload(item);
    let is_of_kind = |item: &&Item| kind.is_some_and(|kind| item.key.is(kind));
    inventory.iter().find(is_of_kind).or_else(|| inventory.iter().find(is_named))
}

/// Returns whether an object has pods that can be restarted.
pub fn is_workload(item: &Item) -> bool {
    item.key.known_kind().is_some_and(Kind::has_pods)
}

/// Returns the time when the pods of a live object were last restarted.
pub fn restarted_at(live: &Value) -> Option<&str> {
    live.pointer("/spec/template/metadata/annotations")?.get(ANNOTATION)?.as_str()
}

/// Returns the patch that restarts the pods of a live object; its uid limits it to that object.
pub fn patch(key: &ObjectKey, live: &Value, now: Timestamp) -> Value {
    let at = now.to_string();
    json!({
        "apiVersion": key.api_version,
        "kind": key.kind,
        "metadata": {"name": key.name, "namespace": key.namespace, "uid": live_object::uid(live)},
        "spec": {"template": {"metadata": {"annotations": {ANNOTATION: at}}}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: &str, name: &str) -> Item {
        let key = ObjectKey {
            api_version: "apps/v1".into(),
            kind: kind.into(),
            namespace: "ns".into(),
            name: name.into(),
        };
        Item { key, uid: None }
    }

    #[test]
    fn workload_is_selected_by_role_or_name() {
        let inventory =
            [item("Service", "redis"), item("StatefulSet", "a-redis"), item("Deployment", "redis")];
        let named = |meant| workload(&inventory, meant).map(|item| item.key.to_string());

        assert_eq!(named("relay").as_deref(), Some("Deployment/redis"));
        assert_eq!(named("redis").as_deref(), Some("StatefulSet/a-redis"));
        assert_eq!(named("a-redis").as_deref(), Some("StatefulSet/a-redis"));
        assert_eq!(named("other"), None);
        assert_eq!(workload(&inventory[..1], "redis"), None);
    }
}
