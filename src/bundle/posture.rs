//! How well pods are fenced in, as read from their manifests: the Pod Security Standard *restricted*, tokens, policies.

use serde::Serialize;
use serde_json::Value;

use super::derive::containers;
use crate::model::restricted::{SELINUX_TYPES, SYSCTLS, VOLUMES};
use crate::render::manifest_set::ManifestSet;
use crate::render::references::pod_template;

/// What the manifests of a bundle say about its security.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Posture {
    pub workloads: Vec<WorkloadPosture>,
    /// The NetworkPolicies, by name.
    pub network_policies: Vec<String>,
    /// `Secret/key` of every value that the bundle itself holds, readable by whoever has the bundle.
    pub literal_secrets: Vec<String>,
}

/// What the pod template of a workload says about its security.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadPosture {
    pub kind: String,
    pub name: String,
    /// Whether the pods get a token for the API server.
    pub service_account_token: bool,
    /// What of *restricted* the pod as a whole does not meet.
    pub violations: Vec<String>,
    pub containers: Vec<ContainerPosture>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPosture {
    pub name: String,
    /// What of *restricted* the container does not meet.
    pub violations: Vec<String>,
    pub read_only_root: bool,
}

impl WorkloadPosture {
    /// Tells whether the pods meet *restricted*.
    pub fn is_restricted(&self) -> bool {
        self.violations.is_empty() && self.containers.iter().all(|container| container.violations.is_empty())
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
            violations: pod_violations(template),
            containers: containers(template)
                .map(|container| container_posture(template, container))
                .collect(),
        })
    };
    let of_kind = |kind: &'static str| set.iter().filter(move |manifest| manifest.key.kind == kind);
    let literals = of_kind("Secret").flat_map(|manifest| {
        let keys =
            ["data", "stringData"].into_iter().filter_map(|field| manifest.object.get(field)?.as_object());
        keys.flat_map(|data| data.keys()).map(|key| format!("{}/{key}", manifest.key.name))
    });
    Posture {
        workloads: set.iter().filter_map(workload).collect(),
        network_policies: of_kind("NetworkPolicy").map(|manifest| manifest.key.name.clone()).collect(),
        literal_secrets: literals.collect(),
    }
}

fn pod_violations(template: &Value) -> Vec<String> {
    let spec = &template["spec"];
    let mut violations = Vec::new();
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if spec.get(field) == Some(&Value::Bool(true)) {
            violations.push(format!("{field} is set"));
        }
    }
    for volume in items(spec, "volumes") {
        let kinds = volume.as_object().into_iter().flat_map(|fields| fields.keys());
        let wrong = kinds.filter(|kind| *kind != "name" && !VOLUMES.contains(&kind.as_str()));
        violations.extend(wrong.map(|kind| format!("volume {} is of type {kind}", text(volume, "/name"))));
    }
    let sysctls = spec.pointer("/securityContext/sysctls").and_then(Value::as_array).into_iter().flatten();
    let unsafe_ones = sysctls.map(|sysctl| text(sysctl, "/name")).filter(|name| !SYSCTLS.contains(name));
    violations.extend(unsafe_ones.map(|name| format!("sysctl {name}")));
    let annotations = template.pointer("/metadata/annotations").and_then(Value::as_object);
    for (key, value) in annotations.into_iter().flatten() {
        let profile = value.as_str().unwrap_or_default();
        let allowed = profile == "runtime/default" || profile.starts_with("localhost/");
        if key.starts_with("container.apparmor.security.beta.kubernetes.io/") && !allowed {
            violations.push(format!("AppArmor is {profile}"));
        }
    }
    context_violations(&spec["securityContext"], &mut violations);
    violations
}

/// Adds what a pod's and a container's security context have in common.
fn context_violations(context: &Value, violations: &mut Vec<String>) {
    if context.pointer("/runAsUser") == Some(&Value::from(0)) {
        violations.push("runAsUser is 0".to_owned());
    }
    let options = &context["seLinuxOptions"];
    let is_own = !text(options, "/user").is_empty() || !text(options, "/role").is_empty();
    if is_own || !SELINUX_TYPES.contains(&text(options, "/type")) {
        violations.push("seLinuxOptions are not the default ones".to_owned());
    }
    if context.pointer("/windowsOptions/hostProcess") == Some(&Value::Bool(true)) {
        violations.push("hostProcess is set".to_owned());
    }
    if text(context, "/appArmorProfile/type") == "Unconfined" {
        violations.push("AppArmor is Unconfined".to_owned());
    }
}

