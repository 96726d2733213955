//! Hands the number of replicas over between the bundle and an autoscaler.
//!
//! The field must have an owner at all times: without one it returns to its default, one pod.

use serde_json::{Value, json};

use super::conflict::Conflict;
use super::live_object;
use super::prune::Candidate;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;

/// The field manager that holds the number after the bundle omits it, until the autoscaler changes
/// it.
pub const KEEPER: &str = "relay-bundle-replicas";

const FIELD: &str = ".spec.replicas";
const REPLICAS: &str = "/spec/replicas";

/// Returns the number to hold, if we own the field and the wanted object leaves it to an
/// autoscaler.
pub fn to_hold(live: &Value, wanted: &Value, manager: &str) -> Option<i64> {
    let is_left =
        Kind::of_object(wanted) == Some(Kind::Deployment) && wanted.pointer(REPLICAS).is_none();
    let owned = live_object::owned(live, manager)?.pointer("/f:spec/f:replicas");
    owned.filter(|_| is_left).and_then(|_| live.pointer(REPLICAS)?.as_i64())
}

/// Returns the object that [`KEEPER`] applies.
pub fn hold(key: &ObjectKey, replicas: i64) -> Value {
    json!({
        "apiVersion": key.api_version,
        "kind": key.kind,
        "metadata": {"name": key.name, "namespace": key.namespace},
        "spec": {"replicas": replicas},
    })
}

/// Returns whether a conflict is only about the number of replicas, with the manager that set it
/// while the bundle omitted it.
pub fn is_given_back(conflict: &Conflict, had_autoscaler: bool) -> bool {
    let is_autoscaler = conflict.manager == "kube-controller-manager"
        && conflict.subresource.as_deref() == Some("scale");
    conflict.field == FIELD && (conflict.manager == KEEPER || is_autoscaler && had_autoscaler)
}

/// Returns whether a pruned autoscaler scales a Deployment that gets its number from the bundle. It
/// must be deleted first, or it would change the number again.
pub fn goes_first(candidate: &Candidate, autoscaler: &Value, wanted: &Value) -> bool {
    let target = |field: &str| autoscaler.pointer(&format!("/spec/scaleTargetRef/{field}"));
    candidate.key.is(Kind::HorizontalPodAutoscaler)
        && wanted.pointer(REPLICAS).is_some()
        && target("kind") == wanted.get("kind")
        && target("name") == wanted.pointer("/metadata/name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_we_own_and_omit_are_held() {
        let live = |owned: Value| {
            json!({"spec": {"replicas": 3}, "metadata": {"managedFields": [
                {"manager": "me", "operation": "Apply", "fieldsV1": owned}]}})
        };
        let ours = live(json!({"f:spec": {"f:replicas": {}}}));
        let left = json!({"kind": "Deployment", "spec": {}});

        assert_eq!(to_hold(&ours, &left, "me"), Some(3));
        assert_eq!(to_hold(&live(json!({"f:spec": {}})), &left, "me"), None);
        assert_eq!(
            to_hold(&ours, &json!({"kind": "Deployment", "spec": {"replicas": 2}}), "me"),
            None
        );
    }

    #[test]
    fn only_replicas_return_and_only_from_designated_manager() {
        let conflict = |field: &str, message: &str| Conflict::of(field, message);
        let scaler =
            r#"conflict with "kube-controller-manager" with subresource "scale" using apps/v1"#;
        assert!(is_given_back(&conflict(FIELD, &format!("conflict with \"{KEEPER}\"")), false));
        assert!(is_given_back(&conflict(FIELD, scaler), true));
        assert!(!is_given_back(&conflict(FIELD, scaler), false));
        assert!(!is_given_back(
            &conflict(FIELD, "conflict with \"kubectl\" with subresource \"scale\""),
            true
        ));
        assert!(!is_given_back(&conflict(".spec.paused", scaler), true));
    }
}
