//! Checks `ServiceMonitor`s, the only objects allowed outside the bundle's namespace, beside
//! Prometheus.
//!
//! There, one could make Prometheus scrape every namespace, or send that namespace's Secrets
//! anywhere. So it must have the form that this program renders and select a Service of this bundle
//! only.
//!
//! Even in the bundle's own namespace, one could make Prometheus send one of its files, such as its
//! token, to a pod of the bundle. So the same fields are allowed there; a profile may choose other
//! namespaces and relabel the target.

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use crate::model::kind::Kind;
use crate::model::label::{COMPONENT_LABEL, INSTANCE_LABEL, NAME_LABEL};
use crate::model::relabel::redirects;
use crate::render::exporter::{MODULE, PROBE_PATH};
use crate::render::manifest_set::ManifestSet;
use crate::render::service::{METRICS_PORT, METRICS_ROLE, RELAY_ROLE};

/// The release of a bundle with a `ServiceMonitor`.
#[derive(Clone, Copy)]
pub(super) struct MonitoredRelease<'a> {
    pub name: &'a str,
    pub namespace: &'a str,
}

/// The location of a `ServiceMonitor`, which decides where it may send Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Own,
    Elsewhere,
}

/// Why a `ServiceMonitor` is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMonitor {
    #[error("`{0}` is not what this program renders here")]
    Field(String),
    #[error("it must select the namespace `{0}` and no other")]
    Namespace(String),
    #[error("it selects no Service of the bundle")]
    Service,
    #[error("its `relabelings` could redirect Prometheus to another address")]
    Redirects,
}

/// The allowed fields, by level.
const FIELDS: [(&str, &[&str]); 5] = [
    ("", &["apiVersion", "kind", "metadata", "spec"]),
    ("/metadata", &["annotations", "labels", "name", "namespace"]),
    ("/spec", &["endpoints", "namespaceSelector", "selector"]),
    ("/spec/selector", &["matchLabels"]),
    (
        "/spec/endpoints/0",
        &[
            "interval",
            "metricRelabelings",
            "params",
            "path",
            "port",
            "relabelings",
            "scrapeTimeout",
        ],
    ),
];

const STEP_FIELDS: [&str; 7] =
    ["action", "modulus", "regex", "replacement", "separator", "sourceLabels", "targetLabel"];

/// Checks a `ServiceMonitor` in any namespace.
pub(super) fn check(
    monitor: &Value,
    release: MonitoredRelease<'_>,
    manifests: &ManifestSet,
) -> Result<(), InvalidMonitor> {
    let is_own = monitor["metadata"]["namespace"] == release.namespace;
    let stand = if is_own { Stand::Own } else { Stand::Elsewhere };
    for (pointer, fields) in FIELDS {
        only(monitor, pointer, fields)?;
    }
    check_namespaces(monitor, release.namespace, stand)?;
    let spec = &monitor["spec"];
    if spec["endpoints"].as_array().is_none_or(|endpoints| endpoints.len() != 1) {
        return Err(InvalidMonitor::Field("/spec/endpoints".to_owned()));
    }
    let role = selected_role(&spec["selector"]["matchLabels"], release.name, manifests)?;
    check_endpoint(&spec["endpoints"][0], role, stand)
}

/// Checks that a `ServiceMonitor` outside the bundle's namespace selects exactly that namespace.
fn check_namespaces(monitor: &Value, namespace: &str, stand: Stand) -> Result<(), InvalidMonitor> {
    const POINTER: &str = "/spec/namespaceSelector";
    match stand {
        Stand::Own if monitor.pointer(POINTER).is_none() => return Ok(()),
        Stand::Own => return only(monitor, POINTER, &["any", "matchNames"]).map(|_| ()),
        Stand::Elsewhere => {}
    }
    let selector = only(monitor, POINTER, &["matchNames"])?;
    if selector.get("matchNames") == Some(&json!([namespace])) {
        Ok(())
    } else {
        Err(InvalidMonitor::Namespace(namespace.to_owned()))
    }
}

