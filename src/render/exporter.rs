//! Renders `json_exporter`, the sidecar that converts the relay's JSON figures into Prometheus's
//! format.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, ContainerPort, HTTPGetAction, Probe, Volume,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::json;

use super::config_map::ConfigMapContent;
use super::{pod, service, yaml};
use crate::profile::resolve::Profile;

/// The path at which `json_exporter` fetches and converts the figures.
pub const PROBE_PATH: &str = "/probe";
/// The module of its configuration that a scrape requests.
pub const MODULE: &str = "default";
/// A cheap page that the process serves as long as it works.
pub const LIVENESS_PATH: &str = "/";

const CONFIG_PATH: &str = "/etc/json-exporter";
const CONFIG_FILE: &str = "config.yml";
const VOLUME: &str = "exporter-config";

/// The name, the path in the relay's JSON and the description of each metric. All values may fall,
/// so all are gauges.
const METRICS: [(&str, &str, &str); 9] = [
    ("claude_relay_api_keys", "{ .totalApiKeys }", "API keys in the database."),
    (
        "claude_relay_claude_accounts",
        "{ .totalClaudeAccounts }",
        "Claude accounts in the database.",
    ),
    ("claude_relay_usage_records", "{ .totalUsageRecords }", "Usage records in the database."),
    ("claude_relay_uptime_seconds", "{ .uptime }", "Seconds since the relay's process started."),
    ("claude_relay_memory_rss_bytes", "{ .memory.rss }", "Resident memory of the relay's process."),
    (
        "claude_relay_memory_heap_total_bytes",
        "{ .memory.heapTotal }",
        "Memory reserved for the JavaScript heap.",
    ),
    (
        "claude_relay_memory_heap_used_bytes",
        "{ .memory.heapUsed }",
        "Memory in use on the JavaScript heap.",
    ),
    (
        "claude_relay_memory_external_bytes",
        "{ .memory.external }",
        "Memory of native objects that JavaScript holds.",
    ),
    (
        "claude_relay_memory_array_buffers_bytes",
        "{ .memory.arrayBuffers }",
        "Memory of buffers, part of the external memory.",
    ),
];

/// Returns the configuration of `json_exporter`.
pub fn config() -> String {
    // json_exporter ignores unknown keys, such as `valueType`.
    let metric = |(name, path, help): (&str, &str, &str)| json!({"name": name, "path": path, "help": help, "type": "value", "valuetype": "gauge"});
    yaml::to_yaml(&json!({"modules": {MODULE: {"metrics": METRICS.map(metric)}}}))
}

/// Returns the arguments of `json_exporter`.
pub fn arguments(config_file: &str, listen: &str) -> Vec<String> {
    vec![format!("--config.file={config_file}"), format!("--web.listen-address={listen}")]
}

/// Returns the URL of the relay's figures inside its pod.
pub(super) fn target(profile: &Profile) -> String {
    let settings = &profile.settings;
    // `serviceMonitor.port` names the relay's only port.
    format!("http://127.0.0.1:{}{}", settings.config.port, settings.service_monitor.path)
}

/// Returns the content of the ConfigMap; its checksum goes into the pods' annotations.
pub(super) fn content(profile: &Profile) -> ConfigMapContent {
    let data = BTreeMap::from([(CONFIG_FILE.to_owned(), config())]);
    ConfigMapContent::of(&format!("{}-exporter-config", profile.names.full), data)
}

/// Returns the sidecar.
///
/// It has no readiness probe, because the relay must serve requests even if its metrics fail.
pub(super) fn container(profile: &Profile) -> Container {
    let exporter = &profile.settings.service_monitor.exporter;
    let image = profile.image_ref(&exporter.image);

    Container {
        name: "json-exporter".into(),
        args: Some(arguments(
            &format!("{CONFIG_PATH}/{CONFIG_FILE}"),
            &format!(":{}", exporter.port),
        )),
        image: Some(image.reference),
        image_pull_policy: Some(image.pull_policy.as_str().into()),
        liveness_probe: Some(Probe {
            http_get: Some(HTTPGetAction {
                path: Some(LIVENESS_PATH.into()),
                port: IntOrString::String(service::METRICS_PORT.into()),
                ..HTTPGetAction::default()
            }),
            period_seconds: Some(30),
            failure_threshold: Some(4),
            timeout_seconds: Some(5),
            ..Probe::default()
        }),
        ports: Some(vec![ContainerPort {
            container_port: exporter.port.as_i32(),
            name: Some(service::METRICS_PORT.into()),
            protocol: Some("TCP".into()),
            ..ContainerPort::default()
        }]),
        resources: Some(exporter.resources.clone()),
        security_context: Some(exporter.security_context.clone()),
        volume_mounts: Some(vec![pod::mount_read_only(VOLUME, CONFIG_PATH)]),
        ..Container::default()
    }
}

/// Returns the volume with the sidecar's configuration.
pub(super) fn volume(content: &ConfigMapContent) -> Volume {
    let source =
        ConfigMapVolumeSource { name: content.name.clone(), ..ConfigMapVolumeSource::default() };
    Volume { name: VOLUME.into(), config_map: Some(source), ..Volume::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests_support::{json, profile};

    #[test]
    fn sidecar_runs_without_privileges_as_user_of_pod_unless_profile_names_one() {
        let context = json(&container(&profile("")))["securityContext"].clone();
        assert_eq!(
            context,
            json!({
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": true,
            })
        );
        let own = "serviceMonitor.exporter.securityContext.runAsUser = 65534";
        let context = json(&container(&profile(own)))["securityContext"].clone();
        assert_eq!(context["runAsUser"], 65534);
    }

    #[test]
    fn sidecar_reads_mounted_config_and_listens_on_service_port() {
        let profile = profile(
            "[serviceMonitor.exporter]\nport = 9001\nimage = { tag = \"v1\" }\n[images]\nregistry = \"r.example\"",
        );
        let (object, content) = (json(&container(&profile)), content(&profile));

        assert_eq!(
            object["args"],
            json!(["--config.file=/etc/json-exporter/config.yml", "--web.listen-address=:9001"])
        );
        assert_eq!(
            object["ports"][0],
            json!({"containerPort": 9001, "name": "metrics", "protocol": "TCP"})
        );

        assert_eq!(object["image"], "r.example/prometheuscommunity/json-exporter:v1");
        assert_eq!(
            object["volumeMounts"][0],
            json!({"mountPath": "/etc/json-exporter", "name": "exporter-config", "readOnly": true})
        );
        assert_eq!(
            json(&volume(&content)),
            json!({"name": "exporter-config", "configMap": {"name": content.name}})
        );
        assert!(content.name.starts_with("claude-relay-exporter-config-"));
        assert!(
            object.get("readinessProbe").is_none(),
            "a broken exporter would take the relay out of service"
        );
    }

    #[test]
    fn every_metric_has_unique_name_with_unit() {
        let names = std::collections::BTreeSet::from(METRICS.map(|(name, ..)| name));
        assert_eq!(names.len(), METRICS.len());
        assert!(config().contains("valuetype: gauge"), "{}", config());
    }
}
