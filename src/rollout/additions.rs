//! Finds the parts of a live object that other field managers own: stated fields with another
//! value, and fields that they added.
//!
//! An apply removes no field of another manager, so the additions stay, and pods may run with them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::diff::drift::{Drift, foreign};
use crate::diff::path::FieldPath;
use crate::diff::warning::Warning;
use crate::model::object_key::ObjectKey;

/// The annotation of `kubectl rollout restart`. It needs no report: it has already had its effect.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// The number of fields that are named for each manager.
const FIELDS_SHOWN: usize = 5;

/// The parts of a live object that other field managers own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Others {
    /// Stated fields with another value.
    pub changed: Vec<Drift>,
    /// The fields that they added, in words: one line for each manager.
    pub additions: Vec<Warning>,
}

/// Returns the parts of a live object that managers other than `own` have changed or added to what
/// its manifest states.
pub fn others(key: &ObjectKey, live: &Value, stated: &Value, own: &str) -> Others {
    let (changed, added): (Vec<Drift>, Vec<Drift>) =
        foreign(live, stated, own).into_iter().partition(|drift| drift.wanted.is_some());

    let mut fields: BTreeMap<String, Vec<FieldPath>> = BTreeMap::new();
    // Every controller adds its own labels and annotations.
    let is_told = |drift: &Drift| {
        !drift.path.starts_with(&["metadata"]) && drift.path.last_key() != Some(RESTARTED)
    };
    for Drift { path, managers, .. } in added.into_iter().filter(is_told) {
        for who in managers {
            fields.entry(who).or_default().push(path.clone());
        }
    }

    let told = |(manager, fields): (String, Vec<FieldPath>)| {
        let more = match fields.len().saturating_sub(FIELDS_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let shown: Vec<String> =
            fields.iter().take(FIELDS_SHOWN).map(ToString::to_string).collect();
        let text = format!(
            "{manager} added {}{more}; applying does not change that; remove it with `kubectl edit`",
            shown.join(", ")
        );
        Warning::about(key, text)
    };
    Others { changed, additions: fields.into_iter().map(told).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key() -> ObjectKey {
        ObjectKey {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            namespace: "ns".into(),
            name: "relay".into(),
        }
    }

    #[test]
    fn additions_are_reported_by_manager_without_annotations() {
        let variables: serde_json::Map<String, Value> = (0..7)
            .map(|at| (format!("k:{{\"name\":\"V{at}\"}}"), json!({".": {}, "f:name": {}})))
            .collect();
        let env: Vec<Value> = (0..7).map(|at| json!({"name": format!("V{at}")})).collect();
        let live = json!({"spec": {"minReadySeconds": 5, "paused": true, "env": env,
                "template": {"metadata": {"annotations": {RESTARTED: "now"}}}},
            "metadata": {"annotations": {"a": "b"}, "managedFields": [
                {"manager": "relay-bundle", "operation": "Apply", "fieldsV1": {"f:spec": {"f:env": {}}}},
                {"manager": "kubectl-set", "operation": "Update", "fieldsV1": {"f:spec": {"f:env": variables}}},
                {"manager": "kubectl-patch", "operation": "Update", "fieldsV1": {
                    "f:metadata": {"f:annotations": {"f:a": {}}},
                    "f:spec": {"f:minReadySeconds": {}, "f:paused": {},
                        "f:template": {"f:metadata": {"f:annotations": {format!("f:{RESTARTED}"): {}}}}}}},
        ]}});
        let stated = json!({"spec": {"env": [], "template": {"metadata": {"annotations": {"checksum": "1"}}}}});

        let told = others(&key(), &live, &stated, "relay-bundle").additions;
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();

        assert_eq!(told.len(), 2, "{told:?}");
        let patch = "Deployment/relay: kubectl-patch added spec.minReadySeconds, spec.paused;";
        assert!(told[0].starts_with(patch), "{}", told[0]);
        let set = "kubectl-set added spec.env[V0]";
        assert!(told[1].contains(set) && told[1].contains(" and 2 more"), "{}", told[1]);
        let stated = json!({"spec": live["spec"]});
        assert_eq!(others(&key(), &live, &stated, "relay-bundle"), Others::default());
    }

    #[test]
    fn changed_fields_and_server_defaults_are_not_additions() {
        let spec = json!({"replicas": 4, "image": "evil", "ingress": [{}],
            "ports": [{"port": 80, "protocol": "TCP", "name": "http"}],
            "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}]});
        let live = json!({"spec": spec, "status": {"x": 1}, "metadata": {"managedFields": [
            {"manager": "kubectl", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "balancer", "subresource": "status", "fieldsV1": {"f:status": {"f:x": {}}}},
            {"manager": "kube-controller-manager", "fieldsV1": {"f:spec": {"f:image": {}}}},
            {"manager": "kubectl-set", "fieldsV1": {"f:spec": {"f:image": {}, "f:ingress": {}, "f:egress": {},
                "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}}}}}},
        ]}});
        let stated = json!({"spec": {"replicas": 2, "image": "good", "ingress": [], "egress": [{"ports": [{"port": 53}]}],
            "ports": [{"name": "http", "port": 80}]}});

        let found = others(&key(), &live, &stated, "relay-bundle");

        let changed = found.changed.iter().map(|drift| {
            format!("{}: {} {:?}", drift.path, drift.wanted.as_ref().unwrap(), drift.managers)
        });
        assert_eq!(
            changed.collect::<Vec<_>>(),
            [
                r#"spec.replicas: 2 ["kubectl"]"#,
                r#"spec.image: "good" ["kubectl-set"]"#,
                r#"spec.ingress: [] ["kubectl-set"]"#,
            ]
        );
        assert_eq!(found.additions, []);
        // When an autoscaler sets the number of replicas, no number is wrong.
        let open = json!({"spec": {"image": "evil", "ingress": [{}], "egress": [], "ports": []}});
        let found = others(&key(), &live, &open, "relay-bundle").changed;
        assert!(found.iter().all(|drift| drift.path.to_string() != "spec.replicas"), "{found:?}");
    }
}
