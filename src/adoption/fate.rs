//! What becomes of each object of a release, and what keeps the release from being taken over.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::claims;
use super::fields;
use super::release::Release;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::{Manifest, ManifestSet, phase};

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// The bundle has it, too: its fields become ours.
    Adopt,
    /// A StatefulSet that cannot be changed: it is deleted, its pods run on, and the bundle's takes them.
    Recreate,
    /// A StatefulSet that has another name in the bundle: it ends with its pods before the bundle's starts.
    Replace,
    /// It goes after the rollout.
    Prune,
    /// It has data, so it stays; it is nobody's release any more.
    Keep,
    /// Of a kind that no bundle has: it stays as it is.
    Leave,
    /// Somebody has deleted it.
    Gone,
}

/// An object of the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Handed {
    #[serde(flatten)]
    pub key: ObjectKey,
    pub fate: Fate,
}

/// Kinds with data that no other object brings back.
const KEPT: [&str; 2] = ["PersistentVolumeClaim", "Secret"];

/// Fields of a StatefulSet that cannot change.
const FIXED: [&str; 4] =
    ["/spec/selector", "/spec/serviceName", "/spec/podManagementPolicy", "/spec/volumeClaimTemplates"];

type Live = BTreeMap<ObjectKey, Value>;

/// Decides for each object of the release.
pub fn fates(release: &Release, namespace: &str, bundle: &ManifestSet, live: &Live) -> Vec<Handed> {
    let keys: BTreeSet<ObjectKey> = release.keys(namespace).into_iter().collect();
    keys.into_iter()
        .map(|key| {
            let fate = fate(&key, bundle, live);
            Handed { key, fate }
        })
        .collect()
}

fn fate(key: &ObjectKey, bundle: &ManifestSet, live: &Live) -> Fate {
    if phase(&key.kind).is_none() {
        return Fate::Leave;
    }
    let Some(object) = find(live, key) else { return Fate::Gone };
    match same(bundle, key) {
        Some(manifest) if key.kind == "StatefulSet" && is_fixed_otherwise(object, &manifest.object) => {
            Fate::Recreate
        }
        Some(_) => Fate::Adopt,
        None if KEPT.contains(&key.kind.as_str()) => Fate::Keep,
        None if key.kind == "StatefulSet" => Fate::Replace,
        None => Fate::Prune,
    }
}

/// Returns the live object, in whichever version it was asked for.
pub fn find<'a>(live: &'a Live, key: &ObjectKey) -> Option<&'a Value> {
    live.iter().find(|(known, _)| is_same(known, key)).map(|(_, object)| object)
}

/// Returns the bundle's manifest of an object.
pub fn same<'a>(bundle: &'a ManifestSet, key: &ObjectKey) -> Option<&'a Manifest> {
    bundle.iter().find(|manifest| is_same(&manifest.key, key))
}

fn is_same(one: &ObjectKey, other: &ObjectKey) -> bool {
    (&one.kind, &one.namespace, &one.name) == (&other.kind, &other.namespace, &other.name)
}

fn is_fixed_otherwise(live: &Value, manifest: &Value) -> bool {
    let says_something = |value: &&Value| value.as_array().is_none_or(|items| !items.is_empty());
    let field = |object: &Value, pointer: &str| object.pointer(pointer).filter(says_something).cloned();
    FIXED.iter().any(|pointer| field(live, pointer) != field(manifest, pointer))
}

/// Says what keeps a release from being taken over, with what to do about it; nothing if all is well.
pub fn obstacles(
    name: &str,
    release: &Release,
    namespace: &str,
    bundle: &ManifestSet,
    live: &Live,
) -> Vec<String> {
    let foreign = bundle.iter().filter_map(|manifest| foreign(name, &manifest.key, live));
    let selectors = bundle.iter().filter_map(|manifest| selector(manifest, live));
    let missing =
        fates(release, namespace, bundle, live).into_iter().filter_map(|handed| unmatched(&handed, bundle));
    let claims =
        release.of_kind("StatefulSet").flat_map(|set| claims::obstacles(set, namespace, bundle, live));
    foreign.chain(selectors).chain(missing).chain(claims).collect()
}

fn foreign(name: &str, key: &ObjectKey, live: &Live) -> Option<String> {
    let owner = fields::release_of(find(live, key)?).filter(|owner| *owner != name)?;
    Some(format!(
        "{key} belongs to the Helm release `{owner}`: adopt that one first, or give the bundle's release another name"
    ))
}

