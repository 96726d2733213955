//! `PodDisruptionBudget`s that let no pod be evicted: the node of such a pod cannot be drained.

use serde_json::Value;

use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::render::references::pod_template;

/// How many pods of a workload a budget is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Pods(i64),
    Percent(i64),
}

impl Share {
    /// Reads `2` or `"50%"`; nothing of what is neither.
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => text.strip_suffix('%')?.parse().ok().map(Self::Percent),
            value => value.as_i64().map(Self::Pods),
        }
    }
}

/// Returns the limit by which a budget keeps every pod where it is; nothing for another object.
pub(super) fn blocked_by(manifest: &Manifest, manifests: &ManifestSet) -> Option<String> {
    if manifest.key.kind != "PodDisruptionBudget" {
        return None;
    }
    let spec = &manifest.object["spec"];
    let named = |field: &'static str| spec.get(field).map(|value| (field, value));
    let (field, value) = named("maxUnavailable").or_else(|| named("minAvailable"))?;
    let is_blocking = match (field, Share::of(value)?) {
        ("maxUnavailable", Share::Pods(most) | Share::Percent(most)) => most <= 0,
        (_, Share::Percent(least)) => least >= 100,
        (_, Share::Pods(least)) => {
            fewest_pods(manifests, &spec["selector"]["matchLabels"]).is_some_and(|pods| least >= pods)
        }
    };
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    is_blocking.then(|| format!("{field} {value}"))
}

/// Returns the smallest number of pods that the workload with these labels has.
fn fewest_pods(manifests: &ManifestSet, labels: &Value) -> Option<i64> {
    let labels = labels.as_object()?;
    let has_labels = |manifest: &&Manifest| {
        let of_pods =
            pod_template(&manifest.object).and_then(|template| template.pointer("/metadata/labels"));
        of_pods.is_some_and(|of_pods| labels.iter().all(|(key, value)| of_pods.get(key) == Some(value)))
    };
    let workload = manifests.iter().find(has_labels)?;
    let scales = |manifest: &&Manifest| {
        let target = &manifest.object["spec"]["scaleTargetRef"];
        target["kind"] == workload.key.kind.as_str() && target["name"] == workload.key.name.as_str()
    };
    let pods = match manifests.iter().find(scales) {
        Some(autoscaler) => &autoscaler.object["spec"]["minReplicas"],
        None => &workload.object["spec"]["replicas"],
    };
    Some(pods.as_i64().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns by what the budget of a workload with two pods, or with a scaler, keeps them.
    fn blocked(budget: &Value, scaler: Option<i64>) -> Option<String> {
        let object =
            |kind: &str, spec: &Value| json!({"kind": kind, "metadata": {"name": "a"}, "spec": spec});
        let labels = json!({"app": "a"});
        let mut budget = budget.clone();
        budget["selector"] = json!({"matchLabels": labels});
        let mut set = ManifestSet::default();
        let template = json!({"metadata": {"labels": labels}});
        set.add(&object("Deployment", &json!({"replicas": 2, "template": template})));
        if let Some(fewest) = scaler {
            let target = json!({"kind": "Deployment", "name": "a"});
            set.add(&object(
                "HorizontalPodAutoscaler",
                &json!({"scaleTargetRef": target, "minReplicas": fewest}),
            ));
        }
        set.add(&object("PodDisruptionBudget", &budget));
        set.iter().find_map(|manifest| blocked_by(manifest, &set))
    }

    #[test]
    fn budget_that_lets_no_pod_go_is_found() {
        for (budget, scaler, wanted) in [
            (json!({"maxUnavailable": 0}), None, "maxUnavailable 0"),
            (json!({"maxUnavailable": "0%"}), None, "maxUnavailable 0%"),
            (json!({"minAvailable": 2}), None, "minAvailable 2"),
            (json!({"minAvailable": "100%"}), None, "minAvailable 100%"),
            (json!({"minAvailable": 3}), Some(3), "minAvailable 3"),
        ] {
            assert_eq!(blocked(&budget, scaler).as_deref(), Some(wanted), "{budget}");
        }
    }

    #[test]
    fn budget_that_lets_a_pod_go_is_not_found() {
        for (budget, scaler) in [
            (json!({"maxUnavailable": 1}), None),
            (json!({"minAvailable": 1}), None),
            (json!({"minAvailable": "50%"}), None),
            (json!({"minAvailable": 2}), Some(3)),
            (json!({}), None),
        ] {
            assert_eq!(blocked(&budget, scaler), None, "{budget}");
        }
    }
}