/// Rejects values that are not maps, and fields that are not in `fields`.
fn only<'a>(
    object: &'a Value,
    pointer: &str,
    fields: &[&str],
) -> Result<&'a Map<String, Value>, InvalidMonitor> {
    let wrong = |field: String| InvalidMonitor::Field(field);
    let map = object.pointer(pointer).and_then(Value::as_object);
    let map = map.ok_or_else(|| wrong(pointer.to_owned()))?;
    match map.keys().find(|field| !fields.contains(&field.as_str())) {
        Some(field) => Err(wrong(format!("{pointer}/{field}"))),
        None => Ok(map),
    }
}

/// Returns the role of the selected Service; the selector must have exactly the labels that this
/// program renders.
fn selected_role(
    labels: &Value,
    name: &str,
    manifests: &ManifestSet,
) -> Result<&'static str, InvalidMonitor> {
    let text = |key: &str| labels.get(key).and_then(Value::as_str);
    let role =
        [METRICS_ROLE, RELAY_ROLE].into_iter().find(|role| text(COMPONENT_LABEL) == Some(role));
    let app = text(NAME_LABEL);
    let ours = json!({COMPONENT_LABEL: role, INSTANCE_LABEL: name, NAME_LABEL: app});
    let selected = |service: &Value| {
        let own = service.pointer("/metadata/labels").and_then(Value::as_object);
        own.zip(labels.as_object()).is_some_and(|(own, wanted)| {
            wanted.iter().all(|(key, value)| own.get(key) == Some(value))
        })
    };
    let mut services = manifests.iter().filter(|manifest| manifest.key.is(Kind::Service));
    match role {
        Some(role) if *labels == ours && services.any(|service| selected(&service.object)) => {
            Ok(role)
        }
        _ => Err(InvalidMonitor::Service),
    }
}

fn check_endpoint(endpoint: &Value, role: &str, stand: Stand) -> Result<(), InvalidMonitor> {
    let wrong = |field: &str| InvalidMonitor::Field(format!("/spec/endpoints/0/{field}"));
    let text = |field: &str| endpoint.get(field).and_then(Value::as_str);
    for field in ["interval", "path", "port", "scrapeTimeout"] {
        text(field).ok_or_else(|| wrong(field))?;
    }

    if role == METRICS_ROLE {
        for (field, value) in [("port", METRICS_PORT), ("path", PROBE_PATH)] {
            if text(field) != Some(value) {
                return Err(wrong(field));
            }
        }
        let target = endpoint.pointer("/params/target/0");
        if !target.and_then(Value::as_str).is_some_and(is_local)
            || endpoint["params"] != json!({"module": [MODULE], "target": [target]})
        {
            return Err(wrong("params"));
        }
    } else if endpoint.get("params").is_some() {
        return Err(wrong("params"));
    }

    for field in ["relabelings", "metricRelabelings"] {
        let steps =
            endpoint.get(field).map_or(Some(&[][..]), |steps| steps.as_array().map(Vec::as_slice));
        for step in steps.ok_or_else(|| wrong(field))? {
            only(step, "", &STEP_FIELDS).map_err(|_| wrong(field))?;
            let text = |key: &str| step.get(key).and_then(Value::as_str);
            for key in ["action", "targetLabel"] {
                step.get(key).map_or(Some(""), Value::as_str).ok_or_else(|| wrong(field))?;
            }
            let is_bound = stand == Stand::Elsewhere && field == "relabelings";
            if is_bound && redirects(text("action"), text("targetLabel")) {
                return Err(InvalidMonitor::Redirects);
            }
        }
    }
    Ok(())
}

/// Returns whether a URL points to the exporter's own pod.
fn is_local(url: &str) -> bool {
    let rest = url.strip_prefix("http://").and_then(|rest| rest.split_once('/'));
    let address = rest.and_then(|(authority, _)| authority.split_once(':'));
    address.is_some_and(|(host, port)| {
        host == Ipv4Addr::LOCALHOST.to_string() && port.parse::<u16>().is_ok()
    })
}
