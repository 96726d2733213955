//! Checks maps of labels and annotations, label selectors, and the names in fragments.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::model::credential::holds_credential;
use crate::model::text::{is_label_value, is_qualified_name, is_subdomain};
use crate::profile::node::Path;
use crate::profile::reserved;
use crate::profile::settings::Settings;

use super::Report;

type StringMap = BTreeMap<String, String>;

/// The API server's limit for the total size of an object's annotations.
const ANNOTATION_BYTES_MAX: usize = 256 << 10;

const KEY_RULE: &str = "a key is `name` or `prefix.example/name`; the name has at most 63 letters, \
     digits, `-`, `_` and `.`, with a letter or digit at both ends";
const VALUE_RULE: &str =
    "a value has at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends";

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    labels("podLabels", &settings.pod_labels, report);
    labels("redis.podLabels", &settings.redis.pod_labels, report);
    labels("nodeSelector", &settings.node_selector, report);
    labels("redis.nodeSelector", &settings.redis.node_selector, report);
    labels("serviceMonitor.labels", &settings.service_monitor.labels, report);
    reserved_labels("podLabels", &settings.pod_labels, &reserved::POD_LABELS, report);
    let redis = &settings.redis.pod_labels;
    reserved_labels("redis.podLabels", redis, &reserved::POD_LABELS, report);
    reserved_labels(
        "serviceMonitor.labels",
        &settings.service_monitor.labels,
        &reserved::OBJECT_LABELS,
        report,
    );

    let all = [
        ("podAnnotations", &settings.pod_annotations),
        ("redis.podAnnotations", &settings.redis.pod_annotations),
        ("serviceAccount.annotations", &settings.service_account.annotations),
        ("service.annotations", &settings.service.annotations),
        ("ingress.annotations", &settings.ingress.annotations),
        ("gateway.annotations", &settings.gateway.annotations),
        ("serviceMonitor.annotations", &settings.service_monitor.annotations),
    ];
    for (path, map) in all {
        annotations(path, map, report);
        if !settings.is_dev() {
            credentials(path, map, report);
        }
    }

    pull_secrets(settings, report);
}

fn labels(path: &str, map: &StringMap, report: &mut Report<'_>) {
    label_map(&Path::of(path), map, report);
}

fn label_map(path: &Path, map: &StringMap, report: &mut Report<'_>) {
    for (key, value) in map {
        if !is_qualified_name(key) {
            report.error("RB0102", path.key(key), "invalid label key", KEY_RULE);
        }
        if !is_label_value(value) {
            report.error("RB0102", path.key(key), "invalid label value", VALUE_RULE);
        }
    }
}

fn reserved_labels(path: &str, map: &StringMap, reserved: &[&str], report: &mut Report<'_>) {
    for key in map.keys().filter(|key| reserved.contains(&key.as_str())) {
        report.error(
            "RB0103",
            Path::of(path).key(key),
            "this label is reserved for the bundle: Services, policies and Deployments select \
             their pods by it",
            "choose another key",
        );
    }
}

fn annotations(path: &str, map: &StringMap, report: &mut Report<'_>) {
    let path = Path::of(path);
    for key in map.keys() {
        // Unlike labels, annotations may have upper case in their prefix.
        if !is_qualified_name(&key.to_lowercase()) {
            report.error("RB0102", path.key(key), "invalid annotation key", KEY_RULE);
        }
        if reserved::ANNOTATION_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
            let message =
                "this annotation is reserved for the bundle: it decides when pods restart";
            report.error("RB0103", path.key(key), message, "choose another key");
        }
    }
    let bytes: usize = map.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > ANNOTATION_BYTES_MAX {
        let message = format!(
            "the annotations have {bytes} bytes; the limit of Kubernetes is {ANNOTATION_BYTES_MAX}"
        );
        report.error("RB0104", &path, message, "keep large texts in a separate ConfigMap");
    }
}

/// Reports credentials in annotations, which are part of the manifests.
fn credentials(path: &str, map: &StringMap, report: &mut Report<'_>) {
    for (key, _) in map.iter().filter(|(_, value)| holds_credential(value)) {
        let message = "the annotation contains a credential in clear text";
        let help = "remove the credential, and refer to a Secret with an annotation that the \
                    controller supports";
        report.error("RB0204", Path::of(path).key(key), message, help);
    }
}

fn pull_secrets(settings: &Settings, report: &mut Report<'_>) {
    let path = Path::of("imagePullSecrets");
    let mut names = BTreeSet::new();
    for (index, secret) in settings.image_pull_secrets.iter().enumerate() {
        name(&path.index(index).key("name"), &secret.name, "a Secret", report);
        if !names.insert(&secret.name) {
            let message = format!("duplicate Secret `{}`", secret.name);
            report.error("RB0105", path.index(index), message, "keep one of them");
        }
    }
}

/// Checks the name of an object in a fragment.
pub(super) fn name(path: &Path, name: &str, what: &str, report: &mut Report<'_>) {
    if !is_subdomain(name) {
        let help =
            "write lowercase letters, digits, `-` and `.`, with a letter or digit at both ends";
        report.error("RB0105", path, format!("invalid name of {what}"), help);
    }
}

/// Checks a label selector.
pub(super) fn selector(path: &Path, selector: &LabelSelector, report: &mut Report<'_>) {
    if let Some(map) = &selector.match_labels {
        label_map(&path.key("matchLabels"), map, report);
    }
    for (index, wanted) in selector.match_expressions.iter().flatten().enumerate() {
        let path = path.key("matchExpressions").index(index);
        let values = wanted.values.as_deref().unwrap_or_default();
        requirement(&path, &wanted.key, &wanted.operator, values, &LABEL_OPERATORS, report);
    }
}

const LABEL_OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];
pub(super) const NODE_OPERATORS: [&str; 6] = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];

/// Checks one requirement of a selector: a key, an operator and the values that this operator
/// takes.
pub(super) fn requirement(
    path: &Path,
    key: &str,
    operator: &str,
    values: &[String],
    operators: &[&str],
    report: &mut Report<'_>,
) {
    if !is_qualified_name(key) {
        report.error("RB0102", path.key("key"), "invalid label key", KEY_RULE);
    }
    let wrong = match operator {
        _ if !operators.contains(&operator) => {
            let help = format!("use one of {}", crate::profile::suggest::list(operators));
            report.error("RB0121", path.key("operator"), "unknown operator", help);
            return;
        }
        "In" | "NotIn" if values.is_empty() => "needs values",
        "Exists" | "DoesNotExist" if !values.is_empty() => "takes no values",
        "Gt" | "Lt" if values.len() != 1 || values[0].parse::<i64>().is_err() => {
            "needs one integer as a string"
        }
        _ => "",
    };
    if !wrong.is_empty() {
        let message = format!("the operator `{operator}` {wrong}");
        report.error("RB0121", path, message, "change the operator or its `values`");
    }
    let bad = values.iter().position(|value| !is_label_value(value));
    if let Some(index) = bad.filter(|_| !matches!(operator, "Gt" | "Lt")) {
        let path = path.key("values").index(index);
        report.error("RB0102", path, "invalid label value", VALUE_RULE);
    }
}
