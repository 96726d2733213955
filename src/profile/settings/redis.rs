//! `redis` and `externalRedis`: the relay's only database.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, PodSecurityContext, ResourceRequirements, SecurityContext, Toleration,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access_mode::AccessMode;
use super::image::Image;
use crate::model::number::{Bounded, HighPort, Port, Size};
use crate::model::secret::SecretForm;
use crate::model::text::{Host, ObjectName, StorageClass};

/// The Redis that is part of the bundle.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Redis {
    /// Whether the bundle includes Redis; otherwise set `externalRedis`.
    pub enabled: bool,
    pub auth: RedisAuth,
    pub persistence: RedisPersistence,
    /// Resources of Redis; 75 % of the memory limit become `maxmemory`. `"none"` leaves an amount out.
    pub resources: ResourceRequirements,
    /// The image of Redis.
    pub image: Image,
    pub service: RedisService,
    /// Annotations of Redis' pod; a change restarts it.
    pub pod_annotations: BTreeMap<String, String>,
    /// Labels of Redis' pod; a change restarts it.
    pub pod_labels: BTreeMap<String, String>,
    /// Security settings of Redis' pod, merged over the restricted ones; `"platform"` leaves a user
    /// or group to the platform.
    pub pod_security_context: PodSecurityContext,
    /// Security settings of Redis' container, merged over the restricted ones.
    pub security_context: SecurityContext,
    /// Labels of the nodes that Redis may run on.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that Redis tolerates.
    pub tolerations: Vec<Toleration>,
    /// Affinity of Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
}

/// Whether and how Redis asks who is there.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct RedisAuth {
    /// Whether Redis requires a password.
    pub enabled: bool,
    /// The password, for both sides.
    #[serde(default)]
    pub password: SecretForm,
}

/// The volume that holds everything: keys, accounts, usage.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct RedisPersistence {
    /// Whether Redis's data outlives its pod.
    pub enabled: bool,
    /// Its size; it can be increased later.
    pub size: Size,
    /// The storage class; `-` for none, empty for the cluster's default.
    pub storage_class: StorageClass,
    /// Its access mode.
    pub access_mode: AccessMode,
    /// An existing PVC, such as the chart's `data-<redis>-0`, instead of a new one.
    pub existing_claim: ObjectName,
}

/// The Services of Redis.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct RedisService {
    /// The port of Redis and of its Services.
    pub port: HighPort,
}

/// A Redis elsewhere, where `redis.enabled` is false.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct ExternalRedis {
    /// Its host.
    pub host: Host,
    /// Its port.
    pub port: Port,
    /// Its password; none if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretForm>,
    /// The number of the database.
    pub database: Bounded<0, 65_535>,
    /// Whether the connection is encrypted; set `config.nodeExtraCaCerts` for a private authority.
    pub tls: bool,
}
