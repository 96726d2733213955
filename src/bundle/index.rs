//! `bundle.json`: what a bundle is and holds. No time, host, user or tool: the same content has the
//! same index.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;
use crate::model::kube_version::KubeVersion;
use crate::model::object_key::ObjectKey;
use crate::model::text::{AppVersion, Label, ReleaseName};

/// The version of the bundle format.
pub const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Index {
    pub format: u32,
    /// The release's name.
    pub name: ReleaseName,
    pub namespace: Label,
    pub environment: Label,
    pub profile: Label,
    pub app_version: AppVersion,
    pub kubernetes: KubernetesRange,
    pub objects: Vec<Object>,
    pub images: Vec<Image>,
    pub contract: Vec<Wanted>,
    pub workloads: Vec<Workload>,
    /// The digest of `recipe.json`.
    pub recipe: Digest,
}

/// The versions of Kubernetes that serve every object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesRange {
    /// The oldest, as the profile asks for.
    pub min: KubeVersion,
    /// The newest that is known to serve every API version used.
    pub max: KubeVersion,
}

/// One manifest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Object {
    pub api_version: String,
    pub kind: String,
    /// Empty for an object of the cluster.
    pub namespace: String,
    pub name: String,
    pub file: String,
    /// The position in apply order, from 1.
    pub phase: usize,
    pub sha256: Digest,
}

impl Object {
    /// Returns what names it in a cluster.
    pub fn key(&self) -> ObjectKey {
        ObjectKey {
            api_version: self.api_version.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// An image that pods of the bundle run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Image {
    pub reference: String,
    /// `workload/container` of each container that runs it.
    pub containers: Vec<String>,
}

/// Something that must be in the cluster and is not in the bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wanted {
    pub kind: String,
    /// Empty for an object of the cluster.
    pub namespace: String,
    pub name: String,
    /// Who makes it: `cluster` (it is there before), `generated`, `sealed` (made at apply).
    pub source: Source,
    /// The keys that a Secret or ConfigMap must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<WantedKey>,
    /// What refers to it.
    pub used_by: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    Cluster,
    Generated,
    Sealed,
}

/// A key of a Secret or ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WantedKey {
    pub key: String,
    /// The length in characters of a value that is generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<i64>,
    /// The generation of a value that is generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The bundle's file with a sealed value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl WantedKey {
    /// Returns a key of which nothing more is known.
    pub fn plain(key: String) -> Self {
        Self { key, length: None, generation: None, file: None }
    }
}

/// A workload, and what its pods consume.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    pub kind: String,
    pub name: String,
    pub containers: Vec<String>,
    /// The `checksum/` annotations of the pod template.
    pub checksums: BTreeMap<String, String>,
    /// What the pods refer to: `ConfigMap/x`, `Secret/y`, `PersistentVolumeClaim/z`,
    /// `ServiceAccount/a`.
    pub consumes: Vec<String>,
}