fn container_posture(template: &Value, container: &Value) -> ContainerPosture {
    let context = &container["securityContext"];
    let pod = &template["spec"]["securityContext"];
    // A container's own word wins over its pod's.
    let inherited = |field: &str| context.get(field).or_else(|| pod.get(field));
    let mut violations = Vec::new();
    let mut require = |holds: bool, what: &str| {
        if !holds {
            violations.push(what.to_owned());
        }
    };
    require(context.get("privileged") != Some(&Value::Bool(true)), "it is privileged");
    require(
        context.get("allowPrivilegeEscalation") == Some(&Value::Bool(false)),
        "allowPrivilegeEscalation is not false",
    );
    require(inherited("runAsNonRoot") == Some(&Value::Bool(true)), "runAsNonRoot is not true");
    let seccomp = inherited("seccompProfile").map_or("", |profile| text(profile, "/type"));
    require(["RuntimeDefault", "Localhost"].contains(&seccomp), "there is no seccomp profile");
    let capabilities = |list: &str| {
        let names =
            context.get("capabilities").into_iter().flat_map(|all| items(all, list).collect::<Vec<_>>());
        names.filter_map(Value::as_str).collect::<Vec<_>>()
    };
    require(capabilities("drop").contains(&"ALL"), "capabilities.drop has no ALL");
    require(capabilities("add").iter().all(|name| *name == "NET_BIND_SERVICE"), "it adds capabilities");
    require(["", "Default"].contains(&text(context, "/procMount")), "procMount is not Default");
    let has_host_port = items(container, "ports").any(|port| port["hostPort"].as_i64().unwrap_or(0) != 0);
    require(!has_host_port, "it uses a port of the node");
    context_violations(context, &mut violations);
    ContainerPosture {
        name: text(container, "/name").to_owned(),
        violations,
        read_only_root: context.get("readOnlyRootFilesystem") == Some(&Value::Bool(true)),
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A pod that meets *restricted*, as its template.
    fn template() -> Value {
        json!({"spec": {
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": "data", "emptyDir": {}}],
            "containers": [{"name": "relay", "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true
            }}],
        }})
    }

    fn violations(template: &Value) -> Vec<String> {
        let mut set = ManifestSet::default();
        set.add(&json!({"kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": template}}));
        let workload = posture(&set).workloads.remove(0);
        assert_eq!(
            workload.is_restricted(),
            workload.violations.is_empty() && workload.containers[0].violations.is_empty()
        );
        workload
            .violations
            .into_iter()
            .chain(workload.containers.into_iter().flat_map(|c| c.violations))
            .collect()
    }

    #[test]
    fn each_way_out_of_the_fence_is_named() {
        assert_eq!(violations(&template()), [""; 0]);
        let table = [
            ("/spec/hostNetwork", json!(true), "hostNetwork is set"),
            ("/spec/hostPID", json!(true), "hostPID is set"),
            (
                "/spec/volumes",
                json!([{"name": "x", "hostPath": {"path": "/"}}]),
                "volume x is of type hostPath",
            ),
            ("/spec/securityContext/sysctls", json!([{"name": "kernel.panic"}]), "sysctl kernel.panic"),
            ("/spec/securityContext/runAsNonRoot", json!(false), "runAsNonRoot is not true"),
            ("/spec/securityContext/runAsUser", json!(0), "runAsUser is 0"),
            (
                "/spec/securityContext/seccompProfile",
                json!({"type": "Unconfined"}),
                "there is no seccomp profile",
            ),
            ("/spec/containers/0/securityContext/privileged", json!(true), "it is privileged"),
            ("/spec/containers/0/securityContext/runAsUser", json!(0), "runAsUser is 0"),
            ("/spec/containers/0/securityContext/runAsNonRoot", json!(false), "runAsNonRoot is not true"),
            (
                "/spec/containers/0/securityContext/allowPrivilegeEscalation",
                json!(null),
                "allowPrivilegeEscalation is not false",
            ),
            (
                "/spec/containers/0/securityContext/capabilities",
                json!({"drop": ["NET_RAW"]}),
                "capabilities.drop has no ALL",
            ),
            (
                "/spec/containers/0/securityContext/capabilities",
                json!({"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
                "it adds capabilities",
            ),
            ("/spec/containers/0/securityContext/procMount", json!("Unmasked"), "procMount is not Default"),
            ("/spec/containers/0/ports", json!([{"hostPort": 80}]), "it uses a port of the node"),
        ];
        for (pointer, value, wanted) in table {
            let mut changed = template();
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            changed.pointer_mut(parent).unwrap()[field] = value;

            assert_eq!(violations(&changed), [wanted], "{pointer}");
        }
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
