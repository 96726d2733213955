//! `bundle.json`: the metadata and contents of a bundle. It contains no time, host, user or tool
//! version, so the same content has the same index.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;
use crate::model::kind::Kind;
use crate::model::kube_version::KubeVersion;
use crate::model::object_key::ObjectKey;
use crate::model::text::{AppVersion, Label, ReleaseName};

/// The version of the bundle format.
pub const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Index {
    pub format: u32,
    /// The release name.
    pub name: ReleaseName,
    pub namespace: Label,
    pub environment: Label,
    pub profile: Label,
    pub app_version: AppVersion,
    pub kubernetes: KubernetesRange,
    pub objects: Vec<Object>,
    pub images: Vec<PodImage>,
    pub contract: Vec<Wanted>,
    pub workloads: Vec<Workload>,
    /// The digest of `recipe.json`.
    pub recipe: Digest,
}

/// The Kubernetes versions that serve every object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesRange {
    /// The oldest version, as set in the profile.
    pub min: KubeVersion,
    /// The newest version that is known to serve every API version used.
    pub max: KubeVersion,
}

/// One object of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Object {
    pub api_version: String,
    pub kind: String,
    /// Empty for a cluster-scoped object.
    pub namespace: String,
    pub name: String,
    pub file: String,
    /// The position of its kind in apply order, counting from 1.
    pub phase: usize,
    pub sha256: Digest,
}

impl Object {
    /// Returns whether the object is of this kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind.name()
    }

    /// Returns the object's key in a cluster.
    pub fn key(&self) -> ObjectKey {
        ObjectKey {
            api_version: self.api_version.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// An image that the bundle's pods run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodImage {
    pub reference: String,
    /// `workload/container` for each container that runs the image, and `workload/volume:name` for
    /// each volume that holds it.
    pub containers: Vec<String>,
}

/// An object that the cluster must have and the bundle does not contain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wanted {
    pub kind: String,
    /// Empty for a cluster-scoped object.
    pub namespace: String,
    pub name: String,
    /// The creator: `cluster` (exists beforehand), or `generated` and `sealed` (created by
    /// `apply`).
    pub source: Source,
    /// The keys that a Secret or ConfigMap must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<WantedKey>,
    /// The objects that refer to it.
    pub used_by: Vec<String>,
}

impl Wanted {
    /// Returns whether the required object is of this kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind.name()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    Cluster,
    Generated,
    Sealed,
}

/// A required key of a Secret or ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WantedKey {
    pub key: String,
    /// The length of a generated value, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<i64>,
    /// The generation of a generated value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The file in the bundle with the sealed value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl WantedKey {
    /// Returns a key without details.
    pub fn plain(key: String) -> Self {
        Self { key, length: None, generation: None, file: None }
    }
}

/// A workload and the objects that its pods consume.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    pub kind: String,
    pub name: String,
    pub containers: Vec<String>,
    /// The `checksum/` annotations of the pod template.
    pub checksums: BTreeMap<String, String>,
    /// The objects that the pods refer to: `ConfigMap/x`, `Secret/y`, `PersistentVolumeClaim/z`,
    /// `ServiceAccount/a`.
    pub consumes: Vec<String>,
}
