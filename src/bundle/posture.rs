//! Reads the security posture from the manifests: the Pod Security Standard *restricted*, API
//! tokens, NetworkPolicies.

use serde::Serialize;
use serde_json::Value;

use super::confinement::{Violation, container_violations, pod_violations};
use super::derive::containers;
use crate::model::kind::Kind;
use crate::render::manifest_set::ManifestSet;
use crate::render::references::pod_template;

/// The security posture of a bundle, according to its manifests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Posture {
    pub workloads: Vec<WorkloadPosture>,
    /// The names of the NetworkPolicies.
    pub network_policies: Vec<String>,
    /// `Secret/key` for every literal value in the bundle, which anyone with the bundle can read.
    pub literal_secrets: Vec<String>,
}

/// The security posture of a workload, according to its pod template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadPosture {
    pub kind: String,
    pub name: String,
    /// Whether the pods get a token for the API server.
    pub service_account_token: bool,
    /// The rules of *restricted* that the pod as a whole violates.
    pub violations: Vec<String>,
    pub containers: Vec<ContainerPosture>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPosture {
    pub name: String,
    /// The rules of *restricted* that the container violates.
    pub violations: Vec<String>,
    pub read_only_root: bool,
}

impl WorkloadPosture {
    /// Returns whether the pods meet *restricted*.
    pub fn is_restricted(&self) -> bool {
        self.violations.is_empty()
            && self.containers.iter().all(|container| container.violations.is_empty())
    }
}

/// Returns the posture of the objects of a bundle.
pub fn posture(set: &ManifestSet) -> Posture {
    let workload = |manifest: &crate::render::manifest_set::Manifest| {
        let template = pod_template(&manifest.object)?;
        Some(WorkloadPosture {
            kind: manifest.key.kind.clone(),
            name: manifest.key.name.clone(),
            service_account_token: template.pointer("/spec/automountServiceAccountToken")
                != Some(&Value::Bool(false)),
            violations: texts(&pod_violations(template)),
            containers: containers(template)
                .map(|container| container_posture(template, container))
                .collect(),
        })
    };

    let of_kind = |kind| set.iter().filter(move |manifest| manifest.key.is(kind));
    let literals = of_kind(Kind::Secret).flat_map(|manifest| {
        let keys = ["data", "stringData"]
            .into_iter()
            .filter_map(|field| manifest.object.get(field)?.as_object());
        keys.flat_map(|data| data.keys()).map(|key| format!("{}/{key}", manifest.key.name))
    });
    Posture {
        workloads: set.iter().filter_map(workload).collect(),
        network_policies: of_kind(Kind::NetworkPolicy)
            .map(|manifest| manifest.key.name.clone())
            .collect(),
        literal_secrets: literals.collect(),
    }
}

fn container_posture(template: &Value, container: &Value) -> ContainerPosture {
    ContainerPosture {
        name: container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        violations: texts(&container_violations(template, container)),
        read_only_root: container.pointer("/securityContext/readOnlyRootFilesystem")
            == Some(&Value::Bool(true)),
    }
}

fn texts(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn workload_that_is_not_restricted_names_its_violations() {
        let mut set = ManifestSet::default();
        let template = json!({"spec": {"hostPID": true, "containers": [{"name": "relay"}]}});
        set.add(&json!({"kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": template}}));

        let workload = posture(&set).workloads.remove(0);

        assert!(!workload.is_restricted() && workload.service_account_token);
        assert!(
            workload
                .violations
                .contains(&"`spec.hostPID` is a field that no bundle may have".to_owned())
        );
        let container = &workload.containers[0];
        assert!(
            container
                .violations
                .contains(&"`securityContext.runAsNonRoot` must be `true`".to_owned())
                && !container.read_only_root,
            "{container:?}"
        );
    }

    #[test]
    fn literal_secrets_are_named_and_their_values_are_not() {
        let mut set = ManifestSet::default();
        set.add(
            &json!({"kind": "Secret", "metadata": {"name": "relay"}, "data": {"jwt-secret": "czNjcmV0"}}),
        );

        let posture = posture(&set);

        assert_eq!(posture.literal_secrets, ["relay/jwt-secret"]);
        assert!(!format!("{posture:?}").contains("czNjcmV0"));
    }
}
