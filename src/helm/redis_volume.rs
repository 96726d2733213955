//! The volume of Redis: the bundle's Redis must start on the PVC of the release's Redis.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::adoption_obstacle::AdoptionObstacle;
use super::identity::find;
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
) -> Vec<AdoptionObstacle> {
    let set_name = || set["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let claims = claims(set, namespace);
    if claims.is_empty() {
        return vec![AdoptionObstacle::NoClaim { set: set_name() }];
    }
    let mut found = Vec::new();
    if set.pointer("/spec/replicas").and_then(Value::as_u64).is_some_and(|replicas| replicas > 1) {
        found.push(AdoptionObstacle::SeveralReplicas { set: set_name() });
    }
    let used = used_claims(bundle);
    for claim in claims.iter().filter_map(|claim| find(live, claim).map(|object| (claim, object))) {
        let (key, object) = claim;
        if !used.contains(&key.name) {
            found.push(AdoptionObstacle::UnusedClaim(key.clone()));
        }
        if object
            .pointer("/metadata/ownerReferences")
            .and_then(Value::as_array)
            .is_some_and(|owners| !owners.is_empty())
        {
            found.push(AdoptionObstacle::OwnedClaim { claim: key.clone(), set: set_name() });
        }
    }
    found
}

fn used_claims(bundle: &ManifestSet) -> BTreeSet<String> {
    let sets = bundle.iter().filter(|manifest| manifest.key.is(Kind::StatefulSet));
    let named = sets.flat_map(|manifest| references(&manifest.object).into_keys());
    named
        .filter(|target| target.is(Kind::PersistentVolumeClaim))
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
    fn redis_starts_only_on_pvc_that_has_its_data() {
        let none = json!([]);
        assert_eq!(obstacles(&set(), "ns", &bundle("data-r-redis-0"), &live(&none)), []);
        let found = obstacles(&set(), "ns", &bundle("r-redis-data"), &live(&none));
        assert!(
            matches!(&found[..], [AdoptionObstacle::UnusedClaim(claim)] if claim.name == "data-r-redis-0")
        );
        let owned = json!([{"kind": "StatefulSet"}]);
        let found = obstacles(&set(), "ns", &bundle("data-r-redis-0"), &live(&owned));
        assert!(
            matches!(&found[..], [AdoptionObstacle::OwnedClaim { set, .. }] if set == "r-redis")
        );
        // A PVC that was never created has no data.
        assert_eq!(obstacles(&set(), "ns", &bundle("other"), &BTreeMap::new()), []);
    }
}
