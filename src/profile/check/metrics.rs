//! Checks `serviceMonitor`: Prometheus must be able to read the target.

use std::collections::BTreeSet;

use crate::model::relabel::redirects;
use crate::model::text::{Label, prometheus_milliseconds};
use crate::profile::node::Path;
use crate::profile::settings::{RelabelAction, Relabeling, ServiceMonitor, Settings};

use super::Report;

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    let monitor = &settings.service_monitor;
    if !monitor.enabled {
        return;
    }
    times(monitor, report);
    if monitor.exporter.enabled {
        endpoint(monitor, report);
    } else {
        let message =
            "the relay's metrics are JSON, which Prometheus cannot read: the target will be down";
        report.warning("RB0410", "serviceMonitor.exporter.enabled", message, "set it to true");
    }
    found(settings, report);
    elsewhere(settings, report);
    relabelings("serviceMonitor.relabelings", &monitor.relabelings, report);
    relabelings("serviceMonitor.metricRelabelings", &monitor.metric_relabelings, report);
}

fn times(monitor: &ServiceMonitor, report: &mut Report<'_>) {
    let timeout = prometheus_milliseconds(monitor.scrape_timeout.as_str());
    if timeout > prometheus_milliseconds(monitor.interval.as_str()) {
        let message =
            format!("a scrape may not take longer than the interval, {}", monitor.interval);
        report.error(
            "RB0340",
            "serviceMonitor.scrapeTimeout",
            message,
            "lower it, or raise `serviceMonitor.interval`",
        );
    }
}

fn endpoint(monitor: &ServiceMonitor, report: &mut Report<'_>) {
    if monitor.path.as_str().trim_end_matches('/').eq_ignore_ascii_case("/prometheus") {
        let message = "the relay answers 404 there: it has no metrics in the Prometheus format";
        let help = "write `/metrics`, the relay's JSON metrics; the exporter translates them";
        report.error("RB0341", "serviceMonitor.path", message, help);
    }
    if monitor.port.as_str() != "http" {
        let message = "the relay has only the port `http`";
        report.error("RB0341", "serviceMonitor.port", message, "write \"http\", or remove it");
    }
}

/// Checks that the namespace selector includes the release: a `ServiceMonitor` finds Services only
/// there.
fn found(settings: &Settings, report: &mut Report<'_>) {
    let selector = &settings.service_monitor.namespace_selector;
    let names: BTreeSet<&str> = selector.match_names.iter().map(Label::as_str).collect();
    let release = settings.release.namespace.as_str();
    if !selector.any && !names.is_empty() && !names.contains(release) {
        let message =
            format!("the Service is in the namespace `{release}`, which is not among these");
        let help = format!(
            "add \"{release}\" to `serviceMonitor.namespaceSelector.matchNames`, or remove the selector"
        );
        report.error("RB0342", "serviceMonitor.namespaceSelector", message, help);
    }
}

/// Checks a monitor in another namespace: a verifier accepts it only if it selects the release's
/// namespace and no other.
fn elsewhere(settings: &Settings, report: &mut Report<'_>) {
    let (monitor, release) = (&settings.service_monitor, &settings.release.namespace);
    if monitor.namespace.as_ref().is_none_or(|namespace| namespace == release) {
        return;
    }
    let selector = &monitor.namespace_selector;
    if selector.any || selector.match_names.iter().any(|name| name != release) {
        let message =
            "a ServiceMonitor outside the release's namespace may select no other namespace";
        let help = "remove the selector: the release's namespace is selected where needed";
        report.error("RB0344", "serviceMonitor.namespaceSelector", message, help);
    }

    for (index, step) in monitor.relabelings.iter().enumerate() {
        let action = (step.action == Some(RelabelAction::Labelmap)).then_some("labelmap");
        if redirects(action, step.target_label.as_deref()) {
            let message = "a ServiceMonitor outside the release's namespace may not change the \
                           targets of Prometheus";
            let help = "use labels that do not start with `__`, or keep the ServiceMonitor in the \
                        release's namespace";
            report.error(
                "RB0344",
                Path::of("serviceMonitor.relabelings").index(index),
                message,
                help,
            );
        }
    }
}

fn relabelings(path: &str, steps: &[Relabeling], report: &mut Report<'_>) {
    use RelabelAction::{Dropequal, Hashmod, Keepequal, Lowercase, Replace, Uppercase};
    for (index, step) in steps.iter().enumerate() {
        let path = Path::of(path).index(index);
        let action = step.action.unwrap_or(Replace);
        let writes =
            matches!(action, Replace | Hashmod | Lowercase | Uppercase | Keepequal | Dropequal);
        if writes && step.target_label.as_ref().is_none_or(String::is_empty) {
            let message = "this action needs the label that it writes or compares";
            report.error("RB0343", &path, message, "add `targetLabel`");
        }
        if action == Hashmod && step.modulus.is_none() {
            report.error("RB0343", &path, "the action `hashmod` needs a divisor", "add `modulus`");
        }
        for (at, label) in
            step.source_labels.iter().enumerate().filter(|(_, label)| !is_metric_label(label))
        {
            let message = format!("`{}` is not a label of Prometheus", label.escape_debug());
            let help = "write letters, digits and `_`, not starting with a digit";
            report.error("RB0343", path.key("sourceLabels").index(at), message, help);
        }
    }
}

fn is_metric_label(label: &str) -> bool {
    let first = label.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
