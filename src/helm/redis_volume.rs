//! The volume of Redis: the bundle's Redis must start on the PVC of the release's Redis.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::disposition::find;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::ManifestSet;
use crate::render::references::references;

/// Returns the PVCs that a StatefulSet creates for its first pod: `<template>-<set>-0`.
pub fn claims(set: &Value, namespace: &str) -> Vec<ObjectKey> {
    let name = set["metadata"]["name"].as_str().unwrap_or_default();
    let templates =
        set.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array).into_iter().flatten();
    let claim = |template: &Value| {
        let template = template["metadata"]["name"].as_str().unwrap_or_default();
        ObjectKey {
            api_version: "v1".into(),
            kind: "PersistentVolumeClaim".into(),
            namespace: namespace.to_owned(),
            name: format!("{template}-{name}-0"),
        }
    };
    templates.map(claim).collect()
}

/// Returns the reasons why data could be lost when the bundle replaces a StatefulSet of the
/// release.
pub(super) fn obstacles(
    set: &Value,
    namespace: &str,
    bundle: &ManifestSet,
    live: &BTreeMap<ObjectKey, Value>,
) -> Vec<String> {
    let name = set["metadata"]["name"].as_str().unwrap_or_default();
    let claims = claims(set, namespace);
    if claims.is_empty() {
        return vec![format!(
            "StatefulSet/{name} keeps its data without a PVC: the data would be lost with its pod. \
             Save the data, and install from scratch"
        )];
    }
    let mut found = Vec::new();
    if set.pointer("/spec/replicas").and_then(Value::as_u64).is_some_and(|replicas| replicas > 1) {
        found.push(format!(
            "StatefulSet/{name} has several replicas, but the bundle's Redis has one: scale it to \
             1 first"
        ));
    }
    let used = used_claims(bundle);
    for claim in claims.iter().filter_map(|claim| find(live, claim).map(|object| (claim, object))) {
        let (key, object) = claim;
        if !used.contains(&key.name) {
            found.push(format!(
                "{key} has the data, but the bundle's Redis does not use it: set \
                 `redis.persistence.existingClaim = \"{}\"` in the profile, and build again",
                key.name
            ));
        }
        if object
            .pointer("/metadata/ownerReferences")
            .and_then(Value::as_array)
            .is_some_and(|owners| !owners.is_empty())
        {
            found.push(format!(
                "{key} is deleted with its owner: set \
                 `persistentVolumeClaimRetentionPolicy.whenDeleted` of StatefulSet/{name} to \
                 `Retain` first"
            ));
        }
    }
    found
}

fn used_claims(bundle: &ManifestSet) -> BTreeSet<String> {
    let sets = bundle.iter().filter(|manifest| manifest.key.is(Kind::StatefulSet));
    let named = sets.flat_map(|manifest| references(&manifest.object).into_keys());
    named
        .filter(|target| target.kind == "PersistentVolumeClaim")
        .map(|target| target.name)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set() -> Value {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "r-redis", "namespace": "ns"},
            "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}})
    }

    fn bundle(claim: &str) -> ManifestSet {
        let mut bundle = ManifestSet::default();
        bundle.add(&json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "r-redis", "namespace": "ns"},
            "spec": {"template": {"spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]}}}}));
        bundle
    }

    fn live(owners: &Value) -> BTreeMap<ObjectKey, Value> {
        claims(&set(), "ns")
            .into_iter()
            .map(|key| (key, json!({"metadata": {"ownerReferences": owners}})))
            .collect()
    }

    #[test]
    fn redis_starts_on_the_claim_that_has_the_data_or_not_at_all() {
        let none = json!([]);
        assert_eq!(obstacles(&set(), "ns", &bundle("data-r-redis-0"), &live(&none)), [""; 0]);
        let found = obstacles(&set(), "ns", &bundle("r-redis-data"), &live(&none));
        assert!(found[0].contains("existingClaim = \"data-r-redis-0\""), "{found:?}");
        let owned = json!([{"kind": "StatefulSet"}]);
        let found = obstacles(&set(), "ns", &bundle("data-r-redis-0"), &live(&owned));
        assert!(found[0].contains("whenDeleted"), "{found:?}");
        // A PVC that was never created has no data.
        assert_eq!(obstacles(&set(), "ns", &bundle("other"), &BTreeMap::new()), [""; 0]);
    }
}
