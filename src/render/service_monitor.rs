//! Renders the `ServiceMonitor` of the Prometheus Operator.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::labels::{Component, metadata, selector_labels};
use super::{exporter, pod, service};
use crate::model::label::COMPONENT_LABEL;
use crate::profile::resolve::Profile;
use crate::profile::settings::NamespaceSelector;

pub(super) fn render(profile: &Profile) -> Value {
    let monitor = &profile.settings.service_monitor;
    let release_namespace = profile.settings.release.namespace.as_str();
    let namespace =
        monitor.namespace.as_ref().map_or(release_namespace, |namespace| namespace.as_str());
    let mut metadata = metadata(profile, Component::Relay, profile.names.full.clone());
    metadata.namespace = Some(namespace.to_owned());
    metadata.annotations = pod::map(&monitor.annotations);
    // Our own labels win over the profile's, because they identify the release.
    metadata.labels = Some(
        monitor.labels.clone().into_iter().chain(metadata.labels.unwrap_or_default()).collect(),
    );
    let mut spec = json!({
        "endpoints": [endpoint(profile)],
        "selector": {"matchLabels": service_labels(profile)},
    });
    if let Some(selector) = namespaces(&monitor.namespace_selector, namespace, release_namespace) {
        spec["namespaceSelector"] = selector;
    }
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata,
        "spec": spec,
    })
}

/// Returns the labels that only one of the release's Services has.
fn service_labels(profile: &Profile) -> BTreeMap<String, String> {
    let role =
        if profile.settings.has_exporter() { service::METRICS_ROLE } else { service::RELAY_ROLE };
    let mut labels = selector_labels(profile, Component::Relay);
    labels.insert(COMPONENT_LABEL.into(), role.into());
    labels
}

/// Returns the namespaces of the Services; `None` if the `ServiceMonitor` is in the same one.
fn namespaces(wanted: &NamespaceSelector, own: &str, release: &str) -> Option<Value> {
    if wanted.any {
        Some(json!({"any": true}))
    } else if !wanted.match_names.is_empty() {
        Some(json!({"matchNames": wanted.match_names}))
    } else {
        (own != release).then(|| json!({"matchNames": [release]}))
    }
}

fn endpoint(profile: &Profile) -> Value {
    let monitor = &profile.settings.service_monitor;
    let mut endpoint =
        json!({"interval": monitor.interval, "scrapeTimeout": monitor.scrape_timeout});
    if profile.settings.has_exporter() {
        endpoint["port"] = json!(service::METRICS_PORT);
        endpoint["path"] = json!(exporter::PROBE_PATH);
        endpoint["params"] =
            json!({"module": [exporter::MODULE], "target": [exporter::target(profile)]});
    } else {
        endpoint["port"] = json!(monitor.port);
        endpoint["path"] = json!(monitor.path);
    }
    for (key, steps) in
        [("relabelings", &monitor.relabelings), ("metricRelabelings", &monitor.metric_relabelings)]
    {
        if !steps.is_empty() {
            endpoint[key] = json!(steps);
        }
    }
    endpoint
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests_support::{json, labels, profile, selects};

    fn monitor(text: &str) -> Value {
        render(&profile(&format!("[serviceMonitor]\nenabled = true\n{text}")))
    }

    #[test]
    fn d18_prometheus_scrapes_relay_json_through_exporter() {
        let object = monitor("[config]\nport = 8000");
        assert_eq!(
            object["spec"]["endpoints"],
            json!([{
                "interval": "30s",
                "scrapeTimeout": "10s",
                "port": "metrics",
                "path": "/probe",
                "params": {"module": ["default"], "target": ["http://127.0.0.1:8000/metrics"]},
            }])
        );
    }

    #[test]
    fn exactly_one_service_is_selected() {
        let text = "[serviceMonitor]\nenabled = true\n";
        for (text, wanted) in [
            (text.to_owned(), [false, true, false, false, false]),
            (format!("{text}exporter = {{ enabled = false }}"), [true, false, false, false, false]),
        ] {
            let profile = profile(&text);
            let services = [
                service::relay(&profile),
                service::metrics(&profile),
                service::blocked(&profile),
                crate::render::redis::service(&profile),
                crate::render::redis::headless_service(&profile),
            ];
            let object = render(&profile);
            let selector = &object["spec"]["selector"]["matchLabels"];
            assert_eq!(
                services.map(|service| selects(selector, &json(&service))),
                wanted,
                "{text}"
            );
        }
    }

    #[test]
    fn d11_path_and_namespace_are_honoured() {
        let object = monitor("path = \"/figures\"\nnamespace = \"monitoring\"");
        assert_eq!(
            object["spec"]["endpoints"][0]["params"]["target"],
            json!(["http://127.0.0.1:3000/figures"])
        );
        assert_eq!(object["metadata"]["namespace"], "monitoring");
        assert_eq!(object["spec"]["namespaceSelector"], json!({"matchNames": ["claude-relay"]}));

        let object = monitor("path = \"/figures\"\nexporter = { enabled = false }");
        assert_eq!(object["spec"]["endpoints"][0]["path"], "/figures");
        assert_eq!(object["spec"]["endpoints"][0]["port"], "http");
    }

    #[test]
    fn namespace_selector_of_profile_is_used() {
        assert!(monitor("")["spec"].get("namespaceSelector").is_none());
        assert_eq!(
            monitor("namespaceSelector = { any = true }")["spec"]["namespaceSelector"],
            json!({"any": true})
        );
        assert_eq!(
            monitor("namespaceSelector = { matchNames = [\"claude-relay\", \"b\"] }")["spec"]["namespaceSelector"],
            json!({"matchNames": ["claude-relay", "b"]})
        );
    }

    #[test]
    fn d24_profile_labels_are_added_to_ours() {
        let labels = labels(&monitor("labels = { release = \"kube-prometheus\" }"));
        assert_eq!(labels["release"], "kube-prometheus");
        assert_eq!(labels["app.kubernetes.io/instance"], "claude-relay");
    }

    #[test]
    fn relabelings_are_taken_as_they_are() {
        let object = monitor(
            "relabelings = [{ action = \"replace\", sourceLabels = [\"a\", \"b\"], targetLabel = \"c\" }]\nmetricRelabelings = [{ action = \"drop\", regex = \"x.*\" }]",
        );
        let endpoint = &object["spec"]["endpoints"][0];
        assert_eq!(
            endpoint["relabelings"],
            json!([{"action": "replace", "sourceLabels": ["a", "b"], "targetLabel": "c"}])
        );
        assert_eq!(endpoint["metricRelabelings"], json!([{"action": "drop", "regex": "x.*"}]));
    }
}
