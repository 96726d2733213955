//! Renders the `HorizontalPodAutoscaler`.

use k8s_openapi::api::autoscaling::v2::{
    ContainerResourceMetricSource, CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules,
    HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec,
    MetricSpec, MetricTarget, ResourceMetricSource,
};
use serde_json::{Value, json};

use super::labels::{Component, metadata};
use super::{deployment, pod};
use crate::profile::resolve::Profile;

/// The time of low load before a pod is removed: the duration of the longest stream.
const SCALE_DOWN_WINDOW_SECONDS: i32 = 600;
/// The time between the removal of two pods; each removal resets the queues of all pods.
const SCALE_DOWN_PERIOD_SECONDS: i32 = 300;
const SCALE_UP_PERIOD_SECONDS: i32 = 15;

pub(super) fn render(profile: &Profile) -> Value {
    let scaling = &profile.settings.autoscaling;
    let metrics: Vec<MetricSpec> = [("cpu", scaling.target_cpu), ("memory", scaling.target_memory)]
        .into_iter()
        .filter(|(_, target)| target.get() > 0)
        .map(|(resource, target)| metric(profile, resource, target.as_i32()))
        .collect();

    let object = HorizontalPodAutoscaler {
        metadata: metadata(profile, Component::Relay, profile.names.full.clone()),
        spec: HorizontalPodAutoscalerSpec {
            behavior: Some(behavior()),
            max_replicas: scaling.max_replicas.as_i32(),
            metrics: pod::list(&metrics),
            min_replicas: Some(scaling.min_replicas.as_i32()),
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".into()),
                kind: "Deployment".into(),
                name: profile.names.full.clone(),
            },
        },
        ..HorizontalPodAutoscaler::default()
    };

    let mut object = json!(object);
    // The older version has the same fields.
    if !profile.settings.kubernetes.version.at_least(23) {
        object["apiVersion"] = json!("autoscaling/v2beta2");
    }
    object
}

/// Returns a metric of the relay's container alone, if the API supports that: idle sidecars would
/// hide its load.
fn metric(profile: &Profile, resource: &str, percent: i32) -> MetricSpec {
    let target = MetricTarget {
        type_: "Utilization".into(),
        average_utilization: Some(percent),
        ..MetricTarget::default()
    };
    if profile.settings.kubernetes.version.at_least(30) {
        let source = ContainerResourceMetricSource {
            container: deployment::CONTAINER.into(),
            name: resource.into(),
            target,
        };
        MetricSpec {
            type_: "ContainerResource".into(),
            container_resource: Some(source),
            ..MetricSpec::default()
        }
    } else {
        let source = ResourceMetricSource { name: resource.into(), target };
        MetricSpec { type_: "Resource".into(), resource: Some(source), ..MetricSpec::default() }
    }
}

/// Returns a behavior that scales up at once and down slowly, because removing a pod interrupts its
/// streams.
fn behavior() -> HorizontalPodAutoscalerBehavior {
    let policy = |type_: &str, value, period_seconds| HPAScalingPolicy {
        type_: type_.into(),
        value,
        period_seconds,
    };
    HorizontalPodAutoscalerBehavior {
        scale_down: Some(HPAScalingRules {
            policies: Some(vec![policy("Pods", 1, SCALE_DOWN_PERIOD_SECONDS)]),
            select_policy: Some("Max".into()),
            stabilization_window_seconds: Some(SCALE_DOWN_WINDOW_SECONDS),
            ..HPAScalingRules::default()
        }),
        scale_up: Some(HPAScalingRules {
            policies: Some(vec![
                policy("Percent", 100, SCALE_UP_PERIOD_SECONDS),
                policy("Pods", 4, SCALE_UP_PERIOD_SECONDS),
            ]),
            select_policy: Some("Max".into()),
            stabilization_window_seconds: Some(0),
            ..HPAScalingRules::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests_support::profile;

    fn hpa(version: &str, text: &str) -> Value {
        let head =
            format!("[kubernetes]\nversion = \"{version}\"\n[autoscaling]\nenabled = true\n");
        render(&profile(&format!("{head}{text}")))
    }

    #[test]
    fn d20_api_version_is_supported_by_oldest_server() {
        for (version, api) in [
            ("1.19", "autoscaling/v2beta2"),
            ("1.22", "autoscaling/v2beta2"),
            ("1.23", "autoscaling/v2"),
            ("1.37", "autoscaling/v2"),
        ] {
            assert_eq!(hpa(version, "")["apiVersion"], api, "{version}");
        }
    }

    #[test]
    fn d20_zero_target_omits_metric() {
        let object = hpa(
            "1.25",
            "targetCPUUtilizationPercentage = 0\ntargetMemoryUtilizationPercentage = 70",
        );
        assert_eq!(
            object["spec"]["metrics"],
            json!([{"type": "Resource", "resource": {
                "name": "memory", "target": {"type": "Utilization", "averageUtilization": 70},
            }}])
        );
    }

    #[test]
    fn only_relay_container_is_measured_from_1_30() {
        let object = hpa("1.30", "minReplicas = 3\nmaxReplicas = 20");
        assert_eq!(object["spec"]["minReplicas"], 3);
        assert_eq!(object["spec"]["maxReplicas"], 20);
        assert_eq!(
            object["spec"]["metrics"],
            json!([{"type": "ContainerResource", "containerResource": {
                "container": "claude-relay", "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80},
            }}])
        );
        assert_eq!(hpa("1.29", "")["spec"]["metrics"][0]["type"], "Resource");
    }

    #[test]
    fn scale_down_removes_one_pod_after_longest_stream() {
        let down = hpa("1.25", "")["spec"]["behavior"]["scaleDown"].clone();
        assert_eq!(down["stabilizationWindowSeconds"], 600);
        assert_eq!(down["policies"], json!([{"type": "Pods", "value": 1, "periodSeconds": 300}]));
    }
}
