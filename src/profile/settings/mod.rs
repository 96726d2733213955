//! The settings of a deployment: one tree of types gives parsing, the JSON Schema, the reference
//! and `explain`.
//!
//! The keys are those of the Helm chart, in the same camelCase, and ours. A doc comment here is the
//! reference's text. Defaults are not here but in `defaults.toml`, the lowest layer of every
//! profile.

mod access_mode;
mod image;
mod logs;
mod network;
mod redis;
mod relay;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DeploymentStrategy;
use k8s_openapi::api::core::v1::{
    Affinity, Container, EnvVar, LocalObjectReference, PodSecurityContext, ResourceRequirements,
    SecurityContext, Toleration, TopologySpreadConstraint, Volume, VolumeMount,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use access_mode::AccessMode;
pub use image::{Image, PullPolicy};
pub use logs::{FluentBit, LogMode, Logs, LogsPersistence, Output, OutputKind, OutputValue};
pub use network::{
    Autoscaling, Dns, Exporter, Gateway, Ingress, IngressHost, IngressPath, IngressTls,
    NamespaceSelector, NetworkPolicy, ParentRef, PathType, PodDisruptionBudget, RelabelAction,
    Relabeling, Routes, Service, ServiceMonitor, ServiceType,
};
pub use redis::{ExternalRedis, Redis, RedisAuth, RedisPersistence, RedisService};
pub use relay::{Config, LogLevel, NodeEnv};

use crate::model::kube_version::KubeVersion;
use crate::model::number::{Bounded, Size};
use crate::model::text::{
    AgeRecipient, AppVersion, Label, NameOverride, ObjectName, Registry, ReleaseName, StorageClass,
};

/// A deployment profile of Claude Relay Service.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Settings {
    /// The version of the profile language.
    pub schema: Bounded<1, 1>,
    /// Profiles that this one extends, from left to right; later ones override earlier ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extends: Vec<Label>,
    pub release: Release,
    pub kubernetes: Kubernetes,
    /// Settings of all images.
    pub images: Images,
    /// Replaces the app name `claude-relay` in names and labels.
    pub name_override: NameOverride,
    /// Replaces the whole name that objects start with.
    pub fullname_override: NameOverride,
    /// Pods of the relay; ignored where `autoscaling.enabled`.
    pub replica_count: Bounded<0, 1000>,
    /// The relay's image.
    pub image: Image,
    /// Image pull secrets of every pod.
    pub image_pull_secrets: Vec<LocalObjectReference>,
    pub service_account: ServiceAccount,
    /// Annotations of the relay's pods; a change restarts them.
    pub pod_annotations: BTreeMap<String, String>,
    /// Labels of the relay's pods; a change restarts them.
    pub pod_labels: BTreeMap<String, String>,
    /// Security settings of the relay's pods, merged over the restricted ones; `"platform"` leaves a
    /// user or group to the platform.
    pub pod_security_context: PodSecurityContext,
    /// Security settings of the relay's container, merged over the restricted ones.
    pub security_context: SecurityContext,
    /// Resources of the relay's container, and of its init container `prepare`; `"none"` leaves an
    /// amount out.
    pub resources: ResourceRequirements,
    /// How new pods replace old ones; by default chosen by the volumes that pods share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<DeploymentStrategy>,
    /// The priority class of all pods.
    pub priority_class_name: ObjectName,
    /// Labels of the nodes that the relay may run on; of Linux unless the profile names another
    /// system.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the relay's pods tolerate.
    pub tolerations: Vec<Toleration>,
    /// Affinity of the relay's pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// How the relay's pods are spread; a constraint without a selector gets that of the relay.
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// Containers that run before the relay starts, after ours.
    pub init_containers: Vec<Container>,
    /// Containers beside the relay.
    pub extra_containers: Vec<Container>,
    /// Environment variables of the relay that no other key sets.
    pub extra_env: Vec<EnvVar>,
    /// Volumes of the relay's pods.
    pub extra_volumes: Vec<Volume>,
    /// Volume mounts of the relay's container.
    pub extra_volume_mounts: Vec<VolumeMount>,
    pub config: Config,
    pub redis: Redis,
    pub external_redis: ExternalRedis,
    pub service: Service,
    pub ingress: Ingress,
    pub gateway: Gateway,
    pub network_policy: NetworkPolicy,
    pub autoscaling: Autoscaling,
    pub pod_disruption_budget: PodDisruptionBudget,
    pub service_monitor: ServiceMonitor,
    pub storage: Storage,
}

/// What this deployment is called, and where it lives.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Release {
    /// The name of the release and of the bundle; objects' names start with it.
    pub name: ReleaseName,
    /// The namespace of every object.
    pub namespace: Label,
    /// Whether the bundle creates the namespace, with the labels of Pod Security.
    pub create_namespace: bool,
    /// The environment of the deployment. Every environment except `dev` is strict: no literal
    /// secrets.
    pub environment: Label,
    /// The version of the relay, and its image's tag unless `image.tag` is set.
    pub app_version: AppVersion,
    /// The age keys that can decrypt the backup of generated secrets; keep their private halves in
    /// a safe.
    pub recovery_recipients: Vec<AgeRecipient>,
    /// The age keys of the operators, which open sealed secrets. If empty, `secrets encrypt` uses
    /// `recoveryRecipients`.
    // A recipe without them is that of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seal_recipients: Vec<AgeRecipient>,
}

/// The clusters that the bundle must run on.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Kubernetes {
    /// The oldest version of Kubernetes that the bundle must run on.
    pub version: KubeVersion,
}

/// Settings of all images.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Images {
    /// The registry that holds copies of all images, for clusters that reach no other.
    pub registry: Registry,
    /// The pull policy of all images without their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
}

/// The account that the relay's pods run under; it has no token.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct ServiceAccount {
    /// Whether the bundle creates the account.
    pub create: bool,
    /// Annotations of the account.
    pub annotations: BTreeMap<String, String>,
    /// The account's name; the objects' common name if empty.
    pub name: ObjectName,
}

/// Where files live.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Storage {
    pub data: Data,
    pub logs: Logs,
}

/// The relay's data: everything that must last is in Redis.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Data {
    /// The kind of volume at `/app/data`.
    #[serde(rename = "type")]
    pub kind: DataKind,
    /// The size that the volume at `/app/data` may reach.
    pub size_limit: Size,
    pub external: ExternalData,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum DataKind {
    #[serde(rename = "emptyDir")]
    EmptyDir,
}

/// A claim of its own at `/app/external-data`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct ExternalData {
    /// Whether there is one.
    pub enabled: bool,
    /// The storage class; `-` for none, empty for the cluster's default.
    pub storage_class: StorageClass,
    /// Its size.
    pub size: Size,
    /// Its access mode.
    pub access_mode: AccessMode,
}
