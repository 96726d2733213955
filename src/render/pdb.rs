//! Renders the `PodDisruptionBudget`.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::labels::{Component, metadata, selector};
use crate::profile::resolve::Profile;

/// Returns whether a budget is rendered: with a single pod it would block the drain of its node or
/// have no effect.
pub(super) fn wanted(profile: &Profile) -> bool {
    profile.settings.pod_disruption_budget.enabled && profile.settings.can_scale()
}

pub(super) fn render(profile: &Profile) -> Value {
    let budget = &profile.settings.pod_disruption_budget;
    let version = profile.settings.kubernetes.version;
    let max_unavailable = match (&budget.min_available, &budget.max_unavailable) {
        (Some(_), _) => None,
        (None, Some(max)) => Some(max.clone()),
        (None, None) => Some(IntOrString::Int(1)),
    };
    let object = PodDisruptionBudget {
        metadata: metadata(profile, Component::Relay, profile.names.full.clone()),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: budget.min_available.clone(),
            max_unavailable,
            selector: Some(selector(profile, Component::Relay)),
            // A failing pod must not block the drain of its node.
            unhealthy_pod_eviction_policy: version.at_least(27).then(|| "AlwaysAllow".into()),
        }),
        ..PodDisruptionBudget::default()
    };
    let mut object = json!(object);
    // The older version has the same fields.
    if !version.at_least(21) {
        object["apiVersion"] = json!("policy/v1beta1");
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests_support::profile;

    fn pdb(version: &str, text: &str) -> Value {
        let head = format!(
            "replicaCount = 3\n[kubernetes]\nversion = \"{version}\"\n[podDisruptionBudget]\nenabled = true\n"
        );
        render(&profile(&format!("{head}{text}")))
    }

    #[test]
    fn one_pod_may_be_evicted_unless_profile_overrides() {
        let spec = |text: &str| pdb("1.25", text)["spec"].clone();
        assert_eq!(spec("")["maxUnavailable"], 1);
        assert_eq!(spec("maxUnavailable = \"25%\"")["maxUnavailable"], "25%");
        let spec = spec("minAvailable = 2");
        assert_eq!(spec["minAvailable"], 2);
        assert!(spec.get("maxUnavailable").is_none());
    }

    #[test]
    fn fields_and_api_version_match_oldest_server() {
        assert_eq!(pdb("1.20", "")["apiVersion"], "policy/v1beta1");
        assert_eq!(pdb("1.21", "")["apiVersion"], "policy/v1");
        assert!(pdb("1.26", "")["spec"].get("unhealthyPodEvictionPolicy").is_none());
        assert_eq!(pdb("1.27", "")["spec"]["unhealthyPodEvictionPolicy"], "AlwaysAllow");
    }

    #[test]
    fn single_pod_has_no_pdb() {
        let on = "[podDisruptionBudget]\nenabled = true\n";
        assert!(!wanted(&profile(on)));
        assert!(!wanted(&profile("replicaCount = 3")));
        assert!(wanted(&profile(&format!("replicaCount = 3\n{on}"))));
        assert!(wanted(&profile(&format!("{on}[autoscaling]\nenabled = true"))));
    }
}
