//! Selects the objects to prune after a rollout: an earlier generation had them, the new one does
//! not, and nothing uses them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::live_object;
use super::record::Item;
use crate::bundle::index::Wanted;
use crate::bundle::open::Bundle;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::render::config_map::is_named_by_content;
use crate::render::manifest_set::ManifestSet;
use crate::render::references::references;

/// The kinds that reference ConfigMaps: pods, and the objects that may create pods again.
pub const OWNERS: [Kind; 3] = [Kind::ReplicaSet, Kind::ControllerRevision, Kind::Pod];

/// An object that may be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    #[serde(flatten)]
    pub key: ObjectKey,
    pub uid: String,
}

/// The objects that a bundle needs.
#[derive(Clone, Copy)]
pub struct Needed<'a> {
    pub manifests: &'a ManifestSet,
    /// The objects that it refers to without containing them. They have another owner, even if an
    /// earlier generation contained them.
    pub contract: &'a [Wanted],
}

impl<'a> Needed<'a> {
    pub fn by(bundle: &'a Bundle) -> Self {
        Self { manifests: &bundle.manifests, contract: &bundle.index.contract }
    }

    /// Returns whether the bundle refers to an object without containing it.
    pub fn refers_to(&self, key: &ObjectKey) -> bool {
        let is_it =
            |wanted: &Wanted| key.identity() == (&*wanted.kind, &*wanted.namespace, &*wanted.name);
        self.contract.iter().any(is_it)
    }
}

/// Returns the live objects of earlier generations that the new bundle does not need, in the order
/// of deletion.
///
/// An object counts as ours if it carries the labels of this installation and has the recorded uid.
/// If an interrupted rollout recorded none, it counts if we own fields of it.
pub fn candidates(
    earlier: &[Item],
    needed: &Needed<'_>,
    live: &BTreeMap<ObjectKey, Value>,
    (manager, instance): (&str, &str),
) -> Vec<Candidate> {
    let contained: BTreeSet<_> =
        needed.manifests.iter().map(|manifest| manifest.key.identity()).collect();
    let is_needed = |key: &ObjectKey| contained.contains(&key.identity()) || needed.refers_to(key);
    let mut found: BTreeMap<_, Candidate> = BTreeMap::new();
    for item in earlier.iter().filter(|item| !is_needed(&item.key)) {
        let Some(object) = live.get(&item.key) else { continue };
        let is_same = match &item.uid {
            Some(uid) => live_object::uid(object) == uid,
            None => live_object::owned(object, manager).is_some(),
        };
        let is_ours = is_same && live_object::is_managed_by(object, manager, instance);
        // Generated Secrets are created, not applied, so server-side apply owns none of their
        // fields. They are never deleted, even if a record lists them, because a record may be
        // forged.
        let is_made = item.key.is(Kind::Secret) && live_object::owned(object, manager).is_none();
        if is_ours && !is_made && !item.key.known_kind().is_some_and(Kind::is_never_pruned) {
            let candidate =
                Candidate { key: item.key.clone(), uid: live_object::uid(object).to_owned() };
            // Delete objects before those that they reference.
            let order = std::cmp::Reverse(Kind::phase_of(&item.key.kind).unwrap_or(0));
            found.insert((order, item.key.identity()), candidate);
        }
    }
    found.into_values().collect()
}

/// Separates workloads, and the objects that act on their pods, from the objects that pods use. The
/// latter are deleted once the pods are gone.
pub fn workloads_first(all: Vec<Candidate>) -> (Vec<Candidate>, Vec<Candidate>) {
    let first = Kind::StatefulSet.phase().expect("a kind that is rendered");
    all.into_iter().partition(|candidate| {
        Kind::phase_of(&candidate.key.kind).is_some_and(|phase| phase >= first)
    })
}

/// Returns the names of the objects of a kind that live pods reference, or templates that may
/// create pods again.
///
/// `owners` are pods, and the sets and revisions that create them, so an undone rollout finds its
/// old configuration.
pub fn referenced_names(owners: &[Value], kind: Kind) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for owner in owners.iter().filter(|owner| !live_object::is_ending(owner)) {
        let spec = ["/data/spec/template/spec", "/spec/template/spec", "/spec"]
            .into_iter()
            .find_map(|pointer| owner.pointer(pointer));
        let Some(spec) = spec else { continue };
        // Wrap the pod spec in a Deployment, the form that `references` understands.
        let workload = serde_json::json!({"kind": "Deployment", "metadata": {"namespace": "-"}, "spec": {"template": {"spec": spec}}});
        let found = references(&workload).into_keys().filter(|target| target.is(kind));
        names.extend(found.map(|target| target.name));
    }
    names
}

