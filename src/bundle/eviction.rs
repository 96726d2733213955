//! Finds `PodDisruptionBudget`s that block all evictions: a node with such a pod cannot be drained.

use serde_json::{Map, Value};

use crate::model::kind::Kind;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::render::references::pod_template;

/// A number or percentage of pods in a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BudgetShare {
    Pods(i64),
    Percent(i64),
}

impl BudgetShare {
    /// Reads `2` or `"50%"`; returns `None` for anything else.
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => text.strip_suffix('%')?.parse().ok().map(Self::Percent),
            value => value.as_i64().map(Self::Pods),
        }
    }
}

/// Returns the setting with which a budget blocks all evictions; `None` for other objects and
/// budgets.
pub(super) fn blocked_by(manifest: &Manifest, manifests: &ManifestSet) -> Option<String> {
    if !manifest.key.is(Kind::PodDisruptionBudget) {
        return None;
    }
    let spec = &manifest.object["spec"];
    let named = |field: &'static str| spec.get(field).map(|value| (field, value));
    let (field, value) = named("maxUnavailable").or_else(|| named("minAvailable"))?;
    let is_blocking = match (field, BudgetShare::of(value)?) {
        ("maxUnavailable", BudgetShare::Pods(most) | BudgetShare::Percent(most)) => most <= 0,
        (_, BudgetShare::Percent(least)) => least >= 100,
        (_, BudgetShare::Pods(least)) => {
            least > 0
                && match Covered::by(spec.get("selector")) {
                    Covered::None => false,
                    Covered::Unknown => true,
                    Covered::Labelled(labels) => least >= fewest_pods(manifests, labels),
                }
        }
    };
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    is_blocking.then(|| format!("{field} {value}"))
}

/// The pods that a budget covers, in its namespace.
enum Covered<'a> {
    /// A budget without a selector covers no pods.
    None,
    /// Pods with all of these labels; with no labels given, every pod.
    Labelled(Option<&'a Map<String, Value>>),
    /// The selector has expressions, which are not evaluated.
    Unknown,
}

impl<'a> Covered<'a> {
    fn by(selector: Option<&'a Value>) -> Self {
        let Some(selector) = selector.filter(|selector| !selector.is_null()) else {
            return Self::None;
        };
        let expressions = &selector["matchExpressions"];
        let has_expressions =
            !expressions.is_null() && expressions.as_array().is_none_or(|all| !all.is_empty());
        if has_expressions {
            Self::Unknown
        } else {
            Self::Labelled(selector["matchLabels"].as_object())
        }
    }
}

/// Returns the minimum number of pods in all workloads whose pods have these labels.
///
/// Returns zero if the budget covers only pods of other bundles, whose number is unknown.
fn fewest_pods(manifests: &ManifestSet, labels: Option<&Map<String, Value>>) -> i64 {
    let has_labels = |template: &Value| {
        let of_pods = &template["metadata"]["labels"];
        labels.into_iter().flatten().all(|(key, value)| of_pods.get(key) == Some(value))
    };
    let is_covered = |manifest: &&Manifest| pod_template(&manifest.object).is_some_and(has_labels);
    let fewest =
        manifests.iter().filter(is_covered).map(|workload| fewest_pods_of(manifests, workload));
    fewest.fold(0, i64::saturating_add)
}

/// Returns the minimum number of pods in a workload: its replicas, or its autoscaler's minimum.
fn fewest_pods_of(manifests: &ManifestSet, workload: &Manifest) -> i64 {
    let scales = |manifest: &&Manifest| {
        let target = &manifest.object["spec"]["scaleTargetRef"];
        target["kind"] == workload.key.kind.as_str() && target["name"] == workload.key.name.as_str()
    };
    let pods = match manifests.iter().find(scales) {
        Some(autoscaler) => &autoscaler.object["spec"]["minReplicas"],
        None => &workload.object["spec"]["replicas"],
    };
    pods.as_i64().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns the blocking setting of a budget for a workload with two pods, or with an
    /// autoscaler.
    fn blocked(budget: &Value, scaler: Option<i64>) -> Option<String> {
        let object = |kind: &str, spec: &Value| json!({"kind": kind, "metadata": {"name": "a"}, "spec": spec});
        let labels = json!({"app": "a"});
        let mut budget = budget.clone();
        if budget.get("selector").is_none() {
            budget["selector"] = json!({"matchLabels": labels});
        }
        let mut set = ManifestSet::default();
        let template = json!({"metadata": {"labels": labels}});
        set.add(&object("Deployment", &json!({"replicas": 2, "template": template})));
        let other = json!({"metadata": {"labels": {"app": "b"}}});
        let other =
            json!({"kind": "Deployment", "metadata": {"name": "b"}, "spec": {"template": other}});
        set.add(&other);
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
    fn budget_that_allows_eviction_is_not_reported() {
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

    #[test]
    fn empty_selector_covers_every_workload() {
        for selector in [json!({}), json!({"matchLabels": {}}), json!({"matchExpressions": []})] {
            let budget = |least: i64| json!({"minAvailable": least, "selector": selector});
            assert_eq!(
                blocked(&budget(99), None).as_deref(),
                Some("minAvailable 99"),
                "{selector}"
            );
            // The second workload has one pod.
            assert_eq!(blocked(&budget(3), None).as_deref(), Some("minAvailable 3"), "{selector}");
            assert_eq!(blocked(&budget(2), None), None, "{selector}");
        }
    }

    #[test]
    fn selector_with_expressions_is_reported() {
        let selector = json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]});
        let budget = |least: i64| json!({"minAvailable": least, "selector": selector});
        assert_eq!(blocked(&budget(1), None).as_deref(), Some("minAvailable 1"));
        assert_eq!(blocked(&budget(0), None), None);
    }

    #[test]
    fn selector_of_foreign_pods_is_reported() {
        let budget = json!({"minAvailable": 1, "selector": {"matchLabels": {"app": "foreign"}}});
        assert_eq!(blocked(&budget, None).as_deref(), Some("minAvailable 1"));
    }

    #[test]
    fn budget_without_selector_covers_no_pod() {
        assert_eq!(blocked(&json!({"minAvailable": 99, "selector": null}), None), None);
    }
}
