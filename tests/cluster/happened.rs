//! Reads the control plane's actions on workloads, for comparison with the forecast.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::site::Site;

/// Workloads by kind and name.
pub(crate) type ByWorkload = BTreeMap<(String, String), String>;

/// Returns the revision of each workload of a namespace.
///
/// All controllers must have processed the last change, which `apply` waits for.
pub(crate) fn revisions(site: &Site) -> ByWorkload {
    let revision = |object: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let revision = match object["kind"].as_str().unwrap() {
            "Deployment" => {
                text(&object["metadata"]["annotations"]["deployment.kubernetes.io/revision"])
            }
            _ => text(&object["status"]["updateRevision"]),
        };
        assert_eq!(object["metadata"]["generation"], object["status"]["observedGeneration"]);
        assert!(!revision.is_empty(), "{object}");
        let key = (text(&object["kind"]), text(&object["metadata"]["name"]));
        (key, format!("{} {revision}", text(&object["metadata"]["uid"])))
    };
    site.plane.list(&site.namespace, "deployments,statefulsets").iter().map(revision).collect()
}

/// Returns the action on each workload, in the words of a forecast.
pub(crate) fn happened(before: &ByWorkload, after: &ByWorkload) -> ByWorkload {
    let word = |key: &(String, String)| match (before.get(key), after.get(key)) {
        (None, _) => "added",
        (_, None) => "removed",
        (Some(old), Some(new)) if old == new => "no",
        _ => "yes",
    };
    before.keys().chain(after.keys()).map(|key| (key.clone(), word(key).to_owned())).collect()
}

/// Returns the forecast of a report for each workload.
pub(crate) fn forecast(report: &Value) -> ByWorkload {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let workloads = report["workloads"].as_array().unwrap().iter();
    workloads.map(|of| ((text(&of["kind"]), text(&of["name"])), text(&of["restart"]))).collect()
}
