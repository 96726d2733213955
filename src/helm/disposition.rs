//! Decides about each object of a release, and finds the obstacles to its adoption.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::adoption_obstacle::AdoptionObstacle;
use super::field_owners;
use super::identity::{find, same};
use super::redis_volume;
use super::release::{HelmRelease, key};
use crate::model::kind::Kind;
use crate::model::label::INSTANCE_LABEL;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::{Manifest, ManifestSet};

/// The action for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// The bundle has it, too: its fields become ours.
    Adopt,
    /// A StatefulSet with other immutable fields: it is deleted without its pods, which the
    /// bundle's StatefulSet adopts.
    Recreate,
    /// A StatefulSet with another name in the bundle: it is deleted with its pods before the
    /// bundle's starts.
    Replace,
    /// It is deleted after the rollout.
    Prune,
    /// It stays because it has data, but no longer belongs to a release.
    Keep,
    /// No bundle has this kind, so it stays unchanged.
    Leave,
    /// It has the name of an object of the release, but lacks the release's annotations, so it
    /// stays unchanged.
    Foreign,
    /// It was deleted.
    Gone,
}

/// An object of the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdoptedObject {
    #[serde(flatten)]
    pub key: ObjectKey,
    pub fate: Fate,
}

/// Immutable fields of a StatefulSet.
const FIXED: [&str; 4] = [
    "/spec/selector",
    "/spec/serviceName",
    "/spec/podManagementPolicy",
    "/spec/volumeClaimTemplates",
];

/// The live objects, by key.
pub type LiveObjects = BTreeMap<ObjectKey, Value>;

/// The facts that decisions are based on.
#[derive(Clone, Copy)]
pub struct AdoptionScope<'a> {
    /// The name of the release.
    pub name: &'a str,
    pub namespace: &'a str,
    pub release: &'a HelmRelease,
    pub bundle: &'a ManifestSet,
    pub live: &'a LiveObjects,
    /// The uids of objects that an earlier run took over and that are not in the bundle. They no
    /// longer have the annotations of the release.
    pub taken: &'a BTreeSet<String>,
}

/// Returns the name of an object, with its namespace if it differs from the release's.
pub fn named(key: &ObjectKey, namespace: &str) -> String {
    if key.namespace.is_empty() || key.namespace == namespace {
        return key.to_string();
    }
    format!("{key} in namespace {}", key.namespace)
}

