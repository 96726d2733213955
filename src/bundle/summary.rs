//! The summary of a bundle for `inspect`: metadata, objects, requirements and consumers. Read-only,
//! and verifies nothing.

use serde::Serialize;

use super::index::{KubernetesRange, PodImage, Wanted, Workload};
use super::open::Bundle;
use super::posture::{Posture, posture};
use super::reach::{Reach, reach};
use super::sealed::AgeKeys;

/// A bundle on one page.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub content_id: String,
    pub format: u32,
    pub name: String,
    pub profile: String,
    pub namespace: String,
    pub environment: String,
    pub app_version: String,
    pub kubernetes: KubernetesRange,
    pub render_abi: u32,
    /// The `--set` arguments of the build.
    pub set: Vec<String>,
    #[serde(flatten)]
    pub age_keys: AgeKeys,
    pub files: usize,
    pub bytes: u64,
    pub manifests_bytes: u64,
    pub objects: Vec<ObjectLine>,
    pub images: Vec<PodImage>,
    pub contract: Vec<Wanted>,
    pub workloads: Vec<Workload>,
    pub posture: Posture,
    /// The effects beyond the namespace.
    pub reach: Vec<Reach>,
}

/// An object of the bundle.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectLine {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub file: String,
    pub bytes: usize,
}

/// Returns the summary of a bundle.
pub fn summary(bundle: &Bundle) -> Summary {
    let index = &bundle.index;
    let bytes_of = |file: &str| bundle.files.get(file).map_or(0, |file| file.bytes().len());
    let objects: Vec<ObjectLine> = index
        .objects
        .iter()
        .map(|object| ObjectLine {
            kind: object.kind.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            file: object.file.clone(),
            bytes: bytes_of(&object.file),
        })
        .collect();

    Summary {
        content_id: bundle.content_id.prefixed(),
        format: index.format,
        name: index.name.to_string(),
        profile: index.profile.to_string(),
        namespace: index.namespace.to_string(),
        environment: index.environment.to_string(),
        app_version: index.app_version.to_string(),
        kubernetes: index.kubernetes.clone(),
        render_abi: bundle.recipe.render_abi,
        set: bundle.recipe.set.clone(),
        age_keys: AgeKeys::of(&bundle.recipe),
        files: bundle.sums.len(),
        bytes: bundle.bytes,
        manifests_bytes: objects.iter().map(|object| object.bytes as u64).sum(),
        objects,
        images: index.images.clone(),
        contract: index.contract.clone(),
        workloads: index.workloads.clone(),
        posture: posture(&bundle.manifests),
        reach: reach(&bundle.manifests, index.namespace.as_str()),
    }
}
