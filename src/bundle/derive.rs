//! Derives the parts of `bundle.json` that repeat the manifests. Readers derive them again and
//! compare, so the index cannot contradict the objects that are applied.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::index::{PodImage, Source, Wanted, WantedKey, Workload};
use crate::model::kube_version::KubeVersion;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::render::references::{Keys, ReferencedObject, pod_template, references};
use crate::render::served;

/// Returns all containers of a pod template, init containers and sidecars first.
pub fn containers(template: &Value) -> impl Iterator<Item = &Value> {
    ["/spec/initContainers", "/spec/containers", "/spec/ephemeralContainers"]
        .into_iter()
        .filter_map(|pointer| template.pointer(pointer)?.as_array())
        .flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the images that a pod template mounts, with the names of the volumes.
fn image_volumes(template: &Value) -> impl Iterator<Item = (&str, &str)> {
    let volumes = template.pointer("/spec/volumes").and_then(Value::as_array);
    volumes.into_iter().flatten().filter_map(|volume| {
        Some((text(volume, "name"), volume.pointer("/image/reference")?.as_str()?))
    })
}

/// Returns the images of the pods, sorted, each with the containers and volumes that use it.
pub fn images(set: &ManifestSet) -> Vec<PodImage> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for manifest in set.iter() {
        let Some(template) = pod_template(&manifest.object) else { continue };
        for container in containers(template) {
            let user = format!("{}/{}", manifest.key.name, text(container, "name"));
            users.entry(text(container, "image").to_owned()).or_default().push(user);
        }
        for (name, image) in image_volumes(template) {
            let user = format!("{}/volume:{name}", manifest.key.name);
            users.entry(image.to_owned()).or_default().push(user);
        }
    }
    users.into_iter().map(|(reference, containers)| PodImage { reference, containers }).collect()
}

/// Returns the workloads, each with the objects that its pods consume.
pub fn workloads(set: &ManifestSet) -> Vec<Workload> {
    set.iter().filter_map(workload).collect()
}

fn workload(manifest: &Manifest) -> Option<Workload> {
    let template = pod_template(&manifest.object)?;
    let annotations = template.pointer("/metadata/annotations").and_then(Value::as_object);
    let checksums =
        annotations.into_iter().flatten().filter(|(key, _)| key.starts_with("checksum/"));
    let pod_kinds =
        ["ConfigMap", "Secret", "PersistentVolumeClaim", "ServiceAccount", "PriorityClass"];
    let consumed = references(&manifest.object)
        .into_keys()
        .filter(|target| pod_kinds.contains(&target.kind.as_str()));
    Some(Workload {
        kind: manifest.key.kind.clone(),
        name: manifest.key.name.clone(),
        containers: containers(template)
            .map(|container| text(container, "name").to_owned())
            .collect(),
        checksums: checksums
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        consumes: consumed.map(|target| format!("{}/{}", target.kind, target.name)).collect(),
    })
}

/// Returns the newest Kubernetes version that is known to serve every object.
pub fn newest_kubernetes(set: &ManifestSet) -> KubeVersion {
    let newest =
        |manifest: &Manifest| served::newest(&manifest.key.api_version, &manifest.key.kind);
    set.iter().map(newest).min().unwrap_or(KubeVersion::NEWEST)
}

/// Returns everything that the objects refer to and the set does not contain.
///
/// The objects do not say who creates it, so every source is `cluster`.
pub fn contract(set: &ManifestSet) -> Vec<Wanted> {
    let inside: BTreeSet<ReferencedObject> =
        set.iter().map(|manifest| target_of(&manifest.key)).collect();
    let mut wanted: BTreeMap<ReferencedObject, (Keys, BTreeSet<String>)> = BTreeMap::new();
    for manifest in set.iter() {
        for (target, keys) in references(&manifest.object) {
            if !inside.contains(&target) {
                let (all_keys, users) = wanted.entry(target).or_default();
                all_keys.extend(keys);
                users.insert(manifest.key.to_string());
            }
        }
    }
    let want = |(target, (keys, users)): (ReferencedObject, (Keys, BTreeSet<String>))| Wanted {
        kind: target.kind,
        namespace: target.namespace,
        name: target.name,
        source: Source::Cluster,
        keys: keys.into_iter().map(WantedKey::plain).collect(),
        used_by: users.into_iter().collect(),
    };
    wanted.into_iter().map(want).collect()
}

fn target_of(key: &ObjectKey) -> ReferencedObject {
    ReferencedObject {
        kind: key.kind.clone(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
    }
}
