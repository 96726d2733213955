//! What others have added to an object: applying takes nothing from them, so it stays, and pods may run with it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::object_key::ObjectKey;
use crate::plan::drift::added;

/// What `kubectl rollout restart` writes: it has done what it was for.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// How many fields of one manager are named.
const FIELDS_SHOWN: usize = 5;

/// Says which fields others have added to a live object, a line for each of them.
///
/// `ours` are the fields that would be ours if it were applied.
pub fn additions(key: &ObjectKey, live: &Value, ours: Option<&Value>, own: &str) -> Vec<String> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, manager) in added(live, ours, own) {
        if path.last_key() == Some(RESTARTED) {
            continue;
        }
        fields.entry(manager).or_default().push(path.to_string());
    }
    let told = |(manager, fields): (String, Vec<String>)| {
        let more = match fields.len().saturating_sub(FIELDS_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let shown: Vec<String> = fields.into_iter().take(FIELDS_SHOWN).collect();
        format!(
            "{key}: {manager} has added {}{more}; applying leaves that as it is, and `kubectl edit` takes it out",
            shown.join(", ")
        )
    };
    fields.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_have_added_is_told_by_who_did_and_annotations_are_not() {
        let key = ObjectKey {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            namespace: "ns".into(),
            name: "relay".into(),
        };
        let variables: serde_json::Map<String, Value> =
            (0..7).map(|at| (format!("k:{{\"name\":\"V{at}\"}}"), json!({".": {}, "f:name": {}}))).collect();
        let env: Vec<Value> = (0..7).map(|at| json!({"name": format!("V{at}")})).collect();
        let live = json!({"spec": {"minReadySeconds": 5, "paused": true, "env": env,
                "template": {"metadata": {"annotations": {RESTARTED: "now"}}}},
            "metadata": {"annotations": {"a": "b"}, "managedFields": [
                {"manager": "relay-bundle", "operation": "Apply", "fieldsV1": {
                    "f:spec": {"f:env": {}, "f:template": {"f:metadata": {}}}}},
                {"manager": "kubectl-set", "operation": "Update", "fieldsV1": {"f:spec": {"f:env": variables}}},
                {"manager": "kubectl-patch", "operation": "Update", "fieldsV1": {
                    "f:metadata": {"f:annotations": {"f:a": {}}},
                    "f:spec": {"f:minReadySeconds": {}, "f:paused": {},
                        "f:template": {"f:metadata": {"f:annotations": {format!("f:{RESTARTED}"): {}}}}}}},
        ]}});
        let ours = &live["metadata"]["managedFields"][0]["fieldsV1"];

        let told = additions(&key, &live, Some(ours), "relay-bundle");

        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0]
                .starts_with("Deployment/relay: kubectl-patch has added spec.minReadySeconds, spec.paused;")
        );
        assert!(
            told[1].contains("kubectl-set has added spec.env[V0]") && told[1].contains(" and 2 more"),
            "{}",
            told[1]
        );
        let all = json!({"f:spec": {"f:env": variables, "f:minReadySeconds": {}, "f:paused": {}, "f:template": {"f:metadata": {}}}});
        assert_eq!(additions(&key, &live, Some(&all), "relay-bundle"), [""; 0]);
    }
}
