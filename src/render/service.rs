//! Renders the Services of the relay and its metrics, and the Service without endpoints.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels::{Component, metadata, selector_labels};
use super::pod;
use crate::model::label::COMPONENT_LABEL;
use crate::model::number::Bounded;
use crate::profile::resolve::Profile;
use crate::profile::settings::ServiceType;

/// The port name of the relay's container, of its Service, and of the Service without endpoints.
pub(super) const HTTP_PORT: &str = "http";
/// The port name of the exporter's container and of its Service.
pub const METRICS_PORT: &str = "metrics";
/// The port number of the Service without endpoints.
pub(super) const BLOCKED_PORT: i32 = 80;

/// The values of [`COMPONENT_LABEL`] of the relay's Services; a `ServiceMonitor` selects by them.
pub const RELAY_ROLE: &str = "relay";
pub const METRICS_ROLE: &str = "metrics";
const BLOCKED_ROLE: &str = "blocked";

pub(super) fn metrics_name(profile: &Profile) -> String {
    format!("{}-metrics", profile.names.full)
}

pub(super) fn blocked_name(profile: &Profile) -> String {
    format!("{}-blocked", profile.names.full)
}

/// Returns the Service of the relay.
///
/// The checks of the profile have rejected fields that the Service's type does not accept.
pub(super) fn relay(profile: &Profile) -> Service {
    let service = &profile.settings.service;
    let ranges: Vec<String> =
        service.load_balancer_source_ranges.iter().map(|range| range.as_str().to_owned()).collect();
    let mut metadata = metadata(profile, Component::Relay, profile.names.full.clone());
    metadata.annotations = pod::map(&service.annotations);
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(type_name(service.kind).into()),
            load_balancer_ip: Some(service.load_balancer_ip.to_string())
                .filter(|address| !address.is_empty()),
            load_balancer_source_ranges: pod::list(&ranges),
            ports: Some(vec![ServicePort {
                node_port: service.node_port.map(Bounded::as_i32),
                ..port(HTTP_PORT, service.port.as_i32())
            }]),
            selector: Some(selector_labels(profile, Component::Relay)),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Returns the Service of the exporter, which only Prometheus uses.
pub(super) fn metrics(profile: &Profile) -> Service {
    Service {
        metadata: role_metadata(profile, metrics_name(profile), METRICS_ROLE),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            ports: Some(vec![port(
                METRICS_PORT,
                profile.settings.service_monitor.exporter.port.as_i32(),
            )]),
            selector: Some(selector_labels(profile, Component::Relay)),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Returns the Service of blocked paths.
///
/// It has no selector, so it never has endpoints. It must exist so that no other Service can take
/// its name, and no controller rejects the whole Ingress because of a missing backend.
pub(super) fn blocked(profile: &Profile) -> Service {
    Service {
        metadata: role_metadata(profile, blocked_name(profile), BLOCKED_ROLE),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            ports: Some(vec![port(HTTP_PORT, BLOCKED_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn type_name(kind: ServiceType) -> &'static str {
    match kind {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
    }
}

fn role_metadata(profile: &Profile, name: String, role: &str) -> ObjectMeta {
    let mut metadata = metadata(profile, Component::Relay, name);
    metadata.labels.get_or_insert_default().insert(COMPONENT_LABEL.into(), role.into());
    metadata
}

/// Returns a port whose target is the container's port of the same name.
fn port(name: &str, number: i32) -> ServicePort {
    ServicePort {
        name: Some(name.into()),
        port: number,
        protocol: Some("TCP".into()),
        target_port: Some(IntOrString::String(name.into())),
        ..ServicePort::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::tests_support::{json, labels, profile};

    #[test]
    fn relay_service_targets_named_port() {
        let object =
            json(&relay(&profile("[service]\nport = 8080\nannotations = { a = \"yes\" }")));
        assert_eq!(object["metadata"]["name"], "claude-relay");
        assert_eq!(object["metadata"]["annotations"], json!({"a": "yes"}));
        assert_eq!(
            object["spec"],
            json!({
                "type": "ClusterIP",
                "ports": [{"name": "http", "port": 8080, "protocol": "TCP", "targetPort": "http"}],
                "selector": {"app.kubernetes.io/instance": "claude-relay", "app.kubernetes.io/name": "claude-relay"},
            })
        );
    }

    #[test]
    fn d31_load_balancer_keeps_node_port() {
        let text = "[service]\ntype = \"LoadBalancer\"\nnodePort = 30080\nloadBalancerIP = \"10.0.0.9\"\nloadBalancerSourceRanges = [\"10.0.0.0/8\"]";
        let spec = json(&relay(&profile(text)))["spec"].clone();
        assert_eq!(spec["type"], "LoadBalancer");
        assert_eq!(spec["ports"][0]["nodePort"], 30080);
        assert_eq!(spec["loadBalancerIP"], "10.0.0.9");
        assert_eq!(spec["loadBalancerSourceRanges"], json!(["10.0.0.0/8"]));
    }

    #[test]
    fn d09_blocked_service_exists_and_selects_nothing() {
        let object = json(&blocked(&profile("")));
        assert_eq!(object["metadata"]["name"], "claude-relay-blocked");
        assert!(object["spec"].get("selector").is_none());
        assert_eq!(object["spec"]["ports"][0]["port"], 80);
    }

    #[test]
    fn d23_every_service_has_namespace_and_unique_role() {
        let profile = profile("[release]\nname = \"prod\"\nnamespace = \"relays\"");
        let objects =
            [relay(&profile), metrics(&profile), blocked(&profile)].map(|service| json(&service));
        for object in &objects {
            assert_eq!(object["metadata"]["namespace"], "relays");
        }
        let roles = objects.each_ref().map(|object| labels(object)[COMPONENT_LABEL].clone());
        assert_eq!(roles, ["relay", "metrics", "blocked"]);
        assert_eq!(objects[1]["metadata"]["name"], "prod-claude-relay-metrics");
    }

    #[test]
    fn metrics_service_targets_exporter() {
        let object = json(&metrics(&profile(
            "[serviceMonitor]\nenabled = true\nexporter = { port = 9001 }",
        )));
        assert_eq!(
            object["spec"]["ports"],
            json!([{"name": "metrics", "port": 9001, "protocol": "TCP", "targetPort": "metrics"}])
        );
    }
}
