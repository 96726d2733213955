//! How requests, metrics and policies reach the pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceRequirements, SecurityContext};
use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::image::Image;
use crate::model::number::{Bounded, HighPort, Port};
use crate::model::text::{
    Cidr, IpAddress, Label, ObjectName, PrometheusDuration, RouteHost, UrlPath,
};

/// The relay's Service.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Service {
    /// The type of the Service.
    #[serde(rename = "type")]
    pub kind: ServiceType,
    /// The Service's port.
    pub port: Port,
    /// Annotations of the Service.
    pub annotations: BTreeMap<String, String>,
    /// The port on every node, with type NodePort or LoadBalancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_port: Option<Bounded<1, 65_535>>,
    /// The requested address of the load balancer.
    #[serde(rename = "loadBalancerIP")]
    pub load_balancer_ip: IpAddress,
    /// The client addresses that the load balancer accepts; all if empty.
    pub load_balancer_source_ranges: Vec<Cidr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ServiceType {
    ClusterIP,
    NodePort,
    LoadBalancer,
}

/// HTTP routes through an ingress controller.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Ingress {
    /// Whether there is an Ingress.
    pub enabled: bool,
    /// The class; the cluster's default if empty.
    pub class_name: ObjectName,
    /// Annotations of the Ingress; they override the presets.
    pub annotations: BTreeMap<String, String>,
    /// Hosts and their paths.
    pub hosts: Vec<IngressHost>,
    /// Certificates.
    pub tls: Vec<IngressTls>,
    /// Paths that lead to a Service without endpoints.
    pub blocked_paths: Vec<UrlPath>,
    /// `paths`: the paths of each host. `known`: the relay's real prefixes instead of `/`, so that
    /// nothing else is reachable.
    pub routes: Routes,
    /// Whether annotations for streaming are set for the classes nginx, haproxy and traefik.
    pub presets: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Routes {
    Paths,
    Known,
}

/// A host of the Ingress, and its paths.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct IngressHost {
    /// The host.
    pub host: RouteHost,
    /// Its paths; `/` if there are none.
    #[serde(default)]
    pub paths: Vec<IngressPath>,
}

/// A path that leads to the relay.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct IngressPath {
    /// The path.
    pub path: UrlPath,
    /// How it is matched.
    #[serde(default)]
    pub path_type: PathType,
}

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
pub enum PathType {
    #[default]
    Prefix,
    Exact,
    ImplementationSpecific,
}

impl PathType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prefix => "Prefix",
            Self::Exact => "Exact",
            Self::ImplementationSpecific => "ImplementationSpecific",
        }
    }
}

/// A certificate, and the hosts that it is for.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct IngressTls {
    /// The Secret with the certificate; the controller's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<ObjectName>,
    /// The hosts of the certificate.
    #[serde(default)]
    pub hosts: Vec<RouteHost>,
}

/// HTTP routes through a Gateway.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Gateway {
    /// Whether there is an HTTPRoute.
    pub enabled: bool,
    /// The Gateways that it belongs to.
    pub parent_refs: Vec<ParentRef>,
    /// Its hosts; those of the Gateway if empty.
    pub hostnames: Vec<RouteHost>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A Gateway that the route belongs to.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct ParentRef {
    /// The Gateway's name.
    pub name: ObjectName,
    /// Its namespace, unless it is the release's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Label>,
    /// The listener; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section_name: Option<ObjectName>,
    /// The listener's port; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
}

/// Who may talk to the pods, and to whom they may talk.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct NetworkPolicy {
    /// Whether there are NetworkPolicies.
    pub enabled: bool,
    /// The peers that may reach the relay; any if empty.
    pub ingress_from: Vec<NetworkPolicyPeer>,
    /// What the relay may reach besides DNS and the Redis of the bundle: the upstream, an external
    /// Redis, the logs' destination.
    pub egress_to: Vec<NetworkPolicyEgressRule>,
    pub dns: Dns,
}

/// Where names are resolved.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Dns {
    /// The pods that answer DNS.
    pub peers: Vec<NetworkPolicyPeer>,
    /// The address of a DNS cache on each node.
    pub node_local_dns: IpAddress,
}

/// How many pods run, by load.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Autoscaling {
    /// Whether there is a HorizontalPodAutoscaler.
    pub enabled: bool,
    /// The minimum number of pods.
    pub min_replicas: Bounded<1, 1000>,
    /// The maximum number of pods.
    pub max_replicas: Bounded<1, 1000>,
    /// The target CPU utilization, in percent of the request; 0 for none.
    #[serde(rename = "targetCPUUtilizationPercentage")]
    pub target_cpu: Bounded<0, 1000>,
    /// The target memory utilization, in percent of the request; 0 for none.
    #[serde(rename = "targetMemoryUtilizationPercentage")]
    pub target_memory: Bounded<0, 1000>,
}

/// How many pods a drain may take away.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct PodDisruptionBudget {
    /// Whether there is a PodDisruptionBudget.
    pub enabled: bool,
    /// The number or percentage of pods that must stay available.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_available: Option<IntOrString>,
    /// The number or percentage of pods that may be unavailable; 1 if neither is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
}

/// Metrics for the Prometheus Operator.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct ServiceMonitor {
    /// Whether there is a ServiceMonitor.
    pub enabled: bool,
    /// Its namespace; the release's if empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Label>,
    /// Its labels, by which Prometheus selects it.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The time between scrapes.
    pub interval: PrometheusDuration,
    /// How long a scrape may take.
    pub scrape_timeout: PrometheusDuration,
    /// The relay's endpoint with JSON metrics, which the exporter reads.
    pub path: UrlPath,
    /// The name of the relay's port that the exporter reads.
    pub port: Label,
    /// Relabelings of the target, as the Prometheus Operator has them.
    pub relabelings: Vec<Relabeling>,
    /// Relabelings of the samples.
    pub metric_relabelings: Vec<Relabeling>,
    /// The namespaces in which Prometheus looks for the Service; the release's if empty.
    pub namespace_selector: NamespaceSelector,
    pub exporter: Exporter,
}

/// One step of relabeling.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Relabeling {
    /// The action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<RelabelAction>,
    /// The labels whose values are joined.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_labels: Vec<String>,
    /// The separator between the joined values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// The label that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_label: Option<String>,
    /// The regular expression that the joined value must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// The divisor of `hashmod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modulus: Option<Bounded<1, 9_007_199_254_740_991>>,
    /// The value that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RelabelAction {
    Replace,
    Keep,
    Drop,
    Hashmod,
    Labelmap,
    Labeldrop,
    Labelkeep,
    Lowercase,
    Uppercase,
    Keepequal,
    Dropequal,
}

/// Namespaces, by name or all.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct NamespaceSelector {
    /// Whether to select all namespaces.
    #[serde(default)]
    pub any: bool,
    /// The names.
    #[serde(default)]
    pub match_names: Vec<Label>,
}

/// The sidecar that turns the relay's JSON figures into Prometheus's format.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Exporter {
    /// Whether there is one; without it Prometheus cannot read the relay.
    pub enabled: bool,
    /// Its image.
    pub image: Image,
    /// Its port.
    pub port: HighPort,
    /// Its resources; `"none"` leaves an amount out.
    pub resources: ResourceRequirements,
    /// Its security settings, merged over the restricted ones; without a user it runs as the pod's.
    pub security_context: SecurityContext,
}