/// Returns the name and uid of each unused ConfigMap that is named by its content, as this program
/// names them.
pub fn unused_config_maps<'a>(
    config_maps: &'a [Value],
    used: &'a BTreeSet<String>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    config_maps.iter().filter(|map| is_named_by_content(map)).filter_map(|map| {
        let name = map.pointer("/metadata/name")?.as_str()?;
        (!used.contains(name)).then_some((name, live_object::uid(map)))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bundle::index::Source;

    /// Returns the objects that a rollout of a bundle without manifests prunes.
    fn pruned(
        earlier: &[Item],
        live: &BTreeMap<ObjectKey, Value>,
        contract: &[Wanted],
    ) -> Vec<String> {
        let needed = Needed { manifests: &ManifestSet::default(), contract };
        let found = candidates(earlier, &needed, live, ("relay-bundle", "relay"));
        found.iter().map(|candidate| candidate.key.to_string()).collect()
    }

    fn key(kind: &str, name: &str) -> ObjectKey {
        ObjectKey {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: "ns".into(),
            name: name.into(),
        }
    }

    fn object(label: &str, uid: &str) -> Value {
        of_instance("relay", label, uid)
    }

    fn of_instance(instance: &str, label: &str, uid: &str) -> Value {
        let labels =
            json!({"app.kubernetes.io/managed-by": label, "app.kubernetes.io/instance": instance});
        json!({"metadata": {"uid": uid, "labels": labels}})
    }

    #[test]
    fn only_recorded_objects_that_are_ours_are_pruned() {
        let item = |kind: &str, name: &str| Item { key: key(kind, name), uid: Some("1".into()) };
        let earlier = [
            item("ConfigMap", "old"),
            item("ConfigMap", "made-again"),
            item("ConfigMap", "of-others"),
            item("ConfigMap", "of-a-neighbour"),
            item("ConfigMap", "gone"),
            item("PersistentVolumeClaim", "data"),
            item("Service", "svc"),
        ];
        let live = [
            (key("ConfigMap", "old"), object("relay-bundle", "1")),
            (key("ConfigMap", "made-again"), object("relay-bundle", "2")),
            (key("ConfigMap", "of-others"), object("Helm", "1")),
            (key("ConfigMap", "of-a-neighbour"), of_instance("neighbour", "relay-bundle", "1")),
            (key("PersistentVolumeClaim", "data"), object("relay-bundle", "1")),
            (key("Service", "svc"), object("relay-bundle", "1")),
        ];

        assert_eq!(pruned(&earlier, &live.into(), &[]), ["Service/svc", "ConfigMap/old"]);
    }

    #[test]
    fn object_that_became_external_is_never_pruned() {
        let earlier = [Item { key: key("ConfigMap", "ca"), uid: Some("1".into()) }];
        let live = [(key("ConfigMap", "ca"), object("relay-bundle", "1"))].into();
        let contract = [Wanted {
            kind: "ConfigMap".into(),
            namespace: "ns".into(),
            name: "ca".into(),
            source: Source::Cluster,
            keys: Vec::new(),
            used_by: vec!["Deployment/relay".into()],
        }];
        assert_eq!(pruned(&earlier, &live, &contract), [""; 0]);
        assert_eq!(pruned(&earlier, &live, &[]), ["ConfigMap/ca"]);
    }

    #[test]
    fn unused_config_map_named_by_content_hash_is_garbage() {
        let map = |name: &str, value: &str, immutable: bool| {
            json!({"immutable": immutable, "data": {"A": value},
            "metadata": {"name": name, "uid": name}})
        };
        // The sha256 of {"data":{"A":"1"},"kind":"ConfigMap","name":"relay-config"}.
        let ours = "relay-config-d16a67157a";
        let maps = [
            map(ours, "1", true),
            map(ours, "2", true),
            map(ours, "1", false),
            map("relay-config", "1", true),
            map("relay-bundle.relay", "1", true),
        ];
        let found = |used: &[&str]| {
            let used = used.iter().map(|name| (*name).to_owned()).collect();
            unused_config_maps(&maps, &used)
                .map(|(name, uid)| format!("{name} {uid}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&[]), [format!("{ours} {ours}")]);
        assert_eq!(found(&[ours]), [""; 0]);
    }

    #[test]
    fn generated_secret_is_never_pruned_even_if_recorded() {
        let earlier = [Item { key: key("Secret", "literal"), uid: Some("1".into()) }];
        let secret = |operation: &str| {
            let mut secret = object("relay-bundle", "1");
            secret["metadata"]["managedFields"] = json!([{"manager": "relay-bundle", "operation": operation, "fieldsV1": {"f:data": {}}}]);
            [(key("Secret", "literal"), secret)].into()
        };
        assert_eq!(pruned(&earlier, &secret("Update"), &[]), [""; 0]);
        assert_eq!(pruned(&earlier, &secret("Apply"), &[]), ["Secret/literal"]);
    }

    #[test]
    fn object_named_by_pod_or_old_revision_is_in_use() {
        let spec = |name: &str| json!({"containers": [{"name": "a", "envFrom": [{"configMapRef": {"name": name}}]}]});
        let owners = [
            json!({"kind": "Pod", "spec": spec("pod")}),
            json!({"kind": "Pod", "spec": spec("ending"), "metadata": {"deletionTimestamp": "2026-11-22T10:00:00Z"}}),
            json!({"kind": "ReplicaSet", "spec": {"template": {"spec": spec("set")}}}),
            json!({"kind": "ControllerRevision", "data": {"spec": {"template": {"spec": spec("revision")}}}}),
        ];
        let names: Vec<String> = referenced_names(&owners, Kind::ConfigMap).into_iter().collect();
        assert_eq!(names, ["pod", "revision", "set"]);
    }
}