impl AdoptionScope<'_> {
    /// Decides about each object of the release.
    pub fn fates(&self) -> Vec<AdoptedObject> {
        let keys: BTreeSet<ObjectKey> = self.release.keys(self.namespace).into_iter().collect();
        keys.into_iter().map(|key| AdoptedObject { fate: self.fate(&key), key }).collect()
    }

    fn fate(&self, key: &ObjectKey) -> Fate {
        if Kind::phase_of(&key.kind).is_none() {
            return Fate::Leave;
        }
        let Some(object) = find(self.live, key) else { return Fate::Gone };
        let is_kept = key.known_kind().is_some_and(Kind::holds_data);
        match same(self.bundle, key) {
            Some(manifest)
                if key.is(Kind::StatefulSet) && is_fixed_otherwise(object, &manifest.object) =>
            {
                Fate::Recreate
            }
            Some(_) => Fate::Adopt,
            None if is_kept && (self.is_of_release(object) || is_nobodys(object)) => Fate::Keep,
            None if is_kept || !(self.is_of_release(object) || self.is_taken(object)) => {
                Fate::Foreign
            }
            None if key.is(Kind::StatefulSet) => Fate::Replace,
            None => Fate::Prune,
        }
    }

    /// Returns whether the annotations of an object name this release.
    ///
    /// The object's own name proves nothing: another release or program may use it now.
    fn is_of_release(&self, object: &Value) -> bool {
        field_owners::release_of(object) == Some(self.name)
            && field_owners::release_namespace_of(object) == Some(self.namespace)
    }

    fn is_taken(&self, object: &Value) -> bool {
        object["metadata"]["uid"].as_str().is_some_and(|uid| self.taken.contains(uid))
    }

    /// Returns the obstacles to an adoption, each with its remedy.
    pub fn obstacles(&self) -> Vec<AdoptionObstacle> {
        let Self { namespace, bundle, live, .. } = *self;
        let foreign = bundle.iter().filter_map(|manifest| self.foreign(&manifest.key));
        let selectors = bundle.iter().filter_map(|manifest| selector(manifest, live));
        let missing = self.fates().into_iter().filter_map(|handed| self.unmatched(&handed));
        let sets = self.release.of_kind(Kind::StatefulSet);
        let sets = sets.filter(|set| self.fate(&key(set, namespace)) != Fate::Foreign);
        let claims = sets.flat_map(|set| redis_volume::obstacles(set, namespace, bundle, live));
        foreign.chain(selectors).chain(missing).chain(claims).collect()
    }

    fn foreign(&self, key: &ObjectKey) -> Option<AdoptionObstacle> {
        let object = find(self.live, key)?;
        let owner = field_owners::release_of(object)?;
        let elsewhere =
            field_owners::release_namespace_of(object).filter(|other| *other != self.namespace);
        if owner == self.name && elsewhere.is_none() {
            return None;
        }
        let (key, release) = (key.clone(), owner.to_owned());
        let namespace = elsewhere.map(str::to_owned);
        Some(AdoptionObstacle::OfAnotherRelease { key, release, namespace })
    }

    /// Returns the obstacle for a workload that is missing from the bundle: it would keep running
    /// beside the bundle's, or its deletion would remove the data.
    fn unmatched(&self, handed: &AdoptedObject) -> Option<AdoptionObstacle> {
        let object = named(&handed.key, self.namespace);
        let has_kind = |kind| self.bundle.iter().any(|manifest| manifest.key.is(kind));
        match (handed.key.known_kind(), handed.fate) {
            (Some(Kind::Deployment), Fate::Prune) => Some(AdoptionObstacle::NotInBundle { object }),
            (Some(Kind::StatefulSet), Fate::Replace) if !has_kind(Kind::StatefulSet) => {
                Some(AdoptionObstacle::NoRedis { object })
            }
            (Some(Kind::Deployment | Kind::StatefulSet), Fate::Foreign) => {
                self.unclaimed(&handed.key)
            }
            _ => None,
        }
    }

    /// Returns the obstacle for a workload without annotations, which may still belong to the
    /// release.
    ///
    /// The message suggests to annotate it only if its pods carry the label of the release.
    /// Otherwise the adoption would delete another owner's workload.
    fn unclaimed(&self, key: &ObjectKey) -> Option<AdoptionObstacle> {
        let live =
            find(self.live, key).filter(|object| field_owners::release_of(object).is_none())?;
        let object = named(key, self.namespace);
        if live["spec"]["selector"]["matchLabels"][INSTANCE_LABEL] != self.name {
            return Some(AdoptionObstacle::Unmarked { object });
        }
        let (release, namespace) = (self.name.to_owned(), self.namespace.to_owned());
        Some(AdoptionObstacle::Unannotated { object, key: key.clone(), release, namespace })
    }
}

/// Returns whether an object belongs to no release. An earlier run leaves objects with data in this
/// state.
fn is_nobodys(object: &Value) -> bool {
    field_owners::release_of(object).is_none() && !field_owners::is_labelled_helms(object)
}

fn is_fixed_otherwise(live: &Value, manifest: &Value) -> bool {
    let says_something = |value: &&Value| value.as_array().is_none_or(|items| !items.is_empty());
    let field =
        |object: &Value, pointer: &str| object.pointer(pointer).filter(says_something).cloned();
    FIXED.iter().any(|pointer| field(live, pointer) != field(manifest, pointer))
}