fn selector(manifest: &Manifest, live: &Live) -> Option<String> {
    let labels = |object: &Value| object.pointer("/spec/selector/matchLabels").cloned();
    let key = &manifest.key;
    let is_workload = matches!(key.kind.as_str(), "Deployment" | "StatefulSet");
    let object = find(live, key).filter(|_| is_workload)?;
    let (theirs, ours) = (labels(object), labels(&manifest.object));
    (theirs != ours).then(|| {
        let text = |labels: Option<Value>| labels.unwrap_or_default().to_string();
        format!(
            "{key} selects its pods by {} and the bundle by {}, and a selector cannot change: set `release.name`, \
             `nameOverride` and `fullnameOverride` of the profile as Helm has them (`relay-bundle import helm`), and build again",
            text(theirs),
            text(ours)
        )
    })
}

/// A workload that is missing from the bundle would run on beside the bundle's, or take its data with it.
fn unmatched(handed: &Handed, bundle: &ManifestSet) -> Option<String> {
    let key = &handed.key;
    let has_kind = |kind: &str| bundle.iter().any(|manifest| manifest.key.kind == kind);
    match (key.kind.as_str(), handed.fate) {
        ("Deployment", Fate::Prune) => Some(format!(
            "{key} is not in the bundle: set `release.name`, `nameOverride` and `fullnameOverride` of the profile as Helm has \
             them (`relay-bundle import helm`), and build again"
        )),
        ("StatefulSet", Fate::Replace) if !has_kind("StatefulSet") => Some(format!(
            "{key} has the data, and the bundle has no Redis: adopt with `redis.enabled`, and move the data afterwards"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::adoption::release::Revision;

    pub(crate) fn release(objects: Vec<Value>) -> Release {
        let revision = Revision {
            number: 1,
            status: "deployed".into(),
            recorded: "2026-11-23T10:00:00Z".parse().unwrap(),
            secrets: BTreeMap::new(),
        };
        Release::of(vec![(revision, objects)]).unwrap()
    }

    fn object(kind: &str, name: &str, spec: &Value) -> Value {
        let api_version = match kind {
            "Deployment" | "StatefulSet" => "apps/v1",
            _ => "v1",
        };
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "ns"}, "spec": spec})
    }

    fn live(objects: &[Value]) -> Live {
        let mut set = ManifestSet::default();
        objects
            .iter()
            .filter(|object| phase(object["kind"].as_str().unwrap()).is_some())
            .for_each(|object| set.add(object));
        set.iter().map(|manifest| (manifest.key.clone(), manifest.object.clone())).collect()
    }

    fn selecting(name: &str) -> Value {
        json!({"selector": {"matchLabels": {"app.kubernetes.io/name": name}}})
    }

    #[test]
    fn what_the_bundle_has_is_taken_data_stays_and_the_rest_goes_after_the_rollout() {
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
        let there: Vec<Value> =
            chart.iter().filter(|object| object["metadata"]["name"] != "deleted").cloned().collect();

        let found = fates(&release(chart.to_vec()), "ns", &bundle, &live(&there));

        let found: Vec<String> =
            found.iter().map(|handed| format!("{} {:?}", handed.key, handed.fate)).collect();
        assert_eq!(
            found,
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
    fn other_selectors_other_releases_and_workloads_without_a_match_are_named() {
        let mut service = object("Service", "relay", &json!({}));
        service["metadata"]["annotations"] = json!({"meta.helm.sh/release-name": "second"});
        let chart = [
            object("Deployment", "relay", &selecting("theirs")),
            object("Deployment", "alone", &selecting("a")),
            object("StatefulSet", "redis", &json!({})),
        ];
        let mut bundle = ManifestSet::default();
        bundle.add(&object("Deployment", "relay", &selecting("ours")));
        bundle.add(&object("Service", "relay", &json!({})));
        let there: Vec<Value> = chart.iter().cloned().chain([service]).collect();

        let found = obstacles("first", &release(chart.to_vec()), "ns", &bundle, &live(&there));

        let starts = [
            "Service/relay belongs to the Helm release `second`",
            "Deployment/relay selects its pods by {\"app.kubernetes.io/name\":\"theirs\"} and the bundle by",
            "Deployment/alone is not in the bundle",
            "StatefulSet/redis has the data, and the bundle has no Redis",
            "StatefulSet/redis keeps its data in no claim",
        ];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        assert!(found.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{found:#?}");
    }
}
