//! Finds the versions of Kubernetes that serve the rendered API versions.

use crate::model::kube_version::KubeVersion;

/// API versions that newer versions of Kubernetes no longer serve, with the last minor version that
/// does.
const REMOVED: [(&str, &str, u8); 2] = [
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler", 25),
    ("policy/v1beta1", "PodDisruptionBudget", 24),
];

/// Returns the newest known version that serves `kind` of `api_version`.
pub fn newest(api_version: &str, kind: &str) -> KubeVersion {
    let removed = REMOVED.iter().find(|(version, of, _)| *version == api_version && *of == kind);
    removed.map_or(KubeVersion::NEWEST, |(_, _, last)| KubeVersion::minor(*last))
}