fn selector(manifest: &Manifest, live: &LiveObjects) -> Option<AdoptionObstacle> {
    let labels = |object: &Value| object.pointer("/spec/selector/matchLabels").cloned();
    let key = &manifest.key;
    let is_workload = key.known_kind().is_some_and(Kind::has_pods);
    let object = find(live, key).filter(|_| is_workload)?;
    let (theirs, ours) = (labels(object), labels(&manifest.object));
    (theirs != ours).then(|| AdoptionObstacle::OtherSelector {
        key: key.clone(),
        theirs: theirs.unwrap_or_default(),
        ours: ours.unwrap_or_default(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;
    use crate::helm::release::Revision;

    pub(crate) fn release(objects: Vec<Value>) -> HelmRelease {
        let revision = Revision {
            number: 1,
            status: "deployed".into(),
            recorded: "2026-11-23T10:00:00Z".parse().unwrap(),
            secrets: BTreeMap::new(),
        };
        HelmRelease::of(vec![(revision, objects)]).unwrap()
    }

    fn object(kind: &str, name: &str, spec: &Value) -> Value {
        let api_version = match kind {
            "Deployment" | "StatefulSet" => "apps/v1",
            _ => "v1",
        };
        let annotations =
            json!({"meta.helm.sh/release-name": "first", "meta.helm.sh/release-namespace": "ns"});
        json!({"apiVersion": api_version, "kind": kind, "spec": spec,
            "metadata": {"name": name, "namespace": "ns", "uid": format!("uid-{name}"), "annotations": annotations}})
    }

    fn scope<'a>(
        release: &'a HelmRelease,
        bundle: &'a ManifestSet,
        live: &'a LiveObjects,
        taken: &'a BTreeSet<String>,
    ) -> AdoptionScope<'a> {
        AdoptionScope { name: "first", namespace: "ns", release, bundle, live, taken }
    }

    fn told(found: &[AdoptedObject]) -> Vec<String> {
        found.iter().map(|handed| format!("{} {:?}", handed.key, handed.fate)).collect()
    }

    fn live(objects: &[Value]) -> LiveObjects {
        let mut set = ManifestSet::default();
        objects
            .iter()
            .filter(|object| Kind::phase_of(object["kind"].as_str().unwrap()).is_some())
            .for_each(|object| set.add(object));
        set.iter().map(|manifest| (manifest.key.clone(), manifest.object.clone())).collect()
    }

    fn selecting(name: &str) -> Value {
        json!({"selector": {"matchLabels": {"app.kubernetes.io/name": name}}})
    }

    #[test]
    fn adopt_takes_bundle_objects_keeps_data_and_prunes_rest_last() {
        let chart = [
            object("Deployment", "relay", &selecting("a")),
            object("ConfigMap", "old", &json!({})),
            object("Secret", "relay-secret", &json!({})),
            object("PersistentVolumeClaim", "relay-logs", &json!({})),
            object("Service", "deleted", &json!({})),
            object("CronJob", "own", &json!({})),
            object(
                "StatefulSet",
                "redis",
                &json!({"serviceName": "redis", "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}),
            ),
        ];
        let mut bundle = ManifestSet::default();
        bundle.add(&object("Deployment", "relay", &selecting("a")));
        bundle.add(&object("StatefulSet", "redis", &json!({"serviceName": "redis-headless"})));
        let there: Vec<Value> = chart
            .iter()
            .filter(|object| object["metadata"]["name"] != "deleted")
            .cloned()
            .collect();

        let (release, live) = (release(chart.to_vec()), live(&there));
        let found = scope(&release, &bundle, &live, &BTreeSet::new()).fates();

        assert_eq!(
            told(&found),
            [
                "Deployment/relay Adopt",
                "StatefulSet/redis Recreate",
                "ConfigMap/old Prune",
                "CronJob/own Leave",
                "PersistentVolumeClaim/relay-logs Keep",
                "Secret/relay-secret Keep",
                "Service/deleted Gone",
            ]
        );
    }

    #[test]
    fn foreign_selectors_releases_and_workloads_are_obstacles() {
        let mut service = object("Service", "relay", &json!({}));
        service["metadata"]["annotations"]["meta.helm.sh/release-name"] = "second".into();
        let mut elsewhere = object("ConfigMap", "relay", &json!({}));
        elsewhere["metadata"]["annotations"]["meta.helm.sh/release-namespace"] = "other".into();
        let chart = [
            object("Deployment", "relay", &selecting("theirs")),
            object("Deployment", "alone", &selecting("a")),
            object("StatefulSet", "redis", &json!({})),
        ];
        let mut bundle = ManifestSet::default();
        bundle.add(&object("Deployment", "relay", &selecting("ours")));
        bundle.add(&object("Service", "relay", &json!({})));
        bundle.add(&object("ConfigMap", "relay", &json!({})));
        let there: Vec<Value> = chart.iter().cloned().chain([service, elsewhere]).collect();

        let (release, live) = (release(chart.to_vec()), live(&there));
        let found = scope(&release, &bundle, &live, &BTreeSet::new()).obstacles();

        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        let starts = [
            "ConfigMap/relay belongs to the Helm release `first` in namespace other",
            "Service/relay belongs to the Helm release `second`: ",
            "Deployment/relay selects its pods by {\"app.kubernetes.io/name\":\"theirs\"} and the bundle by",
            "Deployment/alone is not in the bundle",
            "StatefulSet/redis has the data, but the bundle has no Redis",
            "StatefulSet/redis keeps its data without a PVC",
        ];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        assert!(
            found.iter().zip(starts).all(|(line, start)| line.starts_with(start)),
            "{found:#?}"
        );
    }

    #[test]
    fn object_sharing_only_release_name_is_left_to_its_owner() {
        let with = |kind: &str, name: &str, metadata: &Value| {
            let mut object = object(kind, name, &json!({}));
            for (field, value) in metadata.as_object().unwrap() {
                object["metadata"][field] = value.clone();
            }
            object
        };
        let of = |name: &str, namespace: &str| {
            let annotations = json!({"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace});
            json!({"annotations": annotations})
        };
        let label = json!({"annotations": {}, "labels": {"app.kubernetes.io/managed-by": "Helm"}});
        let none = json!({"annotations": {}});
        let there = [
            with("ConfigMap", "of-another", &of("second", "ns")),
            with("ConfigMap", "of-another-namespace", &of("first", "other")),
            with("ConfigMap", "without-owner", &none),
            with("ConfigMap", "own", &of("first", "ns")),
            with("ConfigMap", "own-elsewhere", &json!({"namespace": "other"})),
            with("ConfigMap", "taken", &none),
            with("Deployment", "without-owner", &none),
            with("PersistentVolumeClaim", "of-another", &of("second", "ns")),
            with("Secret", "of-another-helm", &label),
            with("Secret", "released", &none),
            with("StatefulSet", "of-another", &of("second", "ns")),
        ];
        let chart: Vec<Value> = there.to_vec();
        let (release, live, bundle) = (release(chart), live(&there), ManifestSet::default());
        let taken = BTreeSet::from(["uid-taken".to_owned()]);
        let scope = scope(&release, &bundle, &live, &taken);

        let found = scope.fates();

        assert_eq!(
            told(&found),
            [
                "Deployment/without-owner Foreign",
                "StatefulSet/of-another Foreign",
                "ConfigMap/of-another Foreign",
                "ConfigMap/of-another-namespace Foreign",
                "ConfigMap/own Prune",
                "ConfigMap/taken Prune",
                "ConfigMap/without-owner Foreign",
                "ConfigMap/own-elsewhere Prune",
                "PersistentVolumeClaim/of-another Foreign",
                "Secret/of-another-helm Foreign",
                "Secret/released Keep",
            ]
        );
        let elsewhere = found.iter().find(|handed| handed.key.name == "own-elsewhere").unwrap();
        assert_eq!(named(&elsewhere.key, "ns"), "ConfigMap/own-elsewhere in namespace other");
        // A workload that may run beside the bundle's is reported, but no message suggests to
        // annotate an object of another owner.
        let obstacles = scope.obstacles();
        let object = "Deployment/without-owner".to_owned();
        assert_eq!(obstacles, [AdoptionObstacle::Unmarked { object }]);
        let text = obstacles[0].to_string();
        assert!(text.contains("find its owner") && !text.contains("annotate"), "{text}");
    }

    #[test]
    fn workload_with_pods_of_release_may_be_reannotated() {
        let spec = json!({"selector": {"matchLabels": {"app.kubernetes.io/instance": "first"}}});
        let mut set = object("StatefulSet", "store", &spec);
        set["metadata"]["annotations"] = json!({});
        let there = [set];
        let (release, live, bundle) =
            (release(there.to_vec()), live(&there), ManifestSet::default());
        let taken = BTreeSet::new();

        let obstacles = scope(&release, &bundle, &live, &taken).obstacles();

        let text = obstacles[0].to_string();
        assert!(text.contains("annotate --overwrite StatefulSet/store meta.helm.sh/"), "{text}");
    }
}
